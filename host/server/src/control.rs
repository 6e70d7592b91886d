//! The control thread's view of everything: what is configured, bound, loaded and running.
//!
//! A reload goes through all that can fail before it touches anything that serves: parse,
//! bind new sockets, load plugins. Only then the plan goes to the workers, whole, and the
//! reload is over when each of them has taken it.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use host_config::{Loaded, Plan};
use host_pipeline::Commons;
use host_telemetry::{AccessLog, AccessLogGuard, Clock, LogHandle, Metrics, Tick};
use host_types::ListenerName;
use host_upstream::Discovery;
use miette::{Report, miette};
use plugins_catalog::{
    Catalog, CatalogSnapshot, LoadWarning, Moment, PluginPlan, PluginStatus, Records,
};
use plugins_native::Builtin;
use serde_json::json;
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
    time::Instant,
};

use crate::{
    acceptor::Acceptors,
    admin::{AdminState, AdminView, ListenerView},
    assembly::{self, WorkerPlan},
    pages, policy,
    sockets::{Prepared, Sockets},
    telemetry,
    worker::{self, Command, WorkerHandle},
};

/// The control thread's state.
pub(crate) struct Control {
    path: PathBuf,
    metrics: Metrics,
    log: LogHandle,
    access: Option<(AccessLog, AccessLogGuard)>,
    clock: Clock,
    started: Tick,
    started_at: Instant,
    catalog: Arc<Catalog>,
    discovery: Discovery,
    commons: Commons,
    workers: Vec<WorkerHandle>,
    acceptors: Acceptors,
    sockets: Sockets,
    /// What is configured; `None` before the first configuration is in use.
    plan: Option<Plan>,
    /// What was told of plugins already.
    warnings: Vec<LoadWarning>,
    /// Plugins are watched, and standard output is for what comes of it.
    is_watched: bool,
    view: watch::Sender<Arc<AdminView>>,
}

/// What the control thread starts with.
pub(crate) struct Start<'a> {
    /// The configuration file.
    pub(crate) path: PathBuf,
    pub(crate) metrics: Metrics,
    pub(crate) log: LogHandle,
    pub(crate) access: Option<(AccessLog, AccessLogGuard)>,
    /// The plugins that are compiled in.
    pub(crate) builtins: &'a [Builtin],
    /// Where is noted what plugins do, where that is wanted.
    pub(crate) records: Option<Arc<Records>>,
}

impl Control {
    /// Starts the workers and the plugin backends; nothing is served yet.
    ///
    /// # Errors
    /// The system gives no thread, or a backend cannot run here.
    pub(crate) fn start(start: Start<'_>, plan: &Plan) -> Result<Self, Report> {
        let Start { path, metrics, log, access, builtins, records } = start;
        let clock = Clock::new();
        let catalog = assembly::catalog(&metrics, &assembly::wasm_settings(plan), builtins)
            .map_err(|fault| miette!("plugins cannot run on this machine: {fault}"))?;
        let is_watched = records.is_some();
        let catalog = match records {
            Some(records) => catalog.recording(records),
            None => catalog,
        };
        let commons = Commons { metrics: metrics.defined(), ..Commons::default() };
        let mut workers = Vec::new();
        for number in 0..u16::try_from(plan.workers).unwrap_or(u16::MAX) {
            let own = access.as_ref().map(|(log, _)| log.clone());
            let metrics = metrics.worker(number);
            let handle = worker::start(number, metrics, own, clock.clone(), commons.clone())
                .map_err(|error| miette!("worker {number} cannot be started: {error}"))?;
            workers.push(handle);
        }
        let count = i64::try_from(workers.len()).unwrap_or(i64::MAX);
        metrics.control().workers.set(count);
        let view = AdminView {
            config: json!(null),
            generation: 0,
            loaded_at: SystemTime::now(),
            last_error: None,
            listeners: Vec::new(),
        };
        Ok(Self {
            path,
            metrics,
            log,
            access,
            started: clock.tick(),
            started_at: Instant::now(),
            clock,
            catalog: Arc::new(catalog),
            discovery: Discovery::system(),
            commons,
            acceptors: Acceptors::new(workers.iter().map(|worker| worker.inbox.clone()).collect()),
            workers,
            sockets: Sockets::default(),
            plan: None,
            warnings: Vec::new(),
            is_watched,
            view: watch::Sender::new(Arc::new(view)),
        })
    }

    /// What the admin server shows.
    pub(crate) fn admin_state(&self, ready: watch::Receiver<bool>) -> AdminState {
        let catalog = Arc::clone(&self.catalog);
        let discovery = self.discovery.clone();
        let metrics = self.metrics.clone();
        AdminState {
            metrics: self.metrics.clone(),
            view: self.view.subscribe(),
            plugins: Arc::new(move || pages::plugins(&catalog.status(), &metrics)),
            clusters: Arc::new(move || pages::clusters(&discovery.status())),
            ready,
        }
    }

