//! What the admin server shows, page by page.

use std::fmt::Write;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use host_telemetry::rfc3339;
use serde_json::{Value, json};

use super::{
    AdminState,
    guard::{self, Origin},
};

/// The content type of what `Metrics::encode` makes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON_TYPE: &str = "application/json";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// All pages with what they show, for the index.
const PAGES: [(&str, &str); 7] = [
    ("/healthz", "the process runs"),
    ("/readyz", "the proxy takes traffic"),
    ("/metrics", "metrics for Prometheus"),
    ("/config_dump", "the configuration in use"),
    ("/listeners", "listeners and their addresses"),
    ("/clusters", "clusters and their endpoints"),
    ("/plugins", "plugins, their generations, policies, denials and faults"),
];

/// The pages behind the guard. A method other than GET and HEAD is answered with 405.
pub(super) fn router(state: AdminState, origin: Origin) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/config_dump", get(config_dump))
        .route("/listeners", get(listeners))
        .route("/clusters", get(clusters))
        .route("/plugins", get(plugins))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(origin, guard::check))
        .with_state(state)
}

async fn index() -> Html<String> {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>mortise</title>\
         <h1>mortise</h1><ul>\n",
    );
    for (path, text) in PAGES {
        writeln!(page, "<li><a href=\"{path}\">{path}</a> {text}</li>")
            .expect("a string takes every write");
    }
    page.push_str("</ul></html>\n");
    Html(page)
}

async fn healthz() -> Response {
    json_page(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn readyz(State(state): State<AdminState>) -> Response {
    let is_ready = *state.ready.borrow();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_page(status, &json!({ "status": if is_ready { "ready" } else { "not ready" } }))
}

async fn metrics(State(state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], state.metrics.encode()).into_response()
}

async fn config_dump(State(state): State<AdminState>) -> Response {
    let view = state.view.borrow().clone();
    json_page(
        StatusCode::OK,
        &json!({
            "generation": view.generation,
            "loaded_at": rfc3339(view.loaded_at),
            "last_error": view.last_error,
            "config": view.config,
        }),
    )
}

async fn listeners(State(state): State<AdminState>) -> Response {
    let view = state.view.borrow().clone();
    let listeners: Vec<_> = view
        .listeners
        .iter()
        .map(|listener| {
            json!({
                "name": listener.name,
                "address": listener.address,
                "protocol": listener.protocol,
            })
        })
        .collect();
    json_page(StatusCode::OK, &Value::Array(listeners))
}

async fn clusters(State(state): State<AdminState>) -> Response {
    json_page(StatusCode::OK, &(state.clusters)())
}

/// As JSON, or with `?text` a line for each plugin.
async fn plugins(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let page = (state.plugins)();
    if query.as_deref() == Some("text") {
        return ([(CONTENT_TYPE, TEXT_TYPE)], plugins_text(&page)).into_response();
    }
    json_page(StatusCode::OK, &page)
}

fn plugins_text(page: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").escape_debug().to_string();
    let line = |plugin: &Value| {
        let policy = &plugin["policy"];
        let denied = plugin["denied"].as_object().into_iter().flatten();
        let denied: Vec<_> = denied.map(|(what, count)| format!("{what} {count}")).collect();
        let denied = if denied.is_empty() { "nothing".to_owned() } else { denied.join(", ") };
        format!(
            "{}: {}, {}, policy {} ({}), {} faults, denied: {denied}\n",
            word(&plugin["name"]),
            word(&plugin["backend"]),
            word(&plugin["state"]),
            word(&policy["name"]),
            word(&policy["mode"]),
            plugin["faults"].as_u64().unwrap_or_default(),
        )
    };
    page.as_array().into_iter().flatten().map(line).collect()
}

async fn unknown() -> Response {
    let pages = PAGES.map(|(path, _text)| path);
    json_page(StatusCode::NOT_FOUND, &json!({ "error": "no such page", "pages": pages }))
}

/// Indented, since a person is as likely to read it as a program.
fn json_page(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, JSON_TYPE)], format!("{value:#}\n")).into_response()
}
