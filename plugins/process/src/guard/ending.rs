//! Ending what children left when the proxy is gone.
//!
//! A group's number is its own as long as one process is in it. Once the proxy and the leader are
//! gone, the last one may end at any time, and the number become another's. So before a group is
//! killed by its number one process is found in it that is surely of this group, and stopped: it
//! cannot end, so the number cannot become another's until the kill is there, which reaches all
//! of the group at once.
//!
//! Surely of this group is who is in it, in the proxy's session, and was started before the proxy
//! was seen gone, or was given the child's directory. Who left the group, which a confined child
//! cannot, is only known by that directory.

use rustix::process::{Signal, kill_process_group};

use super::{
    order::Group,
    processes::{Held, Seen, all, pause},
};

/// Looks for what is left; one is enough but where a process evades.
const ROUNDS_MAX: usize = 10;
/// Milliseconds between two: what was killed needs a moment to be gone.
const BETWEEN_ROUNDS: u8 = 2;

/// How processes of the proxy's children are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// The session of the proxy, and so of its children.
    pub(super) session: i32,
    /// When the proxy was seen gone, in ticks.
    pub(super) gone_at: u64,
}

/// Kills all processes of these groups.
pub(super) fn end_groups(groups: &[Group], evidence: Evidence) {
    for _round in 0..ROUNDS_MAX {
        let mut found = false;
        for seen in all() {
            let Some(group) = groups.iter().find(|group| evidence.is_of(&seen, group)) else {
                continue;
            };
            let Some(member) = Held::take(&seen) else { continue };
            found = true;
            if member.stop() {
                let _gone = kill_process_group(group.leader, Signal::KILL);
            }
            member.kill();
        }
        if !found {
            return;
        }
        pause(BETWEEN_ROUNDS);
    }
}

impl Evidence {
    fn is_of(&self, seen: &Seen, group: &Group) -> bool {
        seen.group == group.leader.as_raw_nonzero().get()
            && seen.session == self.session
            && (seen.started <= self.gone_at || seen.was_given(&group.private))
    }
}

/// Kills the processes that left these groups, where they can be known.
pub(super) fn end_leavers(groups: &[Group]) {
    if !groups.iter().any(|group| group.may_leave) {
        return;
    }
    let was_there =
        |seen: &Seen| groups.iter().any(|group| group.may_leave && seen.was_given(&group.private));
    for _round in 0..ROUNDS_MAX {
        let mut found = false;
        for seen in all().filter(was_there) {
            // Asked again now that it is held: it is still who was given that.
            if let Some(leaver) = Held::take(&seen).filter(|held| was_there(held.seen())) {
                found = true;
                leaver.kill();
            }
        }
        if !found {
            return;
        }
        pause(BETWEEN_ROUNDS);
    }
}

#[cfg(test)]
mod tests;
