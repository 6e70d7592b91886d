//! What the tests of this crate share: a host that remembers, streams, and libraries made by the
//! C compiler.

pub(crate) mod codecs;
pub(crate) mod compile;
pub(crate) mod plugins;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    rc::Rc,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use abi_manifest::Capability;
use host_extension::{
    BodyKind, CallError, CallResult, Connection, ConnectionFacts, CpuBudget, CpuMeter,
    ExtensionPoint, FieldWrite, FilterFactory, Flow, HeaderMapKind, HostCalls, HttpCall,
    InstanceSpec, LoadedPlugin, LocalReply, LogLevel, MetricId, MetricKind, OnHttpAnswer,
    PluginFault, PropertyValue, Protocol, QueueId, SharedInstances, Side, Stream, StreamFilter,
    Subject, Subscription, WorkerScope,
};
use host_types::{
    ConnectionId, Headers, NativeSettings, PluginLimits, PluginName, RequestHead, StreamId,
};
use http::{HeaderMap, Method, StatusCode};

use crate::{Builtin, NativeBackend, NativeSpec};

/// One backend for all tests, as a process has one.
pub(crate) static BACKEND: LazyLock<NativeBackend> =
    LazyLock::new(|| NativeBackend::new(plugins::builtins()));

/// A host that lets everything happen and remembers what did.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) replies: RefCell<Vec<u16>>,
    pub(crate) resets: Cell<u32>,
    pub(crate) closes: Cell<u32>,
    pub(crate) attributes: RefCell<Vec<(String, Vec<u8>)>>,
    pub(crate) calls: RefCell<Vec<(HttpCall, OnHttpAnswer)>>,
    pub(crate) ticks: Rc<RefCell<BTreeMap<u32, Tick>>>,
    pub(crate) queues: RefCell<Vec<Queue>>,
    pub(crate) shared: RefCell<BTreeMap<Vec<u8>, Versioned>>,
    pub(crate) metrics: RefCell<Vec<(String, u64)>>,
    /// What it says "no" to when it is asked for a capability, and what it was asked for.
    pub(crate) denied: RefCell<Vec<Capability>>,
    pub(crate) asked: RefCell<Vec<Capability>>,
    /// How it refuses to let anything of a stream or connection be read.
    pub(crate) refuses: Cell<Option<CallError>>,
    /// Filters whose streams end, the last one first, as a line is written.
    pub(crate) ending: RefCell<Vec<Box<dyn StreamFilter>>>,
    /// The clock of budgets, and how far each line of the log moves it.
    pub(crate) time: Rc<Cell<Duration>>,
    pub(crate) line_time: Cell<Duration>,
}

/// A value with its version.
type Versioned = (Vec<u8>, u32);
type Tick = (Duration, Rc<dyn Fn()>);

/// A queue: its name, who is told of its items, and these.
pub(crate) struct Queue {
    name: Vec<u8>,
    ready: Rc<dyn Fn(QueueId)>,
    items: Vec<Vec<u8>>,
}

/// A timer that is set, until it is dropped.
struct TimerHold(Rc<RefCell<BTreeMap<u32, Tick>>>, u32);

impl Drop for TimerHold {
    fn drop(&mut self) {
        let gone = self.0.borrow_mut().remove(&self.1);
        drop(gone);
    }
}

impl FakeHost {
    fn reads(&self) -> CallResult<()> {
        self.refuses.get().map_or(Ok(()), Err)
    }

    /// Lets all timers ring once.
    pub(crate) fn ring(&self) {
        let ticks: Vec<_> =
            self.ticks.borrow().values().map(|(_period, tick)| Rc::clone(tick)).collect();
        ticks.iter().for_each(|tick| tick());
    }

    /// Tells of an item in each queue that has one.
    pub(crate) fn notify(&self) {
        let ready: Vec<_> = {
            let queues = self.queues.borrow();
            let with_items = queues.iter().enumerate().filter(|(_id, it)| !it.items.is_empty());
            with_items.map(|(id, it)| (id, Rc::clone(&it.ready))).collect()
        };
        for (id, ready) in ready {
            ready(u32::try_from(id).expect("few queues"));
        }
    }
}

