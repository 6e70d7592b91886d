//! What this kernel can enforce on children: found out once, by trying.

use std::{fmt::Display, sync::OnceLock, thread};

use rustix::process::geteuid;

use crate::confine::{
    cgroup::{Controller, Place},
    probe_landlock, probe_seccomp,
};

/// What children can be kept from here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on one another")]
pub struct Facts {
    /// The version of Landlock, which keeps files from them; `None` where there is too little.
    pub landlock: Option<u32>,
    /// There is seccomp, which keeps the network and other processes from them.
    pub seccomp: bool,
    /// A control group limits the memory of a child with all that it starts.
    pub memory_group: bool,
    /// A control group limits its processes and threads.
    pub processes_group: bool,
    /// A control group limits its processor time.
    pub cpu_group: bool,
    /// They may be other users than the proxy.
    pub may_change_user: bool,
}

/// What this kernel can enforce on children of this process. Tried once, on threads that end.
#[must_use]
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let place = Place::current();
        let landlock = on_a_thread(probe_landlock).ok();
        Facts {
            landlock: landlock.and_then(|version| u32::try_from(version as i32).ok()),
            seccomp: on_a_thread(probe_seccomp).is_ok(),
            memory_group: place.has(Controller::Memory),
            processes_group: place.has(Controller::Processes),
            cpu_group: place.has(Controller::Cpu),
            may_change_user: geteuid().is_root(),
        }
    })
}

/// Runs what changes its thread for good on one that ends then.
pub(crate) fn on_a_thread<T: Send, E: Display + Send>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work);
        let thread = thread.map_err(|error| error.to_string())?;
        let done =
            thread.join().map_err(|_panic| "the thread that tried it panicked".to_owned())?;
        done.map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_the_same_each_time_and_leave_this_thread_free() {
        assert!(std::ptr::eq(facts(), facts()));
        assert!(!rustix::thread::no_new_privs().unwrap());
    }
}
