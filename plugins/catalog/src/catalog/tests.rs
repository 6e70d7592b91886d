use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, SystemTime},
};

use host_extension::{FilterUse, OnError};
use host_types::PluginName;

use super::Catalog;
use crate::{
    BackendKind, Backends, CatalogSnapshot, PluginState, PluginStatus,
    fake::{House, filter_use},
};

fn closed(plugin: &str, config: &str) -> FilterUse {
    filter_use(plugin, config, OnError::Closed)
}

#[track_caller]
fn check(house: &House, state: PluginState, generation: Option<u64>) -> PluginStatus {
    let status = house.catalog.status().remove(0);
    assert_eq!((status.state, status.generation), (state, generation), "{status:?}");
    status
}

#[test]
fn a_plugin_is_loaded_and_every_configuration_is_tried_once() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a"), closed("greet", "b"), closed("greet", "a")]);
    let status = check(&house, PluginState::Loaded, Some(1));
    assert_eq!(status.uses, 3);
    assert_eq!(status.backend, "wasm");
    assert_eq!(status.loaded_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)));
    assert_eq!(status.last_error(), None);
    assert_eq!(house.script.trials.load(Relaxed), 2);
    assert!(house.catalog.snapshot().failures().is_empty());
}

#[test]
fn a_plugin_without_uses_is_loaded_all_the_same() {
    let house = House::new();
    house.write("greet", "v1");
    house.catalog.load(&[house.plan("greet")], &[], house.now());
    check(&house, PluginState::Loaded, Some(1));
}

#[test]
fn the_same_artifact_and_plan_keep_the_generation_and_only_new_uses_are_tried() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a"), closed("greet", "b")]);
    check(&house, PluginState::Loaded, Some(1));
    assert_eq!(house.script.loads.load(Relaxed), 1);
    assert_eq!(house.script.trials.load(Relaxed), 2);
}

#[test]
fn a_plugin_whose_process_was_given_up_is_loaded_anew() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);
    house.script.tripped.store(true, Relaxed);
    house.reload(&[closed("greet", "a")]);
    check(&house, PluginState::Loaded, Some(2));
    house.script.tripped.store(false, Relaxed);
    house.reload(&[closed("greet", "a")]);
    check(&house, PluginState::Loaded, Some(2));
}

#[test]
fn another_artifact_or_another_plan_makes_the_next_generation() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);
    house.write("greet", "v2");
    house.reload(&[closed("greet", "a")]);
    check(&house, PluginState::Loaded, Some(2));

    let mut plan = house.plan("greet");
    plan.limits.memory_bytes_max += 1;
    house.catalog.load(&[plan], &[closed("greet", "a")], house.now());
    check(&house, PluginState::Loaded, Some(3));
}

#[test]
fn the_last_good_generation_serves_on_until_a_better_one_comes() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);

    house.write("greet", "broken");
    house.reload(&[closed("greet", "a")]);
    let status = check(&house, PluginState::Stale, Some(1));
    assert_eq!(status.failures[0].serving, Some(1));
    let text = status.failures[0].to_string();
    assert_eq!(text, "plugin `greet`: load_failed: not an artifact (generation 1 serves on)");

    house.remove("greet");
    house.reload(&[closed("greet", "a")]);
    check(&house, PluginState::Stale, Some(1));

    house.write("greet", "v2 refuses a");
    house.reload(&[closed("greet", "a")]);
    let status = check(&house, PluginState::Stale, Some(1));
    assert_eq!(status.failures[0].spec, Some(closed("greet", "a").spec));

    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);
    assert_eq!(check(&house, PluginState::Loaded, Some(1)).last_error(), None);

    house.write("greet", "v3");
    house.reload(&[closed("greet", "a")]);
    check(&house, PluginState::Loaded, Some(2));
}

#[test]
fn a_use_that_the_serving_generation_refuses_fails_alone() {
    let house = House::new();
    house.write("greet", "v1 refuses b");
    house.reload(&[closed("greet", "a")]);
    house.reload(&[closed("greet", "a"), closed("greet", "b")]);
    let status = check(&house, PluginState::Loaded, Some(1));
    assert_eq!(status.failures.len(), 1);
    assert_eq!(status.failures[0].spec, Some(closed("greet", "b").spec));
    assert_eq!(status.failures[0].serving, None);
    assert_eq!(house.serve(&closed("greet", "a")).as_deref(), Ok("v1#1"));
    assert!(house.serve(&closed("greet", "b")).is_err());
}

