//! What the tests of this crate share: a host that remembers, streams, and small guests.

mod beside;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_extension::{
    BodyKind, CallError, CallResult, Connection, ConnectionFacts, CpuBudget, CpuMeter, FieldWrite,
    FilterFactory, Flow, GrpcMethod, GrpcStream, HeaderMapKind, HostCalls, HttpCall, InstanceSpec,
    LoadedPlugin, LocalReply, LogLevel, Message, MetricId, MetricKind, NetworkFilter, OnGrpcEvent,
    OnHttpAnswer, Phases, PluginFault, PropertyValue, Protocol, QueueId, SharedInstances, Side,
    Stage, Step, Stream, StreamFilter, Subject, Subscription, Verdict, WorkerScope,
};
use host_types::{ConnectionId, Headers, PluginLimits, RequestHead, StreamId, VmSettings};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

pub(crate) use self::beside::Beside;
use crate::{WasmBackend, WasmSettings, WasmSpec, sections};

/// One backend for all tests, as a process has one.
pub(crate) static BACKEND: LazyLock<WasmBackend> = LazyLock::new(|| {
    let settings = WasmSettings { instances_max: 100, ..WasmSettings::default() };
    WasmBackend::new(&settings).expect("an engine")
});

/// A host that lets everything happen and remembers what did.
#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) replies: RefCell<Vec<u16>>,
    pub(crate) resets: RefCell<u32>,
    pub(crate) attributes: RefCell<Vec<(String, Vec<u8>)>>,
    pub(crate) closes: RefCell<u32>,
    pub(crate) timers: Rc<Timers>,
    /// What was asked for beside streams.
    pub(crate) beside: Beside,
    /// What it says "no" to when it is asked for a capability, and what it was asked for.
    pub(crate) denied: RefCell<Vec<Capability>>,
    pub(crate) asked: RefCell<Vec<Capability>>,
    /// Answered to every read and change of a stream, where it is set.
    pub(crate) refuse: RefCell<Option<CallError>>,
    /// The clock of budgets, and how far each line of the log moves it.
    pub(crate) time: Rc<Cell<Duration>>,
    pub(crate) line_time: Cell<Duration>,
}

impl FakeHost {
    fn check(&self) -> CallResult<()> {
        self.refuse.borrow().map_or(Ok(()), Err)
    }

    /// Allows nothing of these.
    pub(crate) fn deny(&self, capabilities: &[Capability]) {
        self.denied.borrow_mut().extend(capabilities);
    }

    fn check_may(&self, what: Capability) -> CallResult<()> {
        if self.denied.borrow().contains(&what) { Err(CallError::Denied) } else { Ok(()) }
    }

    /// All bytes that guests said with [`SAY`], and other lines, in order.
    pub(crate) fn said(&self) -> String {
        self.lines.take().iter().map(|line| line.trim_start_matches("Info: ")).collect()
    }
}

/// The timers that plugins set.
#[derive(Default)]
pub(crate) struct Timers {
    set: RefCell<BTreeMap<u32, Timer>>,
    next: Cell<u32>,
}

type Timer = (Duration, Rc<dyn Fn()>);

impl Timers {
    /// Their periods.
    pub(crate) fn periods(&self) -> Vec<Duration> {
        self.set.borrow().values().map(|(period, _)| *period).collect()
    }

