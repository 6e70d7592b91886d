use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn begin() -> (Health, Instant) {
    let now = Instant::now();
    (Health::new(now, PATIENCE), now)
}

#[test]
fn five_times_without_an_answer_make_a_child_unresponsive_and_one_answer_makes_it_well() {
    let (mut health, now) = begin();
    let told: Vec<_> = (0..6).map(|_| health.timed_out(now)).collect();
    assert_eq!(told, [false, false, false, false, true, false], "it is told once");
    assert!(health.is_unresponsive());
    assert!(health.answered() && !health.is_unresponsive());
    assert!(!health.answered(), "it was well");
    health.timed_out(now);
    assert!(!health.is_unresponsive(), "it is counted from the last answer on");
}

#[test]
fn a_word_that_is_no_answer_makes_nothing_well() {
    let (mut health, now) = begin();
    for _ in 0..TIMEOUTS_MAX {
        health.heard(now);
        health.timed_out(now);
    }
    assert!(health.is_unresponsive());
    let later = now + PATIENCE / 2;
    let ping = health.ping(later).expect("it is asked");
    health.heard(later);
    health.ponged(ping);
    assert!(health.is_unresponsive());
    assert!(!health.give_up(later));
    assert!(health.give_up(now + PATIENCE), "it lives, but its plugin does not answer");
}

#[test]
fn a_silent_child_is_asked_once_until_it_answers() {
    let (mut health, now) = begin();
    assert_eq!(health.ping(now), None);
    let later = now + PING_INTERVAL;
    assert_eq!(health.ping(later), Some(1));
    assert_eq!(health.ping(later + PING_INTERVAL), None, "one is under way");
    health.heard(later);
    health.ponged(7);
    assert_eq!(health.ping(later + PING_INTERVAL), None, "that was another one");
    health.ponged(1);
    assert_eq!(health.ping(later + PING_INTERVAL), Some(2));
}

#[test]
fn an_unresponsive_child_is_asked_more_often() {
    let (mut health, now) = begin();
    for _ in 0..TIMEOUTS_MAX {
        health.timed_out(now);
    }
    assert_eq!(health.next(), Some(now + PING_INTERVAL_SUSPECT));
}

#[test]
fn a_child_is_given_up_once_when_it_owes_an_answer_for_too_long() {
    let (mut health, now) = begin();
    assert!(!health.give_up(now + PATIENCE * 2), "it owes nothing");
    health.asked(now);
    health.asked(now + PATIENCE);
    assert!(!health.give_up(now + PATIENCE / 2));
    assert!(health.give_up(now + PATIENCE), "from the first question on");
    assert!(!health.give_up(now + PATIENCE));
}
