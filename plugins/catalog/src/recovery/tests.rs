use std::time::Duration;

use super::{Breaker, FAULTS_MAX, OPEN_FOR, QUIET, Recovery, WINDOW};
use crate::backoff::DELAY_MAX;

const MS: Duration = Duration::from_millis(1);

fn recovery() -> Recovery {
    Recovery::new(fastrand::Rng::with_seed(3))
}

/// Waits until a start is admitted, millisecond by millisecond, and starts.
#[track_caller]
fn start_when_admitted(recovery: &mut Recovery, from: Duration) -> Duration {
    let mut now = from;
    while !recovery.admits_start(now) {
        now += MS;
        assert!(now - from <= DELAY_MAX + MS, "no start within the longest delay");
    }
    recovery.started(now);
    now
}

#[test]
fn the_first_start_and_the_one_after_the_first_fault_are_admitted_at_once() {
    let mut recovery = recovery();
    assert!(recovery.admits_start(Duration::ZERO));
    recovery.started(Duration::ZERO);
    recovery.fault(MS);
    assert!(recovery.admits_start(MS));
}

#[test]
fn later_starts_wait_at_most_the_doubled_bound() {
    let mut recovery = recovery();
    let mut now = Duration::ZERO;
    for bound_ms in [0, 100, 200, 400] {
        recovery.started(now);
        recovery.fault(now);
        let next = start_when_admitted(&mut recovery, now);
        assert!(next - now <= Duration::from_millis(bound_ms) + MS, "{:?}", next - now);
        assert_eq!(recovery.breaker(), Breaker::Closed);
        now = next;
    }
}

/// Faults, each at once after the start that follows the one before, until the breaker opens.
fn open(recovery: &mut Recovery) -> Duration {
    let mut now = Duration::ZERO;
    for _ in 1..FAULTS_MAX {
        recovery.fault(now);
        assert_eq!(recovery.breaker(), Breaker::Closed);
        now = start_when_admitted(recovery, now);
    }
    recovery.fault(now);
    now
}

#[test]
fn so_many_faults_in_the_window_open_the_breaker_for_its_whole_time() {
    let mut recovery = recovery();
    let opened = open(&mut recovery);
    assert_eq!(recovery.breaker(), Breaker::Open);
    assert!(!recovery.admits_start(opened));
    assert!(!recovery.admits_start(opened + OPEN_FOR - MS));
    assert_eq!(recovery.breaker(), Breaker::Open);
    assert!(recovery.admits_start(opened + OPEN_FOR));
    assert_eq!(recovery.breaker(), Breaker::HalfOpen);
}

#[test]
fn one_fault_opens_a_half_open_breaker_again() {
    let mut recovery = recovery();
    let tried = open(&mut recovery) + OPEN_FOR;
    assert!(recovery.admits_start(tried));
    recovery.started(tried);
    recovery.fault(tried + MS);
    assert_eq!(recovery.breaker(), Breaker::Open);
    assert!(!recovery.admits_start(tried + OPEN_FOR));
    assert!(recovery.admits_start(tried + OPEN_FOR + MS));
}

#[test]
fn a_start_that_fails_opens_a_half_open_breaker_again() {
    let mut recovery = recovery();
    let tried = open(&mut recovery) + OPEN_FOR;
    assert!(recovery.admits_start(tried));
    recovery.fault(tried);
    assert_eq!(recovery.breaker(), Breaker::Open);
}

#[test]
fn a_quiet_time_makes_all_forgotten() {
    let mut recovery = recovery();
    let tried = open(&mut recovery) + OPEN_FOR;
    assert!(recovery.admits_start(tried));
    recovery.started(tried);
    let fault = tried + QUIET;
    recovery.fault(fault);
    assert_eq!(recovery.breaker(), Breaker::Closed);
    assert!(recovery.admits_start(fault), "as after a first fault");
}

#[test]
fn time_without_an_instance_is_not_quiet_time() {
    let mut recovery = recovery();
    let tried = open(&mut recovery) + OPEN_FOR + QUIET * 10;
    assert!(recovery.admits_start(tried));
    recovery.started(tried);
    recovery.fault(tried + MS);
    assert_eq!(recovery.breaker(), Breaker::Open);
}

#[test]
fn faults_that_are_far_apart_leave_the_breaker_closed_but_back_off() {
    let mut recovery = recovery();
    let mut now = Duration::ZERO;
    for _ in 0..50 {
        recovery.started(now);
        now += WINDOW / 3;
        recovery.fault(now);
        assert_eq!(recovery.breaker(), Breaker::Closed);
        now = start_when_admitted(&mut recovery, now);
    }
}
