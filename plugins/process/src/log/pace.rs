//! How fast a child is read: one that floods waits, and neither the proxy nor other children do.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// Bytes that are read within [`PACE`]; a child that writes more waits.
const PACE_BYTES: usize = 512 * 1024;
const PACE: Duration = Duration::from_millis(100);
/// Bytes that are read before all else of the thread has its turn: other children, and the
/// deadlines of their starts.
const TURN_BYTES: usize = 32 * 1024;
/// What a read costs at least, however little it brings.
const READ_BYTES_MIN: usize = 64;

/// The pace of one stream.
#[derive(Debug)]
pub(crate) struct Pace {
    begun: Instant,
    read: usize,
    turn: usize,
}

impl Pace {
    /// Of a stream that nothing was read of.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), read: 0, turn: 0 }
    }

    /// So many bytes were read and dealt with: waits until more may be.
    pub(crate) async fn after(&mut self, bytes: usize) {
        let bytes = bytes.max(READ_BYTES_MIN);
        self.read = self.read.saturating_add(bytes);
        self.turn = self.turn.saturating_add(bytes);
        if self.read >= PACE_BYTES {
            sleep_until(self.begun + PACE).await;
        } else if self.turn >= TURN_BYTES {
            yield_now().await;
        } else {
            return;
        }
        self.turn = 0;
        if self.begun.elapsed() >= PACE {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests;
