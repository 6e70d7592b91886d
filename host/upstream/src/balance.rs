//! Choosing an endpoint. Pure: no clock, no I/O; chance comes from the outside.
//!
//! Round robin is the smooth kind: of weights 5, 1, 1 the heavy endpoint's turns are spread
//! over the round. Least request picks two endpoints by weight at random and takes the one
//! with fewer requests in flight for its weight, which is nearly as good as looking at all
//! of them and has no herd.
//!
//! Either chooses among the best only: those that were not tried yet and did not refuse a moment
//! ago, as long as there are some.

mod health;

use std::{cell::Cell, collections::HashMap, net::SocketAddr, rc::Rc};

use tokio::time::Instant;

pub(crate) use health::Health;

use crate::{Balance, Endpoint};

/// Requests in flight at one endpoint, from this worker.
pub(crate) type Active = Rc<Cell<u32>>;

/// The endpoints of one cluster and whose turn it is.
#[derive(Debug)]
pub(crate) struct Balancer {
    kind: Balance,
    random: fastrand::Rng,
    entries: Vec<Entry>,
}

/// The endpoint that was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Picked {
    pub(crate) address: SocketAddr,
    pub(crate) active: Active,
}

#[derive(Debug)]
struct Entry {
    address: SocketAddr,
    weight: u32,
    /// How much this endpoint is owed in the smooth round.
    owed: i64,
    active: Active,
    /// How good a choice it is just now; 0 is the best.
    rank: u8,
}

impl Balancer {
    pub(crate) fn new(kind: Balance, random: fastrand::Rng) -> Self {
        Self { kind, random, entries: Vec::new() }
    }

    /// Takes another list; endpoints that stay keep their count of requests. An address
    /// that is named twice counts once, with the sum of its weights.
    pub(crate) fn update(&mut self, endpoints: &[Endpoint]) {
        let mut known: HashMap<SocketAddr, Active> = HashMap::new();
        for entry in self.entries.drain(..) {
            known.insert(entry.address, entry.active);
        }
        let mut place: HashMap<SocketAddr, usize> = HashMap::new();
        for endpoint in endpoints {
            let weight = endpoint.weight.max(1);
            if let Some(entry) =
                place.get(&endpoint.address).and_then(|at| self.entries.get_mut(*at))
            {
                entry.weight = entry.weight.saturating_add(weight);
                continue;
            }
            place.insert(endpoint.address, self.entries.len());
            let active = known.remove(&endpoint.address).unwrap_or_default();
            self.entries.push(Entry {
                address: endpoint.address,
                weight,
                owed: 0,
                active,
                rank: 0,
            });
        }
        // Workers must not all begin with the same endpoint.
        if !self.entries.is_empty() {
            let first = self.random.usize(..self.entries.len());
            self.entries.rotate_left(first);
        }
    }

    /// The endpoint with that address.
    pub(crate) fn find(&self, address: SocketAddr) -> Option<Picked> {
        let entry = self.entries.iter().find(|entry| entry.address == address)?;
        Some(Picked { address, active: Rc::clone(&entry.active) })
    }

    /// The next endpoint, none where there is none. One of `tried` only where there is no other,
    /// and one that refused a moment ago only where all others did, too.
    pub(crate) fn choose(
        &mut self,
        tried: &[SocketAddr],
        health: &mut Health,
        now: Instant,
    ) -> Option<Picked> {
        for entry in &mut self.entries {
            let is_down = health.is_down(entry.address, now);
            entry.rank = 2 * u8::from(is_down) + u8::from(tried.contains(&entry.address));
        }
        let best = self.entries.iter().map(|entry| entry.rank).min()?;
        let entry = match self.kind {
            Balance::RoundRobin => self.next_in_round(best),
            Balance::LeastRequest => self.less_busy_of_two(best),
        }?;
        let picked = Picked { address: entry.address, active: Rc::clone(&entry.active) };
        health.chosen(picked.address, now);
        Some(picked)
    }

    fn next_in_round(&mut self, rank: u8) -> Option<&Entry> {
        let total = i64::try_from(self.weight_of(rank)).unwrap_or(i64::MAX);
        for entry in self.entries.iter_mut().filter(|entry| entry.rank == rank) {
            entry.owed += i64::from(entry.weight);
        }
        // The first of equals, so that equal endpoints come in order.
        let best = self
            .entries
            .iter_mut()
            .filter(|entry| entry.rank == rank)
            .reduce(|best, entry| if entry.owed > best.owed { entry } else { best })?;
        best.owed -= total;
        Some(best)
    }

    fn less_busy_of_two(&mut self, rank: u8) -> Option<&Entry> {
        let first = self.by_weight(rank, None)?;
        let second = self.by_weight(rank, Some(first)).unwrap_or(first);
        let (one, two) = (self.entries.get(first)?, self.entries.get(second)?);
        // active / weight compared without dividing; the first wins a draw, so that idle
        // endpoints are chosen by weight alone.
        let busy = |a: &Entry, b: &Entry| u64::from(a.active.get()) * u64::from(b.weight);
        Some(if busy(two, one) < busy(one, two) { two } else { one })
    }

    /// A random place of this rank, each with the chance of its weight, `except` never.
    fn by_weight(&mut self, rank: u8, except: Option<usize>) -> Option<usize> {
        let left_out = except.and_then(|at| self.entries.get(at)).map_or(0, |entry| entry.weight);
        let total = self.weight_of(rank).saturating_sub(u64::from(left_out));
        if total == 0 {
            return None;
        }
        let mut ticket = self.random.u64(..total);
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.rank != rank || Some(at) == except {
                continue;
            }
            match ticket.checked_sub(u64::from(entry.weight)) {
                Some(rest) => ticket = rest,
                None => return Some(at),
            }
        }
        None
    }

    fn weight_of(&self, rank: u8) -> u64 {
        let ranked = self.entries.iter().filter(|entry| entry.rank == rank);
        ranked.map(|entry| u64::from(entry.weight)).sum()
    }
}

#[cfg(test)]
mod tests;
