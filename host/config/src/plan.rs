//! From the model to the plan: what the parts of a file mean together.
//!
//! One file per room. Each turns its part of the model into the plan types of the room that
//! will serve it, and tells everything that does not fit. A part that is wrong gives `None`,
//! and the others are looked at all the same. Start reading at [`make`].

mod admin;
mod cluster;
mod condition;
mod environment;
mod instance;
mod listener;
mod log;
mod native;
mod plugin;
mod policy;
mod process;
mod protocol;
mod route;
mod stated;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use host_extension::{FilterUse, InstanceSpec};
use host_pipeline::ListenerPlan;
use host_types::{Address, PluginName};
use host_upstream::ClusterPlan;
use plugins_catalog::PluginPlan;
use plugins_policy::Preset;
use serde_json::Value;

use crate::{
    cursor::Cursor,
    model::Config,
    places::{Places, Spans},
    problem::{Problem, Problems},
    tree::{Node, Span, Tree},
};

/// What a file says, checked and complete.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Worker threads, 1 to 256.
    pub workers: usize,
    /// How long open streams may go on when the proxy stops.
    pub drain_timeout: Duration,
    /// Where connections are accepted; names and addresses are unique.
    pub listeners: Vec<ListenerPlan>,
    /// Where they go; names are unique.
    pub clusters: Vec<ClusterPlan>,
    /// The plugins; names are unique.
    pub plugins: Vec<PluginPlan>,
    /// Plugins that run beside all traffic.
    pub services: Vec<ServicePlan>,
    /// The Wasm engine.
    pub wasm: WasmPlan,
    /// The server for operators.
    pub admin: AdminPlan,
    /// What the proxy says of itself.
    pub log: LogPlan,
    /// What it says of each request.
    pub access_log: AccessLogPlan,
}

/// A plugin that runs beside all traffic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServicePlan {
    /// The plugin and how it is started.
    pub service: FilterUse,
    /// True where each worker runs one, false where there is one in all.
    pub every_worker: bool,
}

/// The Wasm engine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WasmPlan {
    /// Where compiled modules are kept.
    pub cache: WasmCache,
}

/// Where compiled modules are kept for the next start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WasmCache {
    /// In the user's cache directory, where there is one.
    Default,
    /// Nowhere.
    Off,
    /// In this directory.
    Directory(PathBuf),
}

/// The server for operators.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminPlan {
    /// Where it listens: a loopback address or a Unix socket; `None` where there is none.
    pub address: Option<Address>,
}

/// What the proxy says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogPlan {
    /// How much, as `tracing` directives: `info,host_upstream=debug`.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object.
    Json,
}

/// What the proxy says of each request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessLogPlan {
    /// Where a line goes.
    pub target: AccessLogTarget,
}

/// Where the lines of the access log go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To the end of a file.
    File(PathBuf),
}

/// The names that a file defines, right or wrong otherwise: a reference to a cluster with an
/// error in it is no second error.
#[derive(Debug)]
pub(crate) struct Names {
    clusters: BTreeSet<String>,
    plugins: BTreeSet<String>,
    /// Presets are policies, too.
    policies: BTreeSet<String>,
    /// The plugins that say `security: true`, and where.
    security: HashMap<String, Span>,
}

/// What every room needs to make its plan.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    base: &'a Path,
    names: &'a Names,
    problems: &'a Problems,
    /// Files that are not there.
    missing: &'a Problems,
    patterns: Cell<usize>,
    /// Where things stand that are to be found again.
    spans: RefCell<Spans>,
}

/// Most regular expressions of one file; each takes up to 1 MiB.
const PATTERNS_MAX: usize = 1000;
const WORKERS_MAX: usize = 256;

