//! The worker's side: hooks in the order of a pipeline, and ends at any time.

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use host_extension::{
    Connection, FaultKind, FilterFactory, Flow, NetworkFilter, Peer, Side, Step, Stream,
    StreamFilter, Verdict,
};
use host_types::{PluginLimits, ProcessSettings};
use parking_lot::Mutex;

use super::{
    super::{FakeChild, Rig, hand, open_response},
    Ledger,
    ledger::Tally,
};

/// Streams and connections at a time.
const LIVES: usize = 48;
/// Contexts that the plugin may have: enough for those that still write their log.
const CONTEXTS_MAX: usize = 512;
/// Steps between two children.
const CHILD_STEPS: u64 = 50_000;

type Later = Pin<Box<dyn Future<Output = Verdict>>>;

pub(super) struct Driver {
    seed: u64,
    dice: fastrand::Rng,
    rig: Rig,
    child: FakeChild,
    generation: u32,
    factory: Rc<dyn FilterFactory>,
    lives: Vec<Life>,
    tally: Arc<Mutex<Tally>>,
    steps: u64,
    verdicts: u64,
}

/// A stream or a connection, and how far it has come each way.
struct Life {
    of: Of,
    stage: [u8; 2],
    pending: [Option<Later>; 2],
    /// What is pending is the end of a hold, which more bytes come before.
    is_held: [bool; 2],
}

enum Of {
    Stream(Box<dyn StreamFilter>, Rc<Stream>),
    Connection(Box<dyn NetworkFilter>, Rc<Connection>),
}

impl Driver {
    pub(super) fn new(seed: u64, limit: Duration) -> Self {
        let settings = ProcessSettings {
            call_timeout: Duration::from_millis(500),
            start_timeout: limit,
            unresponsive_timeout: limit,
            ..super::super::settings()
        };
        let limits = PluginLimits { contexts_max: CONTEXTS_MAX, ..PluginLimits::default() };
        let rig = Rig::with(settings, limits);
        let tally = Arc::<Mutex<Tally>>::default();
        let child = rig.child(1, Ledger::script(1, seed, &tally));
        let factory = rig.begin("");
        let dice = fastrand::Rng::with_seed(seed);
        let lives = Vec::new();
        let (steps, verdicts) = (0, 0);
        Self { seed, dice, rig, child, generation: 1, factory, lives, tally, steps, verdicts }
    }

    pub(super) fn events(&self) -> u64 {
        self.tally.lock().events
    }

