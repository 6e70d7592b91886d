//! A worker without a proxy, and children without processes.

mod child;
mod host;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use abi_process::v1;
use host_extension::{
    Connection, ConnectionFacts, FilterFactory, InstanceSpec, NetworkFilter, PluginFault, Protocol,
    SharedInstances, Side, Stage, Step, Stream, StreamFilter, Verdict, WorkerScope,
};
use host_types::{ConnectionId, Headers, PluginLimits, ProcessSettings, RequestHead, StreamId};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{Notify, watch},
};

pub(crate) use self::{
    child::{FakeChild, Script, answer, pass, raw_child, script},
    host::FakeHost,
};
use super::{ChildLink, Instance, Session};
use crate::{
    child::{ChildAddress, ChildState, Reach, Watchdog},
    factory,
};

/// Runs a test as a worker does.
pub(crate) fn local(test: impl Future<Output = ()>) {
    local_within(Duration::from_secs(20), test);
}

/// The same, of one that takes longer.
pub(crate) fn local_within(limit: Duration, test: impl Future<Output = ()>) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(LocalOptions::default()).expect("a loop");
    let in_time = async {
        tokio::time::timeout(limit, test).await.expect("the test ends in time");
    };
    runtime.block_on(in_time);
}

/// Notes which children were given up.
#[derive(Debug, Default)]
pub(crate) struct FakeDog(pub(crate) Mutex<Vec<u32>>, Notify);

impl FakeDog {
    /// Waits until a child is given up.
    pub(crate) async fn bites(&self) {
        self.1.notified().await;
    }
}

impl Watchdog for FakeDog {
    fn give_up(&self, generation: u32, _why: &str) {
        self.0.lock().push(generation);
        self.1.notify_one();
    }
}

/// A worker with a plugin.
pub(crate) struct Rig {
    pub(crate) host: Rc<FakeHost>,
    pub(crate) faults: Rc<RefCell<Vec<PluginFault>>>,
    pub(crate) restarts: Rc<Cell<u32>>,
    pub(crate) states: watch::Sender<ChildState>,
    pub(crate) dog: Arc<FakeDog>,
    pub(crate) link: Arc<ChildLink>,
    shared: Rc<SharedInstances>,
    directory: tempfile::TempDir,
}

