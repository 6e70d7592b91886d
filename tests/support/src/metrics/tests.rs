use super::Metrics;

#[test]
fn samples_are_summed_by_name_and_labels() {
    let page =
        "# HELP a_total Some.\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\nb 1.5\n";
    let metrics = Metrics::parse(page);
    assert_eq!(metrics.sum("a_total", &[("y", "2")]), 7.0);
    assert_eq!(metrics.sum("a_total", &[("x", "2")]), 4.0);
    assert_eq!(metrics.sum("b", &[]), 1.5);
    assert!(metrics.has("b") && !metrics.has("c"));
}
