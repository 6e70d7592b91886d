mod failures;
mod policy;
mod revocation;

use std::{rc::Rc, time::Duration};

use host_extension::{FaultKind, FilterUse, OnError, Phases};

use crate::fake::{House, filter_use, manifest, serve};

const EVERY_POLICY: [OnError; 3] = [OnError::Closed, OnError::Open, OnError::Reload];

/// A use that cannot be served answers each stream with a load fault, and is served once its
/// artifact is mended and loaded again.
#[track_caller]
fn check_load_failure(artifact: Option<&str>, on_error: OnError) {
    let house = House::new();
    let uses = [filter_use("greet", "a", on_error)];
    if let Some(artifact) = artifact {
        house.write("greet", artifact);
    }
    house.reload(&uses);
    let factory = house.worker.instance(&uses[0]);
    assert_eq!(factory.phases(), Phases::ALL, "the first hook must find out");
    for _ in 0..2 {
        let fault = serve(factory.as_ref()).expect_err("not served");
        assert_eq!(fault.kind, FaultKind::LoadFailed, "{artifact:?} {on_error:?}");
        house.pass(Duration::from_secs(3600));
    }
    assert_eq!(house.alive(), 0, "no worker starts what could not be tried");
    assert_eq!(house.catalog.retry_at().is_some(), on_error == OnError::Reload);

    house.write("greet", "v2");
    if on_error == OnError::Reload {
        house.worker.apply(house.catalog.retry(house.now()).expect("the retry brings it"));
    } else {
        assert!(house.catalog.retry(house.now()).is_none());
        house.reload(&uses);
    }
    assert_eq!(house.serve(&uses[0]).as_deref(), Ok("v2#1"), "{artifact:?} {on_error:?}");
}

#[test]
fn an_artifact_that_cannot_be_read_recovers() {
    EVERY_POLICY.into_iter().for_each(|on_error| check_load_failure(None, on_error));
    EVERY_POLICY.into_iter().for_each(|on_error| check_load_failure(Some(""), on_error));
}

#[test]
fn an_artifact_that_does_not_verify_recovers() {
    EVERY_POLICY.into_iter().for_each(|on_error| check_load_failure(Some("broken"), on_error));
}

#[test]
fn a_plugin_that_refuses_its_configuration_recovers() {
    let artifact = Some("v1 refuses a");
    EVERY_POLICY.into_iter().for_each(|on_error| check_load_failure(artifact, on_error));
}

#[test]
fn a_plugin_that_traps_while_it_serves_recovers() {
    for on_error in EVERY_POLICY {
        let house = House::new();
        let one = filter_use("greet", "a", on_error);
        house.write("greet", "v1");
        house.reload(std::slice::from_ref(&one));
        assert_eq!(house.serve(&one).as_deref(), Ok("v1#1"));
        house.trap(&one);
        assert_eq!(house.serve(&one).as_deref(), Ok("v1#2"), "{on_error:?}");
    }
}

fn two_uses() -> (House, [FilterUse; 2]) {
    let house = House::new();
    house.write("greet", "v1");
    house.write("deny", "v1");
    let uses = [filter_use("greet", "a", OnError::Closed), filter_use("deny", "", OnError::Closed)];
    house.reload(&uses);
    (house, uses)
}

#[test]
fn a_fault_of_one_plugin_leaves_the_instance_of_another_one_alone() {
    let (house, [greet, deny]) = two_uses();
    assert_eq!(house.serve(&greet).as_deref(), Ok("v1#1"));
    assert_eq!(house.serve(&deny).as_deref(), Ok("v1#2"));
    for _ in 0..10 {
        house.trap(&greet);
        let _served = house.serve(&greet);
    }
    assert!(house.serve(&greet).is_err());
    assert_eq!(house.serve(&deny).as_deref(), Ok("v1#2"));
}

#[test]
fn a_slot_is_kept_while_its_generation_is_and_forgotten_with_its_use() {
    let (house, uses) = two_uses();
    let slots = uses.each_ref().map(|one| house.worker.instance(one));
    house.write("deny", "v2");
    house.reload(&uses);
    assert!(Rc::ptr_eq(&slots[0], &house.worker.instance(&uses[0])));
    assert!(!Rc::ptr_eq(&slots[1], &house.worker.instance(&uses[1])));
    assert_eq!(house.alive(), 3, "a running stream may still need the old generation");
    drop(slots);
    assert_eq!(house.alive(), 2);
    house.reload(&uses[..1]);
    assert_eq!(house.alive(), 1);
}

#[test]
fn a_running_chain_keeps_its_generation_and_can_fail_without_the_next_one() {
    let (house, [greet, deny]) = two_uses();
    let old = house.worker.instance(&greet);
    house.write("greet", "v2");
    house.reload(&[greet.clone(), deny]);
    assert_eq!(serve(old.as_ref()).as_deref(), Ok("v1#1"));
    assert_eq!(house.serve(&greet).as_deref(), Ok("v2#2"));
    old.on_fault(&crate::fake::trapped());
    assert_eq!(house.serve(&greet).as_deref(), Ok("v2#2"));
    assert_eq!(serve(old.as_ref()).as_deref(), Ok("v1#3"));
}

#[test]
fn uses_with_different_policies_have_instances_of_their_own() {
    let house = House::new();
    house.write("greet", "v1");
    let uses = EVERY_POLICY.map(|on_error| filter_use("greet", "a", on_error));
    house.reload(&uses);
    let served = uses.each_ref().map(|one| house.serve(one).expect("served"));
    assert_eq!(served, ["v1#1", "v1#2", "v1#3"]);
}

#[test]
fn a_use_that_nobody_loaded_is_answered_with_a_fault() {
    let (house, [greet, _deny]) = two_uses();
    for stranger in
        [filter_use("unknown", "", OnError::Closed), filter_use("greet", "other", greet.on_error)]
    {
        let fault = house.serve(&stranger).expect_err("not served");
        assert_eq!(fault.kind, FaultKind::LoadFailed);
    }
}

#[test]
fn generations_and_host_calls_reach_the_metrics_and_count_on_over_reloads() {
    let (house, uses) = two_uses();
    house.serve(&uses[0]).expect("served");
    house.write("greet", "v2");
    house.reload(&uses);
    house.serve(&uses[0]).expect("served");
    let text = house.metrics.encode();
    // Each start of the fake logs a line.
    for expect in [
        r#"mortise_plugin_generation{plugin="greet",backend="wasm"} 2"#,
        r#"mortise_plugin_generation{plugin="deny",backend="wasm"} 1"#,
        r#"mortise_plugin_host_calls_total{plugin="greet",backend="wasm",call="log"} 2"#,
    ] {
        assert!(text.contains(expect), "{expect} in\n{text}");
    }

    house.reload(&[]);
    let text = house.metrics.encode();
    let gone = r#"mortise_plugin_generation{plugin="greet",backend="wasm"} 0"#;
    assert!(text.contains(gone), "{gone} in\n{text}");
}

#[test]
fn a_failed_reload_keeps_the_slot_that_serves() {
    let (house, uses) = two_uses();
    assert_eq!(house.serve(&uses[0]).as_deref(), Ok("v1#1"));
    house.write("greet", "broken");
    house.reload(&uses);
    assert_eq!(house.serve(&uses[0]).as_deref(), Ok("v1#1"));
}
