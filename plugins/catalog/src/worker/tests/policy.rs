//! What a policy means for what workers run: denials, security, budgets, records.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use host_extension::{CallError, Capability, PluginFault};
use plugins_policy::{Mode, Policy, Preset, Restriction};

use super::*;
use crate::{
    BackendKind, Catalog, CatalogSnapshot, PluginPlan, Records,
    fake::{FakeBackend, lines},
};

/// Loads one plugin under a policy, and takes it into use.
fn load(house: &House, policy: Policy, uses: &[FilterUse]) -> CatalogSnapshot {
    load_as(house, uses, |plan| plan.policy = Arc::new(policy))
}

fn load_as(
    house: &House,
    uses: &[FilterUse],
    change: impl FnOnce(&mut PluginPlan),
) -> CatalogSnapshot {
    let mut plan = house.plan("greet");
    change(&mut plan);
    let snapshot = house.catalog.load(&[plan], uses, house.now());
    house.worker.apply(snapshot.clone());
    snapshot
}

fn denied(house: &House, permission: &str) -> Option<u64> {
    let text = house.metrics.encode();
    let name = "mortise_plugin_denied_total";
    let series = format!(r#"{name}{{plugin="greet",backend="wasm",permission="{permission}"}} "#);
    text.lines().find_map(|line| line.strip_prefix(&series)).map(|count| count.parse().unwrap())
}

fn one() -> [FilterUse; 1] {
    [filter_use("greet", "a", OnError::Closed)]
}

#[test]
fn denials_are_counted_on_all_threads_and_told_once() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    // Each start of the fake logs a line: one on the control thread, one on the worker.
    let told = lines(|| {
        load(&house, Policy::of(Preset::None), &uses);
        house.serve(&uses[0]).expect("it serves all the same");
    });
    let told: Vec<_> = told.iter().filter(|line| line.contains("permission")).collect();
    let line = "`log` is not allowed: to grant it, add `{ name: NAME, preset: none, \
                grants: [\"log\"] }` to `policies`, and `policy: NAME` to the plugin \
                plugin=greet permission=\"log\"";
    assert_eq!(told, [line]);
    assert_eq!(denied(&house, "log"), Some(2));
    assert_eq!(denied(&house, "http_call"), Some(0));

    house.write("greet", "v2");
    let again = lines(|| drop(load(&house, Policy::of(Preset::None), &uses)));
    assert!(!again.iter().any(|line| line.contains("permission")), "it was told just now");
    house.serve(&uses[0]).expect("served");
    assert_eq!(denied(&house, "log"), Some(4), "and counts on over reloads");
}

#[test]
fn what_a_permissive_policy_lets_happen_is_counted_and_told() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    let policy = Policy { mode: Mode::Permissive, ..Policy::of(Preset::None) };
    let told = lines(|| drop(load(&house, policy, &uses)));
    assert!(told.iter().any(|line| line.contains("`log` would not be allowed")), "{told:?}");
    assert_eq!(denied(&house, "log"), Some(1));
    assert_eq!(house.worker.instance(&uses[0]).may(Capability::Reply), Ok(()));
}

#[test]
fn what_is_withheld_as_a_plugin_is_loaded_is_counted() {
    for mode in [Mode::Enforce, Mode::Permissive] {
        let (house, uses) = (House::new(), one());
        house.write("greet", "v1");
        let snapshot = load_as(&house, &uses, |plan| {
            plan.policy = Arc::new(Policy { mode, ..Policy::of(Preset::None) });
            plan.vm.environment = ["HOME", "TOKEN"].map(|name| (name.into(), "x".into())).to_vec();
        });
        assert_eq!(denied(&house, "environment"), Some(2), "{mode:?}");
        assert_eq!(denied(&house, "files.read"), Some(0), "{mode:?}");
        assert_eq!(snapshot.warnings().len(), 2, "{mode:?}");
    }
}

