//! Shared data of one namespace: values by key, each with a version.
//!
//! The keys are spread over locks, so that workers that change different keys seldom meet. A
//! value is kept behind a pointer of its own: it is shown, and freed, after the lock is given
//! back.
//!
//! Plugins have no call that removes a key, and many keys are a client's choice. So a namespace
//! that is full lets go of the keys that were not set for longest, those without bytes first.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use host_extension::{CallError, CallResult};
use parking_lot::Mutex;

use self::shard::{Age, Shard};
use crate::{SharedLimits, budget::Budget};

mod shard;

/// Locks of one namespace; a power of two.
const SHARDS: usize = 16;
/// What one key costs besides its bytes and those of its value.
const ENTRY_OVERHEAD: usize = 128;
/// Keys that are let go for one value, which is work that others wait for.
const EVICTED_MAX: u64 = 1024;

/// The values of one namespace.
pub(crate) struct Data {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    bytes: Budget,
    keys: Budget,
    /// How often something was set, by which keys are old or new.
    sets: AtomicU64,
}

/// What to set, and under which condition.
#[derive(Clone, Copy)]
struct Change<'a> {
    key: &'a [u8],
    value: &'a [u8],
    expected: u32,
}

impl Data {
    pub(crate) fn new(limits: &SharedLimits) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: Default::default(),
            bytes: Budget::new(limits.data_bytes_max),
            keys: Budget::new(limits.keys_max),
            sets: AtomicU64::default(),
        }
    }

    /// A value with its version.
    pub(crate) fn value(&self, key: &[u8]) -> CallResult<(Arc<[u8]>, u32)> {
        self.shard(key).lock().value(key).ok_or(CallError::NotFound)
    }

    /// Sets a value where it has the version `expected`, where that is zero, or where there is
    /// no value yet. It gets the version that `next_version` makes. Answers how many keys were
    /// let go for it.
    pub(crate) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        expected: u32,
        next_version: impl Fn() -> u32,
    ) -> CallResult<u64> {
        if !self.bytes.can_hold(cost(key, value)) || !self.keys.can_hold(1) {
            return Err(CallError::LimitReached);
        }
        let change = Change { key, value, expected };
        let mut evicted = 0;
        loop {
            // With no lock held between two attempts: each looks at everything anew.
            match self.try_set(change, &next_version) {
                Ok(()) => return Ok(evicted),
                Err(CallError::LimitReached) if evicted < EVICTED_MAX && self.evict() => {
                    evicted += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn try_set(&self, change: Change<'_>, next_version: &impl Fn() -> u32) -> CallResult<()> {
        let Change { key, value, expected } = change;
        let mut shard = self.shard(key).lock();
        match shard.value(key) {
            None => self.take_room(key, value)?,
            Some((_, version)) if expected != 0 && expected != version => {
                return Err(CallError::Conflict);
            }
            Some((old, _)) => self.bytes.exchange(old.len(), value.len())?,
        }
        let age = Age { has_bytes: !value.is_empty(), set: self.sets.fetch_add(1, Relaxed) };
        let old = shard.insert(key, value.into(), next_version(), age);
        drop(shard);
        drop(old);
        Ok(())
    }

    /// Changes how many bytes it may have, and lets go of the oldest keys that are too many then.
    /// Answers how many they were.
    pub(crate) fn resize(&self, bytes_max: usize) -> u64 {
        self.bytes.resize(bytes_max);
        let mut evicted = 0;
        while self.bytes.is_exceeded() && self.evict() {
            evicted += 1;
        }
        evicted
    }

    /// Lets go of the oldest key; false where there is none.
    fn evict(&self) -> bool {
        let oldest = self.shards.iter().filter_map(|shard| {
            let age = shard.lock().oldest()?;
            Some((age, shard))
        });
        let Some((_, shard)) = oldest.min_by_key(|(age, _)| *age) else { return false };
        // It may have changed meanwhile; then another one goes, which is old too.
        let gone = shard.lock().remove_oldest();
        if let Some((key, value)) = gone {
            self.bytes.give(cost(&key, &value));
            self.keys.give(1);
        }
        true
    }

    fn take_room(&self, key: &[u8], value: &[u8]) -> CallResult<()> {
        self.keys.take(1)?;
        self.bytes.take(cost(key, value)).inspect_err(|_full| self.keys.give(1))
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        let [first, ..] = &self.shards;
        // The highest bits: the maps choose their places by others.
        let place = usize::try_from(hash >> 60).unwrap_or_default() % SHARDS;
        self.shards.get(place).unwrap_or(first)
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD)
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, keys, .. } = self;
        f.debug_struct("Data").field("bytes", bytes).field("keys", keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
