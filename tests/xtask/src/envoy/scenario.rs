//! What both proxies are asked: modules in their places, requests, and what to look at.

use crate::{http::Message, plugins, run::root};

/// One module in its place.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The file.
    pub(crate) module: std::path::PathBuf,
    /// Which of the plugins in it.
    pub(crate) root_id: &'static str,
    /// The machine that it shares with others.
    pub(crate) vm_id: &'static str,
    /// Its configuration.
    pub(crate) config: String,
}

/// What the listener speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Protocol {
    #[default]
    Http,
    Tcp,
}

/// The server behind the cluster `asked`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Asked {
    /// Answers 200 for `authorization: good`, otherwise 401.
    #[default]
    Answers,
    /// Refuses connections.
    Refuses,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
}

/// One run of both proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) asked: Asked,
    pub(crate) network_filters: Vec<Use>,
    pub(crate) stream_filters: Vec<Use>,
    pub(crate) service: Option<Use>,
    pub(crate) asks: Vec<Ask>,
    /// Headers, of the response and of the request as the upstream saw it, that are compared.
    pub(crate) watch: &'static [&'static str],
    /// How many lines of plugins both logs must have, and how they begin.
    pub(crate) lines: Option<(usize, &'static str)>,
}

/// What the server behind the cluster `asked` says.
pub(crate) fn asked(request: &Message) -> Vec<u8> {
    let good = request.header("authorization") == Some("good") || request.target() == "/asked";
    let head = if good { "200 OK\r\nx-auth-user: ada" } else { "401 Unauthorized" };
    format!("HTTP/1.1 {head}\r\ncontent-length: 4\r\n\r\nseen").into_bytes()
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = greetings();
    all.extend(http_examples());
    all.extend(auth());
    all.extend(beside());
    all.extend(acts());
    all.retain(|scenario| scenario.uses().all(|each| each.module.is_file()));
    all
}

impl Scenario {
    fn new(name: &str, filters: Vec<Use>, asks: Vec<Ask>) -> Self {
        Self { name: name.to_owned(), stream_filters: filters, asks, ..Self::default() }
    }

    fn watching(self, watch: &'static [&'static str]) -> Self {
        Self { watch, ..self }
    }

    fn lines(self, count: usize, start: &'static str) -> Self {
        Self { lines: Some((count, start)), ..self }
    }

    /// All modules in it.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &Use> {
        self.network_filters.iter().chain(&self.stream_filters).chain(&self.service)
    }
}

impl Use {
    /// An example.
    fn example(name: &str, config: &str) -> Self {
        let module = plugins::directory().join(format!("{name}.wasm"));
        Self { module, root_id: "", vm_id: "", config: config.to_owned() }
    }

    /// A guest of the tests.
    fn guest(name: &str, config: &str) -> Self {
        let folder = root().join("target/guests/wasm32-wasip1/release");
        Self { module: folder.join(format!("{name}.wasm")), ..Self::example(name, config) }
    }

    fn named(self, root_id: &'static str, vm_id: &'static str) -> Self {
        Self { root_id, vm_id, ..self }
    }
}

fn get(path: &'static str) -> Ask {
    get_with(path, &[])
}

fn get_with(path: &'static str, headers: &'static [(&'static str, &'static str)]) -> Ask {
    Ask { method: "GET", path, headers, body: "" }
}

fn post(path: &'static str, body: &'static str) -> Ask {
    Ask { method: "POST", path, headers: &[], body }
}

fn greetings() -> Vec<Scenario> {
    let languages = ["", "-assemblyscript", "-zig", "-cpp", "-go"];
    let config = r#"{"header":"x-greeting","value":"hello"}"#;
    let greet = |language: &str| {
        let name = format!("greet{language}");
        let filters = vec![Use::example(&name, config)];
        let forged = get_with("/hello", &[("x-greeting", "forged")]);
        Scenario::new(&name, filters, vec![get("/hello"), forged, post("/hello", "a body")])
            .watching(&["x-greeting"])
    };
    languages.into_iter().map(greet).collect()
}

