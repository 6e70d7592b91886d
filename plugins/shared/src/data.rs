//! Shared data of one namespace: values by key, each with a version.
//!
//! The keys are spread over locks, so that workers that change different keys seldom meet. A
//! value is kept behind a pointer of its own: it is shown, and freed, after the lock is given
//! back.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    mem,
    sync::Arc,
};

use host_extension::{CallError, CallResult};
use parking_lot::Mutex;

use crate::{SharedLimits, budget::Budget};

/// Locks of one namespace; a power of two.
const SHARDS: usize = 16;
/// What one key costs besides its bytes and those of its value.
const ENTRY_OVERHEAD: usize = 64;

/// The values of one namespace.
pub(crate) struct Data {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    bytes: Budget,
    keys: Budget,
}

type Shard = HashMap<Box<[u8]>, Entry>;

struct Entry {
    value: Arc<[u8]>,
    version: u32,
}

impl Data {
    pub(crate) fn new(limits: &SharedLimits) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: Default::default(),
            bytes: Budget::new(limits.data_bytes_max),
            keys: Budget::new(limits.keys_max),
        }
    }

    /// A value with its version.
    pub(crate) fn value(&self, key: &[u8]) -> CallResult<(Arc<[u8]>, u32)> {
        let shard = self.shard(key).lock();
        let entry = shard.get(key).ok_or(CallError::NotFound)?;
        Ok((Arc::clone(&entry.value), entry.version))
    }

    /// Sets a value where it has the version `expected`, where that is zero, or where there is
    /// no value yet. It gets the version that `next_version` makes.
    pub(crate) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        expected: u32,
        next_version: impl FnOnce() -> u32,
    ) -> CallResult<()> {
        let mut shard = self.shard(key).lock();
        let Some(entry) = shard.get_mut(key) else {
            self.take_room(key, value)?;
            let entry = Entry { value: value.into(), version: next_version() };
            shard.insert(key.into(), entry);
            return Ok(());
        };
        if expected != 0 && expected != entry.version {
            return Err(CallError::Conflict);
        }
        self.bytes.exchange(entry.value.len(), value.len())?;
        let old = mem::replace(&mut entry.value, value.into());
        entry.version = next_version();
        drop(shard);
        drop(old);
        Ok(())
    }

    fn take_room(&self, key: &[u8], value: &[u8]) -> CallResult<()> {
        self.keys.take(1)?;
        let cost = key.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD);
        self.bytes.take(cost).inspect_err(|_full| self.keys.give(1))
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        let [first, ..] = &self.shards;
        // The highest bits: the maps choose their places by others.
        let place = usize::try_from(hash >> 60).unwrap_or_default() % SHARDS;
        self.shards.get(place).unwrap_or(first)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, keys, .. } = self;
        f.debug_struct("Data").field("bytes", bytes).field("keys", keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
