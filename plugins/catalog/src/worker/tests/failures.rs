//! What a plugin's failure means for those that come after, by stage, policy and where it is
//! put. What becomes of the stream itself is the pipeline's.

use std::sync::atomic::Ordering::Relaxed;

use host_extension::{ExtensionPoint, FilterFactory, PluginFault};

use super::*;
use crate::{
    backoff::DELAY_MAX,
    fake::{serve_connection, trapped},
    recovery::{FAULTS_MAX, OPEN_FOR},
};

/// Where a plugin fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Its artifact cannot be read.
    Fetch,
    /// Its manifest makes no sense.
    Verify,
    /// The backend does not take it.
    Compile,
    /// It does not start when it is tried.
    Start,
    /// It refuses its configuration.
    Configure,
}

const STAGES: [Stage; 5] =
    [Stage::Fetch, Stage::Verify, Stage::Compile, Stage::Start, Stage::Configure];
const POINTS: [ExtensionPoint; 2] = [ExtensionPoint::StreamFilter, ExtensionPoint::NetworkFilter];

fn one_use(point: ExtensionPoint, on_error: OnError) -> FilterUse {
    let mut one = filter_use("greet", "a", on_error);
    one.spec.point = point;
    one
}

fn serve_at(point: ExtensionPoint, factory: &dyn FilterFactory) -> Result<String, PluginFault> {
    if point == ExtensionPoint::StreamFilter { serve(factory) } else { serve_connection(factory) }
}

fn break_at(house: &House, stage: Stage) -> FaultKind {
    let good = manifest("", "");
    match stage {
        Stage::Fetch => {}
        Stage::Verify => house.package("greet", "schema = 999", "v1"),
        Stage::Compile => house.package("greet", &good, "broken"),
        Stage::Configure => house.package("greet", &good, "v1 refuses a"),
        Stage::Start => {
            house.package("greet", &good, "v1");
            house.script.failing_trials.store(1, Relaxed);
            return FaultKind::TimedOut;
        }
    }
    FaultKind::LoadFailed
}

fn every_case() -> impl Iterator<Item = (ExtensionPoint, OnError)> {
    POINTS.into_iter().flat_map(|point| EVERY_POLICY.map(|on_error| (point, on_error)))
}

#[test]
fn what_does_not_load_serves_nobody_until_it_is_loaded_anew_which_reload_does_by_itself() {
    for (stage, (point, on_error)) in
        STAGES.into_iter().flat_map(|stage| every_case().map(move |case| (stage, case)))
    {
        let case = format!("{stage:?} {point:?} {on_error:?}");
        let house = House::new();
        let uses = [one_use(point, on_error)];
        let kind = break_at(&house, stage);
        house.reload(&uses);
        let factory = house.worker.instance(&uses[0]);
        for _ in 0..2 {
            let fault = serve_at(point, factory.as_ref()).expect_err(&case);
            assert_eq!(fault.kind, kind, "{case}");
            factory.on_fault(&fault);
            house.pass(DELAY_MAX);
        }
        assert_eq!(house.alive(), 0, "{case}: no worker starts what could not be tried");
        let metrics = house.metrics.control_thread().plugin(&"greet".into(), "wasm");
        assert_eq!(metrics.faults.of(kind.label()).value(), 1, "{case}");

        house.package("greet", &manifest("", ""), "v2");
        let retried = house.catalog.retry(house.now());
        assert_eq!(retried.is_some(), on_error == OnError::Reload, "{case}");
        match retried {
            Some(snapshot) => house.worker.apply(snapshot),
            None => house.reload(&uses),
        }
        let served = serve_at(point, house.worker.instance(&uses[0]).as_ref());
        assert_eq!(served.as_deref(), Ok("v2#1"), "{case}");
    }
}

#[test]
fn what_no_longer_loads_leaves_the_last_good_generation_serving() {
    for (stage, (point, on_error)) in
        STAGES.into_iter().flat_map(|stage| every_case().map(move |case| (stage, case)))
    {
        let case = format!("{stage:?} {point:?} {on_error:?}");
        let house = House::new();
        let uses = [one_use(point, on_error)];
        house.package("greet", &manifest("", ""), "v0");
        house.reload(&uses);
        std::fs::remove_dir_all(house.plan("greet").source).expect("it is there");
        break_at(&house, stage);
        house.reload(&uses);
        let served = serve_at(point, house.worker.instance(&uses[0]).as_ref());
        assert_eq!(served.as_deref(), Ok("v0#1"), "{case}");
        assert_eq!(house.catalog.snapshot().failures().len(), 1, "{case}");
    }
}

#[test]
fn an_instance_that_fails_is_replaced_at_once_then_with_backoff_and_then_given_up_for_a_while() {
    for (point, on_error) in every_case() {
        let case = format!("{point:?} {on_error:?}");
        let house = House::new();
        let uses = [one_use(point, on_error)];
        house.write("greet", "v1");
        house.reload(&uses);
        let slot = house.worker.instance(&uses[0]);
        slot.on_fault(&trapped());
        assert_eq!(serve_at(point, slot.as_ref()).as_deref(), Ok("v1#2"), "{case}: at once");
        slot.on_fault(&trapped());
        assert_eq!(serve_at(point, slot.as_ref()), Err(trapped()), "{case}: backoff");
        for _ in 2..FAULTS_MAX {
            while serve_at(point, slot.as_ref()).is_err() {
                house.pass(Duration::from_millis(10));
            }
            slot.on_fault(&trapped());
        }
        let metrics = house.worker.metrics(&"greet".into());
        assert_eq!(metrics.breaker_open.value(), 1, "{case}");
        let starts = house.script.starts.load(Relaxed);
        house.pass(OPEN_FOR - Duration::from_millis(1));
        assert_eq!(serve_at(point, slot.as_ref()), Err(trapped()), "{case}: given up");
        assert_eq!(house.script.starts.load(Relaxed), starts, "{case}");
        house.pass(Duration::from_millis(1));
        assert!(serve_at(point, slot.as_ref()).is_ok(), "{case}: tried again");
        assert_eq!(metrics.faults.of("trapped").value(), FAULTS_MAX as u64, "{case}");
    }
}

#[test]
fn a_start_that_fails_on_a_worker_waits_as_a_fault_does() {
    for (point, on_error) in every_case() {
        let house = House::new();
        let uses = [one_use(point, on_error)];
        house.write("greet", "v1");
        house.script.failing_starts.store(2, Relaxed);
        house.reload(&uses);
        let slot = house.worker.instance(&uses[0]);
        let fault = serve_at(point, slot.as_ref()).expect_err("the second one fails, too");
        assert_eq!(fault.kind, FaultKind::TimedOut, "{point:?} {on_error:?}");
        house.pass(Duration::from_millis(100));
        assert_eq!(serve_at(point, slot.as_ref()).as_deref(), Ok("v1#1"));
    }
}
