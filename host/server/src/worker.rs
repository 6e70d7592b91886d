//! One worker: a thread with its own event loop, connections, pools and plugin instances.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use host_extension::FilterFactory;
use host_pipeline::{Commons, Listener, ListenerState, Worker, WorkerCalls};
use host_telemetry::{AccessLog, Clock, WorkerMetrics};
use host_types::ListenerName;
use host_upstream::Clusters;
use plugins_catalog::WorkerCatalog;
use tokio::{
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot},
};

use crate::assembly::WorkerPlan;

/// Commands that may wait for a worker.
const COMMANDS_MAX: usize = 16;
/// Accepted connections that may wait for a worker.
const HANDED_MAX: usize = 1024;

/// Where services run that run once.
const FIRST_WORKER: u16 = 0;
/// How often is looked for services that are down.
const REVIVE_INTERVAL: Duration = Duration::from_millis(250);

/// What the control thread tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this from now on.
    Apply {
        plan: Arc<WorkerPlan>,
        /// Listeners whose sockets are replaced or new; those without one get connections
        /// handed.
        sockets: Vec<(ListenerName, Option<StdListener>)>,
        done: oneshot::Sender<()>,
    },
    /// Write the access log there.
    AccessLog(Option<AccessLog>),
    /// Stop accepting; end when the last connection has. [`Command::Abort`] follows after so
    /// long.
    Drain(Duration),
    /// End now.
    Abort,
}

/// A connection that another thread accepted.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) listener: ListenerName,
    pub(crate) stream: StdStream,
    pub(crate) peer: SocketAddr,
}

/// The control thread's side of a worker.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    pub(crate) number: u16,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) inbox: Inbox,
    /// Resolves when the thread has ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// Where connections are handed to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    pub(crate) metrics: WorkerMetrics,
    handed: mpsc::Sender<Handed>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Connections of a listener that the worker has or is about to have.
    pub(crate) fn load(&self, listener: &ListenerName) -> usize {
        let open = self.metrics.listener(listener).connections_active.value();
        usize::try_from(open).unwrap_or(0) + self.waiting.load(Ordering::Relaxed)
    }

    /// Hands a connection over. It is closed where too many wait already.
    pub(crate) fn hand(&self, connection: Handed) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.handed.try_send(connection).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Starts a worker's thread.
///
/// # Errors
/// The system gives no thread or no event loop.
pub(crate) fn start(
    number: u16,
    metrics: WorkerMetrics,
    access_log: Option<AccessLog>,
    clock: Clock,
    commons: Commons,
) -> io::Result<WorkerHandle> {
    let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
    let (handed, inbox) = mpsc::channel(HANDED_MAX);
    let (ending, ended) = oneshot::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&waiting);
    let inbox_metrics = metrics.clone();
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let run = || -> io::Result<()> {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
            let serving = Serving::new(number, metrics, access_log, clock, commons);
            runtime.block_on(serving.run(commanded, inbox, &own));
            Ok(())
        };
        if let Err(error) = run() {
            tracing::error!(worker = number, %error, "a worker has no event loop");
        }
        drop(ending);
    })?;
    let inbox = Inbox { metrics: inbox_metrics, handed, waiting };
    Ok(WorkerHandle { number, commands, inbox, ended })
}

/// What a worker has on its thread.
struct Serving {
    worker: Rc<Worker>,
    metrics: WorkerMetrics,
    catalog: Rc<WorkerCatalog>,
    /// Held, so that they run.
    services: Vec<Rc<dyn FilterFactory>>,
    clock: Clock,
    listeners: HashMap<ListenerName, Rc<Listener>>,
}

