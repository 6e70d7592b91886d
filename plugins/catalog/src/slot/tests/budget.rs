//! What a slot makes of the time that its plugin takes beside hooks. A line of the log takes
//! nothing here: work is charged by hand, with what an instance is given for it.

use std::{cell::RefCell, sync::Arc};

use host_extension::{
    CpuMeter, ExtensionPoint, InstanceSpec, LoadedPlugin, OnFault, Phases, WorkerScope,
};

use super::*;
use crate::{PluginBackend, PluginSpec, fake::lines};

const BUDGET: Duration = Duration::from_millis(50);

/// Something to do.
type Deed = Rc<dyn Fn()>;

thread_local! {
    /// What the instances of this thread were given, without those of trials.
    static GIVEN: RefCell<Vec<(CpuMeter, OnFault)>> = RefCell::default();
    /// What each of their starts does.
    static AT_START: RefCell<Option<Deed>> = RefCell::default();
}

/// A backend of plugins that keep what they are given.
#[derive(Debug)]
struct Keeper;

impl PluginBackend for Keeper {
    fn load(&self, _spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        Ok(Arc::new(Self))
    }
}

impl LoadedPlugin for Keeper {
    fn start(
        &self,
        scope: &WorkerScope,
        _spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        if scope.worker.is_some() {
            let given = (scope.cpu.clone(), Rc::clone(&scope.on_fault));
            GIVEN.with_borrow_mut(|all| all.push(given));
            AT_START.with_borrow(|deed| deed.iter().for_each(|deed| deed()));
        }
        Ok(Rc::new(Self))
    }
}

impl FilterFactory for Keeper {
    fn phases(&self) -> Phases {
        Phases::NONE
    }
}

/// A service under a budget, that runs.
fn service(per_second: Option<Duration>) -> (House, Rc<dyn FilterFactory>) {
    let house = House::over(Arc::new(Keeper));
    house.write("greet", "v1");
    let mut one = filter_use("greet", "a", OnError::Closed);
    one.spec.point = ExtensionPoint::Service;
    let mut plan = house.plan("greet");
    plan.limits.cpu_per_second = per_second;
    house.worker.apply(house.catalog.load(&[plan], std::slice::from_ref(&one), house.now()));
    let slot = house.worker.instance(&one);
    (house, slot)
}

/// What the newest instance was given, and how many there were.
fn newest() -> (CpuMeter, OnFault, usize) {
    GIVEN.with_borrow(|all| {
        let (cpu, on_fault) = all.last().expect("one was started");
        (cpu.clone(), Rc::clone(on_fault), all.len())
    })
}

#[test]
fn an_instance_is_given_the_budget_that_the_pipeline_counts_by() {
    let (house, slot) = service(Some(BUDGET));
    let (cpu, ..) = newest();
    cpu.charge(|| house.pass(BUDGET));
    let budget = slot.bounds().cpu.expect("a budget");
    assert!(budget.is_spent(house.time.get()) && cpu.check().is_err());
    house.pass(Duration::from_secs(1));
    budget.take(house.time.get(), BUDGET);
    assert!(cpu.check().is_err(), "hooks count for what goes on beside them");
}

#[test]
fn a_plugin_without_a_budget_is_not_measured() {
    let (house, _slot) = service(None);
    let (cpu, ..) = newest();
    cpu.charge(|| house.pass(Duration::from_millis(900)));
    assert_eq!(cpu.check(), Ok(()));
}

#[test]
fn what_is_left_out_is_counted_and_told_once_and_costs_no_instance() {
    let (house, _slot) = service(Some(BUDGET));
    let (cpu, on_fault, _) = newest();
    cpu.charge(|| house.pass(BUDGET));
    let fault = cpu.check().expect_err("it is spent");
    let told = lines(|| (0..95).for_each(|_| on_fault(&fault)));
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert!(line.contains("held back beside its streams: overspent: it took its 50 ms"), "{line}");
    let metrics = house.worker.metrics(&"greet".into());
    assert_eq!(metrics.faults.of("overspent").value(), 95);
    assert_eq!(metrics.breaker_open.value(), 0);
    house.worker.revive();
    assert_eq!(newest().2, 1, "it is not down");
}

#[test]
fn a_service_that_is_down_waits_for_its_time_and_its_start_is_charged() {
    let (house, _slot) = service(Some(BUDGET));
    let (cpu, on_fault, _) = newest();
    cpu.charge(|| house.pass(BUDGET));
    on_fault(&trapped());
    house.worker.revive();
    assert_eq!(newest().2, 1, "the time of this second is spent");
    house.pass(Duration::from_secs(1));
    let time = Rc::clone(&house.time);
    let slow: Rc<dyn Fn()> = Rc::new(move || time.set(time.get() + BUDGET));
    AT_START.set(Some(slow));
    house.worker.revive();
    let (cpu, _, starts) = newest();
    assert_eq!(starts, 2);
    assert!(cpu.check().is_err(), "its start took all of this one");
}
