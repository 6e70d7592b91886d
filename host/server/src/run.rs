//! `mortise run`: starts everything, keeps it running, and stops it in order.

use std::{
    process,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_telemetry::Metrics;
use miette::miette;
use plugins_catalog::{PluginPlan, PluginStatus, Records};
use plugins_native::Builtin;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin,
    cli::{Failure, RunOptions},
    control::{Control, Start},
    files::Watcher,
    telemetry,
};

/// Runs the proxy, with these plugins compiled in, until it is told to stop.
///
/// # Errors
/// The first configuration is refused, or something that it names cannot be bound or opened.
pub fn run(options: RunOptions, builtins: &[Builtin]) -> Result<(), Failure> {
    watched(options, builtins, None).map(drop)
}

/// How plugins are watched while the proxy runs.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Where is noted what they do. Whatever a policy forbids is carried out.
    pub(crate) records: Arc<Records>,
    /// When the proxy stops by itself.
    pub(crate) stop_after: Option<Duration>,
}

/// As [`run`], and notes what plugins do where they are watched. Then standard output is for what
/// comes of it, and nothing else writes there. Gives how the plugins were at the end.
///
/// # Errors
/// As [`run`].
pub(crate) fn watched(
    options: RunOptions,
    builtins: &[Builtin],
    watch: Option<Watch>,
) -> Result<Vec<PluginStatus>, Failure> {
    // Before anything is read: what changes from here on is noticed.
    let mut watcher = Watcher::start().map_err(unreachable)?;
    watcher.watch(std::iter::once(options.config.clone()));
    let loaded = host_config::load(&options.config)
        .map_err(|errors| Failure::Findings(miette::Report::new(errors)))?;
    let metrics = Metrics::new();
    let log = telemetry::start_log(&loaded.plan.log, &metrics).map_err(unreachable)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(unreachable)?;
    runtime.block_on(async {
        let stop_after = watch.as_ref().and_then(|watch| watch.stop_after);
        let records = watch.map(|watch| watch.records);
        let access_plan = telemetry::access_plan(&loaded.plan, records.is_some());
        let access = telemetry::start_access_log(&access_plan, &metrics).map_err(unreachable)?;
        let start = Start { path: options.config, metrics, log, access, builtins, records };
        let control = Control::start(start, &loaded.plan).map_err(Failure::Unreachable)?;
        let mut running = Running::start(loaded, control, watcher).await?;
        running.stop_at = stop_after.map(|after| Instant::now() + after);
        running.until_stopped().await;
        let plugins = running.control.plugins();
        running.stop().await;
        Ok(plugins)
    })
}

/// Something in the way that is not the configuration's fault.
fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Unreachable(miette!("{}", telemetry::chain(&error)))
}

/// A proxy that runs.
struct Running {
    control: Control,
    signals: Signals,
    ready: watch::Sender<bool>,
    admin: Option<admin::Bound>,
    admin_stop: CancellationToken,
    watcher: Watcher,
    /// When it stops by itself.
    stop_at: Option<Instant>,
}

/// What the process is told from outside.
struct Signals {
    stop: Signal,
    interrupt: Signal,
    reload: Signal,
}

/// What wakes the control thread.
enum Event {
    Stop,
    Hangup,
    FilesChanged,
    RetryPlugins,
}

impl Running {
    async fn start(
        loaded: host_config::Loaded,
        mut control: Control,
        mut watcher: Watcher,
    ) -> Result<Self, Failure> {
        let signals = Signals::listen().map_err(unreachable)?;
        let plugins = loaded.plan.plugins.iter().flat_map(PluginPlan::files);
        watcher.watch(control.files().chain(plugins));
        let (ready, readiness) = watch::channel(false);
        let admin_stop = CancellationToken::new();
        let admin = match loaded.plan.admin.address.clone() {
            Some(address) => {
                let state = control.admin_state(readiness);
                let bound = admin::serve(&address, state, admin_stop.clone()).await;
                Some(bound.map_err(unreachable)?)
            }
            None => None,
        };
        control.begin(loaded).await.map_err(Failure::Unreachable)?;
        let running = Self { control, signals, ready, admin, admin_stop, watcher, stop_at: None };
        running.ready.send_replace(true);
        running.announce();
        Ok(running)
    }

    fn announce(&self) {
        if let Some(admin) = &self.admin {
            tracing::info!(address = %admin.address(), "admin listens");
        }
        for listener in self.control.listeners() {
            let (name, protocol) = (&listener.name, &listener.protocol);
            tracing::info!(listener = name, address = listener.address, protocol, "listening");
        }
        tracing::info!(
            pid = process::id(),
            version = env!("CARGO_PKG_VERSION"),
            "mortise is ready"
        );
    }

    /// Serves events until one says to stop.
    async fn until_stopped(&mut self) {
        loop {
            match self.next_event().await {
                Event::Stop => return,
                Event::Hangup => {
                    self.control.reopen_access_log();
                    self.control.reload(SystemTime::now()).await;
                }
                Event::FilesChanged => self.control.reload(SystemTime::now()).await,
                Event::RetryPlugins => self.control.retry_plugins().await,
            }
            self.watch_files();
        }
    }

    async fn next_event(&mut self) -> Event {
        let retry_at = self.control.retry_plugins_at();
        tokio::select! {
            _ = self.signals.stop.recv() => Event::Stop,
            _ = self.signals.interrupt.recv() => Event::Stop,
            () = sleep_until(self.stop_at.unwrap_or_else(Instant::now)), if self.stop_at.is_some() => {
                Event::Stop
            }
            _ = self.signals.reload.recv() => Event::Hangup,
            () = self.watcher.changed() => Event::FilesChanged,
            () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                Event::RetryPlugins
            }
        }
    }

    fn watch_files(&mut self) {
        self.watcher.watch(self.control.files());
    }

    /// Stops accepting and drains; a second signal, or the drain timeout, ends what is left.
    async fn stop(mut self) {
        self.ready.send_replace(false);
        let wait = self.control.drain_timeout();
        tracing::info!(timeout_ms = wait.as_millis(), "stopping: draining connections");
        self.control.drain().await;
        let drained = tokio::select! {
            drained = timeout(wait, self.control.ended()) => drained.is_ok(),
            _ = self.signals.stop.recv() => false,
            _ = self.signals.interrupt.recv() => false,
        };
        if !drained {
            tracing::warn!("closing the connections that are still open");
            self.control.abort().await;
            self.control.ended().await;
        }
        self.admin_stop.cancel();
        if let Some(admin) = self.admin.take() {
            admin.stopped().await;
        }
        tracing::info!("stopped");
    }
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            stop: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }
}
