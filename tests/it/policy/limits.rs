//! Every limit of a policy, hit and just not hit, on every backend where it applies.
//!
//! Each row is two plugins that do the same under two limits. What limits an instance by itself
//! (memory, tables, the time of a callback) has its tests with the backend that knows it; here is
//! one of each to see that the policy's number arrives.

use serde_json::{Value, json};
use tests_support::{Client, Config, Http, Proxy, Upstream, mortise, until};
use tokio::time::{Duration, Instant};

use crate::{
    common::{ask, get},
    matrix::{
        Backend,
        case::Ask,
        settings::{self, Sightings},
        stage::reply,
    },
};

/// How long what a limit does may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

const SYNCHRONOUS: [Backend; 3] = [Backend::Builtin, Backend::Wasm, Backend::Native];
const EVERYWHERE: [Backend; 4] =
    [Backend::Builtin, Backend::Wasm, Backend::Process, Backend::Native];

/// One limit.
struct Row {
    name: &'static str,
    /// The limit that is hit, and one that is just not.
    limits: [&'static str; 2],
    script: Value,
    /// Bytes of the request's body.
    body: &'static str,
    /// How often is asked.
    times: usize,
    on: &'static [Backend],
    /// What shows that it was hit, and that it was not.
    shows: [fn(&Shown) -> bool; 2],
}

/// What came of one plugin.
#[derive(Debug)]
struct Shown {
    replies: Vec<String>,
    log: Vec<String>,
}

impl Shown {
    fn says(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }

    fn answers(&self, status: &str) -> bool {
        self.replies.iter().all(|reply| reply.starts_with(&format!("reply: {status}")))
    }
}

fn row(name: &'static str, limits: [&'static str; 2], script: Value) -> Row {
    let shows: [fn(&Shown) -> bool; 2] = [|_shown| false, |_shown| false];
    Row { name, limits, script, body: "", times: 1, on: &EVERYWHERE, shows }
}

#[expect(clippy::too_many_lines, reason = "a list of limits")]
fn rows() -> Vec<Row> {
    let silence = json!({ "plugin_call": ["known", "/silence", 60_000] });
    let long = "x".repeat(700);
    vec![
        Row {
            shows: [
                |shown| shown.says("call="),
                |shown| shown.answers("200") && !shown.says("call="),
            ],
            ..row(
                "calls",
                ["calls_max: 2", "calls_max: 3"],
                json!({ "request_headers": [silence, silence, silence] }),
            )
        },
        Row {
            shows: [
                |shown| shown.says("call="),
                |shown| shown.answers("200") && !shown.says("call="),
            ],
            ..row(
                "call_bytes",
                ["call_bytes_max: 1000", "call_bytes_max: 2000"],
                json!({ "request_headers": [{ "post": ["known", "/echo", "x".repeat(1000)] }] }),
            )
        },
        Row {
            shows: [
                |shown| shown.says("answer=") && !shown.says("body=known"),
                |shown| shown.says("answer=") && !shown.says("body=known"),
            ],
            ..row(
                "call_timeout",
                ["call_timeout_ms_max: 100", "call_timeout_ms_max: 200"],
                json!({
                    "request_headers": [{ "call": ["known", "/silence", 60_000] }, "pause"],
                    "answer": ["note_answer", "log_notes", { "resume": "request" }],
                }),
            )
        },
        Row {
            shows: [|shown| shown.says("answer=200"), |shown| shown.says("answer=200")],
            ..row(
                "call_in_time",
                ["call_timeout_ms_max: 20000", "call_timeout_ms_max: 60000"],
                json!({
                    "request_headers": [{ "call": ["known", "/", 60_000] }, "pause"],
                    "answer": ["note_answer", "log_notes", { "resume": "request" }],
                }),
            )
        },
        Row {
            // The other one, which is asked later, ticked three times by now.
            shows: [|shown| !shown.says("third"), |shown| shown.says("third")],
            ..row(
                "ticks",
                ["tick_ms_min: 3600000", "tick_ms_min: 10"],
                json!({
                    "request_headers": [{ "ticks": 1 }],
                    "tick": [{ "nth": [3, [{ "log": ["info", "third"] }]] }],
                }),
            )
        },
        Row {
            shows: [
                |shown| shown.answers("200") && shown.says("metric="),
                |shown| shown.answers("200") && !shown.says("metric="),
            ],
            ..row(
                "metrics",
                ["metrics_max: 2", "metrics_max: 3"],
                json!({ "request_headers": [
                    { "count": ["CASE_a", 1] }, { "gauge": ["CASE_b", 1] },
                    { "count": ["CASE_a", 1] }, { "count": ["CASE_c", 1] },
                ] }),
            )
        },
        Row {
            shows: [|shown| shown.says("a=none"), |shown| shown.says("a=xxx")],
            ..row(
                "shared_data",
                ["shared_data_kib: 1", "shared_data_kib: 3"],
                json!({ "request_headers": [
                    { "shared_set": ["a", long] }, { "shared_set": ["b", long] }, { "shared_get": "a" },
                ] }),
            )
        },
        Row {
            body: BODY,
            shows: [|shown| shown.answers("413"), |shown| shown.answers("200")],
            ..row(
                "held_body",
                ["held_body_kib: 1", "held_body_kib: 2"],
                json!({ "request_body": ["pause_unless_end"] }),
            )
        },
        Row {
            shows: [
                |shown| shown.says("begins") && !shown.says("ends"),
                |shown| shown.says("begins") && shown.says("ends"),
            ],
            ..row(
                "log_line",
                ["log_line_bytes_max: 64", "log_line_bytes_max: 256"],
                json!({ "request_headers": [
                    { "log": ["info", format!("begins {} ends", "x".repeat(100))] },
                ] }),
            )
        },
        Row {
            shows: [
                |shown| shown.log.iter().filter(|line| line.ends_with("flood")).count() < 20,
                |shown| shown.log.iter().filter(|line| line.ends_with("flood")).count() == 20,
            ],
            ..row(
                "log_lines",
                ["log_lines_per_second_max: 5", "log_lines_per_second_max: 1000"],
                json!({ "request_headers": vec![json!({ "log": ["info", "flood"] }); 20] }),
            )
        },
        Row {
            on: &SYNCHRONOUS,
            times: 3,
            shows: [
                |shown| shown.replies.iter().any(|reply| reply.starts_with("reply: 503")),
                |shown| shown.answers("200"),
            ],
            ..row(
                "cpu_per_second",
                [
                    "cpu_ms_per_second: 5, cpu_ms_per_call: 5000",
                    "cpu_ms_per_second: 5000, cpu_ms_per_call: 5000",
                ],
                json!({ "request_headers": [{ "burn": 40 }] }),
            )
        },
        Row {
            on: &[Backend::Wasm],
            shows: [|shown| shown.answers("503"), |shown| shown.answers("200")],
            ..row(
                "cpu_per_call",
                ["cpu_ms_per_call: 20", "cpu_ms_per_call: 5000"],
                json!({ "request_headers": [{ "burn": 300 }] }),
            )
        },
        Row {
            on: &[Backend::Wasm],
            shows: [|shown| shown.answers("503"), |shown| shown.answers("200")],
            ..row(
                "cpu_at_start",
                ["cpu_ms_start: 50", "cpu_ms_start: 20000"],
                json!({ "start": [{ "burn": 300 }] }),
            )
        },
    ]
}

