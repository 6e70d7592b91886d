//! Any bytes as the name or value of a field: whatever a plugin writes, on whatever backend, is
//! refused or becomes one well-formed field, at an upstream or a client of either version.
//!
//! The plugin may do everything, and writes past the checks of its library. What comes out is read
//! from the sockets, by the plainest reading of the rules.

use std::collections::BTreeMap;

use http::HeaderMap;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config as Cases, TestRunner},
};
use serde_json::json;
use tests_support::{
    Client, Config, Http, Proxy, RawPeer, RawReply, Recorded, Recorder, Reply, Upstream,
    parse_replies,
};
use tokio::runtime::Builder;

use crate::{common::get, matrix::Backend};

const CASES: u32 = 300;

/// The ways to write, each a route: the steps of its filter.
const WAYS: [&str; 7] = ["set", "add", "replace", "set-back", "add-back", "replace-back", "answer"];

/// Fields that frame or route a message, and such that the proxy itself writes.
const KNOWN: [&str; 18] = [
    "Host",
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    ":protocol",
    "Content-Length",
    "Transfer-Encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    "x-request-id",
    "Date",
];

const VALUES: [&str; 12] = [
    "a\r\nx-injected: yes",
    "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "chunked",
    "identity, chunked",
    "5, 6",
    "0",
    "2",
    "close",
    "/elsewhere",
    "POST",
    "204",
    "other.example",
];

/// One thing to write.
#[derive(Clone, Debug)]
struct Written {
    way: &'static str,
    name: Vec<u8>,
    value: Vec<u8>,
}

fn written() -> impl Strategy<Value = Written> {
    let token = "x-[a-z0-9-]{1,12}".prop_map(String::into_bytes);
    let known = (select(&KNOWN[..]), any::<bool>()).prop_map(|(name, upper)| {
        let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
        name.into_bytes()
    });
    let spoilt = (token.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut name, at, byte)| {
            name.insert(at.index(name.len() + 1), byte);
            name
        },
    );
    let name = prop_oneof![vec(any::<u8>(), 0..24), token, known, spoilt];
    let value = prop_oneof![
        vec(any::<u8>(), 0..40),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        select(&VALUES[..]).prop_map(|value| value.as_bytes().to_vec()),
    ];
    (select(&WAYS[..]), name, value).prop_map(|(way, name, value)| Written { way, name, value })
}

/// A proxy whose plugin writes what requests say, with an upstream of each version.
struct World {
    proxy: Proxy,
    one: Recorder,
    two: Upstream,
    /// The names of fields without anything written: at each side of each way, by version.
    plain: BTreeMap<String, Vec<String>>,
}

impl World {
    async fn start(backend: Backend) -> Self {
        let (one, two) = (Recorder::start().await, Upstream::echo(Http::Two).await);
        let kept = json!(["x-kept", "yes"]);
        let mut routes = String::from("routes:\n");
        for way in WAYS {
            let script = match way {
                "set" => json!({ "request_headers": [{ "set_hexed": "request" }] }),
                "add" => json!({ "request_headers": [{ "add_hexed": "request" }] }),
                "replace" => {
                    json!({ "request_headers": [{ "replace_hexed": ["request", kept[0], kept[1]] }] })
                }
                "set-back" => json!({ "response_headers": [{ "set_hexed": "response" }] }),
                "add-back" => json!({ "response_headers": [{ "add_hexed": "response" }] }),
                "replace-back" => {
                    json!({ "response_headers": [{ "replace_hexed": ["response", kept[0], kept[1]] }] })
                }
                _ => json!({ "request_headers": [{ "respond_hexed": 200 }] }),
            };
            for cluster in ["one", "two"] {
                routes.push_str(&format!(
                    "- {{ match: {{ prefix: /{cluster}/{way}/ }}, cluster: {cluster}, \
                     stream_filters: [{{ plugin: it, root_id: matrix, config: {script} }}] }}\n"
                ));
            }
        }
        let config = Config::new()
            .top("workers: 1")
            .listener("web", &routes)
            .cluster("one", one.address(), "")
            .cluster("two", two.address(), "protocol: http2");
        let proxy = backend.start(&backend.plugin(backend.prepare(config), "it")).await;
        let mut world = Self { proxy, one, two, plain: BTreeMap::new() };
        for way in WAYS {
            // A field without a name is refused everywhere.
            let nothing = Written { way, name: Vec::new(), value: Vec::new() };
            let (request, reply) = world.over_one(&nothing).await;
            let request = request.map(|request| names(&request.fields)).unwrap_or_default();
            world.plain.insert(format!("one {way} up"), request);
            world.plain.insert(format!("one {way} back"), names(&fields(&reply.head)));
            let (request, reply) = world.over_two(&nothing).await;
            world
                .plain
                .insert(format!("two {way} up"), request.as_ref().map_or_else(Vec::new, keys));
            world.plain.insert(format!("two {way} back"), keys(&reply.headers));
        }
        world
    }

