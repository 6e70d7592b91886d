//! Where the endpoints of clusters come from. Lives on the control runtime.
//!
//! Each name-resolved cluster has one task that publishes its addresses to all workers; it
//! starts with the first subscriber and ends with the last. The same source keeps its task,
//! and so its last good addresses, over a reload.

mod dns;
mod system;

use std::{collections::HashMap, future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use host_types::ClusterName;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch};

pub use system::SystemResolver;

use crate::{ClusterPlan, DnsName, Endpoint, EndpointSource};

/// Answers with the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// Resolves `host`. Called on the control runtime, once per refresh; must come to an end
    /// by itself.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Resolved, ResolveError>> + Send + 'a>>;
}

/// The addresses of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// The addresses; none is an answer, too, but not one that replaces a good one.
    pub addresses: Vec<IpAddr>,
    /// How long they are good.
    pub time_to_live: Duration,
}

/// A name that did not resolve.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{host}` does not resolve: {what}")]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the resolver said.
    pub what: String,
}

/// Publishes the endpoints of clusters. Cheap to clone; may be used on any thread.
#[derive(Clone)]
pub struct Discovery {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Handle,
    resolver: Arc<dyn Resolve>,
    sources: Mutex<HashMap<ClusterName, Arc<Source>>>,
}

/// Where one cluster's endpoints come from.
struct Source {
    kind: EndpointSource,
    endpoints: watch::Sender<Arc<[Endpoint]>>,
    last_error: Mutex<Option<ResolveError>>,
    /// Its task is gone and cannot take subscribers any more.
    ended: Mutex<bool>,
}

/// What an operator sees of a cluster's endpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterStatus {
    /// The cluster.
    pub name: ClusterName,
    /// Where its endpoints come from.
    pub source: SourceKind,
    /// The names that are resolved, as `host:port`; none of a fixed list.
    pub names: Vec<String>,
    /// The endpoints that requests go to.
    pub endpoints: Vec<EndpointStatus>,
    /// Why the last refresh failed, where it did.
    pub last_error: Option<String>,
}

/// Where endpoints come from, in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceKind {
    /// A fixed list.
    Static,
    /// Names.
    Dns,
}

/// One endpoint of [`ClusterStatus`].
pub type EndpointStatus = Endpoint;

impl SourceKind {
    /// A stable word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dns => "dns",
        }
    }
}

impl Discovery {
    /// Runs on `runtime`, the control runtime, and asks `resolver`.
    pub fn new(runtime: Handle, resolver: Arc<dyn Resolve>) -> Self {
        Self { inner: Arc::new(Inner { runtime, resolver, sources: Mutex::default() }) }
    }

    /// As [`Discovery::new`] with the system's name service, on the runtime of this thread.
    ///
    /// # Panics
    /// There is no runtime on this thread.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Handle::current(), Arc::new(SystemResolver::new()))
    }

    /// The endpoints of `plan`, now and later. An empty list means that no name resolved
    /// yet.
    #[must_use]
    pub fn subscribe(&self, plan: &ClusterPlan) -> watch::Receiver<Arc<[Endpoint]>> {
        let mut sources = self.inner.sources.lock();
        // Sources of clusters that are gone from the configuration.
        sources.retain(|_, source| source.endpoints.receiver_count() > 0);
        let same = sources.get(&plan.name).filter(|old| old.kind == plan.endpoints);
        if let Some(receiver) = same.and_then(|source| source.subscribe()) {
            return receiver;
        }
        let first: Arc<[Endpoint]> = match &plan.endpoints {
            EndpointSource::Static(endpoints) => endpoints.as_slice().into(),
            EndpointSource::Dns(_) => Arc::default(),
        };
        let (sender, receiver) = watch::channel(first);
        let source = Arc::new(Source {
            kind: plan.endpoints.clone(),
            endpoints: sender,
            last_error: Mutex::default(),
            ended: Mutex::new(false),
        });
        if let EndpointSource::Dns(names) = &plan.endpoints {
            let resolver = Arc::clone(&self.inner.resolver);
            let names = names.clone();
            self.inner.runtime.spawn(dns::refresh(names, resolver, Arc::clone(&source)));
        }
        sources.insert(plan.name.clone(), source);
        receiver
    }

    /// The state of all clusters in use, by name.
    #[must_use]
    pub fn status(&self) -> Vec<ClusterStatus> {
        let sources = self.inner.sources.lock();
        let live = sources.iter().filter(|(_, source)| source.endpoints.receiver_count() > 0);
        let mut status: Vec<ClusterStatus> =
            live.map(|(name, source)| source.status(name.clone())).collect();
        drop(sources);
        status.sort_by(|a, b| a.name.cmp(&b.name));
        status
    }
}

impl Source {
    fn subscribe(&self) -> Option<watch::Receiver<Arc<[Endpoint]>>> {
        let ended = self.ended.lock();
        (!*ended).then(|| self.endpoints.subscribe())
    }

    /// True where nobody listens; then nobody will.
    fn end_if_unused(&self) -> bool {
        let mut ended = self.ended.lock();
        *ended = self.endpoints.receiver_count() == 0;
        *ended
    }

    fn status(&self, name: ClusterName) -> ClusterStatus {
        let (source, names) = match &self.kind {
            EndpointSource::Static(_) => (SourceKind::Static, Vec::new()),
            EndpointSource::Dns(names) => (SourceKind::Dns, names.iter().map(label).collect()),
        };
        let endpoints = self.endpoints.borrow().to_vec();
        let last_error = self.last_error.lock().as_ref().map(ToString::to_string);
        ClusterStatus { name, source, names, endpoints, last_error }
    }
}

fn label(name: &DnsName) -> String {
    format!("{}:{}", name.host, name.port)
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("clusters", &self.inner.sources.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests;
