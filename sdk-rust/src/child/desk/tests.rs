//! Host calls, each against a host that answers them.

mod beside;
mod changes;

use std::time::Duration;

use abi_process::v1::{CallResult, Point, Status, Tick, call, event};

use crate::{
    Fields, Host, HostError, HttpRequest, LogLevel, Phases,
    backend::{Declaration, Registration},
    child::testing::{self, FakeChild, FakeHost, Script, open, say},
};

/// A declaration whose plugins are these scripts.
macro_rules! declaration {
    ($scripts:ident) => {
        Declaration {
            name: "probe",
            version: "1.2.3",
            plugins: &[Registration {
                root_id: "",
                phases: Phases::ALL,
                properties: &[],
                start: |config, host| testing::start($scripts, config, host),
            }],
        }
    };
}
use declaration;

static DECLARATION: Declaration = declaration!(SCRIPTS);

/// Each asks the host for one thing on a tick, and says what it heard.
static SCRIPTS: &[(&str, Script)] = &[
    ("property", on_tick(|host| say(host, host.property(&["node", "id"])))),
    ("dotted", on_tick(|host| say(host, host.property(&["a.b", "c"])))),
    ("long", on_tick(|host| say(host, host.property(&["a"; 600])))),
    ("period", on_tick(|host| say(host, host.set_tick_period(Some(Duration::from_nanos(1)))))),
    ("zero period", on_tick(|host| say(host, host.set_tick_period(Some(Duration::ZERO))))),
    ("no period", on_tick(|host| say(host, host.set_tick_period(None)))),
    ("shared", on_tick(|host| say(host, host.shared_data("key")))),
    ("set shared", on_tick(|host| say(host, host.set_shared_data("key", "value", Some(7))))),
    ("set version 0", on_tick(|host| say(host, host.set_shared_data("key", "value", Some(0))))),
    ("register", on_tick(|host| say(host, host.register_queue("jobs")))),
    ("resolve", on_tick(|host| say(host, host.queue("other", "jobs")))),
    ("push", on_tick(|host| say(host, crate::Queue(crate::QueueId(5)).push(host, "item")))),
    ("pop", on_tick(|host| say(host, crate::Queue(crate::QueueId(5)).pop(host)))),
    ("counter", on_tick(|host| say(host, host.counter("hits")))),
    ("gauge", on_tick(|host| say(host, host.gauge("hits")))),
    ("histogram", on_tick(|host| say(host, host.histogram("hits")))),
    ("value", on_tick(|host| say(host, crate::Gauge(crate::MetricId(9)).value(host)))),
    ("log", on_tick(|host| host.log(LogLevel::Critical, "ä".repeat(40_000)))),
    (
        "http",
        on_tick(|host| {
            let request = HttpRequest::get("auth", "x.org", "/a").header("b", "c");
            say(host, host.http_call(&request));
        }),
    ),
    ("too large", on_tick(|host| say(host, host.set_shared_data("key", vec![0; 5 << 20], None)))),
];

