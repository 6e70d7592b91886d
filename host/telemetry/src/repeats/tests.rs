use super::*;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_first_line_passes_at_once_and_the_next_tells_how_many_were_kept_back() {
    let repeats = Repeats::default();
    assert_eq!(repeats.pass(at(0)), Some(0));
    assert_eq!(repeats.pass(at(0)), None);
    assert_eq!(repeats.pass(at(9_999)), None);
    assert_eq!(repeats.pass(at(10_000)), Some(2));
    assert_eq!(repeats.pass(at(10_001)), None);
    assert_eq!(repeats.pass(at(30_000)), Some(1));
    assert_eq!(repeats.pass(at(60_000)), Some(0));
}

#[test]
fn a_clock_that_goes_back_keeps_no_line_back_for_ever() {
    let repeats = Repeats::default();
    assert_eq!(repeats.pass(at(1_000_000)), Some(0));
    assert_eq!(repeats.pass(at(5)), Some(0));
    assert_eq!(repeats.pass(at(6)), None);
}

#[test]
fn of_lines_that_many_threads_have_at_once_one_passes_and_all_are_counted() {
    let repeats = Repeats::default();
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1000).filter(|_| repeats.pass(at(7)).is_some()).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 1);
    assert_eq!(repeats.pass(at(20_000)), Some(3999));
}
