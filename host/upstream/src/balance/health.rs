//! Which endpoints could not be connected a moment ago. Pure: no clock, no I/O.
//!
//! One that refused is chosen last for a while, which doubles each time that it refuses again.
//! After it one request tries it, and the others keep away until that one came to something.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

/// The first and the longest time for which an endpoint that refused is chosen last.
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(30);

/// The endpoints of one cluster that refused; at most as many as it has.
#[derive(Debug, Default)]
pub(crate) struct Health {
    down: HashMap<SocketAddr, Down>,
}

#[derive(Debug)]
struct Down {
    until: Instant,
    rest: Duration,
    /// The time was over, and one request tries it.
    tried: bool,
}

impl Health {
    /// It could not be connected. Those who fail together count once.
    pub(crate) fn refused(&mut self, address: SocketAddr, now: Instant) {
        let Some(down) = self.down.get_mut(&address) else {
            let down = Down { until: now + REST_FIRST, rest: REST_FIRST, tried: false };
            self.down.insert(address, down);
            return;
        };
        if down.tried || down.until <= now {
            let rest = (down.rest * 2).min(REST_MAX);
            *down = Down { until: now + rest, rest, tried: false };
        }
    }

    /// It was connected.
    pub(crate) fn connected(&mut self, address: SocketAddr) {
        if !self.down.is_empty() {
            self.down.remove(&address);
        }
    }

    /// True where it is to be chosen last.
    pub(super) fn is_down(&self, address: SocketAddr, now: Instant) -> bool {
        !self.down.is_empty() && self.down.get(&address).is_some_and(|down| now < down.until)
    }

    /// It was chosen. Where it refused before and its time is over, others wait for what comes
    /// of it.
    pub(super) fn chosen(&mut self, address: SocketAddr, now: Instant) {
        if self.down.is_empty() {
            return;
        }
        if let Some(down) = self.down.get_mut(&address).filter(|down| down.until <= now) {
            (down.until, down.tried) = (now + down.rest, true);
        }
    }

    /// Forgets all but these.
    pub(crate) fn keep_only(&mut self, keep: &HashSet<SocketAddr>) {
        self.down.retain(|address, _| keep.contains(address));
    }
}

#[cfg(test)]
mod tests;
