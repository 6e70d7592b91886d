//! What the kernel keeps from a child.
//!
//! Most of it runs in the trampoline, right before it becomes the plugin's program. In order:
//! limits of resources, user and group, capabilities, no new privileges, Landlock (files, TCP,
//! signals), seccomp (calls that no plugin needs). Nothing here can be taken back by the child.
//! What this kernel cannot enforce is refused rather than left out, but for Landlock's features
//! above its fourth version, and for what the operator allows to be unenforced.
//!
//! What only the proxy can do is done by it, before: names of users (`account`), and the control
//! group that a child is put into before it reads its order (`cgroup`).

pub(crate) mod account;
pub(crate) mod cgroup;
mod identity;
mod landlock;
mod limits;
mod seccomp;

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, path::PathBuf};

use crate::launch::{
    order::{Order, Sandbox, Sockets},
    trampoline::Refusal,
};

pub(crate) use self::{landlock::probe as probe_landlock, seccomp::probe as probe_seccomp};

/// Why a child cannot be confined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfineError {
    /// The kernel cannot do it.
    #[error(
        "this kernel cannot confine the plugin: {what}; `allow_unenforced: [{word}]` in its \
         policy starts it without that (`mortise doctor` says what is missing)"
    )]
    Unsupported {
        /// What it lacks.
        what: String,
        /// The restriction that is not enforced then, as a policy calls it.
        word: &'static str,
    },
    /// The user or group cannot be taken on.
    #[error("cannot become another user: {what}")]
    Identity {
        /// Whose change failed.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory that it needs is closed to its user.
    #[error("user {user} cannot enter {path}, which it needs: {hint}")]
    Unreachable {
        /// The user.
        user: u32,
        /// What it cannot reach.
        path: String,
        /// What to do.
        hint: &'static str,
    },
    /// A path of the configuration does not open.
    #[error("cannot allow reading {path}: {reason}")]
    Path {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// A limit was refused.
    #[error("cannot set the limit of {what}")]
    Limit {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ConfineError {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Unsupported { .. } => Refusal::Unconfined,
            Self::Path { .. }
            | Self::Limit { .. }
            | Self::Identity { .. }
            | Self::Unreachable { .. } => Refusal::Fatal,
        }
    }
}

/// Confines the calling thread, and what it becomes.
pub(crate) fn apply(order: &Order, sandbox: &Sandbox) -> Result<(), ConfineError> {
    let sockets = Sockets::try_from(sandbox.sockets).unwrap_or(Sockets::None);
    limits::apply(sandbox)?;
    if let Some(identity) = sandbox.identity {
        identity::apply(order, identity)?;
    }
    limits::drop_privileges()?;
    unless_let(sandbox.may_lack_files, landlock::apply(order, sandbox, sockets))?;
    unless_let(sandbox.may_lack_network, seccomp::apply(sockets))
}

/// What the kernel cannot do is left out where that is let. The proxy has said so in its log.
fn unless_let(may_lack: bool, done: Result<(), ConfineError>) -> Result<(), ConfineError> {
    match done {
        Err(ConfineError::Unsupported { .. }) if may_lack => Ok(()),
        other => other,
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