fn http_examples() -> Vec<Scenario> {
    let deny = Use::example("deny", r#"{"paths":["/admin"],"status":451,"body":"no\n"}"#);
    let limiter = r#"{"requests":2,"window_seconds":3600,"key_header":"x-key"}"#;
    let limiter = Use::example("shared-data-limiter", limiter).named("", "limits");
    let other = get_with("/", &[("x-key", "other")]);
    vec![
        Scenario::new("deny", vec![deny], vec![get("/admin/users?a=1"), get("/administrator")])
            .watching(&["content-type"]),
        Scenario::new(
            "body-upper",
            vec![Use::example("body-upper", "")],
            vec![post("/", "a quiet word"), get("/")],
        )
        .watching(&["x-upstream-body"]),
        Scenario::new("metrics", vec![Use::example("metrics", "")], vec![get("/"), get("/")])
            .watching(&["x-request-number"]),
        Scenario::new("limiter", vec![limiter], vec![get("/"), get("/"), get("/"), other])
            .watching(&["x-limit-left"]),
        Scenario::new(
            "access-json",
            vec![Use::example("access-json", "")],
            vec![get("/hello?a=1"), post("/post", "a body")],
        )
        .lines(2, "access-json: "),
    ]
}

fn auth() -> Vec<Scenario> {
    let auth = |on_failure: &str| {
        let config =
            format!(r#"{{"cluster":"asked","path":"/verify","on_failure":"{on_failure}"}}"#);
        vec![Use::example("http-auth", &config)]
    };
    let good: &[(&str, &str)] = &[("authorization", "good")];
    let with_body = Ask { headers: good, ..post("/", "a body that waits") };
    let asks = vec![
        get_with("/", good),
        get_with("/", &[("authorization", "bad")]),
        get_with("/", &[("x-auth-user", "forged")]),
        with_body.clone(),
    ];
    let refused = |name: &str, on_failure| Scenario {
        asked: Asked::Refuses,
        ..Scenario::new(name, auth(on_failure), vec![get_with("/", good), with_body.clone()])
            .watching(&["x-auth-user"])
    };
    let nowhere = r#"{"cluster":"nowhere","path":"/verify"}"#;
    let old = Use::guest("sdk_0_1", "asked");
    vec![
        Scenario::new("http-auth", auth("deny"), asks).watching(&["x-auth-user", "content-type"]),
        refused("http-auth, server down", "deny"),
        refused("http-auth, server down, allow", "allow"),
        Scenario::new(
            "http-auth, no cluster",
            vec![Use::example("http-auth", nowhere)],
            vec![get("/")],
        ),
        Scenario::new("sdk-0-1", vec![old], vec![get("/"), get_with("/", &[("x-ask", "1")])])
            .watching(&["x-old", "x-answer", "x-failed"]),
    ]
}

/// What is no filter of streams alone.
fn beside() -> Vec<Scenario> {
    let queue = |root_id| {
        Use::example("queue-log", r#"{"queue":"lines","vm_id":"lines"}"#).named(root_id, "lines")
    };
    let meter = || {
        let config = r#"{"upper_to_upstream":true,"upper_to_client":true}"#;
        vec![Use::example("tcp-meter", config)]
    };
    let sent = Scenario::new("queue-log", vec![queue("sender")], vec![get("/a"), get("/b")]);
    vec![
        Scenario { service: Some(queue("receiver")), ..sent.clone() }.lines(2, "queue-log: "),
        Scenario { name: "queue-log, nobody reads".to_owned(), ..sent }.lines(1, "queue-log: "),
        Scenario {
            protocol: Protocol::Tcp,
            network_filters: meter(),
            ..Scenario::new("tcp-meter", vec![], vec![post("/tcp", "a quiet word")])
        }
        .lines(1, "tcp-meter: "),
        Scenario {
            network_filters: meter(),
            ..Scenario::new("tcp-meter before http", vec![], vec![post("/tcp", "a quiet word")])
        }
        .lines(1, "tcp-meter: "),
    ]
}

/// What the tests' own guest does, where both proxies should do the same.
fn acts() -> Vec<Scenario> {
    let acts: [(&str, &'static [&'static str]); 16] = [
        ("hold_request_body", &[]),
        ("hold_response_body", &[]),
        ("wrap_body", &[]),
        ("double_body", &[]),
        ("drop_body", &[]),
        ("reply_in_request_headers", &["x-reply"]),
        ("reply_in_request_body", &["x-reply"]),
        ("reply_in_response_headers", &["x-reply"]),
        ("reply_twice", &["x-reply"]),
        ("reply_and_continue", &["x-reply"]),
        ("set_all_headers", &["x-only"]),
        ("set_status", &[]),
        ("write_property", &["x-prop"]),
        ("resume_on_tick", &[]),
        ("reset_request", &[]),
        ("trap_in_request_headers", &[]),
    ];
    let act = |(act, watch)| {
        let config = format!(r#"{{"do":"{act}","status":418,"bytes":16,"count":2}}"#);
        let asks = vec![
            Ask { headers: &[("x-id", "A")], ..get("/act") },
            Ask { headers: &[("x-id", "B")], ..post("/act", "a body") },
        ];
        Scenario::new(act, vec![Use::guest("misbehave", &config)], asks).watching(watch)
    };
    acts.into_iter().map(act).collect()
}
