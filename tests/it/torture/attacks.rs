//! The whole collection of evil plugins, by the program's own doctor.

use serde_json::Value;
use tests_support::mortise;

use super::{kills::count, run::Run};

/// The budget of a callback of most of them, and two ticks: so much longer may a neighbour wait.
const GROWTH_MAX_US: f64 = 12_000.0;

pub(crate) fn attacks(run: &mut Run) {
    let finished = mortise(["doctor", "--attack", "--output", "json"]);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap_or_default();
    let none = Vec::new();
    let all = report["attacks"].as_array().unwrap_or(&none);
    let tried: Vec<_> = all.iter().filter(|attack| attack["skipped"].is_null()).collect();
    run.figure("attacks", count(tried.len()));
    run.figure("skipped", count(all.len() - tried.len()));
    for word in ["contained", "counted", "named"] {
        let held = tried.iter().filter(|attack| attack[word] == true).count();
        run.figure(word, count(held));
        let loose: Vec<_> = tried.iter().filter(|attack| attack[word] != true).collect();
        run.must(loose.is_empty(), format_args!("not {word}: {loose:?}"));
    }
    let neighbour = &report["neighbour"];
    let number = |key: &str| neighbour[key].as_f64().unwrap_or(f64::NAN);
    for (figure, key) in [
        ("neighbour_requests", "requests"),
        ("neighbour_failed", "failed"),
        ("neighbour_p99_before_us", "p99_before_us"),
        ("neighbour_p99_during_us", "p99_during_us"),
        ("neighbour_longest_us", "longest_during_us"),
    ] {
        run.figure(figure, number(key));
    }
    run.must(!tried.is_empty() && finished.code == Some(0), format_args!("{finished:?}"));
    run.must(number("failed") == 0.0, format_args!("the neighbour: {neighbour}"));
    let grown = number("p99_during_us") - number("p99_before_us");
    run.must_where_optimised(
        grown <= GROWTH_MAX_US,
        format_args!("the neighbour's p99 grew by {grown} us"),
    );
}
