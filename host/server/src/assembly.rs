//! From a configuration's plan to what a worker serves.

use std::{
    collections::HashSet,
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use host_config::{Plan, ServicePlan, WasmCache};
use host_extension::FilterUse;
use host_pipeline::{CodecSource, ListenerPlan, ListenerProtocol};
use host_telemetry::Metrics;
use host_types::Isolation;
use host_upstream::{ClusterPlan, Discovery};
use plugins_catalog::{BackendKind, Backends, Builtins, Catalog, CatalogSnapshot, Libraries};
use plugins_native::{Builtin, NativeBackend};
use plugins_process::{ProcessBackend, launch::Launcher};
use plugins_wasm::{WasmBackend, WasmSettings};

/// Everything that a worker serves, swapped whole.
#[derive(Clone, Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) listeners: Vec<Arc<ListenerPlan>>,
    pub(crate) clusters: Vec<Arc<ClusterPlan>>,
    pub(crate) discovery: Discovery,
    pub(crate) plugins: CatalogSnapshot,
    /// Plugins that run beside all traffic.
    pub(crate) services: Vec<ServicePlan>,
}

/// Guests that serve one stream each, where a plugin is isolated so; past it a stream gets the
/// plugin's error.
const GUESTS_OF_STREAMS: u32 = 4000;

/// The uses of plugins that a plan names, each once.
pub(crate) fn filter_uses(plan: &Plan) -> Vec<FilterUse> {
    let mut seen = HashSet::new();
    let listeners = || plan.listeners.iter();
    let streams = listeners().filter_map(|listener| listener.protocol.streams());
    let streams =
        streams.flat_map(|one| one.stream_filters.iter().chain(one.route_filters.iter().flatten()));
    let connections = listeners().flat_map(|listener| &listener.network_filters);
    let codecs = listeners().flat_map(|listener| listener.protocol.codecs());
    let codecs = codecs.filter_map(|codec| match &codec.source {
        CodecSource::Plugin(plugin) => Some(plugin),
        CodecSource::Builtin(_) => None,
    });
    let services = plan.services.iter().map(|service| &service.service);
    let uses = streams.chain(connections).chain(codecs).chain(services);
    uses.filter(|one| seen.insert(*one)).cloned().collect()
}

/// The words of the configuration for what a listener speaks.
pub(crate) fn protocol_label(protocol: &ListenerProtocol) -> String {
    match protocol {
        ListenerProtocol::Http(_) => "http".to_owned(),
        ListenerProtocol::Auto(..) => "auto".to_owned(),
        ListenerProtocol::Tcp(_) => "tcp".to_owned(),
        ListenerProtocol::Rpc(rpc) => {
            let codecs = rpc.codecs.iter().map(|codec| codec.name.as_str());
            let http = rpc.http.then_some("http");
            let tcp = rpc.tcp.is_some().then_some("tcp");
            codecs.chain(http).chain(tcp).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Room for all guests that a plan can have at a time: one for each use on each worker, the
/// same again while a reload replaces them, and trials beside.
pub(crate) fn wasm_settings(plan: &Plan) -> WasmSettings {
    let least = WasmSettings::default();
    let guests = plan.workers.saturating_mul(filter_uses(plan).len()).saturating_mul(3);
    let alone = plan.plugins.iter().any(|one| one.vm.isolation == Isolation::PerStream);
    let guests = u32::try_from(guests).unwrap_or(u32::MAX);
    let (more, of_streams) = if alone {
        (GUESTS_OF_STREAMS, GUESTS_OF_STREAMS)
    } else {
        (0, least.stream_instances_max)
    };
    let tables = plan.plugins.iter().map(|plugin| plugin.limits.table_elements_max).max();
    WasmSettings {
        instances_max: guests.saturating_add(more).max(least.instances_max),
        stream_instances_max: of_streams,
        table_elements_max: tables.unwrap_or(0).max(least.table_elements_max),
        cache_dir: cache_dir(&plan.wasm.cache, |name| env::var_os(name).map(PathBuf::from)),
        ..least
    }
}

/// Where compiled modules are kept. The user's cache directory is where the XDG Base Directory
/// Specification says; without one nothing is kept.
fn cache_dir(cache: &WasmCache, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let user = || {
        let named = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        named.or_else(|| {
            variable("HOME").filter(|home| home.is_absolute()).map(|home| home.join(".cache"))
        })
    };
    match cache {
        WasmCache::Off => None,
        WasmCache::Directory(directory) => Some(directory.clone()),
        WasmCache::Default => user().map(|user| user.join(Path::new("mortise/wasm"))),
    }
}

/// The catalog with the backends of this build.
///
/// # Errors
/// A backend cannot run on this machine.
pub(crate) fn catalog(
    metrics: &Metrics,
    settings: &WasmSettings,
    builtins: &[Builtin],
) -> Result<Catalog, host_extension::PluginFault> {
    let wasm = WasmBackend::new(settings)?;
    let process = Arc::new(ProcessBackend::new(Launcher::this_program()));
    let native = Arc::new(NativeBackend::new(builtins.to_vec()));
    let compiled_in = Builtins(Arc::clone(&native));
    let libraries = Libraries { native, process: Arc::clone(&process) };
    let backends = Backends::default()
        .with(BackendKind::Builtin, Arc::new(compiled_in))
        .with(BackendKind::Native, Arc::new(libraries))
        .with(BackendKind::Wasm, Arc::new(wasm))
        .with(BackendKind::Process, process);
    Ok(Catalog::new(backends, metrics.control_thread(), fastrand::u64(..)))
}

#[cfg(test)]
mod tests;
