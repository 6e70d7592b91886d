//! Host calls with any arguments, in bulk.

use proptest::{
    prelude::any,
    test_runner::{Config, TestRunner},
};

use super::Run;
use crate::fuzz::{
    self,
    random::{Sum, modules, with_seeds},
};

const MODULES: u64 = 3000;
const CALLS: u64 = 5_000_000;
const RANGES: u32 = 10_000_000;
/// What the scripts may take, and the whole run; a host that is not optimised, or not alone on
/// its machine, does as much as fits.
const SCRIPTS_SECONDS: f64 = 30.0;
const SECONDS: f64 = 57.0;

/// Scripts of hostile host calls until there are enough, then random modules.
pub(super) fn fuzz(run: &mut Run) {
    let begun = std::time::SystemTime::now();
    let spent = || begun.elapsed().unwrap_or_default().as_secs_f64();
    let goes_on = |calls: u64| calls < CALLS && spent() < SCRIPTS_SECONDS;
    let scripts = with_seeds(u64::MAX / 2, goes_on, fuzz::long_script);
    run.figure("scripts", scripts.tried);
    run.figure("scripts_calls", scripts.calls);
    run.figure("scripts_milliseconds", milliseconds(run));
    let random = modules(MODULES, || spent() < SECONDS);
    let calls = random.calls + scripts.calls;
    run.figure("modules", random.tried);
    run.figure("modules_started", random.started);
    run.figure("host_calls", calls);
    run.figure("host_calls_that_reached_the_host", random.reached + scripts.reached);
    run.figure("panics", count(&random) + count(&scripts));
    for seed in random.panics.iter().chain(&scripts.panics) {
        run.must(false, format!("the host panicked: seed {seed:#x}"));
    }
    let share = if cfg!(debug_assertions) { 10 } else { 1 };
    run.must(random.tried >= MODULES / share, format!("{} modules", random.tried));
    run.must(random.started > random.tried / 10, "few random modules started");
    run.must(calls >= CALLS / share, format!("{calls} host calls"));
}

fn count(sum: &Sum) -> u64 {
    u64::try_from(sum.panics.len()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure")]
fn milliseconds(run: &Run) -> u64 {
    (run.seconds() * 1000.0) as u64
}

/// Addresses and lengths: any, and those near to the end of the memory.
pub(super) fn ranges(run: &mut Run) {
    let config = Config { cases: RANGES, failure_persistence: None, ..Config::default() };
    let any_range = (any::<u32>(), any::<u32>(), 0_usize..(1 << 32), any::<u8>());
    let ran = TestRunner::new(config).run(&any_range, |(ptr, len, memory_len, near)| {
        // Half of them end within a few bytes of the end.
        let rest = (memory_len as u64).saturating_sub(u64::from(ptr));
        let close = (rest + u64::from(near >> 1)).saturating_sub(64);
        let len = if near & 1 == 0 { len } else { u32::try_from(close).unwrap_or(len) };
        fuzz::guest_range(ptr, len, memory_len);
        Ok(())
    });
    run.figure("cases", RANGES.into());
    run.must(ran.is_ok(), format!("{ran:?}"));
}