    /// Takes the first configuration into use.
    ///
    /// # Errors
    /// An address cannot be bound. A plugin that cannot be loaded is no error: its routes
    /// answer by `on_error`.
    pub(crate) async fn begin(&mut self, loaded: Loaded) -> Result<(), Report> {
        self.take(loaded, SystemTime::now()).await
    }

    /// Reads the configuration again. A bad one changes nothing and is told.
    pub(crate) async fn reload(&mut self, now: SystemTime) {
        let taken = match host_config::load(&self.path) {
            Ok(loaded) => self.take(loaded, now).await,
            Err(errors) => Err(miette!("{}", errors.report(false).trim_end())),
        };
        let control = self.metrics.control();
        match taken {
            Ok(()) => {
                control.config_reloads_total.increment();
                tracing::info!(
                    generation = self.view.borrow().generation,
                    "configuration reloaded"
                );
            }
            Err(report) => {
                control.config_reload_failures_total.increment();
                tracing::error!(
                    "the configuration was not reloaded, the last one stays:\n{report}"
                );
                let last_error = Some(report.to_string());
                let old = AdminView::clone(&self.view.borrow());
                self.view.send_replace(Arc::new(AdminView { last_error, ..old }));
            }
        }
    }

    /// Takes a configuration into use, whole or not at all.
    async fn take(&mut self, loaded: Loaded, now: SystemTime) -> Result<(), Report> {
        let Loaded { plan, effective, .. } = loaded;
        self.warn_of_what_stays(&plan);
        let prepared = self
            .sockets
            .prepare(plan.listeners.iter(), self.workers.len())
            .map_err(|error| miette!("{}", telemetry::chain(&error)))?;
        let snapshot = self.load_plugins(&plan, now).await?;
        self.renew_logs(&plan).await?;
        self.warn_of_plugins(&snapshot);
        self.sockets.commit(&prepared);
        let quotas = snapshot.shared_quotas();
        self.commons.state.set_data_quotas(quotas.clone());
        self.metrics.defined().limit(snapshot.metric_limits());
        self.hand_out(&plan, snapshot, prepared).await;
        self.commons.state.retain_namespaces(|name| quotas.contains_key(name));
        let listeners = self.listener_views(&plan);
        let generation = self.view.borrow().generation + 1;
        let shown = i64::try_from(generation).unwrap_or(i64::MAX);
        self.metrics.control().config_generation.set(shown);
        self.plan = Some(plan);
        let view = AdminView {
            config: effective,
            generation,
            loaded_at: now,
            last_error: None,
            listeners,
        };
        self.view.send_replace(Arc::new(view));
        Ok(())
    }

    /// Threads and the admin server are made once; a change of them waits for a restart.
    fn warn_of_what_stays(&self, next: &Plan) {
        let Some(current) = &self.plan else { return };
        if current.workers != next.workers {
            tracing::warn!("`workers` changed: restart to take it into use");
        }
        if current.admin != next.admin {
            tracing::warn!("`admin` changed: restart to take it into use");
        }
        if current.wasm != next.wasm {
            tracing::warn!("`wasm` changed: restart to take it into use");
        }
        if current.log.format != next.log.format {
            tracing::warn!("`log.format` changed: restart to take it into use");
        }
    }

    /// What is odd about plugins is told once, until it changes.
    fn warn_of_plugins(&mut self, snapshot: &CatalogSnapshot) {
        let warnings = snapshot.warnings();
        let new = warnings.iter().filter(|warning| !self.warnings.contains(warning));
        let new: Vec<_> = new.cloned().collect();
        for (plugin, line) in policy::told(&new) {
            tracing::warn!(%plugin, "{line}");
        }
        self.warnings = warnings;
    }

    /// The last of what can fail: a file that cannot be opened leaves both logs as they were.
    async fn renew_logs(&mut self, next: &Plan) -> Result<(), Report> {
        let Some(current) = &self.plan else { return Ok(()) };
        let refused = |error: &dyn std::error::Error| miette!("{}", telemetry::chain(error));
        let access = if current.access_log == next.access_log {
            None
        } else {
            let plan = telemetry::access_plan(next, self.is_watched);
            let access = telemetry::start_access_log(&plan, &self.metrics);
            Some(access.map_err(|error| refused(&error))?)
        };
        if current.log.level != next.log.level {
            self.log.set_filter(&next.log.level).map_err(|error| refused(&error))?;
        }
        if let Some(access) = access {
            let log = access.as_ref().map(|(log, _)| log.clone());
            self.tell_all(|| Command::AccessLog(log.clone())).await;
            self.access = access;
        }
        Ok(())
    }

