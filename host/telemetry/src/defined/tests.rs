use std::thread;

use expect_test::expect;
use host_extension::MetricKind;

use super::*;
use crate::Metrics;

/// What the page shows of the metrics that plugins defined.
fn page(metrics: &Metrics) -> String {
    let text = metrics.encode();
    let own = |line: &&str| {
        line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with("plugin_")
    };
    text.lines().filter(own).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_metric_that_is_defined_again_is_the_same_one() {
    let metrics = DefinedMetrics::default();
    let first = metrics.define("a", MetricKind::Counter, "requests").unwrap();
    assert_eq!(metrics.define("a", MetricKind::Counter, "requests"), Ok(first));
    let other = metrics.define("a", MetricKind::Gauge, "requests");
    assert_eq!(other, Err(CallError::BadArgument));
    assert_ne!(metrics.define("b", MetricKind::Counter, "requests"), Ok(first));
    assert_ne!(metrics.define("a", MetricKind::Counter, "replies"), Ok(first));
}

#[test]
fn a_number_of_another_plugin_means_nothing() {
    let metrics = DefinedMetrics::default();
    let of_a = metrics.define("a", MetricKind::Counter, "requests").unwrap();
    for (plugin, metric) in [("b", of_a), ("a", of_a + 1), ("a", 0), ("a", u32::MAX)] {
        assert_eq!(metrics.record(plugin, metric, 1), Err(CallError::NotFound));
        assert_eq!(metrics.increment(plugin, metric, 1), Err(CallError::NotFound));
        assert_eq!(metrics.value(plugin, metric), Err(CallError::NotFound));
    }
    assert_eq!(metrics.value("a", of_a), Ok(0));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let metrics = DefinedMetrics::default();
    let define = |name: &str| metrics.define("a", MetricKind::Counter, name).map(drop);
    assert_eq!(define(""), Err(CallError::BadArgument));
    assert_eq!(define("a\nb"), Err(CallError::BadArgument));
    assert_eq!(define("a\0"), Err(CallError::BadArgument));
    assert_eq!(define(&"x".repeat(DEFINED_NAME_BYTES_MAX)), Ok(()));
    assert_eq!(define(&"x".repeat(DEFINED_NAME_BYTES_MAX + 1)), Err(CallError::LimitReached));
}

#[test]
fn a_plugin_with_enough_metrics_gets_no_more_and_keeps_those_that_it_has() {
    let metrics = DefinedMetrics::default();
    let define = |plugin: &str, number: usize| {
        metrics.define(plugin, MetricKind::Counter, &number.to_string())
    };
    for number in 0..DEFINED_METRICS_MAX {
        assert!(define("a", number).is_ok());
    }
    assert_eq!(define("a", DEFINED_METRICS_MAX), Err(CallError::LimitReached));
    assert!(define("a", 0).is_ok());
    assert!(define("b", 0).is_ok());
}

#[test]
fn a_limit_of_a_plugin_is_one_for_all_who_define_its_metrics_and_a_lower_one_takes_none_away() {
    let metrics = DefinedMetrics::default();
    metrics.limit([("a", 2), ("none", 0), ("many", usize::MAX)]);
    let define = |plugin: &str, name: &str| metrics.define(plugin, MetricKind::Counter, name);
    let first = define("a", "1").expect("one");
    // Whoever asks for it, it is there.
    let of_another_use = metrics.clone();
    assert_eq!(of_another_use.define("a", MetricKind::Counter, "1"), Ok(first));
    assert!(of_another_use.define("a", MetricKind::Counter, "2").is_ok());
    assert_eq!(define("a", "3"), Err(CallError::LimitReached));
    assert_eq!(define("none", "1"), Err(CallError::LimitReached));
    assert!(define("unlimited", "1").is_ok());
    for number in 0..DEFINED_METRICS_MAX {
        assert!(define("many", &number.to_string()).is_ok());
    }
    assert_eq!(define("many", "one more"), Err(CallError::LimitReached));

    metrics.limit([("a", 1)]);
    assert_eq!((define("a", "1"), define("a", "3")), (Ok(first), Err(CallError::LimitReached)));
    assert!(define("a", "2").is_ok() && define("none", "1").is_ok());
    metrics.limit([("a", 3)]);
    assert!(define("a", "3").is_ok());
}

#[test]
fn threads_count_into_one_value() {
    let metrics = DefinedMetrics::default();
    let count = || {
        let metric = metrics.define("a", MetricKind::Counter, "requests").unwrap();
        for _ in 0..1000 {
            assert_eq!(metrics.increment("a", metric, 1), Ok(()));
        }
        metric
    };
    let ids = thread::scope(|scope| {
        [scope.spawn(count), scope.spawn(count)].map(|thread| thread.join().unwrap())
    });
    assert_eq!(ids[0], ids[1]);
    assert_eq!(metrics.value("a", ids[0]), Ok(2000));
}

#[test]
fn the_page_shows_every_kind_with_its_plugin() {
    let metrics = Metrics::new();
    let defined = metrics.defined();
    let define = |plugin, kind, name| defined.define(plugin, kind, name).unwrap();
    let requests = define("limit", MetricKind::Counter, "limit.requests_total");
    let open = define("li\"mit", MetricKind::Gauge, "open");
    let size = define("limit", MetricKind::Histogram, "size");
    let again = define("limit", MetricKind::Counter, "limit_\"requests");
    let twice = define("limit", MetricKind::Counter, "limit__requests");
    assert_eq!(defined.increment("limit", requests, 3), Ok(()));
    assert_eq!(defined.increment("li\"mit", open, -2), Ok(()));
    assert_eq!(defined.record("limit", size, 30), Ok(()));
    assert_eq!(defined.record("limit", again, 1), Ok(()));
    assert_eq!(defined.record("limit", twice, 2), Ok(()));
    expect![[r##"
        # HELP plugin_limit__requests Counted by plugins.
        # TYPE plugin_limit__requests counter
        plugin_limit__requests_total{plugin="limit"} 1
        plugin_limit__requests_total{plugin="limit",name="limit__requests"} 2
        # HELP plugin_limit_requests Counted by plugins.
        # TYPE plugin_limit_requests counter
        plugin_limit_requests_total{plugin="limit"} 3
        # HELP plugin_open Set by plugins.
        # TYPE plugin_open gauge
        plugin_open{plugin="li\"mit"} -2
        # HELP plugin_size Observed by plugins.
        # TYPE plugin_size histogram
        plugin_size_sum{plugin="limit"} 30.0
        plugin_size_count{plugin="limit"} 1
        plugin_size_bucket{le="1.0",plugin="limit"} 0
        plugin_size_bucket{le="5.0",plugin="limit"} 0
        plugin_size_bucket{le="10.0",plugin="limit"} 0
        plugin_size_bucket{le="25.0",plugin="limit"} 0
        plugin_size_bucket{le="50.0",plugin="limit"} 1
        plugin_size_bucket{le="100.0",plugin="limit"} 1
        plugin_size_bucket{le="250.0",plugin="limit"} 1
        plugin_size_bucket{le="500.0",plugin="limit"} 1
        plugin_size_bucket{le="1000.0",plugin="limit"} 1
        plugin_size_bucket{le="2500.0",plugin="limit"} 1
        plugin_size_bucket{le="5000.0",plugin="limit"} 1
        plugin_size_bucket{le="10000.0",plugin="limit"} 1
        plugin_size_bucket{le="30000.0",plugin="limit"} 1
        plugin_size_bucket{le="60000.0",plugin="limit"} 1
        plugin_size_bucket{le="300000.0",plugin="limit"} 1
        plugin_size_bucket{le="600000.0",plugin="limit"} 1
        plugin_size_bucket{le="1800000.0",plugin="limit"} 1
        plugin_size_bucket{le="3600000.0",plugin="limit"} 1
        plugin_size_bucket{le="10000000.0",plugin="limit"} 1
        plugin_size_bucket{le="100000000.0",plugin="limit"} 1
        plugin_size_bucket{le="1000000000.0",plugin="limit"} 1
        plugin_size_bucket{le="+Inf",plugin="limit"} 1
    "##]]
    .assert_eq(&page(&metrics));
    assert!(metrics.encode().ends_with("# EOF\n"));
}
