//! Control groups: what a child and all that it starts may use together.
//!
//! Where this process has a group of the machine's for itself, each confined child gets one
//! within: with its memory, its processes and, where a policy says so, its processor time. Both
//! versions of the kernel's interface are known, also where they are mixed.
//!
//! A group counts as the proxy's own where it is the topmost that can be seen (a container, a
//! machine without a service manager), where a service manager has handed it over (systemd's
//! `Delegate=yes`), or where it belongs to the proxy's user. In others nothing is made: they are
//! somebody else's to keep order in. Then children have the limits of resources only.
//!
//! `place` finds and prepares the groups of this process, `group` is one child's. Nothing here
//! runs in the child.

mod group;
mod place;

use std::time::Duration;

pub(crate) use self::{
    group::Group,
    place::{Controller, Place},
};

/// What the members of one group may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    pub(crate) memory_bytes_max: u64,
    /// Threads, too.
    pub(crate) processes_max: u64,
    /// Processor time of a second.
    pub(crate) cpu_per_second: Option<Duration>,
}
