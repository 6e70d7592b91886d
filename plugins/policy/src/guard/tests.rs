mod host;

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::{
    CallError, Connection, ConnectionFacts, FieldWrite, Flow, GrpcMethod, HeaderMapKind, HostCalls,
    HttpCall, LocalReply, LogLevel, MetricKind, Protocol, Side, Stream, Subject,
};
use host_types::{ConnectionId, Headers, ListenerName, PluginLimits, PluginName, StreamId};
use http::{HeaderMap, StatusCode};

use self::host::Host;
use super::Guard;
use crate::{CallCounts, Capability, HostCall, Policy, Preset, Rights, Ward};

/// A guard of the plugin `greet`, with the host behind it.
struct Bench {
    guard: Guard,
    host: Rc<Host>,
    counts: Arc<CallCounts>,
    connection: Rc<Connection>,
    stream: Rc<Stream>,
}

fn bench() -> Bench {
    let host = Rc::new(Host::default());
    let counts = Arc::new(CallCounts::default());
    let ward = Ward {
        plugin: PluginName::from("greet"),
        rights: Arc::new(Rights::new(&Policy::of(Preset::Trusted), None, "greet")),
        limits: PluginLimits::default(),
        counts: Arc::clone(&counts),
        denials: Arc::default(),
        on_denial: Rc::new(|_denial| {}),
        recorder: None,
    };
    let guard = Guard::new(ward, host.clone());
    let here = SocketAddr::from(([127, 0, 0, 1], 80));
    let facts = Rc::new(ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: ListenerName::from("web"),
        peer: here,
        local: here,
        protocol: Protocol::Http11,
    });
    let connection = Rc::new(Connection::new(Rc::clone(&facts), SystemTime::UNIX_EPOCH));
    let stream = Rc::new(Stream::new(
        StreamId::new(0, 1),
        facts,
        SystemTime::UNIX_EPOCH,
        Headers::response(StatusCode::OK, HeaderMap::new()),
    ));
    Bench { guard, host, counts, connection, stream }
}

/// Makes a call in the name of somebody else; gives the error that came back, if one did.
type Make = fn(&Bench) -> Option<CallError>;

const MAP: HeaderMapKind = HeaderMapKind::RequestHeaders;
const OTHER: &str = "somebody else";

/// Every call of a stream or a connection, with what the host is to see.
const OF_TRAFFIC: &[(HostCall, Make, &str)] = &[
    (HostCall::Header, |b| b.guard.header(&b.stream, MAP, b"x-a", &mut |_| {}).err(), "header x-a"),
    (HostCall::Headers, |b| b.guard.headers(&b.stream, MAP, &mut |_| {}).err(), "headers"),
    (
        HostCall::WriteHeader,
        |b| b.guard.write_header(&b.stream, MAP, FieldWrite::Remove(b"x-a")).err(),
        "write_header",
    ),
    (HostCall::Body, |b| b.guard.body(&b.stream, Side::Request, &mut |_| {}).err(), "body"),
    (
        HostCall::WriteBody,
        |b| b.guard.write_body(&b.stream, Side::Request, 1, 2, b"abc").err(),
        "write_body 1 2 abc",
    ),
    (
        HostCall::Data,
        |b| b.guard.data(&b.connection, Flow::Upstream, &mut |_| {}).err(),
        "data Upstream",
    ),
    (
        HostCall::WriteData,
        |b| b.guard.write_data(&b.connection, Flow::Downstream, 3, 4, b"x").err(),
        "write_data Downstream 3 4 x",
    ),
    (
        HostCall::Property,
        |b| b.guard.property(Subject::Stream(&b.stream), &[b"a"]).err(),
        "property",
    ),
    (
        HostCall::SetProperty,
        |b| b.guard.set_property(Subject::Connection(&b.connection), &[b"a"], b"v").err(),
        "set_property v",
    ),
    (
        HostCall::Respond,
        |b| {
            let reply = LocalReply::text(StatusCode::FORBIDDEN, "no");
            b.guard.respond(&b.stream, OTHER, reply).err()
        },
        "respond as greet",
    ),
    (HostCall::Reset, |b| b.guard.reset(&b.stream, OTHER).err(), "reset as greet"),
    (HostCall::Close, |b| b.guard.close(&b.connection, OTHER).err(), "close as greet"),
];

/// Every call beside them.
const BESIDE_TRAFFIC: &[(HostCall, Make, &str)] = &[
    (
        HostCall::HttpCall,
        |b| b.guard.http_call(http_call(), Box::new(|_answer| {})).err(),
        "http_call app",
    ),
    (HostCall::Every, |b| b.guard.every(Duration::from_secs(1), Rc::new(|| {})).err(), "every 1s"),
    (
        HostCall::SharedData,
        |b| b.guard.shared_data("vm", b"k", &mut |_, _| {}).err(),
        "shared_data vm k",
    ),
    (
        HostCall::SetSharedData,
        |b| b.guard.set_shared_data("vm", b"k", b"v", 7).err(),
        "set_shared_data vm k v 7",
    ),
    (
        HostCall::RegisterQueue,
        |b| b.guard.register_queue("vm", b"jobs", Rc::new(|_| {})).err(),
        "register_queue vm jobs",
    ),
    (
        HostCall::ResolveQueue,
        |b| b.guard.resolve_queue("vm", b"jobs").err(),
        "resolve_queue vm jobs",
    ),
    (HostCall::Enqueue, |b| b.guard.enqueue(3, b"job").err(), "enqueue 3 job"),
    (HostCall::Dequeue, |b| b.guard.dequeue(3, &mut |_| {}).err(), "dequeue 3"),
    (
        HostCall::DefineMetric,
        |b| b.guard.define_metric(OTHER, MetricKind::Gauge, "open").err(),
        "define_metric as greet: Gauge open",
    ),
    (
        HostCall::RecordMetric,
        |b| b.guard.record_metric(OTHER, 5, 6).err(),
        "record_metric as greet: 5 6",
    ),
    (
        HostCall::IncrementMetric,
        |b| b.guard.increment_metric(OTHER, 5, -6).err(),
        "increment_metric as greet: 5 -6",
    ),
    (HostCall::Metric, |b| b.guard.metric(OTHER, 5).err(), "metric as greet: 5"),
    (
        HostCall::Foreign,
        |b| b.guard.foreign(Subject::Host, b"f", b"x", &mut |_| {}).err(),
        "foreign f x",
    ),
];

