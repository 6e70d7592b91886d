//! Numbers that name connections and streams, unique in one process.

use std::fmt;

/// A downstream connection. The worker's number is in the top 16 bits, so ids never clash
/// across workers and no atomic is needed to make one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

/// One request with its response. Numbered as [`ConnectionId`] is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(u64);

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

fn number(worker: u16, sequence: u64) -> u64 {
    (u64::from(worker) << SEQUENCE_BITS) | (sequence & SEQUENCE_MASK)
}

impl ConnectionId {
    /// The `sequence`-th connection of `worker`.
    #[must_use]
    pub fn new(worker: u16, sequence: u64) -> Self {
        Self(number(worker, sequence))
    }

    /// The id as one number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl StreamId {
    /// The `sequence`-th stream of `worker`.
    #[must_use]
    pub fn new(worker: u16, sequence: u64) -> Self {
        Self(number(worker, sequence))
    }

    /// The id as one number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
