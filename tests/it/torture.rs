//! Reliability runs: plugins that fail in bulk, and what the proxy makes of it, in figures.
//!
//! Each run is a function of its length. The short ones are ordinary tests; the whole ones are
//! for `cargo xtask torture`, which names a file in `MORTISE_TORTURE_RUNS`, to which each run
//! adds a line of JSON. Start reading at [`run::Run`].

mod attacks;
mod egress;
mod evil;
mod floods;
mod freezes;
mod kills;
mod libraries;
mod loops;
mod orphans;
mod pace;
mod run;
mod storm;
mod swap;
mod traps;

use std::time::Duration;

use run::Run;

#[tokio::test]
async fn a_child_that_is_killed_again_and_again_costs_nothing_but_the_defined_status() {
    let mut run = Run::new("r14-kills-short");
    kills::kills(&mut run, Duration::from_secs(2)).await;
    run.finish();
}

#[tokio::test]
async fn children_do_not_outlive_a_killed_proxy_and_the_next_one_starts_clean() {
    let mut run = Run::new("r17-orphans-short");
    orphans::orphans(&mut run, 1).await;
    run.finish();
}

#[tokio::test]
async fn a_plugin_moves_from_backend_to_backend_under_load() {
    let mut run = Run::new("swap-short");
    swap::swaps(&mut run, 1).await;
    run.finish();
}

#[tokio::test]
async fn an_endless_loop_in_any_callback_of_a_stream_costs_its_own_stream_alone() {
    let mut run = Run::new("r8-loops-short");
    loops::loops(&mut run, 2).await;
    run.finish();
}

#[tokio::test]
async fn a_plugin_reaches_nothing_but_what_it_may_call() {
    let mut run = Run::new("r24-egress-short");
    egress::egress(&mut run).await;
    run.finish();
}

macro_rules! whole {
    ($($test:ident, $name:literal, $run:ident => $go:expr;)+) => {
        $(#[tokio::test]
        #[ignore = "a run of `cargo xtask torture`"]
        async fn $test() {
            let mut $run = Run::new($name);
            $go.await;
            $run.finish();
        })+
    };
}

whole! {
    r8_loops, "r8-loops", run => loops::loops(&mut run, 91);
    r9_traps, "r9-trap-storm", run => traps::traps(&mut run, Duration::from_secs(10));
    r14_kills, "r14-kill-children", run => kills::kills(&mut run, Duration::from_secs(20));
    r15_freezes, "r15-freeze-child", run => freezes::freezes(&mut run);
    r16_evil, "r16-evil-children", run => evil::evil(&mut run);
    r17_orphans, "r17-kill-proxy", run => orphans::orphans(&mut run, 5);
    r24_egress, "r24-egress", run => egress::egress(&mut run);
    r25_floods, "r25-floods", run => floods::floods(&mut run);
    r28_libraries, "r28-native", run => libraries::libraries(&mut run);
    attacks, "attacks", run => async { attacks::attacks(&mut run) };
    swaps, "swap-backends", run => swap::swaps(&mut run, 3);
}
