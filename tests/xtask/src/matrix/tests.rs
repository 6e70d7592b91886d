//! Cells, and what is made of them.

use super::*;

fn line(point: &str, backend: &str, failed: u64) -> String {
    let passed = 3;
    format!(
        "{{\"extension_point\":\"{point}\",\"backend\":\"{backend}\",\"passed\":{passed},\"failed\":{failed}}}\n"
    )
}

fn all(failed: u64) -> String {
    let rows = POINTS.iter().flat_map(|point| BACKENDS.map(|backend| line(point, backend, 0)));
    let mut text: String = rows.collect();
    if failed > 0 {
        text.push_str(&line("stream_filter", "native", failed));
    }
    text
}

#[test]
fn a_whole_matrix_is_complete_and_one_with_a_failure_or_a_hole_is_not() {
    let cells = parse(&all(0)).expect("cells");
    assert!(complete(&cells).is_ok());
    assert!(table(&cells).contains("3/3"));
    let failed = parse(&all(1)).expect("cells");
    let error = complete(&failed).expect_err("a failure").to_string();
    assert_eq!(error, "stream_filter on native: cases failed");
    assert!(table(&failed).contains("6/7"));
    let hole = parse(&line("stream_filter", "wasm", 0)).expect("cells");
    let error = complete(&hole).expect_err("a hole").to_string();
    assert_eq!(error, "stream_filter on builtin: the cell is empty");
    assert!(parse("no json").is_err());
}

#[test]
fn the_json_has_a_cell_for_each_line() {
    let value = as_value(&parse(&all(0)).expect("cells"));
    assert_eq!(value["cells"].as_array().map(Vec::len), Some(15));
    assert_eq!(value["cells"][0]["passed"], 3);
    let more = parse(&all(2)).expect("cells");
    assert_eq!(more.values().map(|cell| cell.passed).sum::<u64>(), 48);
}
