//! Plugins that cannot start: what the client gets under each `on_error`, and what the operator
//! reads, on every backend.

use std::path::PathBuf;

use serde_json::{Value, json};
use tests_support::{Config, Http, Upstream, until};
use tokio::time::{Duration, timeout};

use super::{
    backend::Backend,
    case::Outcome,
    settings::{self, Sightings},
};
use crate::common::{ask, get};

/// One plugin that cannot start.
struct Row {
    name: &'static str,
    config: Value,
    root_id: &'static str,
    is_missing: bool,
    /// What the log says of it, beside the plugin's name.
    said: &'static str,
}

const SAID_WITHIN: Duration = Duration::from_secs(5);

fn rows() -> Vec<Row> {
    let row = |name, config, said| Row { name, config, root_id: "matrix", is_missing: false, said };
    vec![
        row("refuses", json!({ "start": [{ "refuse": "not on a Monday" }] }), "not on a Monday"),
        row("panics", json!({ "start": [{ "panic": "told to" }] }), "told to"),
        row("unknown-key", json!({ "no_such_hook": [] }), "no_such_hook"),
        row("unknown-step", json!({ "request_headers": ["no_such_step"] }), "no_such_step"),
        row("wrong-kind", json!({ "tick_ms": "often" }), "often"),
        Row { root_id: "nobody", ..row("unknown-root", json!({}), "nobody") },
        Row { is_missing: true, ..row("missing", json!({}), "missing") },
    ]
}

/// Each row as one outcome: empty where all is as it must be.
pub(crate) async fn refusals(backend: Backend) -> Vec<Outcome> {
    let sightings = Sightings::default();
    let app = settings::app(&sightings).await;
    let mut outcomes = Vec::new();
    for row in rows() {
        let wrong = play(backend, &row, &app).await;
        outcomes.push(Outcome { name: row.name, text: wrong.join("; ") });
    }
    outcomes
}

async fn play(backend: Backend, row: &Row, app: &Upstream) -> Vec<String> {
    let Row { name, config, root_id, .. } = row;
    let mut routes = String::from("routes:\n");
    for on_error in ["closed", "open", "reload"] {
        routes.push_str(&format!(
            "- {{ match: {{ prefix: /{on_error} }}, cluster: app, stream_filters: \
             [{{ plugin: {name}, root_id: {root_id}, on_error: {on_error}, config: {config} }}] }}\n"
        ));
    }
    let text = Config::new().top("workers: 1").listener("web", &routes).cluster(
        "app",
        app.address(),
        "protocol: http2",
    );
    let source = match row.is_missing {
        true => PathBuf::from("/there/is/no/missing-plugin"),
        false => backend.source(),
    };
    let text = backend.plugin_from(backend.prepare(text), name, &source);
    let proxy = backend.start(&text).await;
    let mut wrong = Vec::new();
    for (path, wanted) in [("/closed", 503), ("/open", 200), ("/reload", 503)] {
        let status = ask(Http::Two, proxy.web(), get(path, &[])).await.status.as_u16();
        if status != wanted {
            wrong.push(format!("{path} answered {status}"));
        }
    }
    let said = until(row.said, async || {
        let log = proxy.stderr();
        log.lines().any(|line| line.contains(name) && line.contains(row.said)).then_some(())
    });
    if timeout(SAID_WITHIN, said).await.is_err() {
        let log = proxy.stderr();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(name)).take(3).collect();
        wrong.push(format!("no line has {name} and {:?}: {lines:#?}", row.said));
    }
    wrong
}
