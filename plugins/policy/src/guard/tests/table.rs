//! Every call with the permission that it takes, as data.

use super::*;

/// Makes a call in the name of somebody else; gives the error that came back, if one did.
type Make = fn(&Bench) -> Option<CallError>;

/// One call.
pub(super) struct Row {
    pub(super) call: HostCall,
    /// The permission without which it is refused.
    pub(super) needs: &'static str,
    pub(super) make: Make,
    /// What the host is to see.
    pub(super) seen: &'static str,
}

const OTHER: &str = "somebody else";
const HEAD: HeaderMapKind = HeaderMapKind::RequestHeaders;

const fn row(call: HostCall, needs: &'static str, make: Make, seen: &'static str) -> Row {
    Row { call, needs, make, seen }
}

/// Calls of a stream.
const OF_STREAMS: &[Row] = &[
    row(
        HostCall::Header,
        "headers.request.read:x-a",
        |b| b.guard.header(&b.stream, HEAD, b"x-a", &mut |_| {}).err(),
        "header x-a",
    ),
    row(
        HostCall::Header,
        "headers.response.read:x-a",
        |b| b.guard.header(&b.stream, HeaderMapKind::ResponseTrailers, b"x-a", &mut |_| {}).err(),
        "header x-a",
    ),
    row(
        HostCall::WriteHeader,
        "headers.request.write:x-a",
        |b| b.guard.write_header(&b.stream, HEAD, FieldWrite::Remove(b"x-a")).err(),
        "write_header",
    ),
    row(
        HostCall::WriteHeader,
        "headers.response.write:x-a",
        |b| {
            let write = FieldWrite::Add(b"x-a", b"1");
            b.guard.write_header(&b.stream, HeaderMapKind::ResponseHeaders, write).err()
        },
        "write_header",
    ),
    row(
        HostCall::WriteHeader,
        "route",
        |b| b.guard.write_header(&b.stream, HEAD, FieldWrite::Replace(b":path", b"/")).err(),
        "write_header",
    ),
    row(
        HostCall::Body,
        "body.request.read",
        |b| b.guard.body(&b.stream, Side::Request, &mut |_| {}).err(),
        "body",
    ),
    row(
        HostCall::Body,
        "body.response.read",
        |b| b.guard.body(&b.stream, Side::Response, &mut |_| {}).err(),
        "body",
    ),
    row(
        HostCall::WriteBody,
        "body.request.write",
        |b| b.guard.write_body(&b.stream, Side::Request, 1, 2, b"abc").err(),
        "write_body 1 2 abc",
    ),
    row(
        HostCall::WriteBody,
        "body.response.write",
        |b| b.guard.write_body(&b.stream, Side::Response, 1, 2, b"abc").err(),
        "write_body 1 2 abc",
    ),
    row(
        HostCall::Respond,
        "reply",
        |b| {
            let reply = LocalReply::text(StatusCode::FORBIDDEN, "no");
            b.guard.respond(&b.stream, OTHER, reply).err()
        },
        "respond as greet",
    ),
    row(HostCall::Reset, "close", |b| b.guard.reset(&b.stream, OTHER).err(), "reset as greet"),
];

/// Calls of a connection, and properties.
const OF_CONNECTIONS: &[Row] = &[
    row(
        HostCall::Data,
        "tcp.downstream.read",
        |b| b.guard.data(&b.connection, Flow::Downstream, &mut |_| {}).err(),
        "data Downstream",
    ),
    row(
        HostCall::Data,
        "tcp.upstream.read",
        |b| b.guard.data(&b.connection, Flow::Upstream, &mut |_| {}).err(),
        "data Upstream",
    ),
    row(
        HostCall::WriteData,
        "tcp.downstream.write",
        |b| b.guard.write_data(&b.connection, Flow::Downstream, 3, 4, b"x").err(),
        "write_data Downstream 3 4 x",
    ),
    row(
        HostCall::WriteData,
        "tcp.upstream.write",
        |b| b.guard.write_data(&b.connection, Flow::Upstream, 3, 4, b"x").err(),
        "write_data Upstream 3 4 x",
    ),
    row(HostCall::Close, "close", |b| b.guard.close(&b.connection, OTHER).err(), "close as greet"),
    row(
        HostCall::Property,
        "properties.read:source.address",
        |b| b.guard.property(Subject::Stream(&b.stream), &[b"source", b"address"]).err(),
        "property",
    ),
    row(
        HostCall::SetProperty,
        "properties.write:a.b",
        |b| b.guard.set_property(Subject::Connection(&b.connection), &[b"a", b"b"], b"v").err(),
        "set_property v",
    ),
];

