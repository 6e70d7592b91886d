use super::*;

const PAGE: &str = "# HELP mortise_plugin_denied What.\n\
    mortise_plugin_denied_total{plugin=\"evil\",backend=\"wasm\",permission=\"close\"} 3\n\
    mortise_plugin_denied_total{plugin=\"evil\",backend=\"wasm\",permission=\"log\"} 4\n\
    mortise_plugin_denied_total{plugin=\"good\",backend=\"wasm\",permission=\"close\"} 5\n\
    mortise_plugin_faults_total{plugin=\"evil\",kind=\"trapped\"} 1\n\
    mortise_plugin_faults_total{plugin=\"evil\",kind=\"timed_out\"} 2\n\
    mortise_config_generation 7\n\
    plugin_flood_1_total{plugin=\"evil\"} 0\n\
    nonsense\n";

#[test]
fn samples_are_summed_by_name_and_labels() {
    let metrics = Metrics(PAGE.to_owned());
    assert_eq!(metrics.sum("mortise_config_generation", &[]), 7.0);
    assert_eq!(metrics.sum("mortise_plugin_denied_total", &[("plugin", "evil")]), 7.0);
    assert_eq!(metrics.sum("mortise_plugin_denied", &[]), 0.0);
    assert_eq!(metrics.made_up("plugin_flood_"), 1);
}

#[test]
fn only_what_is_the_plugins_own_is_counted() {
    let metrics = Metrics(PAGE.to_owned());
    assert_eq!(metrics.counted("evil", Counted::Denied("close")), 3.0);
    assert_eq!(metrics.counted("evil", Counted::Fault(&["trapped", "timed_out"])), 3.0);
    assert_eq!(metrics.counted("evil", Counted::Refused("log")), 0.0);
    assert_eq!(metrics.counted("bad", Counted::Denied("close")), 0.0);
}
