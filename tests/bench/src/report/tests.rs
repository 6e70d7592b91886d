use clap::Parser;

use super::*;
use crate::{candidate, measure::Scenario};

fn times(name: &str, scenario: &'static Scenario, micros: &[f64]) -> Times {
    let entry = candidate::entry(name).unwrap();
    Times { entry, scenario, micros: micros.to_vec(), rates: vec![1.0; micros.len()] }
}

#[test]
fn ratios_and_prices_are_taken_round_by_round_within_a_scenario() {
    let [small, large, bolt] = &SCENARIOS;
    let all = [
        times("nginx", small, &[10.0, 20.0, 40.0]),
        times("mortise", small, &[11.0, 24.0, 40.0]),
        times("greet", small, &[12.5, 25.5, 41.5]),
        times("mortise", large, &[100.0, 100.0, 100.0]),
        times("bolt", bolt, &[10.0, 10.0, 10.0]),
        times("bolt-wasm", bolt, &[11.0, 12.0, 13.0]),
    ];
    let arguments = Arguments::parse_from(["bench"]);
    let placement = Placement::of_this_machine().unwrap();
    let report = Report::new(&arguments, &placement, &all, &[]);
    let json = report.json();
    let rows = json["cpu_us"].as_array().unwrap();
    assert_eq!(rows[0]["ratio"], 1.0);
    assert_eq!(rows[1]["ratio"], 1.1);
    assert_eq!(rows[1]["median"], 24.0);
    assert_eq!(rows[1]["min"], 11.0);
    assert_eq!(rows[2]["price"], json!({ "over": "mortise", "median": 1.5, "min": 1.5 }));
    assert_eq!(rows[3]["ratio"], Value::Null, "nginx was not measured in that scenario");
    assert_eq!(rows[5]["ratio"], 1.2, "of bolt to the codec that is built in");
    let text = report.to_string();
    assert!(text.contains("+1.50 (+1.50) over mortise"), "{text}");
}
