//! Real children: started, watched, confined and ended by the backend.
//!
//! A program of its own rather than a list of tests, since children are started by running it
//! again: it is its own trampoline, and most of its own children. Start reading at `TESTS`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test, without the harness that clippy knows tests by"
)]

use std::{env, process::ExitCode};

use plugins_process::launch;

#[path = "launch/bad.rs"]
mod bad;
#[path = "launch/children.rs"]
mod children;
#[path = "launch/confined.rs"]
mod confined;
#[path = "launch/evil.rs"]
mod evil;
#[path = "launch/frozen.rs"]
mod frozen;
#[path = "launch/go_plugin.rs"]
mod go_plugin;
#[path = "launch/groups.rs"]
mod groups;
#[path = "launch/identity.rs"]
mod identity;
#[path = "launch/kernel.rs"]
mod kernel;
#[path = "launch/life.rs"]
mod life;
#[path = "launch/orphans.rs"]
mod orphans;
#[path = "launch/support.rs"]
mod support;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("a_child_serves_and_leaves_nothing", life::a_child_serves_and_leaves_nothing),
    ("a_child_serves_over_tcp", life::a_child_serves_over_tcp),
    ("a_child_that_dies_is_started_again", life::a_child_that_dies_is_started_again),
    ("a_child_that_dies_too_often_is_given_up", life::a_child_that_dies_too_often_is_given_up),
    (
        "a_frozen_child_is_killed_and_started_again",
        frozen::a_frozen_child_is_killed_and_started_again,
    ),
    ("a_stubborn_child_is_killed", life::a_stubborn_child_is_killed),
    ("grandchildren_go_with_their_child", orphans::grandchildren_go_with_their_child),
    ("nothing_outlives_a_killed_proxy", orphans::nothing_outlives_a_killed_proxy),
    ("a_guard_that_is_killed_is_replaced", orphans::a_guard_that_is_killed_is_replaced),
    ("a_guard_has_nothing_but_its_orders", orphans::a_guard_has_nothing_but_its_orders),
    (
        "what_is_left_without_a_guard_is_removed_by_the_next_proxy",
        orphans::what_is_left_without_a_guard_is_removed_by_the_next_proxy,
    ),
    ("what_a_child_nests_is_removed", life::what_a_child_nests_is_removed),
    ("a_script_that_changed_is_not_started", life::a_script_that_changed_is_not_started),
    ("a_silent_child_is_given_up_in_time", bad::a_silent_child_is_given_up_in_time),
    ("a_child_that_ends_says_how_and_why", bad::a_child_that_ends_says_how_and_why),
    ("what_cannot_run_is_refused_in_words", bad::what_cannot_run_is_refused_in_words),
    ("noise_is_no_answer", bad::noise_is_no_answer),
    ("another_version_is_refused", bad::another_version_is_refused),
    ("a_flood_of_lines_is_bounded", bad::a_flood_of_lines_is_bounded),
    ("a_child_sees_and_reaches_nothing_else", confined::a_child_sees_and_reaches_nothing_else),
    ("a_child_has_what_it_needs", confined::a_child_has_what_it_needs),
    ("sockets_are_what_a_bootstrap_needs", confined::sockets_are_what_a_bootstrap_needs),
    ("a_child_takes_no_port_of_the_proxy", confined::a_child_takes_no_port_of_the_proxy),
    ("limits_hold", confined::limits_hold),
    ("an_evil_child_is_refused_every_call", evil::an_evil_child_is_refused_every_call),
    ("what_an_evil_child_starts_is_as_confined", evil::what_an_evil_child_starts_is_as_confined),
    ("a_child_is_in_a_control_group_and_leaves_none", groups::a_child_is_in_one_and_leaves_none),
    ("processes_are_limited_by_the_group", groups::processes_are_limited_by_the_group),
    ("processor_time_is_limited_by_the_group", groups::processor_time_is_limited_by_the_group),
    ("memory_is_limited_by_the_group", groups::memory_is_limited_by_the_group),
    ("a_child_may_be_another_user", identity::a_child_may_be_another_user),
    ("who_cannot_be_or_see_is_refused_in_words", identity::who_cannot_be_or_see_is_refused),
    ("a_kernel_that_lacks_something_is_named", kernel::one_that_lacks_something_is_named),
    ("an_unconfined_child_is_a_choice", confined::an_unconfined_child_is_a_choice),
    ("a_bad_handshake_is_refused_at_once", go_plugin::a_bad_handshake_is_refused_at_once),
    (
        "a_handshake_that_does_not_come_is_given_up_in_time",
        go_plugin::a_handshake_that_does_not_come_is_given_up_in_time,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(launch::ARGUMENT) => launch::main(),
        Some("child") => children::main(&arguments),
        Some("proxy") => orphans::proxy(&arguments),
        Some("lacking") => kernel::lacking(&arguments),
        _ => run(&arguments),
    }
}

/// Runs the tests whose name holds the first argument that is no flag.
fn run(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _test) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| name.contains(wanted.as_str()));
    let mut failed = Vec::new();
    for (name, test) in TESTS.iter().filter(|(name, _test)| is_wanted(name)) {
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    println!("test result: {}", if failed.is_empty() { "ok" } else { "FAILED" });
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