#[test]
fn a_verdict_is_allowed_by_the_policy_and_one_that_is_not_costs_no_instance() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    let reply_only = Policy { grants: vec!["reply".parse().unwrap()], ..Policy::of(Preset::None) };
    load(&house, reply_only, &uses);
    let slot = house.worker.instance(&uses[0]);
    assert_eq!(slot.may(Capability::Reply), Ok(()));
    let told = lines(|| {
        for _ in 0..10 {
            assert_eq!(slot.may(Capability::Close), Err(CallError::Denied));
            slot.on_fault(&PluginFault::new(FaultKind::Denied, "as the chain says it"));
        }
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`close`"), "{told:?}");
    let metrics = house.worker.metrics(&"greet".into());
    assert_eq!(metrics.faults.of("denied").value(), 10);
    assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"));
}

#[test]
fn a_plugin_that_overspends_keeps_its_instance_and_its_breaker_stays_closed() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    load(&house, Policy::default(), &uses);
    let slot = house.worker.instance(&uses[0]);
    let overspent = PluginFault::new(FaultKind::Overspent, "too much in this second");
    let told = lines(|| (0..100).for_each(|_| slot.on_fault(&overspent)));
    assert_eq!(told.len(), 1, "{told:?}");
    let metrics = house.worker.metrics(&"greet".into());
    assert_eq!(metrics.faults.of("overspent").value(), 100);
    assert_eq!(metrics.breaker_open.value(), 0);
    assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"));
    assert_eq!(house.catalog.status()[0].last_fault, Some(overspent));
}

#[test]
fn the_pipeline_is_told_of_limits_that_only_it_can_keep() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    load(&house, Policy::default(), &uses);
    let bounds = house.worker.instance(&uses[0]).bounds();
    assert!(bounds.cpu.is_none() && bounds.held_bytes_max.is_none());
    load_as(&house, &uses, |plan| {
        plan.limits.cpu_per_second = Some(Duration::from_millis(200));
        plan.limits.held_body_bytes_max = Some(1000);
    });
    let slot = house.worker.instance(&uses[0]);
    let bounds = slot.bounds();
    let cpu = bounds.cpu.expect("a budget");
    assert_eq!((cpu.per_second(), bounds.held_bytes_max), (Duration::from_millis(200), Some(1000)));
    assert!(Rc::ptr_eq(&cpu, &slot.bounds().cpu.unwrap()), "one for all streams");
    slot.on_fault(&crate::fake::trapped());
    assert!(Rc::ptr_eq(&cpu, &slot.bounds().cpu.unwrap()), "and for all instances");
}

#[test]
fn a_plugin_is_for_security_where_the_configuration_or_its_manifest_says_so() {
    for (by_plan, by_manifest) in [(false, false), (true, false), (false, true)] {
        let (house, uses) = (House::new(), one());
        let security = if by_manifest { "security = true" } else { "" };
        house.package("greet", &manifest("", security), "v1");
        load_as(&house, &uses, |plan| plan.is_security = by_plan);
        let expect = by_plan || by_manifest;
        assert_eq!(house.worker.instance(&uses[0]).is_security(), expect);
        // Also when nothing of it loads any more, from the artifact to the manifest.
        house.worker.apply(CatalogSnapshot::default());
        for artifact in ["broken", ""] {
            house.package("greet", &manifest("", security), artifact);
            let catalog = &house.catalog;
            let mut plan = house.plan("greet");
            plan.is_security = by_plan;
            house.worker.apply(catalog.load(&[plan], &uses, house.now()));
            assert_eq!(house.worker.instance(&uses[0]).is_security(), expect, "{artifact}");
        }
    }
}

#[test]
fn a_plugin_for_security_that_never_loaded_is_one_all_the_same() {
    let (house, uses) = (House::new(), one());
    house.package("greet", &manifest("", "security = true"), "broken");
    load(&house, Policy::default(), &uses);
    let factory = house.worker.instance(&uses[0]);
    assert!(serve(factory.as_ref()).is_err() && factory.is_security());
}