fn section(stream: &Stream, map: HeaderMapKind) -> &RefCell<Option<Headers>> {
    match map {
        HeaderMapKind::RequestHeaders => &stream.request.headers,
        HeaderMapKind::RequestTrailers => &stream.request.trailers,
        HeaderMapKind::ResponseHeaders => &stream.response.headers,
        HeaderMapKind::ResponseTrailers => &stream.response.trailers,
        _ => unreachable!("there are four"),
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
        self.reads()?;
        let headers = section(stream, map).borrow();
        let headers = headers.as_ref().ok_or(CallError::WrongPhase)?;
        show(headers.get(name).ok_or(CallError::NotFound)?);
        Ok(())
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        show(section(stream, map).borrow().as_ref().ok_or(CallError::WrongPhase)?);
        Ok(())
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        let mut headers = section(stream, map).borrow_mut();
        let headers = headers.as_mut().ok_or(CallError::WrongPhase)?;
        let written = match write {
            FieldWrite::Add(name, value) => headers.add(name, value),
            FieldWrite::Replace(name, value) => headers.replace(name, value),
            FieldWrite::Remove(name) => headers.remove(name),
            FieldWrite::SetAll(pairs) => headers.set_all(pairs.iter().copied()),
        };
        written.map_err(|_no_field| CallError::BadArgument)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.reads()?;
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
        stream.message(body).body.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn data(&self, at: &Connection, flow: Flow, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.reads()?;
        show(at.flow(flow).bytes.borrow().as_slice());
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
        connection.flow(flow).bytes.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        match (subject, path) {
            (Subject::Stream(_), [b"request", b"path"]) => {
                Ok(PropertyValue::Bytes(b"/path".to_vec()))
            }
            (Subject::Host, [b"number"]) => Ok(PropertyValue::Integer(-2)),
            _ => Err(CallError::NotFound),
        }
    }

    fn set_property(&self, _of: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        let path = String::from_utf8_lossy(&path.join(&b'.')).into_owned();
        self.attributes.borrow_mut().push((path, value.to_vec()));
        Ok(())
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.replies.borrow_mut().push(reply.status.as_u16());
        Ok(())
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.resets.set(self.resets.get() + 1);
        Ok(())
    }

    fn close(&self, _connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.closes.set(self.closes.get() + 1);
        Ok(())
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        if &*call.cluster == "nowhere" {
            return Err(CallError::NotFound);
        }
        self.calls.borrow_mut().push((call, on_answer));
        Ok(Subscription::nothing())
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        let mut ticks = self.ticks.borrow_mut();
        let id = ticks.keys().max().map_or(0, |id| id + 1);
        ticks.insert(id, (period, tick));
        Ok(Subscription::new(TimerHold(Rc::clone(&self.ticks), id)))
    }

    fn shared_data(
        &self,
        _namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        let shared = self.shared.borrow();
        let (value, version) = shared.get(key).ok_or(CallError::NotFound)?;
        show(value, *version);
        Ok(())
    }

    fn set_shared_data(
        &self,
        _namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        let mut shared = self.shared.borrow_mut();
        let stands = shared.get(key).map_or(0, |(_value, version)| *version);
        if version != 0 && version != stands {
            return Err(CallError::Conflict);
        }
        shared.insert(key.to_vec(), (value.to_vec(), stands + 1));
        Ok(())
    }

    fn register_queue(
        &self,
        _namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        let mut queues = self.queues.borrow_mut();
        queues.push(Queue { name: name.to_vec(), ready, items: Vec::new() });
        let id = u32::try_from(queues.len() - 1).expect("few queues");
        Ok((id, Subscription::nothing()))
    }

    fn resolve_queue(&self, _namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        let found = self.queues.borrow().iter().position(|queue| queue.name == name);
        found.and_then(|id| u32::try_from(id).ok()).ok_or(CallError::NotFound)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(queue as usize).ok_or(CallError::NotFound)?;
        queue.items.push(item.to_vec());
        Ok(())
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(queue as usize).ok_or(CallError::NotFound)?;
        show(&queue.items.pop().ok_or(CallError::Empty)?);
        Ok(())
    }

    fn define_metric(&self, _plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((format!("{kind:?} {name}"), 0));
        Ok(u32::try_from(metrics.len() - 1).expect("few metrics"))
    }

    fn record_metric(&self, _plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.get_mut(metric as usize).ok_or(CallError::NotFound)?.1 = value;
        Ok(())
    }

    fn increment_metric(&self, _plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        let value = &mut metrics.get_mut(metric as usize).ok_or(CallError::NotFound)?.1;
        *value = value.wrapping_add_signed(by);
        Ok(())
    }

    fn metric(&self, _plugin: &str, metric: MetricId) -> CallResult<u64> {
        let metrics = self.metrics.borrow();
        metrics.get(metric as usize).map(|(_name, value)| *value).ok_or(CallError::NotFound)
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        self.lines.borrow_mut().push(format!("{level:?}: {line}"));
        self.time.set(self.time.get() + self.line_time.get());
        let ended = self.ending.borrow_mut().pop();
        drop(ended);
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_007)
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        self.asked.borrow_mut().push(what);
        if self.denied.borrow().contains(&what) { Err(CallError::Denied) } else { Ok(()) }
    }
}

