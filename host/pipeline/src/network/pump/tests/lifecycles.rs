//! Connections in any order of events: bytes and ends of either side, words to filters that wait,
//! closes from beside, time. No filter is called after its end, and each is told of it once.
//!
//! The seed of a failure plays it again; see `testing/weather.rs`.

use std::cell::Cell;

use futures_util::future::LocalBoxFuture;
use host_extension::{
    CallError, CallResult, Capability, FilterFactory, NetworkFilter, OnError, Phases,
};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    chain::ChainEntry,
    testing::weather::{self, Act, Run, Word, check, fault, verdict},
};

/// Connections that are open at a time, at most.
const CONNECTIONS_MAX: usize = 8;
const EVENTS: usize = 20_000;

/// Makes filters that do anything.
struct Probes {
    run: Rc<Run>,
    phases: Phases,
    is_quiet: bool,
}

/// What a filter has seen and said.
#[derive(Default)]
struct Life {
    is_done: Cell<bool>,
    has_failed: Cell<bool>,
    is_met: Cell<bool>,
    downstream: Sight,
    upstream: Sight,
}

/// One direction.
#[derive(Default)]
struct Sight {
    ended: Cell<bool>,
    waits: Cell<bool>,
    closed: Cell<bool>,
}

impl Life {
    fn of(&self, flow: Flow) -> &Sight {
        if flow == Downstream { &self.downstream } else { &self.upstream }
    }
}

struct Probe {
    run: Rc<Run>,
    life: Rc<Life>,
    phases: Phases,
    is_quiet: bool,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probes")
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

impl FilterFactory for Probes {
    fn phases(&self) -> Phases {
        self.phases
    }

    fn network_filter(
        &self,
        _connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        if self.run.one_of(50) == 0 {
            return Err(fault());
        }
        self.run.filters.set(self.run.filters.get() + 1);
        let (run, life) = (Rc::clone(&self.run), Rc::default());
        Ok(Box::new(Probe { run, life, phases: self.phases, is_quiet: self.is_quiet }))
    }

    fn may(&self, _what: Capability) -> CallResult<()> {
        if self.is_quiet { Err(CallError::Denied) } else { Ok(()) }
    }
}

/// Somebody waits for a word. Dropped when it came, or when nobody waits any more.
struct Wait {
    life: Rc<Life>,
    flow: Flow,
    word: Rc<Word>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.word.leave();
        self.life.of(self.flow).waits.set(false);
    }
}

impl Probe {
    /// What every hook may rely on.
    fn called(&self) {
        self.run.hooks.set(self.run.hooks.get() + 1);
        self.run.check(!self.life.is_done.get(), "a hook after on_complete");
        self.run.check(!self.life.has_failed.get(), "a hook after a failure");
    }

    fn step(&self, flow: Flow) -> Step {
        let act = self.run.act();
        match act {
            Act::Later => Step::Later(self.wait(flow)),
            Act::HoldUntil => Step::HoldUntil(self.wait(flow)),
            Act::Continue | Act::Hold | Act::Respond | Act::Reset | Act::Fail => {
                verdict(act, &self.life.has_failed, self.is_quiet).into()
            }
        }
    }

    fn wait(&self, flow: Flow) -> LocalBoxFuture<'static, Verdict> {
        self.life.of(flow).waits.set(true);
        let wait = Wait { life: Rc::clone(&self.life), flow, word: self.run.listen() };
        let is_quiet = self.is_quiet;
        Box::pin(async move {
            let act = wait.word.hear().await;
            verdict(act, &wait.life.has_failed, is_quiet)
        })
    }
}

impl NetworkFilter for Probe {
    fn on_new_connection(&mut self, _connection: &Rc<Connection>) -> Step {
        self.called();
        self.run.check(!self.life.is_met.replace(true), "a second beginning");
        self.step(Downstream)
    }

    fn on_data(&mut self, connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        self.called();
        let sight = self.life.of(flow);
        self.run.check(!sight.waits.get(), "a hook while the direction waits");
        self.run.check(!sight.ended.replace(end), "a hook after the end of the direction");
        self.run.check(!sight.closed.get(), "bytes after the side was closed");
        self.run.check(connection.flow(flow).on_duty.get(), "bytes that are not in hand");
        self.step(flow)
    }

    fn on_close(&mut self, _connection: &Rc<Connection>, flow: Flow, _by: Peer) -> Told {
        self.called();
        self.run.check(self.phases.contains(Phases::CLOSE), "a hook that nobody asked for");
        self.run.check(!self.life.of(flow).closed.replace(true), "a side is closed twice");
        let fails = self.run.one_of(20) == 0;
        self.life.has_failed.set(fails);
        if fails { Err(fault()) } else { Ok(()) }
    }

    fn on_complete(&mut self, _connection: &Rc<Connection>) -> Told {
        self.run.check(!self.life.has_failed.get(), "on_complete after a failure");
        self.run.check(!self.life.is_done.replace(true), "on_complete twice");
        if self.run.one_of(20) == 0 { Err(fault()) } else { Ok(()) }
    }
}

type Told = Result<(), PluginFault>;

impl Drop for Probe {
    fn drop(&mut self) {
        let is_over = self.life.is_done.get() || self.life.has_failed.get();
        self.run.check(is_over, "a filter that was never told of the end");
        self.run.filters.set(self.run.filters.get() - 1);
    }
}

/// The other ends of one connection.
struct Line {
    client: Option<DuplexStream>,
    service: Option<FilteredIo>,
    connection: Rc<Connection>,
    task: JoinHandle<()>,
}

