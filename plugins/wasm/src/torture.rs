//! Hostile guests in bulk, with figures: what no plugin may do, on every way and in every
//! callback.
//!
//! The short ones are ordinary tests. The whole runs are ignored ones, to be run by themselves
//! (`cargo test -p plugins-wasm --lib torture:: -- --ignored --test-threads=1`): each adds a line
//! of JSON to the file that `MORTISE_TORTURE_RUNS` names, as the runs against the built proxy do.

mod callbacks;
mod canary;
mod host_calls;
mod lifecycles;
mod memory;
mod paths;
mod run;

use self::run::Run;

/// Runs one with its name.
fn whole(name: &'static str, go: impl FnOnce(&mut Run)) {
    let mut run = Run::new(name);
    go(&mut run);
    run.finish();
}

macro_rules! whole {
    ($($test:ident, $name:literal => $go:expr;)+) => {
        $(#[test]
        #[ignore = "a reliability run of up to a minute, to be run by itself"]
        fn $test() {
            whole($name, $go);
        })+
    };
}

whole! {
    r8_callbacks, "r8-wasm-callbacks" => callbacks::loops;
    r10_memory, "r10-wasm-memory" => memory::bombs;
    r11_host_calls, "r11-wasm-host-calls" => host_calls::fuzz;
    r11_guest_range, "r11-guest-range" => host_calls::ranges;
    r12_lifecycles, "r12-wasm-lifecycles" => |run| lifecycles::events(run, 1_000_000);
    r31_canary, "r31-wasm-canary" => |run| canary::canary(run, 10_000);
}
