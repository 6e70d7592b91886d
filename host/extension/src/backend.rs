//! What a backend offers: from an artifact to filters.

use std::{
    any::Any,
    cell::RefCell,
    collections::HashMap,
    fmt,
    rc::{Rc, Weak},
    sync::Arc,
};

use abi_manifest::Capability;
use host_types::PluginName;

use crate::{
    Bounds, CallResult, Codec, CodecProfile, Connection, CpuMeter, FaultKind, HostCalls,
    NetworkFilter, Phases, PluginFault, Stream, StreamFilter,
};

/// What happens to a stream or connection when a plugin fails on it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OnError {
    /// The client gets an error. A plugin that did not load stays so until it is reloaded.
    #[default]
    Closed,
    /// The stream goes on without the plugin.
    Open,
    /// As `Closed`, and a plugin that did not load is tried again, with backoff.
    Reload,
}

/// Where a plugin is put.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ExtensionPoint {
    /// Into the way of requests.
    #[default]
    StreamFilter,
    /// Into the way of a connection's bytes.
    NetworkFilter,
    /// To read and write the frames of a protocol.
    Codec,
    /// Beside all traffic: it has its ticks, calls and queues only.
    Service,
}

/// What an instance is started with. Uses with equal ones are served alike.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct InstanceSpec {
    /// Where it is put.
    pub point: ExtensionPoint,
    /// Which of the plugins that an artifact holds is meant; empty where there is only one.
    pub root_id: Arc<str>,
    /// Its configuration, opaque to the host: JSON, or the bytes of a string.
    pub config: Arc<[u8]>,
}

/// One entry of a chain: a plugin with its configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FilterUse {
    /// Which plugin.
    pub plugin: PluginName,
    /// How an instance of it is started.
    pub spec: InstanceSpec,
    /// What happens when it fails.
    pub on_error: OnError,
}

/// Takes a fault of an instance.
pub type OnFault = Rc<dyn Fn(&PluginFault)>;

/// What an instance needs of the worker that it lives on.
#[derive(Clone)]
pub struct WorkerScope {
    /// The worker's number; the control thread, which only tries instances, has none.
    pub worker: Option<u16>,
    /// The host calls of that worker, behind the guard of the plugin's policy: a backend never
    /// holds unguarded ones.
    pub calls: Rc<dyn HostCalls>,
    /// What instances of this worker share.
    pub shared: Rc<SharedInstances>,
    /// What is charged with the time that the plugin takes beside its hooks.
    pub cpu: CpuMeter,
    /// To be told when an instance fails while no stream and no connection hears of it: on a
    /// tick, on an answer, on a queue. May be called from within any of the instance's
    /// functions, and lets the instance go; all but `Overspent`, of a tick or notice that was
    /// left out, which leaves it well.
    pub on_fault: OnFault,
    /// To be told when what runs the instance was started again without being asked to: a child
    /// process.
    pub on_restart: Rc<dyn Fn()>,
}

impl fmt::Debug for WorkerScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerScope").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// Where the instances of one worker find those that they share something with, by a key that
/// the backend makes. Entries are weak: what nobody else holds is gone.
#[derive(Default)]
pub struct SharedInstances(RefCell<Known>);

type Known = HashMap<Box<[u8]>, Weak<dyn Any>>;

impl SharedInstances {
    /// What stands under a key, if it lives and is of this type.
    #[must_use]
    pub fn get<T: 'static>(&self, key: &[u8]) -> Option<Rc<T>> {
        let found = self.0.borrow().get(key)?.upgrade()?;
        found.downcast().ok()
    }

    /// Puts something under a key, and forgets what is gone.
    pub fn insert<T: 'static>(&self, key: &[u8], value: &Rc<T>) {
        let value: Rc<dyn Any> = Rc::<T>::clone(value);
        let mut known = self.0.borrow_mut();
        known.retain(|_key, value| value.strong_count() > 0);
        known.insert(key.into(), Rc::downgrade(&value));
    }
}

impl fmt::Debug for SharedInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedInstances").field("known", &self.0.borrow().len()).finish()
    }
}

/// One generation of a plugin, read, verified and compiled. Made on the control thread by a
/// backend, shared by all workers.
pub trait LoadedPlugin: fmt::Debug + Send + Sync {
    /// Starts an instance for one use of the plugin on the calling thread. Blocks for as
    /// long as its start-up takes, at most the start budget.
    ///
    /// # Errors
    /// The instance did not start or refused its configuration.
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault>;

    /// What it can be seen to use, before it runs: the capabilities of the host calls that a
    /// Wasm module imports. Nothing where that cannot be seen.
    fn uses(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// How what runs this generation is, where it has a life of its own: a child process.
    fn condition(&self) -> Option<Condition> {
        None
    }
}

/// How a child process is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// A short stable word: `starting`, `ready`, `unresponsive`, `backoff`, `tripped`,
    /// `draining`, `stopped`.
    pub state: &'static str,
    /// How often it was started again.
    pub restarts: u64,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// The same in words, with the reason where it does not serve.
    pub story: String,
}

/// One running instance: makes the filters of one use on one worker. It lives as long as
/// somebody holds it; for a service that is all that there is to do.
pub trait FilterFactory: fmt::Debug {
    /// Which hooks its filters want.
    fn phases(&self) -> Phases;

    /// Makes a filter for a stream.
    ///
    /// # Errors
    /// The plugin does not serve now, or serves no streams; the pipeline applies `on_error`.
    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        let _ = stream;
        Err(not_served("streams"))
    }

    /// Makes a filter for a connection.
    ///
    /// # Errors
    /// As for streams.
    fn network_filter(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        let _ = connection;
        Err(not_served("connections"))
    }

    /// Makes a codec for a connection, of the client or to an upstream.
    ///
    /// # Errors
    /// As for streams; the connection is closed.
    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        Err(not_served("protocols"))
    }

    /// What holds of all connections of its protocol, where it serves codecs.
    fn codec_profile(&self) -> CodecProfile {
        CodecProfile::default()
    }

    /// True where this factory serves on after such a fault of a filter: because the instance
    /// that failed served nobody else, or because what runs it (a child process) is looked after
    /// elsewhere. Otherwise it is let go, and a fresh one started.
    fn outlives(&self, fault: &PluginFault) -> bool {
        let _ = fault;
        false
    }

    /// True where traffic must never go on without it, whatever `on_error` says.
    fn is_security(&self) -> bool {
        false
    }

    /// What the pipeline holds its filters to.
    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    /// Asked before a verdict is carried out that answers in the upstream's place (`reply`) or
    /// breaks off (`close`). Backends ask before they give one, so that the plugin hears of a
    /// refusal; what comes here without having been allowed is a fault.
    ///
    /// # Errors
    /// `Denied`.
    fn may(&self, what: Capability) -> CallResult<()> {
        let _ = what;
        Ok(())
    }

    /// A filter of this factory failed. Called before any other stream is served.
    fn on_fault(&self, fault: &PluginFault) {
        let _ = fault;
    }
}

fn not_served(what: &str) -> PluginFault {
    PluginFault::new(FaultKind::Protocol, format!("the plugin serves no {what}"))
}