fn http_call() -> HttpCall {
    HttpCall {
        cluster: "app".into(),
        headers: Vec::new(),
        body: Default::default(),
        trailers: Vec::new(),
        timeout: None,
    }
}

fn grpc_method() -> GrpcMethod {
    GrpcMethod {
        cluster: "app".into(),
        service: "s".into(),
        method: "m".into(),
        metadata: Vec::new(),
        timeout: None,
    }
}

fn counted(bench: &Bench, call: HostCall) -> (u64, u64) {
    (bench.counts.made(call), bench.counts.refused(call))
}

#[test]
fn every_call_reaches_the_host_as_it_is_and_is_counted_once() {
    for (call, make, seen) in OF_TRAFFIC.iter().chain(BESIDE_TRAFFIC) {
        let bench = bench();
        assert_eq!(make(&bench), Some(CallError::NotFound), "{call:?}: the answer comes back");
        assert_eq!(*bench.host.seen.borrow(), [*seen]);
        for other in HostCall::ALL {
            assert_eq!(counted(&bench, other), (u64::from(other == *call), 0), "{call:?}");
        }
    }
}

#[test]
fn a_line_is_written_and_dropped_in_the_name_of_the_plugin() {
    let bench = bench();
    bench.guard.log(OTHER, LogLevel::Info, "hello");
    bench.guard.log_dropped(OTHER);
    assert_eq!(*bench.host.seen.borrow(), ["log as greet: Info hello", "log_dropped as greet"]);
    assert_eq!(counted(&bench, HostCall::Log), (2, 1), "a dropped line is a refused one");
}

#[test]
fn a_function_that_sets_a_property_is_counted_as_that_too() {
    let bench = bench();
    let name = b"set_envoy_filter_state";
    let _seen = bench.guard.foreign(Subject::Host, name, b"x", &mut |_| {});
    assert_eq!(*bench.host.seen.borrow(), ["foreign set_envoy_filter_state x"]);
    assert_eq!(counted(&bench, HostCall::Foreign), (1, 0));
    assert_eq!(counted(&bench, HostCall::SetProperty), (1, 0));
}

#[test]
fn the_time_is_that_of_the_host_and_counted_where_a_plugin_wants_it() {
    let bench = bench();
    assert_eq!(bench.guard.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    assert_eq!(counted(&bench, HostCall::Now), (0, 0));
    assert_eq!(bench.guard.may(Capability::Clock), Ok(()));
    assert_eq!(counted(&bench, HostCall::Now), (1, 0));
    assert_eq!(*bench.host.seen.borrow(), ["now"]);
}

#[test]
fn the_messages_of_a_grpc_stream_pass_the_guard_too() {
    let bench = bench();
    let stream = bench.guard.grpc_stream(grpc_method(), Rc::new(|_event| {}));
    let stream = stream.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.send(b"one", false), Err(CallError::NotFound));
    assert_eq!(stream.send(b"two", true), Err(CallError::NotFound));
    stream.close();
    assert_eq!(
        *bench.host.seen.borrow(),
        ["grpc_stream app", "grpc_send one false", "grpc_send two true", "grpc_close"]
    );
    for (call, made) in
        [(HostCall::GrpcStream, 1), (HostCall::GrpcSend, 2), (HostCall::GrpcClose, 1)]
    {
        assert_eq!(counted(&bench, call), (made, 0), "{call:?}");
    }
}

/// The trait has defaults, so the compiler does not ask for a method that is forgotten here.
#[test]
fn no_method_of_the_contract_is_left_out() {
    let contract = include_str!("../../../../host/extension/src/calls.rs");
    let methods = methods(contract, "pub trait HostCalls {");
    assert!(methods.contains(&"header") && methods.contains(&"foreign"), "{methods:?}");
    let guard = include_str!("../guard.rs");
    assert_eq!(self::methods(guard, "impl HostCalls for Guard {"), methods, "all are forwarded");
    let host = include_str!("tests/host.rs");
    assert_eq!(self::methods(host, "impl HostCalls for Host {"), methods, "all are tested");

    let kinds = HostCall::ALL.map(HostCall::label);
    let of_streams = ["grpc_send", "grpc_close"];
    let counted: Vec<_> = kinds.iter().filter(|kind| !of_streams.contains(kind)).collect();
    let no_calls = ["log_dropped", "queue_namespace", "may"];
    let wanted: Vec<_> = methods.iter().filter(|name| !no_calls.contains(name)).collect();
    assert_eq!(counted, wanted, "all are counted apart");
    let tabled = OF_TRAFFIC.len() + BESIDE_TRAFFIC.len();
    assert_eq!(tabled, wanted.len() - ["grpc_stream", "log", "now"].len(), "all are in a table");
}

/// The methods of a trait or an implementation, in their order.
fn methods<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let (_, rest) = source.split_once(start).expect("it is there");
    let (block, _) = rest.split_once("\n}\n").expect("it ends");
    let names = block.lines().filter_map(|line| line.strip_prefix("    fn ")?.split('(').next());
    names.collect()
}
