use host_extension::CallError;

use super::Budget;

#[test]
fn what_does_not_fit_is_not_taken_at_all() {
    let budget = Budget::new(10);
    assert_eq!(budget.take(7), Ok(()));
    assert_eq!(budget.take(4), Err(CallError::LimitReached));
    assert_eq!(budget.take(usize::MAX), Err(CallError::LimitReached));
    assert_eq!(budget.take(3), Ok(()));
    budget.give(10);
    assert_eq!(budget.used(), 0);
}

#[test]
fn an_exchange_counts_the_difference() {
    let budget = Budget::new(10);
    assert_eq!(budget.take(8), Ok(()));
    assert_eq!(budget.exchange(8, 11), Err(CallError::LimitReached));
    assert_eq!(budget.used(), 8);
    assert_eq!(budget.exchange(8, 2), Ok(()));
    assert_eq!(budget.exchange(2, 10), Ok(()));
    assert_eq!(budget.used(), 10);
}
