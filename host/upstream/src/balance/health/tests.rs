use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn address() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

#[test]
fn one_that_refused_is_down_for_a_while() {
    let (mut health, now) = (Health::default(), Instant::now());
    assert!(!health.is_down(address(), now));
    health.refused(address(), now);
    assert!(health.is_down(address(), now));
    assert!(!health.is_down(address(), now + SECOND));
    assert!(!health.is_down(([127, 0, 0, 1], 2).into(), now));
}

#[test]
fn after_it_one_tries_and_the_time_doubles_up_to_a_limit() {
    let (mut health, mut now) = (Health::default(), Instant::now());
    health.refused(address(), now);
    for rest in [1, 2, 4, 8, 16, 30, 30] {
        assert!(health.is_down(address(), now + (rest - 1) * SECOND));
        now += rest * SECOND;
        assert!(!health.is_down(address(), now), "{rest}");
        health.chosen(address(), now);
        assert!(health.is_down(address(), now), "one at a time");
        health.refused(address(), now);
    }
}

#[test]
fn those_who_fail_together_count_once() {
    let (mut health, now) = (Health::default(), Instant::now());
    for _ in 0..50 {
        health.refused(address(), now);
        // Chosen all the same: there is no other.
        health.chosen(address(), now);
    }
    assert!(!health.is_down(address(), now + SECOND));
}

#[test]
fn one_who_tried_and_was_dropped_bars_it_for_a_while_only() {
    let (mut health, now) = (Health::default(), Instant::now());
    health.refused(address(), now);
    health.chosen(address(), now + SECOND);
    assert!(health.is_down(address(), now + SECOND));
    assert!(!health.is_down(address(), now + 2 * SECOND));
}

#[test]
fn one_that_was_connected_or_left_is_forgotten() {
    let (mut health, now) = (Health::default(), Instant::now());
    health.refused(address(), now);
    health.connected(address());
    assert!(!health.is_down(address(), now));
    health.refused(address(), now);
    health.keep_only(&HashSet::new());
    assert!(!health.is_down(address(), now));
    health.refused(address(), now);
    assert!(!health.is_down(address(), now + SECOND), "it begins anew");
}
