//! A host that notes what reached it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_extension::{
    BodyKind, CallError, CallResult, Connection, FieldWrite, Flow, GrpcMethod, GrpcStream,
    HeaderMapKind, HostCalls, HttpCall, LocalReply, LogLevel, MetricId, MetricKind, OnGrpcEvent,
    OnHttpAnswer, PropertyValue, QueueId, Stream, Subject, Subscription,
};
use host_types::Headers;

/// Each method notes its name and what it was given, and answers `NotFound`; but a gRPC stream
/// can be opened, and notes, too. One that `works` has the fields of the stream's request, and
/// takes calls, which are answered by hand.
#[derive(Default)]
pub(super) struct Host {
    pub(super) seen: Rc<RefCell<Vec<String>>>,
    pub(super) works: Cell<bool>,
    pub(super) http: RefCell<Vec<(HttpCall, OnHttpAnswer)>>,
    pub(super) grpc: RefCell<Vec<(GrpcMethod, OnGrpcEvent)>>,
}

impl Host {
    fn note<T>(&self, call: impl Into<String>) -> CallResult<T> {
        self.seen.borrow_mut().push(call.into());
        Err(CallError::NotFound)
    }

    /// What a call comes to: something where the host works.
    fn done<T>(&self, call: impl Into<String>, done: T) -> CallResult<T> {
        let refused = self.note(call);
        if self.works.get() { Ok(done) } else { refused }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("tests pass text")
}

impl HostCalls for Host {
    fn header(
        &self,
        stream: &Stream,
        _map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.done(format!("header {}", text(name)), ())?;
        let section = stream.request.headers.borrow();
        let value = section.as_ref().and_then(|fields| fields.get(name));
        show(value.ok_or(CallError::NotFound)?);
        Ok(())
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.done("headers", ())?;
        if map != HeaderMapKind::RequestHeaders {
            return Err(CallError::WrongPhase);
        }
        show(stream.request.headers.borrow().as_ref().expect("it is there"));
        Ok(())
    }

    fn write_header(
        &self,
        stream: &Stream,
        _map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.done("write_header", ())?;
        let mut section = stream.request.headers.borrow_mut();
        let fields = section.as_mut().expect("it is there");
        let written = match write {
            FieldWrite::Add(name, value) => fields.add(name, value),
            FieldWrite::Replace(name, value) => fields.replace(name, value),
            FieldWrite::Remove(name) => fields.remove(name),
            FieldWrite::SetAll(pairs) => fields.set_all(pairs.iter().copied()),
        };
        written.map_err(|_refused| CallError::BadArgument)
    }

    fn body(&self, _: &Stream, _: BodyKind, _: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.note("body")
    }

    fn write_body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.note(format!("write_body {start} {length} {}", text(with)))
    }

    fn data(
        &self,
        _connection: &Connection,
        flow: Flow,
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.note(format!("data {flow:?}"))
    }

    fn write_data(
        &self,
        _connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.note(format!("write_data {flow:?} {start} {length} {}", text(with)))
    }

    /// All fields of the request, whatever the path says.
    fn property(&self, subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.done("property", ())?;
        let Subject::Stream(stream) = subject else { return Err(CallError::NotFound) };
        let section = stream.request.headers.borrow();
        let fields = section.as_ref().expect("it is there").iter();
        let fields = fields.map(|(name, value)| (name.to_vec(), value.to_vec()));
        Ok(PropertyValue::Map(fields.collect()))
    }

    fn set_property(&self, _subject: Subject<'_>, _path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.note(format!("set_property {}", text(value)))
    }

    fn respond(&self, _stream: &Rc<Stream>, plugin: &str, _reply: LocalReply) -> CallResult<()> {
        self.note(format!("respond as {plugin}"))
    }

    fn reset(&self, _stream: &Rc<Stream>, plugin: &str) -> CallResult<()> {
        self.note(format!("reset as {plugin}"))
    }

    fn close(&self, _connection: &Connection, plugin: &str) -> CallResult<()> {
        self.note(format!("close as {plugin}"))
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        self.done(format!("http_call {}", call.cluster), ())?;
        self.http.borrow_mut().push((call, on_answer));
        Ok(Subscription::nothing())
    }

    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        self.seen.borrow_mut().push(format!("grpc_stream {}", method.cluster));
        self.grpc.borrow_mut().push((method, on_event));
        Ok(Box::new(NotedStream(Rc::clone(&self.seen))))
    }

    fn every(&self, period: Duration, _tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        self.done(format!("every {period:?}"), Subscription::nothing())
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        _show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.note(format!("shared_data {namespace} {}", text(key)))
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.note(format!("set_shared_data {namespace} {} {} {version}", text(key), text(value)))
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        _ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        self.note(format!("register_queue {namespace} {}", text(name)))
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.note(format!("resolve_queue {namespace} {}", text(name)))
    }

    /// A queue has the namespace of its number; there are not many.
    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        if queue > 9 {
            return Err(CallError::NotFound);
        }
        show(&format!("space-{queue}"));
        Ok(())
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.note(format!("enqueue {queue} {}", text(item)))
    }

    fn dequeue(&self, queue: QueueId, _show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.note(format!("dequeue {queue}"))
    }

    fn define_metric(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        self.done(format!("define_metric as {plugin}: {kind:?} {name}"), 1)
    }

    fn record_metric(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.note(format!("record_metric as {plugin}: {metric} {value}"))
    }

    fn increment_metric(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.note(format!("increment_metric as {plugin}: {metric} {by}"))
    }

    fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.note(format!("metric as {plugin}: {metric}"))
    }

    fn foreign(
        &self,
        _subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.note(format!("foreign {} {}", text(name), text(argument)))
    }

    fn log(&self, plugin: &str, level: LogLevel, line: &str) {
        self.seen.borrow_mut().push(format!("log as {plugin}: {level:?} {line}"));
    }

    fn log_dropped(&self, plugin: &str) {
        self.seen.borrow_mut().push(format!("log_dropped as {plugin}"));
    }

    fn now(&self) -> SystemTime {
        self.seen.borrow_mut().push("now".into());
        SystemTime::UNIX_EPOCH + Duration::from_secs(7)
    }

    /// The guard answers this one itself.
    fn may(&self, what: Capability) -> CallResult<()> {
        self.note(format!("may {what:?}"))
    }
}

struct NotedStream(Rc<RefCell<Vec<String>>>);

impl GrpcStream for NotedStream {
    fn send(&self, message: &[u8], end: bool) -> CallResult<()> {
        self.0.borrow_mut().push(format!("grpc_send {} {end}", text(message)));
        Err(CallError::NotFound)
    }

    fn close(&self) {
        self.0.borrow_mut().push("grpc_close".into());
    }
}