/// Calls to clusters, and by name.
const OUTWARDS: &[Row] = &[
    row(
        HostCall::HttpCall,
        "http_call:app",
        |b| b.guard.http_call(http_call(), Box::new(|_answer| {})).err(),
        "http_call app",
    ),
    row(
        HostCall::GrpcStream,
        "grpc_call:app",
        |b| b.guard.grpc_stream(grpc_method(), Rc::new(|_event| {})).err(),
        "grpc_stream app",
    ),
    row(
        HostCall::Every,
        "ticks",
        |b| b.guard.every(Duration::from_secs(1), Rc::new(|| {})).err(),
        "every 1s",
    ),
    row(
        HostCall::Foreign,
        "foreign:f",
        |b| b.guard.foreign(Subject::Host, b"f", b"x", &mut |_| {}).err(),
        "foreign f x",
    ),
];

/// Calls for what plugins keep, and metrics.
const KEPT: &[Row] = &[
    row(
        HostCall::SharedData,
        "shared_data.read:vm",
        |b| b.guard.shared_data("vm", b"k", &mut |_, _| {}).err(),
        "shared_data vm k",
    ),
    row(
        HostCall::SetSharedData,
        "shared_data.write:vm",
        |b| b.guard.set_shared_data("vm", b"k", b"v", 7).err(),
        "set_shared_data vm k v 7",
    ),
    row(
        HostCall::RegisterQueue,
        "queues:vm",
        |b| b.guard.register_queue("vm", b"jobs", Rc::new(|_| {})).err(),
        "register_queue vm jobs",
    ),
    row(
        HostCall::ResolveQueue,
        "queues:vm",
        |b| b.guard.resolve_queue("vm", b"jobs").err(),
        "resolve_queue vm jobs",
    ),
    row(HostCall::Enqueue, "queues:space-3", |b| b.guard.enqueue(3, b"job").err(), "enqueue 3 job"),
    row(
        HostCall::Dequeue,
        "queues:space-3",
        |b| b.guard.dequeue(3, &mut |_| {}).err(),
        "dequeue 3",
    ),
    row(
        HostCall::DefineMetric,
        "metrics",
        |b| b.guard.define_metric(OTHER, MetricKind::Gauge, "open").err(),
        "define_metric as greet: Gauge open",
    ),
    row(
        HostCall::RecordMetric,
        "metrics",
        |b| b.guard.record_metric(OTHER, 5, 6).err(),
        "record_metric as greet: 5 6",
    ),
    row(
        HostCall::IncrementMetric,
        "metrics",
        |b| b.guard.increment_metric(OTHER, 5, -6).err(),
        "increment_metric as greet: 5 -6",
    ),
    row(HostCall::Metric, "metrics", |b| b.guard.metric(OTHER, 5).err(), "metric as greet: 5"),
];

/// All calls that answer with an error. A line of the log has none, and a whole section is
/// never refused.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [OF_STREAMS, OF_CONNECTIONS, OUTWARDS, KEPT].into_iter().flatten()
}

impl Row {
    pub(super) fn permission(&self) -> Permission {
        self.needs.parse().unwrap()
    }

    pub(super) fn capability(&self) -> Capability {
        self.permission().capabilities().next().unwrap()
    }

    /// What a plugin is answered that may not: a field is as if it were not there.
    pub(super) fn refusal(&self) -> CallError {
        if self.call == HostCall::Header { CallError::NotFound } else { CallError::Denied }
    }
}