#[test]
fn a_generation_that_refuses_no_more_than_the_last_one_takes_its_place() {
    let house = House::new();
    let uses = [closed("greet", "a"), closed("greet", "b")];
    house.write("greet", "v1 refuses b");
    house.reload(&uses);
    house.write("greet", "v2 refuses b");
    house.reload(&uses);
    check(&house, PluginState::Loaded, Some(2));
}

#[test]
fn a_plugin_of_which_no_use_starts_fails_and_every_reason_is_told() {
    let house = House::new();
    let uses = [closed("greet", "a"), closed("greet", "b")];
    house.write("greet", "v1 refuses a b");
    house.reload(&uses);
    let status = check(&house, PluginState::Failed, None);
    assert_eq!(status.failures.len(), 2);
    for one in &uses {
        let fault = house.serve(one).expect_err("not served");
        let config = String::from_utf8_lossy(&one.spec.config).into_owned();
        assert!(fault.message.contains(&format!("`{config}`")), "{fault}");
    }
}

#[test]
fn a_plugin_that_fails_leaves_the_others_as_they_are() {
    let house = House::new();
    let uses = [closed("deny", ""), closed("greet", "a"), closed("upper", "")];
    for plugin in ["deny", "greet", "upper"] {
        house.write(plugin, "v1");
    }
    house.reload(&uses);
    house.write("greet", "broken");
    house.write("upper", "v2");
    house.reload(&uses);
    let states: Vec<_> = house.catalog.status().into_iter().map(|one| one.state).collect();
    assert_eq!(states, [PluginState::Loaded, PluginState::Stale, PluginState::Loaded]);
    assert_eq!(house.catalog.snapshot().failures().len(), 1);
    let greet = house.metrics.control_thread().plugin(&PluginName::from("greet"), "wasm");
    assert_eq!(greet.faults.of("load_failed").value(), 1);
}

#[test]
fn a_plugin_that_leaves_the_configuration_is_forgotten() {
    let house = House::new();
    house.write("greet", "v1");
    house.reload(&[closed("greet", "a")]);
    house.reload(&[]);
    assert!(house.catalog.status().is_empty());
}

#[test]
fn a_backend_that_is_not_there_is_a_failure_of_the_plugin() {
    let house = House::new();
    house.write("greet", "v1");
    let catalog = Catalog::new(Backends::default(), house.metrics.control_thread(), 1);
    let snapshot = catalog.load(&[house.plan("greet")], &[], house.now());
    let text = snapshot.failures()[0].to_string();
    let backend = BackendKind::Wasm.label();
    assert!(text.contains(&format!("the backend `{backend}` is not available")), "{text}");
}

#[test]
fn only_what_is_used_with_reload_is_retried() {
    let house = House::new();
    house.reload(&[closed("greet", "a"), filter_use("greet", "a", OnError::Open)]);
    check(&house, PluginState::Failed, None);
    assert_eq!(house.catalog.retry_at(), None);
    house.write("greet", "v1");
    house.pass(Duration::from_secs(3600));
    assert!(house.catalog.retry(house.now()).is_none());
    check(&house, PluginState::Failed, None);
}

#[test]
fn a_retry_comes_with_backoff_and_brings_what_can_be_loaded_by_then() {
    let house = House::new();
    let one = filter_use("greet", "a", OnError::Reload);
    house.reload(std::slice::from_ref(&one));
    for tries in 0..12 {
        let at = house.catalog.retry_at().expect("a retry is due");
        let wait = at - house.time.get();
        assert!(wait <= Duration::from_secs(30), "{tries}: {wait:?}");
        house.time.set(at);
        assert!(house.catalog.retry(house.now()).is_none(), "nothing changed");
    }
    house.write("greet", "v1");
    house.pass(Duration::from_secs(30));
    let snapshot = house.catalog.retry(house.now()).expect("it is loaded now");
    house.worker.apply(snapshot);
    check(&house, PluginState::Loaded, Some(1));
    assert_eq!(house.catalog.retry_at(), None);
    assert_eq!(house.serve(&one).as_deref(), Ok("v1#1"));
}

