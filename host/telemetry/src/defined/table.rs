//! Series by number: read without a lock, only ever added to.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use host_extension::MetricId;

use super::Series;

/// Series of one chunk, which is made when its first one is.
const CHUNK: usize = 256;
/// Chunks; with [`CHUNK`], how many series all plugins may have.
const CHUNKS: usize = 256;

/// Series by number, from one.
#[derive(Debug)]
pub(super) struct Table {
    chunks: Box<[OnceLock<Chunk>]>,
    /// How many there are. Changed by one thread at a time.
    count: AtomicUsize,
}

type Chunk = Box<[OnceLock<Series>]>;

impl Table {
    pub(super) fn get(&self, id: MetricId) -> Option<&Series> {
        self.slot(usize::try_from(id).ok()?.checked_sub(1)?)?.get()
    }

    /// The number that the next series gets; `None` where there is no room for it.
    pub(super) fn next(&self) -> Option<MetricId> {
        let place = self.count.load(Relaxed);
        if place >= CHUNK * CHUNKS {
            return None;
        }
        MetricId::try_from(place + 1).ok()
    }

    /// Adds a series under the number that [`Table::next`] gave. The caller sees to it that
    /// nobody else does in between.
    pub(super) fn push(&self, series: Series) {
        let place = self.count.load(Relaxed);
        let Some(chunk) = self.chunks.get(place / CHUNK) else { return };
        let slots = chunk.get_or_init(|| empty(CHUNK));
        let Some(slot) = slots.get(place % CHUNK) else { return };
        let refused = slot.set(series);
        debug_assert!(refused.is_ok(), "the place {place} is free");
        self.count.store(place + 1, Relaxed);
    }

    fn slot(&self, place: usize) -> Option<&OnceLock<Series>> {
        self.chunks.get(place / CHUNK)?.get()?.get(place % CHUNK)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { chunks: empty(CHUNKS), count: AtomicUsize::default() }
    }
}

fn empty<T>(count: usize) -> Box<[OnceLock<T>]> {
    (0..count).map(|_slot| OnceLock::new()).collect()
}

#[cfg(test)]
mod tests;