    /// Lets all of them ring once.
    pub(crate) fn ring(&self) {
        let ticks: Vec<_> = self.set.borrow().values().map(|(_, tick)| Rc::clone(tick)).collect();
        for tick in ticks {
            tick();
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timers").field(&self.periods()).finish()
    }
}

/// A timer that is set, until it is dropped.
struct TimerHold(Rc<Timers>, u32);

impl Drop for TimerHold {
    fn drop(&mut self) {
        // Outside of the cell: what it would have called may hold a guest.
        let gone = self.0.set.borrow_mut().remove(&self.1);
        drop(gone);
    }
}

impl HostCalls for FakeHost {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check()?;
        sections::header(stream, map, name, show)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.check()?;
        sections::headers(stream, map, show)
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.check()?;
        sections::write_header(stream, map, write)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check()?;
        show(stream.message(body).body.borrow().as_slice());
        Ok(())
    }

    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check()?;
        stream.message(body).body.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.check()?;
        match (subject, path) {
            (Subject::Stream(_), [b"request", b"path"]) => {
                Ok(PropertyValue::Bytes(b"/path".to_vec()))
            }
            _ => Err(CallError::NotFound),
        }
    }

    fn set_property(&self, _subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.check()?;
        let path = String::from_utf8_lossy(&path.join(&b'.')).into_owned();
        self.attributes.borrow_mut().push((path, value.to_vec()));
        Ok(())
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.check_may(Capability::Reply)?;
        self.replies.borrow_mut().push(reply.status.as_u16());
        Ok(())
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.check_may(Capability::Close)?;
        *self.resets.borrow_mut() += 1;
        Ok(())
    }

    fn close(&self, _connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.check_may(Capability::Close)?;
        *self.closes.borrow_mut() += 1;
        Ok(())
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check()?;
        show(connection.flow(flow).bytes.borrow().as_slice());
        Ok(())
    }

    fn write_data(
        &self,
        connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check()?;
        connection.flow(flow).bytes.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        let id = self.timers.next.get();
        self.timers.next.set(id + 1);
        self.timers.set.borrow_mut().insert(id, (period, tick));
        Ok(Subscription::new(TimerHold(Rc::clone(&self.timers), id)))
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        self.check()?;
        self.beside.http_call(call, on_answer)
    }

    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        self.check()?;
        self.beside.grpc_stream(method, on_event)
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.check()?;
        self.beside.shared_data(namespace, key, show)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.check()?;
        self.beside.set_shared_data(namespace, key, value, version)
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        self.check()?;
        self.beside.register_queue(namespace, name, ready)
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.check()?;
        self.beside.resolve_queue(namespace, name)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.check()?;
        self.beside.enqueue(queue, item)
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check()?;
        self.beside.dequeue(queue, show)
    }

    fn define_metric(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        self.check()?;
        self.beside.define_metric(plugin, kind, name)
    }

    fn record_metric(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.check()?;
        self.beside.record_metric(plugin, metric, value)
    }

    fn increment_metric(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.check()?;
        self.beside.increment_metric(plugin, metric, by)
    }

    fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.check()?;
        self.beside.metric(plugin, metric)
    }

    /// There is one, `reverse`.
    fn foreign(
        &self,
        _subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check()?;
        if name != b"reverse" {
            return Err(CallError::NotFound);
        }
        show(&argument.iter().rev().copied().collect::<Vec<_>>());
        Ok(())
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        self.lines.borrow_mut().push(format!("{level:?}: {line}"));
        self.time.set(self.time.get() + self.line_time.get());
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_007)
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        self.asked.borrow_mut().push(what);
        self.check_may(what)
    }
}

fn connection_facts(protocol: Protocol) -> Rc<ConnectionFacts> {
    let address = "127.0.0.1:1".parse().expect("an address");
    Rc::new(ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: "l".into(),
        peer: address,
        local: address,
        protocol,
    })
}

/// A connection that was just accepted.
pub(crate) fn connection() -> Rc<Connection> {
    Rc::new(Connection::new(connection_facts(Protocol::Tcp), SystemTime::UNIX_EPOCH))
}

/// A request for `/path` whose head has one field, `x-one: first`, and no response yet.
pub(crate) fn stream() -> Rc<Stream> {
    let head = RequestHead {
        method: Method::GET,
        scheme: http::uri::Scheme::HTTP,
        authority: Some("example.test".parse().expect("an authority")),
        path: "/path".parse().expect("a path"),
    };
    let mut map = HeaderMap::new();
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("first"));
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("second"));
    let headers = Headers::request(head, map);
    let id = StreamId::new(0, 1);
    Rc::new(Stream::new(id, connection_facts(Protocol::Http11), SystemTime::UNIX_EPOCH, headers))
}

/// Opens the response of a stream.
pub(crate) fn open_response(stream: &Stream) {
    let response: &Message = stream.message(Side::Response);
    response.stage.set(Stage::Open);
    response.headers.replace(Some(Headers::response(StatusCode::OK, HeaderMap::new())));
}

/// What guests of tests begin with: marker, memory, and an allocator that never frees.
/// Its pages begin at 4096; whatever a guest wants to keep stands below.
pub(crate) const PRELUDE: &str = r#"
  (func (export "proxy_abi_version_0_2_1"))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 4096))
  (func (export "malloc") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at))
"#;

/// Imports the log, for [`SAY`].
pub(crate) const LOG: &str =
    r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;

/// A function that logs one byte.
pub(crate) const SAY: &str = r#"
  (func $say (param i32)
    (i32.store8 (i32.const 0) (local.get 0))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
"#;

/// The bytes of a guest: imports, the prelude, and the rest.
pub(crate) fn guest(imports: &str, rest: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {imports} {PRELUDE} {rest})")).expect("a valid module")
}

