use std::{path::PathBuf, sync::Arc};

use host_extension::{Condition, FaultKind, PluginFault};
use host_telemetry::Metrics;
use host_upstream::{ClusterStatus, Endpoint, SourceKind};
use plugins_catalog::{LoadFailure, PluginState, PluginStatus};
use serde_json::json;

use super::{clusters, plugins};

#[test]
fn a_plugin_that_failed_says_why() {
    let fault = PluginFault::new(FaultKind::LoadFailed, "no such file");
    let failure = LoadFailure {
        plugin: "p".into(),
        source_path: PathBuf::from("p.wasm"),
        spec: None,
        fault,
        serving: None,
        let_go: None,
    };
    let status = PluginStatus {
        name: "p".into(),
        backend: "wasm",
        source: PathBuf::from("p.wasm"),
        policy: Arc::default(),
        state: PluginState::Failed,
        digest: None,
        generation: None,
        loaded_at: None,
        uses: 1,
        failures: vec![failure],
        breakers_open: 0,
        faults: 3,
        restarts: 2,
        condition: Some(Condition {
            state: "backoff",
            restarts: 2,
            pid: None,
            story: "ended with signal 9; is started again in 100 ms".into(),
        }),
        last_fault: None,
    };
    let metrics = Metrics::new();
    for worker in [0, 1] {
        let shard = metrics.worker(worker).plugin(&"p".into(), "wasm");
        shard.report_denials(|show| {
            show("http_call", 2);
            show("log", 0);
        });
    }
    let page = plugins(&[status], &metrics);
    assert_eq!(page[0]["denied"], json!({ "http_call": 4 }));
    let policy = json!({ "name": "default", "preset": "default", "mode": "enforce" });
    assert_eq!(page[0]["policy"], policy);
    assert_eq!(page[0]["state"], "failed");
    assert_eq!(page[0]["last_error"], "load_failed: no such file");
    assert_eq!(page[0]["process"]["state"], "backoff");
    assert_eq!((&page[0]["faults"], &page[0]["restarts"]), (&json!(3), &json!(2)));
    assert_eq!(page[0]["failures"], json!(["load_failed: no such file"]));
}

#[test]
fn a_cluster_shows_its_endpoints() {
    let status = ClusterStatus {
        name: "app".into(),
        source: SourceKind::Static,
        names: Vec::new(),
        endpoints: vec![Endpoint { address: "127.0.0.1:9".parse().expect("one"), weight: 2 }],
        last_error: None,
    };
    let page = clusters(&[status]);
    let expect = json!([{
        "name": "app",
        "source": "static",
        "names": [],
        "endpoints": [{ "address": "127.0.0.1:9", "weight": 2 }],
        "last_error": null,
    }]);
    assert_eq!(page, expect);
}
