//! The clock, and the timer of a root.

use std::{
    rc::Rc,
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_extension::HostCalls;
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::{outbound::Target, state::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Always, "proxy_get_current_time_nanoseconds", |call, out| {
        let now = wall_clock(&*call.data().root.calls);
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

/// Nanoseconds since 1970; they fit into 64 bits until the year 2554. A clock that is denied
/// stands still at zero: SDKs survive no other answer.
pub(crate) fn wall_clock(calls: &dyn HostCalls) -> u64 {
    let may = calls.may(Capability::Clock).is_ok();
    let time = if may { calls.now() } else { SystemTime::UNIX_EPOCH };
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