/// 2 KiB.
const BODY: &str = {
    const BYTES: [u8; 2048] = [b'b'; 2048];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

async fn start(backend: Backend, rows: &[Row], peers: [&Upstream; 2]) -> Proxy {
    let mut config = Config::new()
        .top("workers: 1\nlog: { level: info }")
        .cluster("app", peers[0].address(), "protocol: http2")
        .cluster("known", peers[1].address(), "");
    let mut routes = String::from("routes:\n");
    for row in rows {
        for (limits, kind) in row.limits.iter().zip(["hit", "not"]) {
            let name = format!("{}_{kind}", row.name);
            let mut script = row.script.clone();
            script["case"] = name.clone().into();
            if script.get("complete").is_none() {
                script["complete"] = json!(["log_notes"]);
            }
            let script = script.to_string().replace("CASE", &name);
            routes.push_str(&format!(
                "- {{ match: {{ prefix: /{name}/ }}, cluster: app, stream_filters: \
                 [{{ plugin: {name}, root_id: matrix, config: {script} }}] }}\n"
            ));
            let often =
                if limits.contains("cpu_ms_per_call") { "" } else { ", cpu_ms_per_call: 500" };
            let lines = format!(
                "preset: network\nlimits: {{ {limits}{often} }}\nallow_unenforced: [cpu, cpu_per_call]"
            );
            config = config.policy(&name, &lines);
            let lines = match backend {
                Backend::Process => "process: { call_timeout_ms: 10000 }",
                Backend::Builtin | Backend::Wasm | Backend::ProcessTcp | Backend::Native => "",
            };
            let lines = format!("{lines}\npolicy: {name}");
            config = config.plugin_on(backend.word(), &name, &backend.source(), &lines);
        }
    }
    backend.start(&backend.prepare(config.listener("web", &routes))).await
}

async fn hold(backend: Backend) {
    let sightings = Sightings::default();
    let (app, asked) = (settings::app(&sightings).await, settings::asked().await);
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.on.contains(&backend)).collect();
    let proxy = start(backend, &rows, [&app, &asked]).await;
    let mut wrong = Vec::new();
    for row in &rows {
        let mut replies = Vec::new();
        for kind in ["hit", "not"] {
            let name = format!("{}_{kind}", row.name);
            let body = if row.body.is_empty() { vec![] } else { vec![row.body] };
            let ask = Ask { post: !body.is_empty(), body, ..Ask::default() };
            let mut of = Vec::new();
            for _ in 0..row.times {
                of.push(reply(proxy.web(), &name, ask.clone()).await);
            }
            replies.push(of);
        }
        let begun = Instant::now();
        let found = until(row.name, async || {
            let log = proxy.stderr();
            let shown = ["hit", "not"].iter().zip(&replies).map(|(kind, replies)| Shown {
                replies: replies.clone(),
                log: settings::logged(&log, &format!("{}_{kind}", row.name)),
            });
            let shown: Vec<Shown> = shown.collect();
            let as_it_should = shown.iter().zip(row.shows).all(|(shown, shows)| shows(shown));
            if as_it_should {
                return Some(None);
            }
            (begun.elapsed() > SHOWN_WITHIN).then_some(Some(shown))
        })
        .await;
        wrong.extend(found.map(|shown| format!("{}: {shown:#?}", row.name)));
    }
    assert!(wrong.is_empty(), "{}:\n{}", backend.name(), wrong.join("\n"));
}