#[test]
fn a_package_that_could_never_be_read_is_for_security_where_it_says_so_or_may() {
    let open = [filter_use("greet", "a", OnError::Open)];
    let serves = |house: &House| {
        load(house, Policy::default(), &open);
        let factory = house.worker.instance(&open[0]);
        (serve(factory.as_ref()).is_ok(), factory.is_security())
    };
    // Its artifact is missing.
    for (security, expect) in [("security = true", true), ("", false)] {
        let house = House::new();
        house.package("greet", &manifest("", security), "v1");
        house.remove("greet/code");
        assert_eq!(serves(&house), (false, expect), "{security}");
    }
    // Its manifest says nothing that can be read, and then it does.
    let house = House::new();
    assert_eq!(serves(&house), (false, false), "there is none");
    house.package("greet", "schema = 1\nsecurity = tru", "v1");
    let told = lines(|| assert_eq!(serves(&house), (false, true)));
    assert!(told.iter().any(|line| line.contains("as if its uses were `on_error: closed`")));
    house.package("greet", &manifest("", ""), "v1");
    assert_eq!(serves(&house), (true, false));
    // By now it is known.
    house.package("greet", "schema = 1\nsecurity = tru", "v1");
    let told = lines(|| assert_eq!(serves(&house), (true, false)));
    assert!(!told.iter().any(|line| line.contains("closed")), "{told:?}");
}

#[test]
fn what_is_known_of_one_package_says_nothing_of_another() {
    let house = House::new();
    let open = [filter_use("greet", "a", OnError::Open)];
    house.package("greet", &manifest("", ""), "v1");
    load(&house, Policy::default(), &open);
    house.package("other", "schema = 1\nsecurity = tru", "v1");
    let other = house.plan("other").source;
    load_as(&house, &open, |plan| plan.source = other);
    let slot = house.worker.instance(&open[0]);
    assert!(slot.is_security());
    assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"), "the last one serves on");
}

#[test]
fn a_generation_for_security_stays_one_while_it_serves_whatever_the_next_manifest_says() {
    let (house, uses) = (House::new(), one());
    house.package("greet", &manifest("", "security = true"), "v1");
    load(&house, Policy::default(), &uses);
    house.package("greet", &manifest("", ""), "broken");
    let open = [filter_use("greet", "a", OnError::Open)];
    for _ in 0..2 {
        load(&house, Policy::default(), &open);
        let slot = house.worker.instance(&open[0]);
        assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"));
        assert!(slot.is_security());
    }
    house.package("greet", &manifest("", ""), "v2");
    load(&house, Policy::default(), &open);
    assert!(!house.worker.instance(&open[0]).is_security());
}

#[test]
fn a_plugin_for_security_whose_use_is_open_does_not_load_and_says_why() {
    for by_plan in [false, true] {
        let house = House::new();
        let uses = [filter_use("greet", "a", OnError::Open)];
        let security = if by_plan { "" } else { "security = true" };
        house.package("greet", &manifest("", security), "v1");
        let snapshot = load_as(&house, &uses, |plan| plan.is_security = by_plan);
        let told = snapshot.failures()[0].to_string();
        assert!(told.contains("`on_error: closed`"), "{told}");
        let factory = house.worker.instance(&uses[0]);
        assert!(serve(factory.as_ref()).is_err() && factory.is_security());
        assert_eq!(house.script.loads.load(Relaxed), 0);
    }
}

