use std::time::Duration;

use super::{DELAY_MAX, delay};

#[test]
fn a_delay_is_anything_up_to_a_bound_that_doubles_to_a_cap() {
    let mut random = fastrand::Rng::with_seed(1);
    let bounds_ms = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
    for (tries, bound_ms) in (0..).zip(bounds_ms) {
        let bound = Duration::from_millis(bound_ms);
        let longest = (0..200).map(|_| delay(tries, &mut random)).max().expect("some");
        assert!(longest <= bound, "{tries}: {longest:?}");
        assert!(longest > bound / 2, "{tries}: {longest:?} is not spread over {bound:?}");
    }
}

#[test]
fn no_number_of_tries_makes_it_longer_than_the_cap() {
    let mut random = fastrand::Rng::with_seed(1);
    for tries in [31, 32, 33, 64, u32::MAX] {
        assert!(delay(tries, &mut random) <= DELAY_MAX, "{tries}");
    }
}