    /// One thing happens, or nothing.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(1000) {
            self.check();
            self.child.forget();
        }
        if self.steps.is_multiple_of(CHILD_STEPS) {
            self.next_child();
        }
        if self.lives.len() < LIVES {
            self.begin();
        }
        if !self.lives.is_empty() {
            let one = self.dice.usize(..self.lives.len());
            self.act(one).await;
        }
        tokio::task::yield_now().await;
    }

    /// The child dies, and another one takes its place.
    fn next_child(&mut self) {
        self.child.crash();
        self.generation += 1;
        let seed = self.dice.u64(..);
        let script = Ledger::script(self.generation, seed, &self.tally);
        self.child = self.rig.child(self.generation, script);
    }

    fn begin(&mut self) {
        // The old one lives as long as one of its filters does.
        if self.dice.u16(..) < 64 {
            self.factory = self.rig.begin("");
        }
        let of = if self.dice.bool() {
            let made = super::super::stream();
            self.factory.stream_filter(&made).map(|filter| Of::Stream(filter, made))
        } else {
            let made = super::super::connection();
            self.factory.network_filter(&made).map(|filter| Of::Connection(filter, made))
        };
        match of {
            Ok(of) => self.lives.push(Life::new(of)),
            Err(fault) if fault.kind == FaultKind::InstanceLost => {
                self.factory = self.rig.begin("");
            }
            // While there is no child those that have ended keep their places, to tell the next one.
            Err(_no_child) => {}
        }
    }

    async fn act(&mut self, one: usize) {
        let way = usize::from(self.dice.bool());
        let gives_up = self.dice.u16(..1000) < 4;
        let life = &mut self.lives[one];
        if gives_up {
            return self.finish(one);
        }
        // Bytes that are held come again with more, whatever the wait for their end says.
        let asks_again = life.is_held[way] && self.dice.bool();
        let came = match &mut life.pending[way] {
            Some(later) if !asks_again => poll_once(later).await,
            _ => {
                life.pending[way] = None;
                life.is_held[way] = false;
                match life.call(way) {
                    None if life.is_through() => return self.finish(one),
                    None => return,
                    Some(step) => life.take(way, step),
                }
            }
        };
        let Some(verdict) = came else { return };
        self.verdicts += 1;
        life.pending[way] = None;
        life.is_held[way] = false;
        match verdict {
            Verdict::Continue => life.stage[way] = next(life.stage[way]),
            Verdict::HoldUntil(inner) => {
                life.stage[way] = HELD;
                life.pending[way] = Some(inner);
                life.is_held[way] = true;
            }
            Verdict::Hold => life.stage[way] = HELD,
            Verdict::Respond(_) | Verdict::Reset => self.finish(one),
            Verdict::Failed(fault) => {
                let expected = [
                    FaultKind::Trapped,
                    FaultKind::InstanceLost,
                    FaultKind::Crashed,
                    FaultKind::TimedOut,
                    FaultKind::Protocol,
                ];
                assert!(expected.contains(&fault.kind), "seed {}: {fault}", self.seed);
                self.finish(one);
            }
        }
    }

    /// The stream is over, or its client is gone.
    fn finish(&mut self, one: usize) {
        let life = self.lives.swap_remove(one);
        drop(life.pending);
        let tells = self.dice.bool();
        match life.of {
            Of::Stream(mut filter, stream) if tells => drop(filter.on_complete(&stream)),
            Of::Connection(mut filter, connection) if tells => {
                drop(filter.on_close(&connection, Flow::Downstream, Peer::Remote));
                drop(filter.on_complete(&connection));
            }
            Of::Stream(..) | Of::Connection(..) => {}
        }
    }

    fn check(&self) {
        let tally = self.tally.lock();
        assert!(tally.wrong.is_empty(), "seed {}: {:#?}", self.seed, tally.wrong);
    }

    /// In the end as many contexts as may be find room: none of those before keeps a place.
    async fn fill(&self) {
        let mut made = Vec::new();
        while made.len() < CONTEXTS_MAX {
            match self.factory.stream_filter(&super::super::stream()) {
                Ok(filter) => made.push(filter),
                // One that is lost has none.
                Err(fault) if fault.kind == FaultKind::InstanceLost => return,
                Err(_not_yet) => tokio::task::yield_now().await,
            }
        }
    }

    /// Ends all of them, and checks that nothing is left.
    pub(super) async fn end(mut self) -> String {
        while !self.lives.is_empty() {
            self.finish(0);
        }
        self.fill().await;
        drop(self.factory);
        let settled = |tally: &Tally| tally.opened == tally.completed + tally.lost;
        // Whoever was configured last is released last.
        loop {
            if settled(&self.tally.lock()) {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.child.crash();
        let tally = self.tally.lock();
        assert!(tally.wrong.is_empty(), "seed {}: {:#?}", self.seed, tally.wrong);
        let Tally { events, opened, completed, lost, unanswered, failed, .. } = &*tally;
        format!(
            "{events} events, {} verdicts, {opened} contexts: {completed} completed, {lost} lost with \
             their instance or child; {} children, {failed} instances failed, {unanswered} without \
             an answer",
            self.verdicts, self.generation,
        )
    }
}

/// Bytes are held.
const HELD: u8 = 100;
/// Nothing comes any more.
const THROUGH: u8 = 3;

fn next(stage: u8) -> u8 {
    if stage == HELD { 2 } else { stage + 1 }
}

impl Life {
    fn new(of: Of) -> Self {
        Self { of, stage: [0; 2], pending: [None, None], is_held: [false; 2] }
    }

    fn is_through(&self) -> bool {
        self.stage == [THROUGH; 2]
    }

    /// Calls the next hook of a direction; `None` where there is none.
    fn call(&mut self, way: usize) -> Option<Step> {
        let stage = self.stage[way];
        match &mut self.of {
            Of::Stream(filter, stream) => {
                let side = if way == 0 { Side::Request } else { Side::Response };
                if way == 1 && stage == 0 {
                    open_response(stream);
                }
                if matches!(stage, 1 | HELD) {
                    hand(stream, side, "bytes");
                }
                Some(match (stage, side) {
                    (0, Side::Request) => filter.on_request_headers(stream, false),
                    (0, Side::Response) => filter.on_response_headers(stream, false),
                    (1 | HELD, Side::Request) => filter.on_request_body(stream, false),
                    (1 | HELD, Side::Response) => filter.on_response_body(stream, false),
                    (2, Side::Request) => filter.on_request_trailers(stream),
                    (2, Side::Response) => filter.on_response_trailers(stream),
                    _ => return None,
                })
            }
            Of::Connection(filter, connection) => {
                let flow = if way == 0 { Flow::Downstream } else { Flow::Upstream };
                if stage == 0 && way == 0 {
                    return Some(filter.on_new_connection(connection));
                }
                if stage == 0 {
                    self.stage[way] = 1;
                    return None;
                }
                if stage == THROUGH {
                    return None;
                }
                connection.flow(flow).bytes.borrow_mut().push(&"bytes".into());
                Some(filter.on_data(connection, flow, stage == 2))
            }
        }
    }

    /// What a hook came to already.
    fn take(&mut self, way: usize, step: Step) -> Option<Verdict> {
        match step {
            Step::Ready(verdict) => Some(verdict),
            Step::Later(later) => {
                self.pending[way] = Some(later);
                None
            }
            Step::HoldUntil(inner) => Some(Verdict::HoldUntil(inner)),
        }
    }
}

/// Looks at a future once.
async fn poll_once(later: &mut Later) -> Option<Verdict> {
    std::future::poll_fn(|task| {
        Poll::Ready(match later.as_mut().poll(task) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        })
    })
    .await
}