/// Limits that are shown by other tests than the table.
const ELSEWHERE: [&str; 3] = [
    // Below.
    "contexts_max",
    // Among those of modules: faults, and what is not loaded.
    "memory_mib",
    "table_elements_max",
];

#[test]
fn every_limit_is_shown() {
    let schema: Value = serde_json::from_str(&mortise(["schema"]).stdout).expect("JSON");
    let known = schema["$defs"]["PluginLimitsConfig"]["properties"].as_object();
    let known = known.expect("the limits of a policy");
    let rows = rows();
    let shown = rows.iter().filter_map(|row| row.limits[0].split(':').next());
    let shown: Vec<&str> = shown.chain(ELSEWHERE).collect();
    for limit in known.keys() {
        assert!(shown.contains(&limit.as_str()), "`{limit}` is shown by no row");
    }
}

#[tokio::test]
async fn an_instance_has_so_many_streams_at_a_time() {
    let app = Upstream::echo(Http::One).await;
    let steps = "{ case: it, request_headers: \
        [{ when: [x-wait, \"yes\", [{ log: [info, waits] }, pause]] }] }";
    for backend in EVERYWHERE {
        for (max, status) in [(1, 503), (2, 200)] {
            let lines = format!(
                "stream_filters: [{{ plugin: it, root_id: matrix, config: {steps} }}]\n\
                 routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
            );
            let config = Config::new()
                .top("workers: 1\nlog: { level: info }")
                .listener("web", &lines)
                .cluster("app", app.address(), "")
                .policy("few", &format!("limits: {{ contexts_max: {max} }}"))
                .plugin_on(backend.word(), "it", &backend.source(), "policy: few");
            let proxy = backend.start(&backend.prepare(config)).await;
            let mut client = Client::connect(Http::Two, proxy.web()).await;
            let waiting = client.start(get("/", &[("x-wait", "yes")])).await;
            until("the first stream", async || {
                let log = settings::logged(&proxy.stderr(), "it");
                log.iter().any(|line| line.ends_with("waits")).then_some(())
            })
            .await;
            let other = ask(Http::One, proxy.web(), get("/", &[])).await.status.as_u16();
            assert_eq!(other, status, "{} with {max}", backend.name());
            waiting.abort();
        }
    }
}

#[tokio::test]
async fn limits_hold_for_builtin_plugins() {
    hold(Backend::Builtin).await;
}

#[tokio::test]
async fn limits_hold_for_modules() {
    hold(Backend::Wasm).await;
}

#[tokio::test]
async fn limits_hold_for_child_processes() {
    hold(Backend::Process).await;
}

#[tokio::test]
async fn limits_hold_for_libraries() {
    hold(Backend::Native).await;
}

#[tokio::test]
async fn a_plugin_that_used_up_its_second_serves_again_in_the_next() {
    let app = Upstream::echo(Http::One).await;
    let lines = "stream_filters: [{ plugin: it, root_id: matrix, config: { request_headers: \
        [{ when: [x-burn, \"yes\", [{ burn: 40 }]] }] } }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    for backend in SYNCHRONOUS {
        let config = Config::new()
            .top("workers: 1")
            .listener("web", lines)
            .cluster("app", app.address(), "")
            .policy(
                "busy",
                "limits: { cpu_ms_per_second: 20, cpu_ms_per_call: 5000 }\nallow_unenforced: [cpu, cpu_per_call]",
            )
            .plugin_on(backend.word(), "it", &backend.source(), "policy: busy");
        let proxy = backend.start(&backend.prepare(config)).await;
        let status =
            async |fields| ask(Http::One, proxy.web(), get("/", fields)).await.status.as_u16();
        until("its start", async || (status(&[]).await == 200).then_some(())).await;
        // On a busy machine the next second may be there before the next request.
        until("a second that is used up", async || {
            status(&[("x-burn", "yes")]).await;
            (status(&[]).await == 503).then_some(())
        })
        .await;
        let faults = [("plugin", "it"), ("kind", "overspent")];
        let count = proxy.metrics().await.sum("mortise_plugin_faults_total", &faults);
        assert!(count >= 1.0, "{}: {count}", backend.name());
        until("the next second", async || (status(&[]).await == 200).then_some(())).await;
        let open = proxy.metrics().await.sum("mortise_plugin_breaker_open", &[("plugin", "it")]);
        assert_eq!(open, 0.0, "{}: it cost no instance", backend.name());
    }
}