impl Serving {
    fn new(
        number: u16,
        metrics: WorkerMetrics,
        access_log: Option<AccessLog>,
        clock: Clock,
        commons: Commons,
    ) -> Self {
        let log = access_log.map(|log| log.worker(&clock));
        let clusters = Clusters::new(metrics.clone());
        let monotonic = clock.clone();
        let worker = Rc::new(Worker::new(number, clusters, log, clock.clone()));
        let catalog = WorkerCatalog::new(
            number,
            metrics.clone(),
            Rc::new(WorkerCalls::new(Rc::clone(&worker)).with_commons(commons)),
            Rc::new(move || monotonic.reading(monotonic.tick())),
            fastrand::u64(..),
        );
        let catalog = Rc::new(catalog);
        Self { worker, metrics, catalog, services: Vec::new(), clock, listeners: HashMap::new() }
    }

    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut inbox: mpsc::Receiver<Handed>,
        waiting: &AtomicUsize,
    ) {
        let sweeping = Rc::clone(&self.worker);
        tokio::task::spawn_local(async move { sweeping.sweep_forever().await });
        tokio::task::spawn_local(revive_forever(Rc::clone(&self.catalog)));
        let worker = Rc::clone(&self.worker);
        let mut draining = false;
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Apply { plan, sockets, done }) => {
                        self.apply(&plan, sockets);
                        // Who asked may have given up waiting.
                        let _asked = done.send(());
                    }
                    Some(Command::AccessLog(log)) => {
                        let log = log.map(|log| log.worker(&self.clock));
                        worker.access_log.replace(log);
                    }
                    Some(Command::Drain(timeout)) => {
                        worker.drain_timeout.set(Some(timeout));
                        self.drain();
                        draining = true;
                    }
                    Some(Command::Abort) | None => break,
                },
                Some(handed) = inbox.recv() => {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    self.take(handed);
                }
                () = worker.until_idle(), if draining => break,
            }
        }
        self.drain();
        worker.abort.raise();
        worker.until_idle().await;
        worker.clusters.drain();
        // Their tasks end in order, as far as that takes no waiting.
        tokio::task::yield_now().await;
    }

    fn apply(&mut self, plan: &WorkerPlan, sockets: Vec<(ListenerName, Option<StdListener>)>) {
        self.worker.clusters.apply(&plan.clusters, &plan.discovery);
        self.catalog.apply(plan.plugins.clone());
        self.services = self.services(plan);
        let mut before = std::mem::take(&mut self.listeners);
        let mut sockets: HashMap<_, _> = sockets.into_iter().collect();
        for listener_plan in &plan.listeners {
            let name = &listener_plan.name;
            let state = self.state(listener_plan);
            let listener = match (before.remove(name), sockets.remove(name)) {
                (Some(listener), None) => kept(listener, state),
                (former, socket) => replaced(former.as_deref(), socket.flatten(), state),
            };
            self.listeners.insert(name.clone(), listener);
        }
        for gone in before.into_values() {
            gone.close();
        }
    }

    /// The services that run on this worker; those that stay the same run on.
    fn services(&self, plan: &WorkerPlan) -> Vec<Rc<dyn FilterFactory>> {
        let here = self.worker.number == FIRST_WORKER;
        let own = plan.services.iter().filter(|service| service.every_worker || here);
        own.map(|service| self.catalog.instance(&service.service)).collect()
    }

    fn state(&self, plan: &Arc<host_pipeline::ListenerPlan>) -> Rc<ListenerState> {
        let metrics = self.metrics.listener(&plan.name);
        ListenerState::new(Arc::clone(plan), Rc::clone(&self.worker), metrics, &mut |one| {
            (self.catalog.instance(one), self.catalog.metrics(&one.plugin))
        })
    }

    fn take(&self, handed: Handed) {
        let Some(listener) = self.listeners.get(&handed.listener) else { return };
        match TcpStream::from_std(handed.stream) {
            Ok(stream) => listener.start(stream, handed.peer),
            Err(error) => tracing::warn!(%error, "a handed connection cannot be served"),
        }
    }

    fn drain(&self) {
        for listener in self.listeners.values() {
            listener.close();
        }
        // Connections to upstreams stay: clients that go on until they are gone would otherwise
        // have one opened for each of their requests.
        self.worker.drain.raise();
    }
}

/// Starts services again that went down; one task per worker runs this.
async fn revive_forever(catalog: Rc<WorkerCatalog>) {
    let mut interval = tokio::time::interval(REVIVE_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        catalog.revive();
    }
}

/// A listener that stays where it is and serves new streams by the new state.
fn kept(listener: Rc<Listener>, state: Rc<ListenerState>) -> Rc<Listener> {
    listener.update(state);
    listener
}

/// A listener that is new, or moves; without a socket it gets its connections handed.
fn replaced(
    former: Option<&Listener>,
    socket: Option<StdListener>,
    state: Rc<ListenerState>,
) -> Rc<Listener> {
    if let Some(former) = former {
        former.close();
    }
    let listener = Listener::new(state);
    if let Some(socket) = socket {
        accept(&listener, socket);
    }
    listener
}

fn accept(listener: &Rc<Listener>, socket: StdListener) {
    match host_net::Listener::new(socket) {
        Ok(socket) => {
            tokio::task::spawn_local(Rc::clone(listener).accept_forever(socket));
        }
        Err(error) => tracing::error!(%error, "a bound socket cannot be listened to"),
    }
}
