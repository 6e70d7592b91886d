use std::collections::HashSet;

use host_extension::MetricKind::{self, Counter, Gauge, Histogram};

use super::{Families, lines};

/// Names given by plugins, with their kinds; the name on the page with the labels' values.
#[track_caller]
fn check(metrics: &[(&str, MetricKind, &str)], expect: &[(&str, &[&str])]) {
    let mut families = Families::default();
    let mut labels = Vec::new();
    for (id, (plugin, kind, name)) in (0..).zip(metrics) {
        labels.push(families.join(plugin, *kind, name, id));
    }
    let mut shown = Vec::new();
    let mut seen = HashSet::new();
    for (name, family) in families.list() {
        for line in lines(family.kind, &name) {
            assert!(seen.insert(line), "{name} is there twice");
        }
        for id in family.members {
            let values = labels[id as usize].iter().map(|(_label, value)| value.clone());
            shown.push((name.clone(), values.collect::<Vec<_>>()));
        }
    }
    let unique: HashSet<_> = shown.iter().collect();
    assert_eq!(unique.len(), metrics.len(), "every series is there once");
    let owned = |(name, values): &(&str, &[&str])| {
        ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(shown, expect.iter().map(owned).collect::<Vec<_>>());
}

#[test]
fn plugins_share_a_name_and_have_a_label_each() {
    check(
        &[("a", Counter, "requests"), ("b", Counter, "requests"), ("a", Gauge, "open")],
        &[("plugin_open", &["a"]), ("plugin_requests", &["a"]), ("plugin_requests", &["b"])],
    );
}

#[test]
fn what_is_not_legal_in_a_name_is_replaced() {
    check(
        &[("a", Counter, "1.hits/s é"), ("a", Counter, "a:b_total"), ("a", Counter, "_total")],
        &[("plugin_1_hits_s__", &["a"]), ("plugin__total", &["a"]), ("plugin_a_b", &["a"])],
    );
}

#[test]
fn names_of_one_plugin_that_fall_together_are_told_apart_by_a_label() {
    check(
        &[
            ("a", Counter, "x.y"),
            ("a", Counter, "x_y"),
            ("a", Counter, "x_y_total"),
            ("b", Counter, "x-y"),
        ],
        &[
            ("plugin_x_y", &["a"]),
            ("plugin_x_y", &["a", "x_y"]),
            ("plugin_x_y", &["a", "x_y_total"]),
            ("plugin_x_y", &["b"]),
        ],
    );
}

#[test]
fn names_of_two_kinds_that_fall_together_are_told_apart_by_the_kind() {
    check(
        &[("a", Counter, "x"), ("b", Gauge, "x"), ("b", Gauge, "x.total"), ("c", Gauge, "x")],
        &[
            ("plugin_x", &["a"]),
            ("plugin_x_gauge", &["b"]),
            ("plugin_x_gauge", &["c"]),
            ("plugin_x_total_gauge", &["b"]),
        ],
    );
    check(
        &[
            ("a", Gauge, "h_sum"),
            ("a", Gauge, "h_histogram"),
            ("a", Histogram, "h"),
            ("a", Counter, "h"),
        ],
        &[
            ("plugin_h", &["a"]),
            ("plugin_h_histogram", &["a"]),
            ("plugin_h_histogram_2", &["a"]),
            ("plugin_h_sum", &["a"]),
        ],
    );
}