const fn on_tick(tick: fn(&Host<'_>)) -> Script {
    Script { tick, ..Script::NOTHING }
}

/// Runs a script on a tick, and answers its call.
async fn ask(script: &str, status: Status, result: CallResult) -> (call::Kind, String) {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.start(Point::Service, script).await;
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    let call = host.call().await;
    assert_eq!((call.context, call.instance, call.silent), (0, 1, false));
    host.result(&call, status, result).await;
    (call.kind.unwrap(), host.log().await)
}

fn number(number: u64) -> CallResult {
    CallResult { number, ..CallResult::default() }
}

fn value(value: &'static str) -> CallResult {
    CallResult { value: value.into(), number: 4, ..CallResult::default() }
}

#[tokio::test]
async fn each_call_is_sent_and_its_result_read() {
    let cases = [
        ("property", value("me"), "GetProperty", "Some(Property([109, 101]))"),
        ("period", number(0), "period_ms: 1 ", "Ok(())"),
        ("no period", number(0), "period_ms: 0 ", "Ok(())"),
        ("shared", value("v"), "SharedGet", "Ok(Some(SharedValue { bytes: [118], version: 4 }))"),
        ("set shared", number(0), "version: 7", "Ok(())"),
        ("register", number(3), "RegisterQueue(\"jobs\")", "Ok(Queue(QueueId(3)))"),
        ("resolve", number(3), "namespace: \"other\"", "Ok(Queue(QueueId(3)))"),
        ("push", number(0), "Enqueue { queue: 5, item: b\"item\" }", "Ok(())"),
        ("pop", value("v"), "Dequeue(5)", "Ok(Some([118]))"),
        ("counter", number(1), "kind: Counter, name: \"hits\"", "Ok(Counter(MetricId(1)))"),
        ("gauge", number(1), "kind: Gauge", "Ok(Gauge(MetricId(1)))"),
        ("histogram", number(1), "kind: Histogram", "Ok(Histogram(MetricId(1)))"),
        ("value", number(1 << 40), "Metric(9)", "Ok(1099511627776)"),
        ("http", number(0), "cluster: \"auth\"", "Ok(CallId(1))"),
    ];
    for (script, result, asked, heard) in cases {
        let (call, said) = ask(script, Status::Ok, result).await;
        let call = format!("{call:?}");
        assert!(call.contains(asked), "{script}: {call}");
        assert_eq!(said, heard, "{script}");
    }
}

#[tokio::test]
async fn a_request_has_its_line_in_front_of_its_fields() {
    let (call, _said) = ask("http", Status::Ok, number(0)).await;
    let call::Kind::Http(request) = call else { panic!("{call:?}") };
    let expected = [(":method", "GET"), (":path", "/a"), (":authority", "x.org"), ("b", "c")];
    assert_eq!(request.fields, testing::sent(&expected));
    assert_eq!(request.timeout_ms, 0);
}

#[tokio::test]
async fn refusals_are_told_apart_and_what_is_not_there_is_nothing() {
    let cases = [
        ("property", Status::NotFound, "None"),
        ("shared", Status::NotFound, "Ok(None)"),
        ("shared", Status::Denied, "Err(Denied)"),
        ("set shared", Status::Conflict, "Err(Conflict)"),
        ("register", Status::LimitReached, "Err(LimitReached)"),
        ("resolve", Status::NotFound, "Err(NotFound)"),
        ("pop", Status::Empty, "Ok(None)"),
        ("pop", Status::NotFound, "Err(NotFound)"),
        ("counter", Status::BadArgument, "Err(BadArgument)"),
        ("value", Status::Unsupported, "Err(Unsupported)"),
        ("http", Status::WrongPhase, "Err(WrongPhase)"),
    ];
    for (script, status, heard) in cases {
        let (_call, said) = ask(script, status, number(0)).await;
        assert_eq!(said, heard, "{script}");
    }
    // A number that nothing of the SDK can hold.
    let (_call, said) = ask("register", Status::Ok, number(1 << 32)).await;
    assert_eq!(said, "Err(Unsupported)");
}

#[tokio::test]
async fn a_path_with_dots_in_a_segment_is_sent_in_segments() {
    let (call, _said) = ask("property", Status::Ok, value("me")).await;
    let call::Kind::GetProperty(get) = call else { panic!("{call:?}") };
    assert_eq!((get.path.as_str(), get.segments.len()), ("node.id", 0));
    let (call, _said) = ask("dotted", Status::Ok, value("me")).await;
    let call::Kind::GetProperty(get) = call else { panic!("{call:?}") };
    assert_eq!((get.path.as_str(), get.segments), ("", vec!["a.b".into(), "c".into()]));
}

/// Runs a script on a tick that asks the host for nothing.
async fn hear(script: &str) -> String {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.start(Point::Service, script).await;
    host.send([event::Kind::Tick(Tick { instance: 1 })]).await;
    host.log().await
}

#[tokio::test]
async fn what_the_host_would_refuse_or_misread_is_not_sent() {
    assert_eq!(hear("long").await, "None");
    assert_eq!(hear("too large").await, "Err(LimitReached)");
    assert_eq!(hear("set version 0").await, "Err(Conflict)");
    assert_eq!(hear("zero period").await, "Err(BadArgument)");
    let line = hear("log").await;
    assert_eq!((line.len(), line.ends_with('ä')), (64 * 1024, true));
}
