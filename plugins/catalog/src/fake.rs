//! A backend for tests. An artifact is text: `broken` does not verify; `v1 refuses a b` loads
//! as version `v1` and does not start with the configurations `a` and `b`.

mod frames;
mod lines;

use std::{
    cell::Cell,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallResult, Capability, Codec, CodecProfile, Condition, Connection, ConnectionFacts,
    FaultKind, FieldWrite, FilterFactory, FilterUse, HeaderMapKind, HostCalls, InstanceSpec,
    LoadedPlugin, LocalReply, LogLevel, NetworkFilter, OnError, Phases, PluginFault, PoolMode,
    PropertyValue, Protocol, Stream, StreamFilter, Subject, WorkerScope,
};
use host_telemetry::Metrics;
use host_types::{ConnectionId, Headers, ListenerName, PluginName, StreamId, VmSettings};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

pub(crate) use self::{frames::NoFrames, lines::lines};
use crate::{
    BackendKind, Backends, Catalog, Moment, MonotonicClock, PluginBackend, PluginPlan, PluginSpec,
    WorkerCatalog,
};

/// What happened, and what shall happen.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) loads: AtomicUsize,
    pub(crate) trials: AtomicUsize,
    pub(crate) starts: AtomicUsize,
    /// So many trials fail.
    pub(crate) failing_trials: AtomicUsize,
    /// So many starts on workers fail.
    pub(crate) failing_starts: AtomicUsize,
    /// The next filters cannot be made because of these, the last one first.
    pub(crate) create_faults: Mutex<Vec<PluginFault>>,
    /// Instances outlive the faults of their filters.
    pub(crate) outlives_faults: AtomicBool,
    /// What a plugin can be seen to use.
    pub(crate) uses: Mutex<Vec<Capability>>,
    /// What runs the plugins has been given up.
    pub(crate) tripped: AtomicBool,
    /// Instances that are alive.
    pub(crate) alive: Arc<()>,
}

#[derive(Debug)]
pub(crate) struct FakeBackend(pub(crate) Arc<Script>);

#[derive(Debug)]
struct FakePlugin {
    name: PluginName,
    version: String,
    refuses: Vec<String>,
    script: Arc<Script>,
}

#[derive(Debug)]
struct FakeFactory {
    version: String,
    instance: usize,
    script: Arc<Script>,
    _alive: Arc<()>,
}

struct FakeFilter {
    version: String,
    instance: usize,
}

impl PluginBackend for FakeBackend {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        self.0.loads.fetch_add(1, Relaxed);
        let text = String::from_utf8_lossy(spec.bytes);
        let mut words = text.split_whitespace().map(str::to_owned);
        let version = words.next().unwrap_or_default();
        if version == "broken" {
            return Err(PluginFault::new(FaultKind::LoadFailed, "not an artifact"));
        }
        Ok(Arc::new(FakePlugin {
            name: spec.name.clone(),
            version,
            refuses: words.skip(1).collect(),
            script: Arc::clone(&self.0),
        }))
    }
}

impl LoadedPlugin for FakePlugin {
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        scope.calls.log("an impostor", LogLevel::Info, "starting");
        let script = &self.script;
        let config = String::from_utf8_lossy(&spec.config);
        if self.refuses.iter().any(|refused| *refused == config) {
            let message = format!("{} refuses the configuration `{config}`", self.name);
            return Err(PluginFault::new(FaultKind::LoadFailed, message));
        }
        if scope.worker.is_none() {
            script.trials.fetch_add(1, Relaxed);
            fail_one_of(&script.failing_trials)?;
        } else {
            fail_one_of(&script.failing_starts)?;
            script.starts.fetch_add(1, Relaxed);
        }
        Ok(Rc::new(FakeFactory {
            version: self.version.clone(),
            instance: script.starts.load(Relaxed),
            script: Arc::clone(script),
            _alive: Arc::clone(&script.alive),
        }))
    }

    fn uses(&self) -> Vec<Capability> {
        self.script.uses.lock().clone()
    }

    fn condition(&self) -> Option<Condition> {
        self.script.tripped.load(Relaxed).then(|| Condition {
            state: "tripped",
            restarts: 5,
            pid: None,
            story: "it ended too often".to_owned(),
        })
    }
}

