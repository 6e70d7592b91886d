//! A new policy and new limits hold at once: a plugin keeps nothing of what was taken from it by
//! not loading any more.

use std::sync::Arc;

use host_extension::PluginFault;
use host_types::{NativeAllowed, RunIn};
use plugins_policy::{Policy, Preset, Restriction};

use super::*;
use crate::{BackendKind, Catalog, PluginPlan, PluginState, fake::FakeBackend};

/// Changes what holds a plugin.
type Change = fn(&mut PluginPlan);

/// Everything that is less, or is stated anew.
const CHANGES: [(&str, Change); 6] = [
    ("preset", |plan| plan.policy = Arc::new(Policy::of(Preset::ReadOnly))),
    ("denials", |plan| {
        let denials = vec!["metrics".parse().expect("a permission")];
        plan.policy = Arc::new(Policy { denials, ..(*plan.policy).clone() });
    }),
    ("limit of a guard", |plan| plan.limits.calls_max -= 1),
    ("limit of an instance", |plan| plan.limits.memory_bytes_max -= 1),
    ("sandbox", |plan| plan.process.sandbox.files_max -= 1),
    ("process of its own", |plan| {
        plan.backend = BackendKind::Native;
        plan.native.run_in = RunIn::Runner;
    }),
];

/// Ways not to load any more.
const BREAKS: [fn(&House); 3] = [
    |house| house.write("greet", "broken"),
    |house| house.remove("greet"),
    |house| house.write("greet", "v2 refuses a"),
];

fn load(house: &House, uses: &[FilterUse], change: Change) {
    let mut plan = house.plan("greet");
    change(&mut plan);
    house.worker.apply(house.catalog.load(&[plan], uses, house.now()));
}

fn one() -> [FilterUse; 1] {
    [filter_use("greet", "a", OnError::Closed)]
}

#[test]
fn what_does_not_load_under_a_new_policy_does_not_serve_on_under_the_old_one() {
    for (name, change) in CHANGES {
        for fail in BREAKS {
            let (house, uses) = (House::new(), one());
            house.write("greet", "v1");
            load(&house, &uses, |_plan| {});
            let running = house.worker.instance(&uses[0]);
            assert_eq!(serve(running.as_ref()).as_deref(), Ok("v1#1"));

            fail(&house);
            load(&house, &uses, change);
            assert!(house.serve(&uses[0]).is_err(), "{name}");
            let mut changed = house.plan("greet");
            change(&mut changed);
            let status = house.catalog.status().remove(0);
            assert_eq!((status.state, status.generation), (PluginState::Failed, None), "{name}");
            assert_eq!(status.policy, changed.policy, "{name}");
            assert!(house.catalog.snapshot().warnings().is_empty());
            let told = status.failures[0].to_string();
            assert!(told.contains("(generation 1 does not serve on: "), "{name}: {told}");
            // Chains that run keep theirs to their end; nothing else of it is left.
            assert_eq!(serve(running.as_ref()).as_deref(), Ok("v1#1"));
            drop(running);
            assert_eq!(house.alive(), 0, "{name}");
        }
    }
}

#[test]
fn what_is_granted_again_is_loaded_anew() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1 refuses b");
    load(&house, &uses, |_plan| {});
    house.write("greet", "broken");
    load(&house, &uses, |plan| plan.limits.calls_max = 0);
    load(&house, &uses, |_plan| {});
    assert!(house.serve(&uses[0]).is_err(), "what was let go is gone");
    house.write("greet", "v1 refuses b");
    load(&house, &uses, |_plan| {});
    assert_eq!(house.catalog.status()[0].generation, Some(2));
    assert_eq!(house.serve(&uses[0]).as_deref(), Ok("v1#1"));
}

#[test]
fn uses_that_start_under_the_new_policy_serve_though_others_served_before() {
    let house = House::new();
    let uses = ["a", "b"].map(|config| filter_use("greet", config, OnError::Closed));
    house.write("greet", "v1");
    load(&house, &uses, |_plan| {});
    house.write("greet", "v2 refuses b");
    load(&house, &uses, |plan| plan.limits.calls_max = 0);
    assert_eq!(house.catalog.status()[0].generation, Some(2));
    assert!(house.serve(&uses[0]).is_ok_and(|by| by.starts_with("v2")));
    assert!(house.serve(&uses[1]).is_err());
}

#[test]
fn what_is_to_be_retried_is_and_comes_under_the_new_policy() {
    let house = House::new();
    let uses = [filter_use("greet", "a", OnError::Reload)];
    house.write("greet", "v1");
    load(&house, &uses, |_plan| {});
    house.write("greet", "broken");
    load(&house, &uses, |plan| plan.policy = Arc::new(Policy::of(Preset::None)));
    house.time.set(house.catalog.retry_at().expect("a retry is due"));
    assert!(house.catalog.retry(house.now()).is_none());
    assert!(house.serve(&uses[0]).is_err());
    house.write("greet", "v1");
    house.time.set(house.catalog.retry_at().expect("a retry is due"));
    house.worker.apply(house.catalog.retry(house.now()).expect("it is loaded"));
    assert_eq!(house.serve(&uses[0]).as_deref(), Ok("v1#1"));
    assert_eq!(house.catalog.status()[0].policy.preset, Preset::None);
}

/// A library in the proxy that serves, and whether it serves on when its plan is changed.
fn library_serves_on(artifact: &str, change: Change) -> Result<String, PluginFault> {
    let (house, uses) = (House::new(), one());
    let backends = crate::Backends::default()
        .with(BackendKind::Native, Arc::new(FakeBackend(Arc::clone(&house.script))));
    let catalog = Catalog::new(backends, house.metrics.control_thread(), 7);
    house.write("greet", "v1");
    let mut plan = house.plan("greet");
    plan.backend = BackendKind::Native;
    plan.native.allow = vec![NativeAllowed::Sha256([1; 32])];
    house.worker.apply(catalog.load(std::slice::from_ref(&plan), &uses, house.now()));
    assert!(house.serve(&uses[0]).is_ok());
    house.write("greet", artifact);
    change(&mut plan);
    house.worker.apply(catalog.load(&[plan], &uses, house.now()));
    house.serve(&uses[0])
}

#[test]
fn a_restriction_that_is_stated_anew_and_cannot_be_enforced_ends_the_plugin() {
    let served = library_serves_on("v1", |plan| {
        let stated = vec![Restriction::Memory];
        plan.policy = Arc::new(Policy { stated, ..(*plan.policy).clone() });
    });
    let fault = served.expect_err("not served");
    assert!(fault.message.contains("`memory` cannot be enforced"), "{fault}");
}

#[test]
fn a_library_that_is_no_longer_allowed_does_not_serve_on() {
    const OTHER: NativeAllowed = NativeAllowed::Sha256([2; 32]);
    assert!(library_serves_on("broken", |plan| plan.native.allow.clear()).is_err());
    assert!(library_serves_on("broken", |plan| plan.native.allow = vec![OTHER]).is_err());
    assert!(library_serves_on("broken", |plan| plan.native.allow.push(OTHER)).is_ok());
}