struct Model {
    run: Rc<Run>,
    worker: Rc<Worker>,
    metrics: Metrics,
    lines: Vec<Line>,
    opened: u64,
    ended: Rc<Cell<u64>>,
}

impl Model {
    fn new(run: Rc<Run>) -> Self {
        let metrics = Metrics::new();
        let clusters = Clusters::new(metrics.worker(0));
        let worker = Rc::new(Worker::new(0, clusters, None, Clock::new()));
        let (lines, ended) = (Vec::new(), Rc::default());
        Self { run, worker, metrics, lines, opened: 0, ended }
    }

    fn entry(&self) -> ChainEntry {
        let all = [Phases::NEW_CONNECTION, Phases::DOWNSTREAM_DATA, Phases::UPSTREAM_DATA];
        let all = all.into_iter().chain([Phases::CLOSE]).filter(|_| self.run.one_of(5) > 0);
        let phases = all.fold(Phases::NONE, |sum, one| sum | one);
        let is_quiet = self.run.one_of(4) == 0;
        ChainEntry {
            plugin: "a".into(),
            on_error: [OnError::Closed, OnError::Open, OnError::Reload][self.run.one_of(3)],
            factory: Rc::new(Probes { run: Rc::clone(&self.run), phases, is_quiet }),
            metrics: self.metrics.worker(0).plugin(&"a".into(), "fake"),
        }
    }

    /// A client comes. The connection is served as `network::run` does.
    fn begin(&mut self) {
        let entries: Vec<_> = (0..=self.run.one_of(3)).map(|_| self.entry()).collect();
        let connection = connection();
        connection.held_bytes_max.set(512);
        let (client, socket) = duplex(256);
        let (service, far) = pipe::pair();
        let (worker, ended) = (Rc::clone(&self.worker), Rc::clone(&self.ended));
        let served = Rc::clone(&connection);
        let task = tokio::task::spawn_local(async move {
            let chain = NetworkChain::new(&entries, &served, Clock::new(), STALL);
            if chain.open().await.is_ok() {
                let pump = Pump { chain: &chain, worker: &worker, stall: STALL };
                let moved = pump.run(socket, far).await;
                chain.close(Upstream, by(moved.service_ended));
            }
            chain.close(Downstream, by(false));
            chain.complete();
            ended.set(ended.get() + 1);
        });
        let (client, service) = (Some(client), Some(service));
        self.lines.push(Line { client, service, connection, task });
        self.opened += 1;
    }

    fn event(&mut self) -> Option<Duration> {
        self.lines.retain(|line| !line.task.is_finished());
        let event = self.run.one_of(100);
        if self.lines.is_empty() || (event < 10 && self.lines.len() < CONNECTIONS_MAX) {
            self.begin();
            return None;
        }
        if event >= 96 {
            return Some(Duration::from_millis(self.run.random.borrow_mut().u64(1..2000)));
        }
        if event >= 62 {
            self.run.speak();
            return None;
        }
        let (run, place) = (Rc::clone(&self.run), self.run.one_of(self.lines.len()));
        let line = self.lines.get_mut(place)?;
        match event {
            0..25 => write(&run, line.client.as_mut()),
            25..31 => read_some(line.client.as_mut()),
            31..48 => write(&run, line.service.as_mut()),
            48..58 => read_some(line.service.as_mut()),
            58 => end(line.client.as_mut()),
            59 => end(line.service.as_mut()),
            60 if run.one_of(2) == 0 => drop(line.client.take()),
            60 => drop(line.service.take()),
            _ => line.connection.close(ReplyReason::Plugin("a".into())),
        }
        None
    }

    /// Everything that is open ends; nothing is left of it.
    async fn finish(mut self) -> (u64, u64) {
        let lines: Vec<_> = self.lines.drain(..).collect();
        for Line { client, service, connection, task } in lines {
            connection.close(ReplyReason::Drain);
            drop((client, service));
            task.await.unwrap();
        }
        assert_eq!(self.ended.get(), self.opened, "each connection ends once");
        assert_eq!(self.run.filters.get(), 0, "no filter is left");
        (self.opened, self.run.hooks.get())
    }
}

fn by(other: bool) -> Peer {
    if other { Peer::Remote } else { Peer::Local }
}

/// Writes as much as is taken at once.
fn write(run: &Run, io: Option<&mut (impl AsyncWrite + Unpin)>) {
    let bytes = vec![b'x'; 1 + run.one_of(200)];
    let _written = io.and_then(|io| io.write(&bytes).now_or_never());
}

/// Reads what is there.
fn read_some(io: Option<&mut (impl AsyncRead + Unpin)>) {
    let mut bytes = [0; 300];
    let _read = io.and_then(|io| io.read(&mut bytes).now_or_never());
}

/// Ends one's side.
fn end(io: Option<&mut (impl AsyncWrite + Unpin)>) {
    let _ended = io.and_then(|io| io.shutdown().now_or_never());
}

fn play(seed: u64, events: usize) -> (u64, u64) {
    weather::play(seed, events, Model::new, Model::event, Model::finish)
}

#[test]
fn every_filter_is_told_of_the_end_once_and_of_nothing_behind_it_whatever_happens() {
    check(EVENTS, "connections", play);
}

#[test]
#[ignore = "takes some seconds"]
fn slow_every_connection_ends_once_in_a_million_events() {
    check(1_000_000, "connections", play);
}