/// Fails where so many starts are to fail, which are one less then.
fn fail_one_of(failing: &AtomicUsize) -> Result<(), PluginFault> {
    let left = failing.load(Relaxed).checked_sub(1);
    let Some(left) = left else { return Ok(()) };
    failing.store(left, Relaxed);
    Err(PluginFault::new(FaultKind::TimedOut, "the start took too long"))
}

impl FakeFactory {
    fn filter(&self) -> Result<Box<FakeFilter>, PluginFault> {
        match self.script.create_faults.lock().pop() {
            Some(fault) => Err(fault),
            None => {
                Ok(Box::new(FakeFilter { version: self.version.clone(), instance: self.instance }))
            }
        }
    }
}

impl FilterFactory for FakeFactory {
    fn phases(&self) -> Phases {
        Phases::REQUEST_HEADERS | Phases::NEW_CONNECTION
    }

    fn outlives(&self, _fault: &PluginFault) -> bool {
        self.script.outlives_faults.load(Relaxed)
    }

    fn stream_filter(&self, _stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        let filter: Box<dyn StreamFilter> = self.filter()?;
        Ok(filter)
    }

    fn network_filter(
        &self,
        _connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        let filter: Box<dyn NetworkFilter> = self.filter()?;
        Ok(filter)
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        let FakeFilter { version, instance } = *self.filter()?;
        Ok(Rc::new(NoFrames { version, instance }))
    }

    fn codec_profile(&self) -> CodecProfile {
        CodecProfile { pool: PoolMode::PingPong, ..CodecProfile::default() }
    }
}

impl StreamFilter for FakeFilter {}

impl NetworkFilter for FakeFilter {}

impl std::fmt::Debug for FakeFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.version, self.instance)
    }
}

/// A host that does nothing.
struct NoHost;

const NOTHING: CallResult<()> = Ok(());

impl HostCalls for NoHost {
    fn header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _name: &[u8],
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        NOTHING
    }

    fn headers(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        NOTHING
    }

    fn write_header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _write: FieldWrite<'_>,
    ) -> CallResult<()> {
        NOTHING
    }

    fn body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        NOTHING
    }

    fn write_body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _start: usize,
        _length: usize,
        _with: &[u8],
    ) -> CallResult<()> {
        NOTHING
    }

    fn property(&self, _subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        Ok(PropertyValue::Boolean(true))
    }

    fn set_property(
        &self,
        _subject: Subject<'_>,
        _path: &[&[u8]],
        _value: &[u8],
    ) -> CallResult<()> {
        NOTHING
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, _reply: LocalReply) -> CallResult<()> {
        NOTHING
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        NOTHING
    }

    fn log(&self, _plugin: &str, _level: LogLevel, _line: &str) {}

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A catalog and one worker over fake backend, with artifacts in a directory of their own and
/// a clock that the test moves.
pub(crate) struct House {
    pub(crate) script: Arc<Script>,
    pub(crate) metrics: Metrics,
    pub(crate) catalog: Catalog,
    pub(crate) worker: WorkerCatalog,
    pub(crate) time: Rc<Cell<Duration>>,
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let script = Arc::<Script>::default();
        let backend = Arc::new(FakeBackend(Arc::clone(&script)));
        Self { script, ..Self::over(backend) }
    }

    /// Over a backend that follows no script.
    pub(crate) fn over(backend: Arc<dyn PluginBackend>) -> Self {
        let script = Arc::default();
        let metrics = Metrics::new();
        let backends = Backends::default().with(BackendKind::Wasm, backend);
        let catalog = Catalog::new(backends, metrics.control_thread(), 7);
        let time = Rc::new(Cell::new(Duration::from_secs(1000)));
        let reading = Rc::clone(&time);
        let clock: MonotonicClock = Rc::new(move || reading.get());
        let worker = WorkerCatalog::new(3, metrics.worker(3), Rc::new(NoHost), clock, 7);
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { script, metrics, catalog, worker, time, directory }
    }

    pub(crate) fn write(&self, plugin: &str, artifact: impl AsRef<[u8]>) {
        std::fs::write(self.directory.path().join(plugin), artifact).expect("the artifact");
    }

    /// Writes a package whose artifact is `text`.
    pub(crate) fn package(&self, plugin: &str, manifest: &str, text: &str) {
        let directory = self.directory.path().join(plugin);
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("plugin.toml"), manifest).expect("the manifest");
        std::fs::write(directory.join("code"), text).expect("the artifact");
    }

    pub(crate) fn remove(&self, plugin: &str) {
        std::fs::remove_file(self.directory.path().join(plugin)).expect("the artifact is there");
    }

    pub(crate) fn plan(&self, plugin: &str) -> PluginPlan {
        plan(plugin, &self.directory.path().join(plugin))
    }

    /// Loads the plugins that `uses` name, and lets the worker know.
    pub(crate) fn reload(&self, uses: &[FilterUse]) {
        let mut names: Vec<_> = uses.iter().map(|one| one.plugin.as_str()).collect();
        names.dedup();
        let plans: Vec<_> = names.into_iter().map(|name| self.plan(name)).collect();
        self.worker.apply(self.catalog.load(&plans, uses, self.now()));
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + self.time.get(), monotonic: self.time.get() }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.time.set(self.time.get() + time);
    }

    /// What serves a stream of a use now: version and instance, or the fault.
    pub(crate) fn serve(&self, one: &FilterUse) -> Result<String, PluginFault> {
        serve(self.worker.instance(one).as_ref())
    }

    /// Lets the instance of a use trap.
    pub(crate) fn trap(&self, one: &FilterUse) {
        self.worker.instance(one).on_fault(&trapped());
    }

    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.script.alive) - 1
    }
}