/// Makes the plan of a model. What is wrong is told to the scope's problems; then the plan,
/// where there is one, is not to be used.
pub(crate) fn make(mut model: Config, root: &Node, scope: &Scope<'_>) -> Option<(Plan, Value)> {
    let at = Cursor::root(root, scope.problems);
    fill_defaults(&mut model);
    let policies =
        policy::policies(&model.policies, &at.key("policies"), &mut scope.spans.borrow_mut());
    let native = native::allowed(&model.native, &at.key("native"), scope);
    let shared = plugin::Shared { policies: &policies, native: &native };
    let plugins = plugin::plugins(&model.plugins, &shared, &at.key("plugins"), scope);
    for (at, plugin) in at.key("plugins").zip(&model.plugins) {
        scope.spans.borrow_mut().plugin(&plugin.name, at.key("name").span());
    }
    let clusters = cluster::clusters(&model.clusters, &at.key("clusters"));
    let listeners = listener::listeners(&model.listeners, &at.key("listeners"), scope);
    let services = instance::services(&model.services, &at.key("services"), scope);
    let admin = admin::admin(model.admin.as_ref(), &at.key("admin"), &model.listeners);
    let log = log::log(&model.log, &at.key("log"));
    let plan = Plan {
        workers: usize::from(model.workers.unwrap_or(1)),
        drain_timeout: Duration::from_millis(model.drain_timeout_ms.into()),
        access_log: log::access_log(&model.access_log, scope),
        listeners,
        clusters,
        plugins,
        services,
        wasm: WasmPlan { cache: wasm_cache(model.wasm.cache_dir.as_deref(), scope) },
        admin: admin?,
        log: log?,
    };
    let mut effective = serde_json::to_value(&model).ok()?;
    stated::leave_out_unstated(&mut effective, &at);
    Some((plan, effective))
}

fn wasm_cache(word: Option<&str>, scope: &Scope<'_>) -> WasmCache {
    match word {
        None => WasmCache::Default,
        Some("off") => WasmCache::Off,
        Some(directory) => WasmCache::Directory(scope.path(directory)),
    }
}

/// Fills in the defaults that depend on something else than the model.
fn fill_defaults(model: &mut Config) {
    model.workers.get_or_insert_with(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        u16::try_from(cores.min(WORKERS_MAX)).unwrap_or(1)
    });
    for policy in &mut model.policies {
        policy.preset = Some(policy::preset(policy));
    }
    for listener in &mut model.listeners {
        listener.name.get_or_insert_with(|| listener.address.clone());
        let bytes = listener::rpc_bytes_max(&listener.limits);
        listener.limits.rpc_bytes_max.get_or_insert(bytes);
        // Where there are frames, a route that says nothing leaves it to them.
        if listener.protocol.names().into_iter().any(|name| !protocol::is_plain(name)) {
            continue;
        }
        let of_hosts = listener.virtual_hosts.iter_mut().flat_map(|host| &mut host.routes);
        for route in listener.routes.iter_mut().chain(of_hosts) {
            if route.cluster.is_some() || route.clusters.is_some() {
                route.timeout_ms.get_or_insert(route::DEFAULT_TIMEOUT_MS);
            }
        }
    }
}

impl Names {
    /// All names of a file.
    pub(crate) fn of(root: &Node) -> Self {
        let presets = Preset::ALL.iter().map(|preset| preset.word().to_owned());
        Self {
            clusters: names(root, "clusters"),
            plugins: names(root, "plugins"),
            policies: names(root, "policies").into_iter().chain(presets).collect(),
            security: security(root),
        }
    }
}

/// The plugins that say of themselves that traffic must never go on without them.
fn security(root: &Node) -> HashMap<String, Span> {
    let items = root.entry("plugins").map_or(&[][..], |entry| entry.value.items());
    let named = items.iter().filter_map(|item| {
        let entry = item.entry("security")?;
        let is_set = matches!(entry.value.tree, Tree::Bool(true));
        is_set
            .then(|| Some((item.entry("name")?.value.text()?.to_owned(), entry.key_span.clone())))?
    });
    named.collect()
}

