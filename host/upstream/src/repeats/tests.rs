use super::*;
use crate::testing::{bench, plan, worker};

#[test]
fn a_share_of_what_is_under_way_may_be_repeats_and_a_few_always() {
    for (active, most) in [(0, 3), (10, 3), (19, 3), (20, 4), (500, 100)] {
        let repeats = Repeats::default();
        let mut held: Vec<_> = std::iter::from_fn(|| repeats.begin(active)).take(1000).collect();
        assert_eq!(held.len(), most, "{active}");
        held.pop();
        held.extend(repeats.begin(active));
        assert_eq!(held.len(), most, "what is over makes room");
        assert!(repeats.begin(active).is_none());
        drop(held);
        assert_eq!(repeats.0.get(), 0);
    }
}

#[test]
fn what_is_held_back_is_counted() {
    worker(async {
        let bench = bench(plan(&[]));
        let held: Vec<_> = (0..5).filter_map(|_| bench.cluster.repeat()).collect();
        assert_eq!((held.len(), bench.metrics.retries_held_back_total.value()), (3, 2));
        for _ in 0..20 {
            bench.metrics.requests_active.increment();
        }
        assert!(bench.cluster.repeat().is_some(), "four of twenty");
    });
}

#[test]
fn the_wait_is_any_up_to_a_bound_that_doubles() {
    let repeat = Repeats::default().begin(0).unwrap();
    for (number, most) in [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (40, 250)] {
        let waits: Vec<_> = (0..2000).map(|_| repeat.wait(number)).collect();
        let most = Duration::from_millis(most);
        assert!(waits.iter().all(|wait| *wait <= most), "{number}");
        assert!(waits.iter().any(|wait| *wait > most / 2), "{number}");
        assert!(waits.iter().any(|wait| *wait < most / 2), "{number}");
    }
}