pub(crate) fn serve(factory: &dyn FilterFactory) -> Result<String, PluginFault> {
    factory.stream_filter(&stream()).map(|filter| format!("{filter:?}"))
}

/// As [`serve`], for a connection.
pub(crate) fn serve_connection(factory: &dyn FilterFactory) -> Result<String, PluginFault> {
    let facts = Rc::clone(&stream().connection);
    let connection = Rc::new(Connection::new(facts, SystemTime::UNIX_EPOCH));
    factory.network_filter(&connection).map(|filter| format!("{filter:?}"))
}

/// As [`serve`], for the codec of a connection.
pub(crate) fn serve_codec(factory: &dyn FilterFactory) -> Result<String, PluginFault> {
    factory.codec().map(|codec| format!("{codec:?}"))
}

/// A manifest whose top says this, and whose table of the plugin says that.
pub(crate) fn manifest(top: &str, plugin: &str) -> String {
    format!(
        "schema = 1\n{top}\n[plugin]\nname = \"greet\"\nversion = \"1.0.0\"\n{plugin}\n\
         [[provides]]\npoint = \"stream_filter\"\nphases = [\"request_headers\"]\n\
         [[artifact]]\nbackend = \"wasm\"\nfile = \"code\"\n"
    )
}

pub(crate) fn trapped() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "unreachable")
}

pub(crate) fn plan(plugin: &str, source: &Path) -> PluginPlan {
    PluginPlan {
        name: PluginName::from(plugin),
        backend: BackendKind::Wasm,
        source: source.to_path_buf(),
        policy: Arc::default(),
        limits: host_types::PluginLimits::default(),
        is_security: false,
        phases: None,
        vm: VmSettings::default(),
        process: host_types::ProcessSettings::default(),
        native: host_types::NativeSettings::default(),
    }
}

pub(crate) fn filter_use(plugin: &str, config: &str, on_error: OnError) -> FilterUse {
    let spec = InstanceSpec { config: config.as_bytes().into(), ..InstanceSpec::default() };
    FilterUse { plugin: PluginName::from(plugin), spec, on_error }
}

pub(crate) fn stream() -> Rc<Stream> {
    let here = SocketAddr::from(([127, 0, 0, 1], 80));
    let connection = ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: ListenerName::from("web"),
        peer: here,
        local: here,
        protocol: Protocol::Http11,
    };
    Rc::new(Stream::new(
        StreamId::new(0, 1),
        Rc::new(connection),
        SystemTime::UNIX_EPOCH,
        Headers::response(StatusCode::OK, HeaderMap::new()),
    ))
}