/// A plugin under test with its host.
pub(crate) struct Rig {
    pub(crate) host: Rc<FakeHost>,
    pub(crate) plugin: Arc<dyn LoadedPlugin>,
    /// What the instances of its worker share.
    pub(crate) shared: Rc<SharedInstances>,
    /// The faults that instances told of beside streams.
    pub(crate) faults: Rc<RefCell<Vec<PluginFault>>>,
    /// What its time beside hooks is charged to.
    pub(crate) cpu: CpuMeter,
}

impl Rig {
    #[track_caller]
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::with_limits(bytes, &PluginLimits::default())
    }

    #[track_caller]
    pub(crate) fn with_limits(bytes: &[u8], limits: &PluginLimits) -> Self {
        Self::of(load(bytes, limits, None).expect("it loads"))
    }

    #[track_caller]
    pub(crate) fn with_vm(bytes: &[u8], vm: &VmSettings) -> Self {
        Self::of(load_as("guest", bytes, vm))
    }

    pub(crate) fn of(plugin: Arc<dyn LoadedPlugin>) -> Self {
        let (host, cpu) = Default::default();
        Self { host, plugin, shared: Rc::default(), faults: Rc::default(), cpu }
    }

    /// Lets the plugin take so much of each second, of which each of its lines takes 10 ms.
    pub(crate) fn budget(&mut self, per_second: Duration) -> Rc<CpuBudget> {
        self.host.line_time.set(Duration::from_millis(10));
        let (budget, time) = (Rc::new(CpuBudget::new(per_second)), Rc::clone(&self.host.time));
        self.cpu = CpuMeter::new(Rc::clone(&budget), Rc::new(move || time.get()));
        budget
    }

    /// Another plugin on the same worker, with a host of its own.
    pub(crate) fn beside(&self, plugin: Arc<dyn LoadedPlugin>) -> Self {
        Self { shared: Rc::clone(&self.shared), ..Self::of(plugin) }
    }

    pub(crate) fn scope(&self) -> WorkerScope {
        let calls: Rc<dyn HostCalls> = Rc::<FakeHost>::clone(&self.host);
        let faults = Rc::clone(&self.faults);
        WorkerScope {
            worker: Some(0),
            calls,
            shared: Rc::clone(&self.shared),
            cpu: self.cpu.clone(),
            on_fault: Rc::new(move |fault| faults.borrow_mut().push(fault.clone())),
            on_restart: Rc::new(|| {}),
        }
    }

    pub(crate) fn start(&self, config: &[u8]) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        self.start_as("", config)
    }

    /// Starts one of the plugins that the module holds.
    pub(crate) fn start_as(
        &self,
        root_id: &str,
        config: &[u8],
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let spec = InstanceSpec {
            root_id: root_id.into(),
            config: config.into(),
            ..InstanceSpec::default()
        };
        self.plugin.start(&self.scope(), &spec)
    }

    #[track_caller]
    pub(crate) fn factory(&self) -> Rc<dyn FilterFactory> {
        self.start(b"").expect("it starts")
    }

    /// A filter for a stream of its own.
    #[track_caller]
    pub(crate) fn filter(&self) -> (Box<dyn StreamFilter>, Rc<Stream>) {
        let stream = stream();
        (self.factory().stream_filter(&stream).expect("a filter"), stream)
    }

    /// A filter for a connection of its own.
    #[track_caller]
    pub(crate) fn network_filter(&self) -> (Box<dyn NetworkFilter>, Rc<Connection>) {
        let connection = connection();
        (self.factory().network_filter(&connection).expect("a filter"), connection)
    }
}

pub(crate) fn load(
    bytes: &[u8],
    limits: &PluginLimits,
    phases: Option<Phases>,
) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
    let vm = VmSettings::default();
    BACKEND.load(WasmSpec { name: &"guest".into(), bytes, limits, phases, vm: &vm, grants: "" })
}

/// A plugin of another name, or with other machines.
#[track_caller]
pub(crate) fn load_as(name: &str, bytes: &[u8], vm: &VmSettings) -> Arc<dyn LoadedPlugin> {
    let limits = PluginLimits::default();
    let spec =
        WasmSpec { name: &name.into(), bytes, limits: &limits, phases: None, vm, grants: "" };
    BACKEND.load(spec).expect("it loads")
}

/// The fault that a hook must have answered with.
#[track_caller]
pub(crate) fn fault(step: Step) -> PluginFault {
    let Step::Ready(Verdict::Failed(fault)) = step else {
        panic!("expected a fault, got {step:?}");
    };
    fault
}

/// What a pending step comes to now, if it does.
pub(crate) fn poll(step: &mut Step) -> Option<Verdict> {
    let Step::Later(future) = step else { panic!("expected `Later`, got {step:?}") };
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => Some(verdict),
        Poll::Pending => None,
    }
}