#[test]
fn a_generation_that_serves_on_becomes_one_for_security_with_the_manifest() {
    let house = House::new();
    let uses = [filter_use("greet", "a", OnError::Open)];
    house.package("greet", &manifest("", ""), "v1");
    load(&house, Policy::default(), &uses);
    let slot = house.worker.instance(&uses[0]);
    assert!(!slot.is_security());
    house.package("greet", &manifest("", "security = true"), "v2");
    load(&house, Policy::default(), &uses);
    let same = house.worker.instance(&uses[0]);
    assert!(Rc::ptr_eq(&slot, &same) && slot.is_security());
    assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"));
}

#[test]
fn what_is_odd_about_permissions_is_told_for_as_long_as_the_generation_serves() {
    let (house, uses) = (House::new(), one());
    house.package("greet", &manifest(r#"permissions = ["log", "http_call:auth"]"#, ""), "v1");
    *house.script.uses.lock() = vec![Capability::HttpCall, Capability::GrpcCall, Capability::Log];
    let expect = [
        "plugin `greet` asks for `http_call:auth`, which is not allowed: to grant it, add `{ name: \
         NAME, preset: default, grants: [\"http_call:auth\"] }` to `policies`, and `policy: NAME` \
         to the plugin",
        "plugin `greet` may use `grpc_call`, which its plugin.toml does not ask for \
         (`permissions`)",
    ];
    for _ in 0..2 {
        let snapshot = load(&house, Policy::default(), &uses);
        let told: Vec<_> = snapshot.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(told, expect);
        assert!(snapshot.failures().is_empty());
    }
    let asked = Policy::of(Preset::Network);
    let told = load(&house, asked, &uses).warnings();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_restriction_that_cannot_be_enforced_refuses_the_load() {
    let house = House::new();
    let backends = crate::Backends::default()
        .with(BackendKind::Native, Arc::new(FakeBackend(Arc::clone(&house.script))));
    let catalog = Catalog::new(backends, house.metrics.control_thread(), 7);
    house.write("greet", "v1");
    let mut plan = house.plan("greet");
    plan.backend = BackendKind::Native;
    let mut policy = Policy { stated: vec![Restriction::Memory], ..Policy::default() };
    plan.policy = Arc::new(policy.clone());
    let snapshot = catalog.load(std::slice::from_ref(&plan), &one(), house.now());
    let told = snapshot.failures()[0].to_string();
    assert!(told.contains("`memory` cannot be enforced"), "{told}");
    assert_eq!(house.script.loads.load(Relaxed), 0);

    policy.allow_unenforced = vec![Restriction::Memory];
    plan.policy = Arc::new(policy);
    let snapshot = catalog.load(&[plan], &one(), house.now());
    assert!(snapshot.failures().is_empty());
    assert_eq!(snapshot.warnings().len(), 1);
}

#[test]
fn a_catalog_that_records_lets_everything_happen_and_says_what_would_have_to_be_granted() {
    let (house, uses) = (House::new(), one());
    house.write("greet", "v1");
    let records = Arc::<Records>::default();
    let backends = crate::Backends::default()
        .with(BackendKind::Wasm, Arc::new(FakeBackend(Arc::clone(&house.script))));
    let catalog =
        Catalog::new(backends, house.metrics.control_thread(), 7).recording(Arc::clone(&records));
    let mut plan = house.plan("greet");
    plan.policy = Arc::new(Policy::of(Preset::None));
    plan.vm.environment = vec![("HOME".into(), "x".into())];
    let snapshot = catalog.load(&[plan], &uses, house.now());
    let told: Vec<_> = snapshot.warnings().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("`environment:HOME` would not be"), "{told:?}");
    house.worker.apply(snapshot);
    let slot = house.worker.instance(&uses[0]);
    assert_eq!(slot.may(Capability::Close), Ok(()));
    let grants = records.grants();
    let [(plugin, grants)] = grants.as_slice() else { panic!("{grants:?}") };
    assert_eq!(plugin.as_str(), "greet");
    let mut words: Vec<_> = grants.iter().map(ToString::to_string).collect();
    words.sort_unstable();
    assert_eq!(words, ["environment:HOME", "log"]);
}