fn names(root: &Node, list: &str) -> BTreeSet<String> {
    let items = root.entry(list).map_or(&[][..], |entry| entry.value.items());
    let named = items.iter().filter_map(|item| item.entry("name")?.value.text());
    named.map(str::to_owned).collect()
}

impl<'a> Scope<'a> {
    pub(crate) fn new(
        base: &'a Path,
        names: &'a Names,
        problems: &'a Problems,
        missing: &'a Problems,
    ) -> Self {
        let (patterns, spans) = (Cell::new(0), RefCell::default());
        Self { base, names, problems, missing, patterns, spans }
    }

    /// Where things stand in the file that is planned, whose text is this.
    pub(crate) fn places(self, text: &str) -> Places {
        self.spans.into_inner().places(text)
    }

    /// Notes where a use of a plugin stands.
    fn note_use(&self, plugin: &PluginName, spec: &InstanceSpec, at: &Cursor<'_>) {
        self.spans.borrow_mut().plugin_use(plugin, spec, at.span());
    }

    /// A path of the file, relative to the file's directory.
    fn path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// A cluster that the file must define.
    fn cluster<N: for<'n> From<&'n str>>(&self, name: &str, at: &Cursor<'_>) -> Option<N> {
        known(name, &self.names.clusters, "cluster", at)
    }

    /// A plugin that the file must define.
    fn plugin<N: for<'n> From<&'n str>>(&self, name: &str, at: &Cursor<'_>) -> Option<N> {
        known(name, &self.names.plugins, "plugin", at)
    }

    /// A policy that the file must define, or a preset.
    fn policy<N: for<'n> From<&'n str>>(&self, name: &str, at: &Cursor<'_>) -> Option<N> {
        known(name, &self.names.policies, "policy", at)
    }

    /// Refuses a use of a plugin that lets traffic go on without it where that must never be.
    fn refuse_open(&self, plugin: &str, at: &Cursor<'_>) {
        let Some(stated) = self.names.security.get(plugin) else { return };
        let message = format!("traffic must not go on without `{plugin}`: it has `security: true`");
        let problem = at.problem(message, "would go on without it");
        let help = "write `on_error: closed` or `on_error: reload`";
        let other = Some((stated.clone(), String::from("stated here")));
        at.add(Problem { other, ..problem.help(help) });
    }

    /// Counts a regular expression; `None` where there are too many.
    fn count_pattern(&self, at: &Cursor<'_>) -> Option<()> {
        self.patterns.set(self.patterns.get() + 1);
        if self.patterns.get() <= PATTERNS_MAX {
            return Some(());
        }
        let message = format!("the file has more than {PATTERNS_MAX} regular expressions");
        at.refuse(message, "one too many")
    }
}

fn known<N: for<'n> From<&'n str>>(
    name: &str,
    names: &BTreeSet<String>,
    what: &str,
    at: &Cursor<'_>,
) -> Option<N> {
    if names.contains(name) {
        return Some(N::from(name));
    }
    // A suggestion compares with every name, which would be too much for problems without end.
    if at.is_enough() {
        return None;
    }
    let problem =
        at.problem(format!("unknown {what} `{name}`"), &format!("no {what} has this name"));
    let known = names.iter().map(String::as_str);
    let plural = if what == "policy" { "the policies are" } else { &format!("the {what}s are") };
    at.add(problem.suggest(name, known, plural));
    None
}

/// Tells names (or addresses, or domains) that stand twice.
#[derive(Debug, Default)]
struct Seen(HashMap<String, Span>);

impl Seen {
    fn check(&mut self, word: &str, what: &str, at: &Cursor<'_>) {
        if let Some(first) = self.0.get(word) {
            at.refuse_twice(format!("the {what} `{word}` is there twice"), first.clone());
        } else {
            self.0.insert(word.to_owned(), at.span());
        }
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
