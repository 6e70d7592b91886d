use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_time_of_a_second_is_spent_when_all_of_it_is_taken_and_there_again_in_the_next() {
    let budget = CpuBudget::new(ms(20));
    assert!(!budget.is_spent(ms(5_000)));
    budget.take(ms(5_100), ms(12));
    assert!(!budget.is_spent(ms(5_100)));
    budget.take(ms(5_300), ms(7));
    assert!(!budget.is_spent(ms(5_300)), "a millisecond is left");
    budget.take(ms(5_301), ms(1));
    assert!(budget.is_spent(ms(5_301)) && budget.is_spent(ms(5_999)));
    assert!(!budget.is_spent(ms(6_000)));
    budget.take(ms(6_500), ms(19));
    assert!(!budget.is_spent(ms(6_500)), "what was taken before is forgotten");
}

#[test]
fn a_budget_of_nothing_is_spent_by_the_first_hook_and_sums_never_overflow() {
    let budget = CpuBudget::new(Duration::ZERO);
    budget.take(ms(1_000), Duration::MAX);
    budget.take(ms(1_000), Duration::MAX);
    assert!(budget.is_spent(ms(1_000)));
    assert!(!budget.is_spent(ms(2_000)));
}
