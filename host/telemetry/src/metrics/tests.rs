use std::time::Duration;

use expect_test::{Expect, expect};
use host_extension::{FaultKind, Phases};
use host_types::{FrameKind, ReplyReason};

use super::*;
use crate::FAULT_LABELS;

/// What `metrics` shows of the families whose name starts with `prefix`.
fn check(metrics: &Metrics, prefix: &str, expect: &Expect) {
    let text = metrics.encode();
    let name = |line: &str| {
        let line = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        line.starts_with(prefix)
    };
    let shown: Vec<_> = text.lines().filter(|line| name(line)).collect();
    expect.assert_eq(&(shown.join("\n") + "\n"));
}

#[test]
fn two_workers_are_shown_as_one_sum() {
    let metrics = Metrics::new();
    for number in [0, 1] {
        let listener = metrics.worker(number).listener(&"web".into());
        listener.connections_total.add(2);
        listener.connections_active.increment();
        listener.response(200);
        listener.response(503);
        listener.response(999);
        listener.reply(&ReplyReason::Drain);
        listener.tcp_bytes_in.add(10);
    }
    metrics.worker(1).listener(&"other".into()).response(404);
    check(
        &metrics,
        "mortise_listener_connections",
        &expect![[r##"
            # HELP mortise_listener_connections Connections accepted.
            # TYPE mortise_listener_connections counter
            mortise_listener_connections_total{listener="other"} 0
            mortise_listener_connections_total{listener="web"} 4
            # HELP mortise_listener_connections_active Connections open now.
            # TYPE mortise_listener_connections_active gauge
            mortise_listener_connections_active{listener="other"} 0
            mortise_listener_connections_active{listener="web"} 2
            # HELP mortise_listener_connections_refused Connections closed at once because of a limit.
            # TYPE mortise_listener_connections_refused counter
            mortise_listener_connections_refused_total{listener="other"} 0
            mortise_listener_connections_refused_total{listener="web"} 0
            # HELP mortise_listener_connections_closed_by_filters Connections closed by a network filter, or because one failed.
            # TYPE mortise_listener_connections_closed_by_filters counter
            mortise_listener_connections_closed_by_filters_total{listener="other"} 0
            mortise_listener_connections_closed_by_filters_total{listener="web"} 0
        "##]],
    );
    check(
        &metrics,
        "mortise_listener_responses",
        &expect![[r##"
        # HELP mortise_listener_responses Responses by class of status.
        # TYPE mortise_listener_responses counter
        mortise_listener_responses_total{listener="other",class="1xx"} 0
        mortise_listener_responses_total{listener="other",class="2xx"} 0
        mortise_listener_responses_total{listener="other",class="3xx"} 0
        mortise_listener_responses_total{listener="other",class="4xx"} 1
        mortise_listener_responses_total{listener="other",class="5xx"} 0
        mortise_listener_responses_total{listener="web",class="1xx"} 0
        mortise_listener_responses_total{listener="web",class="2xx"} 2
        mortise_listener_responses_total{listener="web",class="3xx"} 0
        mortise_listener_responses_total{listener="web",class="4xx"} 0
        mortise_listener_responses_total{listener="web",class="5xx"} 2
    "##]],
    );
    let text = metrics.encode();
    assert!(text.contains(r#"replies_total{listener="web",reason="drain"} 2"#), "{text}");
    assert!(text.contains(r#"tcp_bytes_total{listener="web",direction="in"} 20"#), "{text}");
}

#[test]
fn frames_are_shown_by_listener_protocol_and_kind() {
    let metrics = Metrics::new();
    for number in [0, 1] {
        let bolt = metrics.worker(number).listener(&"rpc".into()).protocol(&"bolt".into());
        bolt.frame(FrameKind::Request);
        bolt.frame(FrameKind::Heartbeat);
        bolt.malformed_total.increment();
        assert_eq!(bolt.frames("heartbeat"), 1);
    }
    check(
        &metrics,
        "mortise_rpc",
        &expect![[r##"
            # HELP mortise_rpc_frames Frames read from clients and written to them, by kind.
            # TYPE mortise_rpc_frames counter
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="request"} 2
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="one_way"} 0
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="response"} 0
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="heartbeat"} 2
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="heartbeat_reply"} 0
            mortise_rpc_frames_total{listener="rpc",protocol="bolt",kind="go_away"} 0
            # HELP mortise_rpc_malformed Frames of clients that were malformed, and connections that lost the borders of frames.
            # TYPE mortise_rpc_malformed counter
            mortise_rpc_malformed_total{listener="rpc",protocol="bolt"} 2
        "##]],
    );
}

#[test]
fn a_plugin_is_shown_with_its_backend_its_faults_and_its_host_calls() {
    let metrics = Metrics::new();
    for number in [0, 1] {
        let plugin = metrics.worker(number).plugin(&"greet".into(), "wasm");
        plugin.fault("trapped");
        plugin.generation.set(i64::from(number) + 3);
        plugin.breaker_open.set(1);
        plugin.report_host_calls(|show| {
            show(HostCallCount { call: "log", made: 5, refused: 0 });
            show(HostCallCount { call: "header", made: 1, refused: 1 });
        });
    }
    check(
        &metrics,
        "mortise_plugin_host_calls",
        &expect![[r##"
            # HELP mortise_plugin_host_calls What the plugin asked of the host, by call.
            # TYPE mortise_plugin_host_calls counter
            mortise_plugin_host_calls_total{plugin="greet",backend="wasm",call="log"} 10
            mortise_plugin_host_calls_total{plugin="greet",backend="wasm",call="header"} 2
            # HELP mortise_plugin_host_calls_refused What the plugin asked of the host and was refused by policy or a limit, by call.
            # TYPE mortise_plugin_host_calls_refused counter
            mortise_plugin_host_calls_refused_total{plugin="greet",backend="wasm",call="log"} 0
            mortise_plugin_host_calls_refused_total{plugin="greet",backend="wasm",call="header"} 2
        "##]],
    );
    check(
        &metrics,
        "mortise_plugin_breaker_open",
        &expect![[r##"
        # HELP mortise_plugin_breaker_open Workers on which the plugin failed too often to be started again.
        # TYPE mortise_plugin_breaker_open gauge
        mortise_plugin_breaker_open{plugin="greet",backend="wasm"} 2
    "##]],
    );
    check(
        &metrics,
        "mortise_plugin_generation",
        &expect![[r##"
        # HELP mortise_plugin_generation The newest generation of the plugin that serves.
        # TYPE mortise_plugin_generation gauge
        mortise_plugin_generation{plugin="greet",backend="wasm"} 4
    "##]],
    );
    let text = metrics.encode();
    let trapped = r#"faults_total{plugin="greet",backend="wasm",kind="trapped"} 2"#;
    assert!(text.contains(trapped), "{text}");
}

#[test]
fn what_a_plugin_was_denied_is_shown_by_permission_over_all_threads() {
    let metrics = Metrics::new();
    let shards = [metrics.worker(0), metrics.worker(1), metrics.control_thread()];
    for shard in shards {
        let plugin = shard.plugin(&"greet".into(), "wasm");
        plugin.report_denials(|show| {
            show("http_call", 2);
            show("log", 0);
        });
    }
    check(
        &metrics,
        "mortise_plugin_denied",
        &expect![[r##"
            # HELP mortise_plugin_denied What the plugin did, or was about to do, without the permission, by what is missing.
            # TYPE mortise_plugin_denied counter
            mortise_plugin_denied_total{plugin="greet",backend="wasm",permission="http_call"} 6
            mortise_plugin_denied_total{plugin="greet",backend="wasm",permission="log"} 0
        "##]],
    );
    assert_eq!(metrics.denials(&"greet".into()), [("http_call", 6)].into());
    assert!(metrics.denials(&"other".into()).is_empty());
}

#[test]
fn every_kind_of_fault_has_a_series() {
    assert_eq!(FAULT_LABELS, FaultKind::ALL.map(FaultKind::label));
}

#[test]
fn the_time_in_plugins_is_shown_in_buckets_of_microseconds() {
    let metrics = Metrics::new();
    for number in [0, 1] {
        let plugin = metrics.worker(number).plugin(&"greet".into(), "wasm");
        plugin.stream_duration.observe(Duration::from_micros(7));
        plugin.stream_duration.observe(Duration::from_secs(1));
    }
    check(
        &metrics,
        "mortise_plugin_stream_duration_seconds",
        &expect![[r##"
        # HELP mortise_plugin_stream_duration_seconds Time spent in the plugin, per stream or connection.
        # TYPE mortise_plugin_stream_duration_seconds histogram
        mortise_plugin_stream_duration_seconds_sum{plugin="greet",backend="wasm"} 2.000014
        mortise_plugin_stream_duration_seconds_count{plugin="greet",backend="wasm"} 4
        mortise_plugin_stream_duration_seconds_bucket{le="0.000001",plugin="greet",backend="wasm"} 0
        mortise_plugin_stream_duration_seconds_bucket{le="0.000002",plugin="greet",backend="wasm"} 0
        mortise_plugin_stream_duration_seconds_bucket{le="0.000005",plugin="greet",backend="wasm"} 0
        mortise_plugin_stream_duration_seconds_bucket{le="0.00001",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.00002",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.00005",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.0001",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.0002",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.0005",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.001",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.002",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.005",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.01",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.02",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.05",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="0.1",plugin="greet",backend="wasm"} 2
        mortise_plugin_stream_duration_seconds_bucket{le="+Inf",plugin="greet",backend="wasm"} 4
    "##]],
    );
}

#[test]
fn the_calls_of_a_plugin_are_told_apart_by_phase() {
    let metrics = Metrics::new();
    for number in [0, 1] {
        let plugin = metrics.worker(number).plugin(&"greet".into(), "native");
        plugin.call(Phases::REQUEST_HEADERS, Duration::from_micros(3));
        plugin.call(Phases::NONE, Duration::from_micros(3));
        plugin.codec_call(CodecCall::Decode, Duration::from_micros(3));
    }
    let text = metrics.encode();
    let calls: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("mortise_plugin_call_duration_seconds_count"))
        .collect();
    let count = |phase| {
        let labels = format!(r#"{{plugin="greet",backend="native",phase="{phase}"}}"#);
        format!("mortise_plugin_call_duration_seconds_count{labels} 2")
    };
    assert_eq!(calls, [count("request_headers"), count("decode")]);
}

#[test]
fn the_process_is_shown_with_its_start_and_version() {
    let metrics = Metrics::started_at(UNIX_EPOCH + Duration::from_millis(1500));
    let control = metrics.control();
    control.config_reloads_total.increment();
    control.config_generation.set(2);
    check(
        &metrics,
        "mortise_",
        &expect![[r##"
            # HELP mortise_build The version that runs.
            # TYPE mortise_build info
            mortise_build_info{version="0.1.0"} 1
            # HELP mortise_start_time_seconds When the process started, in seconds since 1970.
            # TYPE mortise_start_time_seconds gauge
            mortise_start_time_seconds 1.5
            # HELP mortise_config_reloads Configurations taken into use after the first one.
            # TYPE mortise_config_reloads counter
            mortise_config_reloads_total 1
            # HELP mortise_config_reload_failures Configurations refused; the last good one went on.
            # TYPE mortise_config_reload_failures counter
            mortise_config_reload_failures_total 0
            # HELP mortise_config_generation The number of the configuration in use.
            # TYPE mortise_config_generation gauge
            mortise_config_generation 2
            # HELP mortise_workers Worker threads.
            # TYPE mortise_workers gauge
            mortise_workers 0
            # HELP mortise_access_log_lines Access log lines by what became of them.
            # TYPE mortise_access_log_lines counter
            mortise_access_log_lines_total{result="written"} 0
            mortise_access_log_lines_total{result="dropped"} 0
            mortise_access_log_lines_total{result="failed"} 0
            # HELP mortise_log_lines Log lines by what became of them.
            # TYPE mortise_log_lines counter
            mortise_log_lines_total{result="written"} 0
            mortise_log_lines_total{result="dropped"} 0
            mortise_log_lines_total{result="failed"} 0
        "##]],
    );
    assert!(metrics.encode().ends_with("# EOF\n"));
}

#[test]
fn the_same_name_gives_the_same_shard() {
    let metrics = Metrics::new();
    metrics.worker(3).cluster(&"app".into()).requests_total.increment();
    metrics.worker(3).cluster(&"app".into()).requests_total.increment();
    metrics.control_thread().cluster(&"app".into()).requests_total.increment();
    assert_eq!(metrics.worker(3).cluster(&"app".into()).requests_total.value(), 2);
    assert!(metrics.encode().contains(r#"cluster_requests_total{cluster="app"} 3"#));
}

#[test]
fn names_past_the_cap_are_counted_together() {
    let metrics = Metrics::new();
    let worker = metrics.worker(0);
    for number in 0..SERIES_MAX + 5 {
        worker.cluster(&format!("c{number}").as_str().into()).requests_total.increment();
    }
    let text = metrics.encode();
    assert!(text.contains(r#"cluster_requests_total{cluster="_overflow"} 5"#));
    assert!(text.contains(r#"cluster_requests_total{cluster="c0"} 1"#));
    worker.cluster(&"c0".into()).requests_total.increment();
    assert_eq!(worker.cluster(&"c0".into()).requests_total.value(), 2);
}

#[test]
fn a_name_cannot_break_out_of_its_label() {
    let metrics = Metrics::new();
    let _shard = metrics.worker(0).listener(&"a\"} 1\n# b\\".into());
    let text = metrics.encode();
    assert!(text.contains(r#"listener="a\"} 1\n# b\\""#), "{text}");
}