/// Settings with short waits.
pub(crate) fn settings() -> ProcessSettings {
    ProcessSettings {
        start_timeout: Duration::from_secs(5),
        call_timeout: Duration::from_millis(100),
        unresponsive_timeout: Duration::from_secs(10),
        drain_timeout: Duration::from_secs(1),
        ..ProcessSettings::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(settings(), PluginLimits::default())
    }

    pub(crate) fn with(settings: ProcessSettings, limits: PluginLimits) -> Self {
        let (states, watch) = watch::channel(ChildState::Starting);
        let dog = Arc::<FakeDog>::default();
        let watchdog: Arc<dyn Watchdog> = Arc::<FakeDog>::clone(&dog);
        let name = "guest".into();
        let (vm_id, phases, profiles) = Default::default();
        let link = ChildLink { name, vm_id, limits, phases, settings, watch, watchdog, profiles };
        Self {
            host: Rc::default(),
            faults: Rc::default(),
            restarts: Rc::default(),
            states,
            dog,
            link: Arc::new(link),
            shared: Rc::default(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// A rig with a child, and a use that is started in it.
    pub(crate) async fn serving(script: Script) -> (Self, FakeChild, Rc<dyn FilterFactory>) {
        let rig = Self::new();
        let child = rig.child(1, script);
        let factory = rig.start().await;
        child.until(|event| matches!(event, v1::event::Kind::Complete(_))).await;
        child.forget();
        (rig, child, factory)
    }

    fn socket(&self, generation: u32) -> PathBuf {
        self.directory.path().join(format!("{generation}.sock"))
    }

    /// Starts a child and lets the worker know.
    pub(crate) fn child(&self, generation: u32, script: Script) -> FakeChild {
        let path = self.socket(generation);
        let child = FakeChild::new(generation, &path, script);
        self.ready(generation, path);
        child
    }

    /// Has the worker know of a child.
    pub(crate) fn ready(&self, generation: u32, path: PathBuf) {
        let address = ChildAddress::Unix(path);
        let reach = Reach { generation, address, token: None, tls: None };
        self.states.send_replace(ChildState::Ready(Arc::new(reach)));
    }

    /// Where a child of a test's own may listen.
    pub(crate) fn free_socket(&self) -> PathBuf {
        self.socket(0)
    }

    pub(crate) fn scope(&self, worker: Option<u16>) -> WorkerScope {
        let (faults, restarts) = (Rc::clone(&self.faults), Rc::clone(&self.restarts));
        WorkerScope {
            worker,
            calls: Rc::<FakeHost>::clone(&self.host) as Rc<_>,
            shared: Rc::clone(&self.shared),
            cpu: host_extension::CpuMeter::default(),
            on_fault: Rc::new(move |fault| faults.borrow_mut().push(fault.clone())),
            on_restart: Rc::new(move || restarts.set(restarts.get() + 1)),
        }
    }

    /// An instance of its own.
    pub(crate) fn instance(&self) -> Rc<Instance> {
        let scope = self.scope(Some(3));
        Session::of(&scope, &self.link).start(&scope, &InstanceSpec::default())
    }

    /// Starts the plugin for one use.
    pub(crate) fn begin(&self, config: &str) -> Rc<dyn FilterFactory> {
        let spec = InstanceSpec { config: config.as_bytes().into(), ..InstanceSpec::default() };
        factory::start(&self.scope(Some(3)), &spec, &self.link)
    }

    /// As [`Rig::begin`], and waits until it serves.
    pub(crate) async fn start(&self) -> Rc<dyn FilterFactory> {
        let factory = self.begin("");
        let stream = stream();
        let mut filter = factory.stream_filter(&stream).expect("there is a child");
        // A hook waits until the instance is ready; the child of the test lets all of them pass.
        let verdict = verdict(filter.on_response_trailers(&stream)).await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        factory
    }
}

/// What a hook comes to.
pub(crate) async fn verdict(step: Step) -> Verdict {
    match step {
        Step::Ready(verdict) => verdict,
        Step::Later(verdict) | Step::HoldUntil(verdict) => verdict.await,
    }
}

/// The fault of a hook that fails.
#[track_caller]
pub(crate) fn fault(verdict: Verdict) -> PluginFault {
    match verdict {
        Verdict::Failed(fault) => fault,
        other => panic!("it did not fail: {other:?}"),
    }
}

/// A filter and its stream, with the request's body in hand.
pub(crate) fn filter(factory: &Rc<dyn FilterFactory>) -> (Box<dyn StreamFilter>, Rc<Stream>) {
    let stream = stream();
    (factory.stream_filter(&stream).expect("it serves"), stream)
}

/// A network filter and its connection.
pub(crate) fn network(factory: &Rc<dyn FilterFactory>) -> (Box<dyn NetworkFilter>, Rc<Connection>) {
    let connection = connection();
    (factory.network_filter(&connection).expect("it serves"), connection)
}

fn facts(protocol: Protocol) -> Rc<ConnectionFacts> {
    let here = SocketAddr::from(([127, 0, 0, 1], 1));
    let id = ConnectionId::new(0, 1);
    Rc::new(ConnectionFacts { id, listener: "web".into(), peer: here, local: here, protocol })
}

/// A connection that was just accepted.
pub(crate) fn connection() -> Rc<Connection> {
    Rc::new(Connection::new(facts(Protocol::Tcp), SystemTime::UNIX_EPOCH))
}

/// A request for `/path` with one field, `x-one: first`.
pub(crate) fn stream() -> Rc<Stream> {
    let head = RequestHead {
        method: Method::GET,
        scheme: http::uri::Scheme::HTTP,
        authority: Some("example.test".parse().expect("an authority")),
        path: "/path".parse().expect("a path"),
    };
    let mut map = HeaderMap::new();
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("first"));
    let headers = Headers::request(head, map);
    let id = StreamId::new(0, 1);
    Rc::new(Stream::new(id, facts(Protocol::Http11), SystemTime::UNIX_EPOCH, headers))
}

/// Opens the response of a stream.
pub(crate) fn open_response(stream: &Stream) {
    stream.response.stage.set(Stage::Open);
    stream.response.headers.replace(Some(Headers::response(StatusCode::OK, HeaderMap::new())));
}

/// Puts bytes of a body into the filter's hand, behind what is there.
pub(crate) fn hand(stream: &Stream, side: Side, bytes: &'static str) {
    let message = stream.message(side);
    message.body.borrow_mut().push(&bytes.as_bytes().into());
    message.body_on_duty.set(true);
}

/// The bytes of a body in hand.
pub(crate) fn in_hand(stream: &Stream, side: Side) -> String {
    String::from_utf8_lossy(stream.message(side).body.borrow().as_slice()).into_owned()
}

/// The value of a request's field.
pub(crate) fn field(stream: &Stream, name: &str) -> Option<String> {
    let headers = stream.request.headers.borrow();
    let value = headers.as_ref()?.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// A change of the request's head.
pub(crate) fn set(name: &'static str, value: &'static str) -> v1::Change {
    let set = v1::FieldChange { section: 0, name: name.into(), value: value.into() };
    v1::Change { kind: Some(v1::change::Kind::Set(set)) }
}

/// A change of the request's body, or of the client's bytes.
pub(crate) fn splice(start: u64, length: u64, bytes: &'static str) -> v1::Splice {
    v1::Splice { direction: 0, start, length, bytes: bytes.into() }
}
