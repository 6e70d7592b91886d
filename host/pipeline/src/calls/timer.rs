//! Timers of plugins.

use std::{rc::Rc, time::Duration};

use host_extension::{CallError, CallResult, Subscription};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::outbound::{Outbound, Task};

/// A period longer than this is this long: nobody waits for its end.
const PERIOD_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Calls `tick` from a task of its own, the first time after one period.
pub(super) fn start(
    outbound: &Outbound,
    period: Duration,
    tick: Rc<dyn Fn()>,
) -> CallResult<Subscription> {
    if period.is_zero() {
        return Err(CallError::BadArgument);
    }
    let permit = outbound.timer()?;
    let period = period.min(PERIOD_MAX);
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    Ok(Subscription::new(Task::start(async move {
        let _permit = permit;
        loop {
            interval.tick().await;
            tick();
        }
    })))
}

#[cfg(test)]
mod tests;