/// A worker with a host that remembers.
pub(crate) struct Worker {
    pub(crate) host: Rc<FakeHost>,
    pub(crate) faults: Rc<RefCell<Vec<PluginFault>>>,
    scope: WorkerScope,
}

impl Worker {
    pub(crate) fn new() -> Self {
        let host = Rc::new(FakeHost::default());
        let faults: Rc<RefCell<Vec<PluginFault>>> = Rc::default();
        let told = Rc::clone(&faults);
        let scope = WorkerScope {
            worker: Some(0),
            calls: Rc::<FakeHost>::clone(&host),
            shared: Rc::new(SharedInstances::default()),
            cpu: CpuMeter::default(),
            on_fault: Rc::new(move |fault| told.borrow_mut().push(fault.clone())),
            on_restart: Rc::new(|| {}),
        };
        Self { host, faults, scope }
    }

    /// A worker on which a plugin may take so much of each second, of which each of its lines
    /// takes 10 ms.
    pub(crate) fn within(per_second: Duration) -> (Self, Rc<CpuBudget>) {
        let mut worker = Self::new();
        worker.host.line_time.set(Duration::from_millis(10));
        let (budget, time) = (Rc::new(CpuBudget::new(per_second)), Rc::clone(&worker.host.time));
        worker.scope.cpu = CpuMeter::new(Rc::clone(&budget), Rc::new(move || time.get()));
        (worker, budget)
    }

    /// Starts a plugin that is compiled in.
    pub(crate) fn start(
        &self,
        name: &str,
        config: &str,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        self.start_loaded(&*builtin(name)?, config)
    }

    pub(crate) fn start_loaded(
        &self,
        loaded: &dyn LoadedPlugin,
        config: &str,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        self.start_at(ExtensionPoint::StreamFilter, loaded, config)
    }

    pub(crate) fn start_at(
        &self,
        point: ExtensionPoint,
        loaded: &dyn LoadedPlugin,
        config: &str,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let config = config.as_bytes().into();
        loaded.start(&self.scope, &InstanceSpec { point, root_id: "".into(), config })
    }
}

/// Loads a plugin that is compiled in.
pub(crate) fn builtin(name: &str) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
    with_spec(Path::new(name), &[], &NativeSettings::default(), |spec| BACKEND.load_builtin(spec))
}

/// Makes a spec of a plugin `p` with the limits that plugins have, but for four contexts.
pub(crate) fn with_spec<T>(
    source: &Path,
    bytes: &[u8],
    settings: &NativeSettings,
    load: impl FnOnce(NativeSpec<'_>) -> T,
) -> T {
    let limits = PluginLimits { contexts_max: 4, ..PluginLimits::default() };
    let name = PluginName::from("p");
    load(NativeSpec {
        name: &name,
        vm_id: None,
        source,
        bytes,
        limits: &limits,
        phases: None,
        settings,
    })
}

/// Registers builtins by their entries.
pub(crate) fn builtin_of(name: &'static str, entry: abi_native::table::Entry) -> Builtin {
    Builtin { name, entry }
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

/// A stream whose request is `GET /path`, and whose response is a 200 that has come.
pub(crate) fn stream() -> Rc<Stream> {
    let head = RequestHead {
        method: Method::GET,
        scheme: http::uri::Scheme::HTTP,
        authority: Some("example.test".parse().expect("an authority")),
        path: "/path".parse().expect("a path"),
    };
    let headers = Headers::request(head, HeaderMap::new());
    let facts = connection_facts(Protocol::Http11);
    let stream = Stream::new(StreamId::new(0, 1), facts, SystemTime::UNIX_EPOCH, headers);
    let response = Headers::response(StatusCode::OK, HeaderMap::new());
    stream.response.headers.replace(Some(response));
    Rc::new(stream)
}

pub(crate) fn connection() -> Rc<Connection> {
    Rc::new(Connection::new(connection_facts(Protocol::Tcp), SystemTime::UNIX_EPOCH))
}

/// A field of a stream's head.
pub(crate) fn header(stream: &Stream, side: Side, name: &str) -> Option<String> {
    let headers = stream.message(side).headers.borrow();
    let value = headers.as_ref()?.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// What a future that is polled once comes to.
pub(crate) fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