    /// Over HTTP/1 on both sides: what the upstream was sent, if it was, and the reply.
    async fn over_one(&self, written: &Written) -> (Option<Recorded>, RawReply) {
        let mut client = RawPeer::connect(self.proxy.web()).await;
        let text = format!(
            "GET /one/{}/ HTTP/1.1\r\nhost: a\r\nx-hex: {}\r\nconnection: close\r\n\r\n",
            written.way,
            hexed(written)
        );
        client.send(text).await;
        let bytes = client.read_to_end().await;
        let mut replies = parse_replies(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(replies.len(), 1, "{written:?}: one reply: {text}");
        let mut requests = self.one.take();
        assert!(requests.len() <= 1, "{written:?}: one request: {requests:#?}");
        (requests.pop(), replies.remove(0))
    }

    /// Over HTTP/2 on both sides; the libraries of both ends refuse what is malformed.
    async fn over_two(&self, written: &Written) -> (Option<HeaderMap>, Reply) {
        let before = self.two.requests();
        let mut client = Client::connect(Http::Two, self.proxy.web()).await;
        let path = format!("/two/{}/", written.way);
        let hexed = hexed(written);
        let sent = client.try_send(get(&path, &[("x-hex", &hexed)])).await;
        let reply = match sent {
            Ok(reply) => Reply::try_read(reply).await,
            Err(error) => Err(error),
        };
        let reply = reply.unwrap_or_else(|error| panic!("{written:?}: no good reply: {error:?}"));
        let mut requests = self.two.seen().split_off(before);
        assert!(requests.len() <= 1, "{written:?}: one request: {requests:#?}");
        (requests.pop().map(|request| request.headers), reply)
    }

    async fn holds(&self, written: &Written) {
        let (request, reply) = self.over_one(written).await;
        let back = fields(&reply.head);
        self.judge(written, "one", "back", &back);
        let is_bodiless = matches!(reply.status, 204 | 304);
        assert!(reply.complete || is_bodiless, "{written:?}: a whole reply: {reply:?}");
        if let Some(request) = request {
            let target = request.line.split(' ').collect::<Vec<_>>();
            let is_line = target.len() == 3 && target[2] == "HTTP/1.1";
            assert!(is_line, "{written:?}: {:?}", request.line);
            assert_eq!(request.values("host").len(), 1, "{written:?}: {request:?}");
            assert!(request.body.is_empty() && request.trailers.is_empty(), "{request:?}");
            self.judge(written, "one", "up", &request.fields);
        }
        let (request, reply) = self.over_two(written).await;
        self.judge(written, "two", "back", &pairs(&reply.headers));
        if let Some(request) = request {
            self.judge(written, "two", "up", &pairs(&request));
        }
    }

    /// Looks at one section: nothing is in it that was not there without the plugin, but what was
    /// written, once; all of it is well formed, and says in one way at most where the body ends.
    fn judge(&self, written: &Written, version: &str, side: &str, fields: &[(String, String)]) {
        let at = format!("{version} {} {side}", written.way);
        let plain = &self.plain[&at];
        let name = String::from_utf8_lossy(&written.name).to_ascii_lowercase();
        for (field, value) in fields {
            let is_name = !field.is_empty() && field.bytes().all(is_token_byte);
            // What is no UTF-8 was shown as replacement characters.
            let is_value = !value.chars().any(|c| c != '\t' && c.is_control() && c.is_ascii());
            assert!(is_name && is_value, "{at}: {written:?}: {field:?}: {value:?}");
            let is_known = plain.contains(field) || field == "x-kept" || *field == name;
            let is_framing = ["content-length", "transfer-encoding"].contains(&field.as_str());
            assert!(is_known || is_framing, "{at}: {written:?}: {field:?} is new: {fields:?}");
        }
        let count = |name: &str| fields.iter().filter(|(field, _)| field == name).count();
        let before = plain.iter().filter(|field| **field == name).count();
        assert!(count(&name) <= before + 1, "{at}: {written:?}: {fields:?}");
        let (length, encoding) = (count("content-length"), count("transfer-encoding"));
        assert!(length + encoding <= 1, "{at}: {written:?}: {fields:?}");
        let is_plain = |byte: &u8| (b'!'..=b'~').contains(byte);
        let is_good = name.starts_with("x-")
            && written.name.iter().all(|byte| is_token_byte(*byte))
            && written.value.iter().all(is_plain)
            && !plain.contains(&name);
        let is_ours = side
            == if written.way.contains('-') || written.way == "answer" { "back" } else { "up" };
        if is_good && is_ours {
            let value = String::from_utf8_lossy(&written.value).into_owned();
            assert!(fields.contains(&(name, value)), "{at}: {written:?} is lost: {fields:?}");
        }
    }
}

fn hexed(written: &Written) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}:{}", digits(&written.name), digits(&written.value))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The fields of a head; whatever is no field is one without a value.
fn fields(head: &str) -> Vec<(String, String)> {
    let lines = head.trim_end_matches("\r\n").split("\r\n").skip(1);
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
    };
    lines.map(field).collect()
}

fn names(fields: &[(String, String)]) -> Vec<String> {
    fields.iter().map(|(name, _value)| name.clone()).collect()
}

fn keys(headers: &HeaderMap) -> Vec<String> {
    names(&pairs(headers))
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn holds_on(backend: Backend) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = runtime.block_on(World::start(backend));
    let cases = Cases { cases: CASES, failure_persistence: None, ..Cases::default() };
    let outcome = TestRunner::new(cases).run(&written(), |written| {
        runtime.block_on(world.holds(&written));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{}: {error}", backend.name());
    }
}

#[test]
fn builtin_plugins_write_one_well_formed_field_or_none() {
    holds_on(Backend::Builtin);
}

#[test]
fn modules_write_one_well_formed_field_or_none() {
    holds_on(Backend::Wasm);
}

#[test]
fn child_processes_write_one_well_formed_field_or_none() {
    holds_on(Backend::Process);
}

#[test]
fn libraries_write_one_well_formed_field_or_none() {
    holds_on(Backend::Native);
}
