//! Becoming another user, for good.

use std::{io, path::Path};

use rustix::{
    fs::{Access, Mode, access, chmod, chown},
    io::Errno,
    process::{Gid, Signal, Uid, getppid, set_parent_process_death_signal},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{ConfineError, path_of};
use crate::launch::order::{Identity, Order};

/// Who may pass the directory in which those of all children lie.
const PASSABLE: Mode = Mode::RWXU.union(Mode::XGRP).union(Mode::XOTH);

const PASS_HINT: &str = "have the proxy's $XDG_RUNTIME_DIR, or $TMPDIR where there is none, name \
                         a directory that every user may pass through";
const OPEN_HINT: &str = "let that user enter it";

/// Makes the calling process, which has one thread, that user: its own groups and no others. Its
/// directory goes with it.
pub(super) fn apply(order: &Order, identity: Identity) -> Result<(), ConfineError> {
    let (user, group) = (Uid::from_raw(identity.user), Gid::from_raw(identity.group));
    let private = path_of(&order.private);
    give(&private, user, group).map_err(failed("its directory"))?;
    set_thread_groups(&[]).map_err(failed("its groups"))?;
    set_thread_res_gid(group, group, group).map_err(failed("its group"))?;
    set_thread_res_uid(user, user, user).map_err(failed("its user"))?;
    // Another user is another process to the kernel, which forgot what this one is bound to.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("its end"))?;
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if parent != Some(order.host_pid) {
        return Err(failed("its parent")(Errno::SRCH));
    }
    let own = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let unreachable = |path: &Path, hint| ConfineError::Unreachable {
        user: identity.user,
        path: path.display().to_string(),
        hint,
    };
    access(&private, own).map_err(|_not_passable| unreachable(&private, PASS_HINT))?;
    let directory = path_of(&order.directory);
    access(&directory, Access::EXEC_OK).map_err(|_closed| unreachable(&directory, OPEN_HINT))
}

/// Gives it the directory that was made for it, with the one that leads to the program.
fn give(private: &Path, user: Uid, group: Gid) -> rustix::io::Result<()> {
    if let Some(home) = private.parent() {
        chmod(home, PASSABLE)?;
    }
    chown(private, Some(user), Some(group))?;
    match chown(private.join("run"), Some(user), Some(group)) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn failed(what: &'static str) -> impl FnOnce(Errno) -> ConfineError {
    move |source| ConfineError::Identity { what, source: io::Error::from(source) }
}
