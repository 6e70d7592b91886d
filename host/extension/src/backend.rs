//! What a backend offers: from an artifact to filters.

use std::{fmt, rc::Rc, sync::Arc};

use host_types::PluginName;

use crate::{HostCalls, Phases, PluginFault, Stream, StreamFilter};

/// What happens to a stream when a plugin fails on it.
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

/// One entry of a chain: a plugin with its configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FilterUse {
    /// Which plugin.
    pub plugin: PluginName,
    /// Its configuration, opaque to the host: JSON, or the bytes of a string.
    pub config: Arc<[u8]>,
    /// What happens when it fails.
    pub on_error: OnError,
}

/// What an instance needs of the worker that it lives on.
#[derive(Clone)]
pub struct WorkerScope {
    /// The worker's number; the control thread, which only tries instances, has none.
    pub worker: Option<u16>,
    /// The host calls of that worker, behind the guard of the plugin's policy: a backend never
    /// holds unguarded ones.
    pub calls: Rc<dyn HostCalls>,
}

impl fmt::Debug for WorkerScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerScope").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// One generation of a plugin, read, verified and compiled. Made on the control thread by a
/// backend, shared by all workers.
pub trait LoadedPlugin: fmt::Debug + Send + Sync {
    /// Starts an instance for one use of the plugin on the calling thread. Blocks for as
    /// long as the guest's start-up takes, at most the start budget.
    ///
    /// # Errors
    /// The instance did not start or refused its configuration.
    fn stream_filter(
        &self,
        scope: &WorkerScope,
        config: &Arc<[u8]>,
    ) -> Result<Rc<dyn StreamFilterFactory>, PluginFault>;
}

/// Makes the filters of one use on one worker.
pub trait StreamFilterFactory: fmt::Debug {
    /// Which hooks its filters want.
    fn phases(&self) -> Phases;

    /// Makes a filter for a stream.
    ///
    /// # Errors
    /// The plugin does not serve now; the pipeline applies `on_error`.
    fn create(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault>;

    /// A filter of this factory failed. Called before any other stream is served.
    fn on_fault(&self, fault: &PluginFault) {
        let _ = fault;
    }
}
