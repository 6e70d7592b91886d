//! How long to wait before the next try.

use std::time::Duration;

const BASE: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(30);

/// The wait before try number `tries + 1`: anything up to 100 ms, then up to twice that each
/// time, at most [`DELAY_MAX`]. The whole span is random, so that workers and proxies that
/// failed together do not try again together.
pub(crate) fn delay(tries: u32, random: &mut fastrand::Rng) -> Duration {
    let doubled = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
    let longest = BASE.saturating_mul(doubled).min(DELAY_MAX);
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.u64(0..=nanos))
}

#[cfg(test)]
mod tests;
