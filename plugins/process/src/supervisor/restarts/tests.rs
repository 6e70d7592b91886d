use super::*;

const PASSING: End = End::NotReady(NotReady::Passing);
const BRIEF: End = End::Served(Duration::from_secs(1));

fn restarts(crashes_max: u32) -> Restarts {
    Restarts::new(RestartSettings {
        crashes_max,
        window: Duration::from_mins(5),
        backoff: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
    })
}

fn within(millis: u64) -> Next {
    Next::Within(Duration::from_millis(millis))
}

#[test]
fn waits_double_up_to_the_longest() {
    let mut restarts = restarts(100);
    for expected in [100, 200, 400, 800, 1000, 1000] {
        assert_eq!(restarts.after(BRIEF, Duration::ZERO), within(expected));
    }
}

#[test]
fn a_child_that_served_a_minute_begins_anew() {
    let mut restarts = restarts(100);
    restarts.after(PASSING, Duration::ZERO);
    restarts.after(BRIEF, Duration::ZERO);
    let end = End::Served(Duration::from_secs(60));
    assert_eq!(restarts.after(end, Duration::from_secs(61)), within(100));
}

#[test]
fn one_end_too_many_within_the_window_is_the_last() {
    let mut restarts = restarts(2);
    assert!(matches!(restarts.after(BRIEF, Duration::from_secs(0)), Next::Within(_)));
    assert!(matches!(restarts.after(BRIEF, Duration::from_secs(1)), Next::Within(_)));
    // The first is forgotten by now.
    assert!(matches!(restarts.after(BRIEF, Duration::from_secs(300)), Next::Within(_)));
    let next = restarts.after(PASSING, Duration::from_secs(300));
    assert!(matches!(next, Next::GiveUp(Reason::Budget { ends: 3, .. })), "{next:?}");
    let mut never = self::restarts(0);
    assert!(matches!(never.after(BRIEF, Duration::ZERO), Next::GiveUp(Reason::Budget { .. })));
}

#[test]
fn what_cannot_get_better_is_not_tried_again() {
    let fatal = End::NotReady(NotReady::Fatal);
    assert_eq!(restarts(9).after(fatal, Duration::ZERO), Next::GiveUp(Reason::Fatal));
    let misunderstood = End::NotReady(NotReady::Misunderstood);
    let mut restarts = restarts(9);
    assert_eq!(restarts.after(misunderstood, Duration::ZERO), within(100));
    assert_eq!(restarts.after(BRIEF, Duration::ZERO), within(200));
    assert_eq!(restarts.after(misunderstood, Duration::ZERO), within(400));
    assert_eq!(restarts.after(misunderstood, Duration::ZERO), Next::GiveUp(Reason::Fatal));
}
