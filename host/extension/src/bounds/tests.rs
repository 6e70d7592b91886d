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

/// A clock that stands, and a meter of 20 ms by it.
fn meter() -> (Rc<Cell<Duration>>, Rc<CpuBudget>, CpuMeter) {
    let (time, budget) = (Rc::new(Cell::new(ms(7_000))), Rc::new(CpuBudget::new(ms(20))));
    let reading = Rc::clone(&time);
    let meter = CpuMeter::new(Rc::clone(&budget), Rc::new(move || reading.get()));
    (time, budget, meter)
}

#[test]
fn what_a_meter_runs_is_charged_once_and_refused_when_the_time_is_spent() {
    let (time, budget, meter) = meter();
    let pass = |millis| time.set(time.get() + ms(millis));
    let answer = meter.charge(|| {
        pass(9);
        meter.clone().charge(|| pass(10));
        7
    });
    assert_eq!((answer, meter.check()), (7, Ok(())), "19 ms of 20");
    meter.charge(|| pass(1));
    assert_eq!(meter.check(), Err(budget.overspent()));
    assert_eq!(budget.overspent().kind, FaultKind::Overspent);
    meter.charge(|| pass(1));
    pass(1_000);
    assert_eq!(meter.check(), Ok(()));
}

#[test]
fn work_that_panics_is_charged_and_a_meter_of_nothing_runs_it_all_the_same() {
    let (time, _budget, meter) = meter();
    let work = || {
        meter.charge(|| {
            time.set(time.get() + ms(20));
            panic!("a bug of ours");
        })
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).expect_err("it panics");
    assert!(meter.check().is_err());
    meter.charge(|| time.set(time.get() + ms(1_000)));
    assert_eq!(meter.check().map_err(|fault| fault.kind), Err(FaultKind::Overspent), "again");
    assert_eq!((CpuMeter::default().charge(|| 7), CpuMeter::default().check()), (7, Ok(())));
}
