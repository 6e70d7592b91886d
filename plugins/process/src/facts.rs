//! What this kernel can enforce on children: found out once, by trying.

use std::{fmt::Display, sync::OnceLock, thread};

use plugins_policy::KernelFacts;

use crate::confine::{
    cgroup::{Controller, Place},
    probe_landlock, probe_seccomp,
};

/// What this kernel can enforce on children of this process. Tried once, on threads that end.
#[must_use]
pub fn facts() -> KernelFacts {
    static FACTS: OnceLock<KernelFacts> = OnceLock::new();
    *FACTS.get_or_init(|| {
        let place = Place::current();
        KernelFacts {
            landlock: on_a_thread(probe_landlock).is_ok(),
            seccomp: on_a_thread(probe_seccomp).is_ok(),
            cgroup_memory: place.has(Controller::Memory),
            cgroup_cpu: place.has(Controller::Cpu),
            counts_processes: place.has(Controller::Processes),
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
        assert_eq!(facts(), facts());
        assert!(!rustix::thread::no_new_privs().unwrap());
    }
}
