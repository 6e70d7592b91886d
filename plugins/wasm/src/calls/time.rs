//! The clock, and the timer of a root.

use std::{
    rc::Rc,
    time::{Duration, SystemTime},
};

use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::{outbound::Target, state::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Always, "proxy_get_current_time_nanoseconds", |call, out| {
        let now = nanoseconds(call.data().root.calls.now());
        Ok(call.write(out, &now.to_le_bytes())?)
    });
    define!(linker, Running, "proxy_set_tick_period_milliseconds", |call, period| {
        set_period(call, period)
    });
    Ok(())
}

/// A new period takes the place of the old one; zero stops the timer.
fn set_period(call: &Call<'_>, period: u32) -> Answer {
    let root = call.root();
    let tick = if period == 0 {
        None
    } else {
        let target = Target::of(call.data());
        let period = Duration::from_millis(period.into());
        match root.calls.every(period, Rc::new(move || target.tick())) {
            Ok(tick) => Some(tick),
            Err(refused) => return answer::of_change(Err(refused)),
        }
    };
    let before = root.subscriptions.borrow_mut().outbound.set_tick(tick);
    // Outside of the cell: whatever ends with it may look there.
    drop(before);
    Ok(())
}

/// Nanoseconds since 1970; they fit into 64 bits until the year 2554.
pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