#[test]
fn a_retry_before_its_time_does_nothing() {
    let house = House::new();
    house.write("greet", "broken");
    house.reload(&[filter_use("greet", "a", OnError::Reload)]);
    let at = house.catalog.retry_at().expect("a retry is due");
    house.time.set(at - Duration::from_nanos(1));
    assert!(house.catalog.retry(house.now()).is_none());
    assert_eq!(house.script.loads.load(Relaxed), 1);
}

#[test]
fn a_retry_leaves_healthy_plugins_alone() {
    let house = House::new();
    house.write("well", "v1");
    house.write("ill", "broken");
    house
        .reload(&[filter_use("ill", "", OnError::Reload), filter_use("well", "", OnError::Reload)]);
    house.write("well", "v2");
    house.pass(Duration::from_secs(30));
    assert!(house.catalog.retry(house.now()).is_none());
    assert_eq!(house.catalog.status()[1].generation, Some(1));
}

#[test]
fn a_refused_use_is_retried_where_it_is_the_one_with_reload() {
    let house = House::new();
    house.write("greet", "v1 refuses b");
    house.reload(&[filter_use("greet", "a", OnError::Reload), closed("greet", "b")]);
    assert_eq!(house.catalog.retry_at(), None, "`a` is well and `b` is not to be retried");
    house.reload(&[closed("greet", "a"), filter_use("greet", "b", OnError::Reload)]);
    assert!(house.catalog.retry_at().is_some());
}

#[test]
fn what_plugins_share_is_named_as_they_are_configured_and_as_they_serve() {
    let house = House::new();
    house.write("greet", "v1");
    house.write("count", "v1");
    let load = |id: Option<&str>| {
        let mut greet = house.plan("greet");
        greet.vm.id = id.map(Into::into);
        let snapshot = house.catalog.load(&[greet, house.plan("count")], &[], house.now());
        let mut names: Vec<_> = snapshot.shared_quotas().into_keys().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(load(None), ["count", "greet"]);
    assert_eq!(load(Some("counters")), ["count", "counters"]);
    house.write("greet", "broken");
    assert_eq!(load(Some("others")), ["count", "counters", "others"], "the last one serves on");
}

#[test]
fn of_plugins_that_share_the_largest_quota_counts_and_a_new_one_holds_at_once() {
    let house = House::new();
    house.write("a", "v1");
    house.write("b", "v1");
    let load = |quotas: [usize; 2]| {
        let plans = ["a", "b"].into_iter().zip(quotas).map(|(name, quota)| {
            let mut plan = house.plan(name);
            plan.vm.id = Some("both".into());
            plan.limits.shared_data_bytes_max = quota;
            plan
        });
        let plans: Vec<_> = plans.collect();
        house.catalog.load(&plans, &[], house.now()).shared_quotas()
    };
    assert_eq!(load([100, 70]), [("both".to_owned(), 100)].into());
    assert_eq!(load([50, 70]), [("both".to_owned(), 70)].into());
    house.write("b", "broken");
    assert_eq!(load([50, 10]), [("both".to_owned(), 50)].into(), "the last `b` has no say");
}

#[test]
fn how_many_metrics_a_plugin_may_have_is_told_as_it_is_configured() {
    let house = House::new();
    house.write("a", "broken");
    let plans = [("a", 5), ("b", 0)].map(|(name, max)| {
        let mut plan = house.plan(name);
        plan.limits.metrics_max = max;
        plan
    });
    let snapshot = house.catalog.load(&plans, &[], house.now());
    assert_eq!(snapshot.metric_limits().collect::<Vec<_>>(), [("a", 5), ("b", 0)]);
}

#[test]
fn a_snapshot_goes_to_other_threads() {
    fn check<T: Send + Sync>() {}
    check::<CatalogSnapshot>();
    check::<Catalog>();
}