    /// Loads on a thread that may block: the control thread goes on answering.
    async fn load_plugins(&self, plan: &Plan, now: SystemTime) -> Result<CatalogSnapshot, Report> {
        let catalog = Arc::clone(&self.catalog);
        let (plugins, uses) = (plan.plugins.clone(), assembly::filter_uses(plan));
        let moment = self.moment(now);
        spawn_blocking(move || catalog.load(&plugins, &uses, moment))
            .await
            .map_err(|error| miette!("loading the plugins broke off: {error}"))
    }

    fn moment(&self, wall: SystemTime) -> Moment {
        Moment { wall, monotonic: self.clock.since(self.started) }
    }

    /// Gives the plan to every worker and waits until each has taken it.
    async fn hand_out(&mut self, plan: &Plan, plugins: CatalogSnapshot, mut prepared: Prepared) {
        let worker_plan = Arc::new(WorkerPlan {
            listeners: plan.listeners.iter().cloned().map(Arc::new).collect(),
            clusters: plan.clusters.iter().cloned().map(Arc::new).collect(),
            discovery: self.discovery.clone(),
            plugins,
            services: plan.services.clone(),
        });
        let mut answers = Vec::new();
        for (place, worker) in self.workers.iter().enumerate() {
            let mut sockets = Vec::new();
            for (name, spread) in &mut prepared.spread {
                // One socket for each worker, in their order: the last is taken first.
                let socket = spread.pop();
                sockets.push((name.clone(), socket));
            }
            sockets.extend(prepared.exact.iter().map(|(name, _)| (name.clone(), None)));
            let (done, taken) = oneshot::channel();
            let plan = Arc::clone(&worker_plan);
            if worker.commands.send(Command::Apply { plan, sockets, done }).await.is_err() {
                tracing::error!(worker = place, "a worker has ended");
                continue;
            }
            answers.push(taken);
        }
        join_all(answers).await;
        let kept: HashSet<ListenerName> =
            plan.listeners.iter().map(|listener| listener.name.clone()).collect();
        self.acceptors.keep(&kept);
        for (name, socket) in prepared.exact {
            self.acceptors.start(name, socket);
        }
    }

    fn listener_views(&self, plan: &Plan) -> Vec<ListenerView> {
        let view = |listener: &host_pipeline::ListenerPlan| ListenerView {
            name: listener.name.to_string(),
            address: self
                .sockets
                .address(&listener.name)
                .map_or_else(|| listener.address.to_string(), |address| address.to_string()),
            protocol: assembly::protocol_label(&listener.protocol),
        };
        plan.listeners.iter().map(view).collect()
    }

    /// The listeners as they are bound.
    pub(crate) fn listeners(&self) -> Vec<ListenerView> {
        self.view.borrow().listeners.clone()
    }

    /// How the plugins are.
    pub(crate) fn plugins(&self) -> Vec<PluginStatus> {
        self.catalog.status()
    }

    /// When plugins that could not be loaded are to be tried again.
    pub(crate) fn retry_plugins_at(&self) -> Option<Instant> {
        self.catalog.retry_at().map(|after| self.started_at + after)
    }

    /// Tries plugins again that could not be loaded.
    pub(crate) async fn retry_plugins(&mut self) {
        let catalog = Arc::clone(&self.catalog);
        let moment = self.moment(SystemTime::now());
        let retried = spawn_blocking(move || catalog.retry(moment)).await;
        if let (Ok(Some(snapshot)), Some(plan)) = (retried, self.plan.clone()) {
            self.warn_of_plugins(&snapshot);
            self.hand_out(&plan, snapshot, Prepared::default()).await;
        }
    }

    /// The files whose change means a reload.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let plugins = self.plan.iter().flat_map(|plan| &plan.plugins);
        let sources: Vec<PathBuf> = plugins.flat_map(PluginPlan::files).collect();
        std::iter::once(self.path.clone()).chain(sources)
    }

    /// Has the access log's file opened again.
    pub(crate) fn reopen_access_log(&self) {
        if let Some((log, _)) = &self.access {
            log.reopen();
        }
    }

    /// How long connections may take to end.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.plan.as_ref().map_or(Duration::ZERO, |plan| plan.drain_timeout)
    }

    /// Tells all workers to stop accepting and to end with their last connection.
    pub(crate) async fn drain(&mut self) {
        self.acceptors.keep(&HashSet::new());
        let timeout = self.drain_timeout();
        self.tell_all(|| Command::Drain(timeout)).await;
    }

    /// Tells all workers to end now.
    pub(crate) async fn abort(&self) {
        self.tell_all(|| Command::Abort).await;
    }

    async fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            if worker.commands.send(command()).await.is_err() {
                tracing::debug!(worker = worker.number, "a worker has ended already");
            }
        }
    }

    /// Waits until all workers have ended.
    pub(crate) async fn ended(&mut self) {
        // May be dropped half way and called again: an answer is awaited once only.
        while let Some(worker) = self.workers.last_mut() {
            // The sender is dropped when the thread ends, so the answer is an error.
            let _ended = (&mut worker.ended).await;
            self.workers.pop();
        }
    }
}
