//! Lives of filters in any order: a plugin that keeps book of what it is told, and says what
//! cannot be: a callback behind the end, an end that comes twice or not at all.
//!
//! The events are those of a pipeline, which never calls a filter after its end, and never a
//! direction that waits. Each epoch is a world of its own that a seed makes.

mod keeper;

use std::{rc::Rc, task::Poll};

use bytes::Bytes;
use host_extension::{
    Connection, FaultKind, FilterFactory, Flow, HttpAnswer, NetworkFilter, Peer, PluginFault, Step,
    Stream, StreamFilter, Verdict,
};
use host_types::Headers;
use http::{HeaderMap, StatusCode};

pub(crate) use self::keeper::KEEPER;
use self::keeper::{COMMAND, Command, WRONG};
use crate::testing::{Worker, connection, poll, stream};

/// Events of one epoch.
const EPOCH: u64 = 1000;
const SEED: u64 = 0x6c69_7665_7300;

/// Numbers that a seed makes.
struct Dice(u64);

impl Dice {
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("few");
        usize::try_from(self.any() % end).expect("few")
    }

    fn pick<T>(&mut self, of: &[T]) -> Option<usize> {
        (!of.is_empty()).then(|| self.below(of.len()))
    }
}

/// Something that is open, with what each of its directions waits for.
struct Open<F, M> {
    filter: F,
    of: Rc<M>,
    waits: [Option<Step>; 2],
}

impl<F, M> Open<F, M> {
    fn new(filter: F, of: Rc<M>) -> Self {
        Self { filter, of, waits: [None, None] }
    }

    /// True where this direction may be called: where nothing waits, or more bytes may come.
    fn is_free(&mut self, way: usize) -> Result<bool, PluginFault> {
        let (future, holds) = match &mut self.waits[way] {
            None | Some(Step::Ready(_)) => return Ok(true),
            Some(Step::Later(future)) => (future, false),
            Some(Step::HoldUntil(future)) => (future, true),
        };
        match poll(future) {
            Poll::Pending => Ok(holds),
            Poll::Ready(Verdict::Failed(fault)) => Err(fault),
            Poll::Ready(_) => {
                self.waits[way] = None;
                Ok(true)
            }
        }
    }

    /// What a hook came to; false where that is the end.
    fn settle(&mut self, way: usize, step: Step) -> Result<bool, PluginFault> {
        self.waits[way] = None;
        match step {
            Step::Ready(Verdict::Failed(fault)) => Err(fault),
            Step::Ready(verdict) => Ok(matches!(verdict, Verdict::Continue | Verdict::Hold)),
            step @ (Step::Later(_) | Step::HoldUntil(_)) => {
                self.waits[way] = Some(step);
                Ok(true)
            }
        }
    }
}

/// All that is there in one epoch.
struct World {
    worker: Worker,
    factories: Vec<Rc<dyn FilterFactory>>,
    streams: Vec<Open<Box<dyn StreamFilter>, Stream>>,
    connections: Vec<Open<Box<dyn NetworkFilter>, Connection>>,
    with_panics: bool,
    faults: u64,
    opened: u64,
    wrong: Option<String>,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        Self {
            worker: Worker::new(),
            factories: Vec::new(),
            streams: Vec::new(),
            connections: Vec::new(),
            with_panics: dice.below(3) == 0,
            faults: 0,
            opened: 0,
            wrong: None,
        }
    }

    fn event(&mut self, dice: &mut Dice) {
        self.command(dice);
        match dice.below(32) {
            0 => self.start(),
            1 => self.stop(dice),
            2..=6 => self.open(dice),
            7..=15 => self.hook(dice),
            16..=21 => self.data(dice),
            22..=24 => self.end_stream(dice),
            25..=26 => self.end_connection(dice),
            27..=28 => self.worker.host.ring(),
            _ => self.answer(dice),
        }
        self.listen();
    }

    /// What the plugin does in its next callback.
    fn command(&self, dice: &mut Dice) {
        let panics = self.with_panics && dice.below(60) == 0;
        COMMAND.set(match dice.below(13) {
            _ if panics => Command::Panic,
            0..=4 => Command::GoOn,
            5 | 6 => Command::Pause,
            7 | 8 => Command::Resume,
            9 => Command::Respond,
            10 => Command::Reset,
            11 => Command::Call,
            _ => Command::Tick,
        });
    }

    fn start(&mut self) {
        if self.factories.len() < 3 {
            COMMAND.set(Command::GoOn);
            match self.worker.start("keeper", "") {
                Ok(factory) => self.factories.push(factory),
                Err(fault) => self.wrong = Some(fault.to_string()),
            }
        }
    }

    fn stop(&mut self, dice: &mut Dice) {
        let gone = dice.pick(&self.factories).map(|at| self.factories.swap_remove(at));
        drop(gone);
    }

    /// A fault must be one that can be: of a panic, or of too many streams.
    fn failed(&mut self, fault: &PluginFault) {
        if fault.kind == FaultKind::Denied {
            return;
        }
        self.faults += 1;
        if !self.with_panics {
            self.wrong = Some(fault.to_string());
        }
        // As a slot would: what is lost is replaced.
        self.factories.clear();
    }

    /// False where that is the end.
    fn outcome(&mut self, outcome: Result<bool, PluginFault>) -> bool {
        outcome.unwrap_or_else(|fault| {
            self.failed(&fault);
            false
        })
    }

    fn open(&mut self, dice: &mut Dice) {
        let Some(at) = dice.pick(&self.factories) else { return self.start() };
        if dice.below(2) == 0 {
            let one = stream();
            match self.factories[at].stream_filter(&one) {
                Ok(filter) => self.streams.push(Open::new(filter, one)),
                Err(fault) => return self.failed(&fault),
            }
        } else {
            let one = connection();
            match self.factories[at].network_filter(&one) {
                Ok(filter) => self.connections.push(Open::new(filter, one)),
                Err(fault) => return self.failed(&fault),
            }
        }
        self.opened += 1;
    }

    fn hook(&mut self, dice: &mut Dice) {
        let Some(at) = dice.pick(&self.streams) else { return };
        let mut open = self.streams.swap_remove(at);
        let way = dice.below(2);
        let settled = open.is_free(way).and_then(|is_free| {
            if !is_free {
                return Ok(true);
            }
            let (one, end) = (Rc::clone(&open.of), dice.below(4) == 0);
            let step = match (way, dice.below(3)) {
                (0, 0) => open.filter.on_request_headers(&one, end),
                (0, 1) => open.filter.on_request_body(&one, end),
                (0, _) => open.filter.on_request_trailers(&one),
                (_, 0) => open.filter.on_response_headers(&one, end),
                (_, 1) => open.filter.on_response_body(&one, end),
                (_, _) => open.filter.on_response_trailers(&one),
            };
            open.settle(way, step)
        });
        if self.outcome(settled) {
            self.streams.push(open);
        }
    }

    fn data(&mut self, dice: &mut Dice) {
        let Some(at) = dice.pick(&self.connections) else { return };
        let mut open = self.connections.swap_remove(at);
        let way = dice.below(2);
        let settled = open.is_free(way).and_then(|is_free| {
            if !is_free {
                return Ok(true);
            }
            let one = Rc::clone(&open.of);
            let step = match (way, dice.below(4)) {
                (0, 0) => open.filter.on_new_connection(&one),
                (0, _) => open.filter.on_data(&one, Flow::Downstream, dice.below(8) == 0),
                (_, _) => open.filter.on_data(&one, Flow::Upstream, dice.below(8) == 0),
            };
            open.settle(way, step)
        });
        if self.outcome(settled) {
            self.connections.push(open);
        }
    }

    /// Ends a stream: as it should be, twice, or without a word.
    fn end_stream(&mut self, dice: &mut Dice) {
        let Some(at) = dice.pick(&self.streams) else { return };
        let mut open = self.streams.swap_remove(at);
        for _ in 0..dice.below(3) {
            let one = Rc::clone(&open.of);
            if let Err(fault) = open.filter.on_complete(&one) {
                self.failed(&fault);
            }
        }
    }

    fn end_connection(&mut self, dice: &mut Dice) {
        let Some(at) = dice.pick(&self.connections) else { return };
        let mut open = self.connections.swap_remove(at);
        let one = Rc::clone(&open.of);
        if dice.below(2) == 0
            && let Err(fault) = open.filter.on_close(&one, Flow::Downstream, Peer::Remote)
        {
            return self.failed(&fault);
        }
        for _ in 0..dice.below(3) {
            if let Err(fault) = open.filter.on_complete(&one) {
                self.failed(&fault);
            }
        }
    }

    /// Answers a call, also one that nobody waits for any more.
    fn answer(&mut self, dice: &mut Dice) {
        let call = {
            let mut calls = self.worker.host.calls.borrow_mut();
            dice.pick(&calls).map(|at| calls.swap_remove(at))
        };
        let headers = Headers::response(StatusCode::OK, HeaderMap::new());
        let answer = HttpAnswer { headers, body: Bytes::new(), trailers: None };
        if let Some((_call, on_answer)) = call {
            on_answer(Ok(answer));
        }
    }

    /// Hears of faults beside streams, and of what the plugin found wrong.
    fn listen(&mut self) {
        let told: Vec<_> = self.worker.faults.borrow_mut().drain(..).collect();
        for fault in told {
            self.failed(&fault);
        }
        if let Some(wrong) = WRONG.take() {
            self.wrong = Some(wrong);
        }
    }

    fn end(&mut self, dice: &mut Dice) {
        COMMAND.set(Command::GoOn);
        while !(self.streams.is_empty() && self.connections.is_empty() && self.factories.is_empty())
        {
            match dice.below(3) {
                0 => self.end_stream(dice),
                1 => self.end_connection(dice),
                _ => self.stop(dice),
            }
        }
        self.listen();
        let left = keeper::left();
        if left != (0, 0) {
            self.wrong = Some(format!("{left:?} filters and instances are left"));
        }
        if !self.worker.host.ticks.borrow().is_empty() {
            self.wrong = Some("something ticks behind the end".to_owned());
        }
    }
}

/// So many events, in epochs; answers with how many filters and faults there were.
fn events(count: u64) -> (u64, u64) {
    let (mut opened, mut faults) = (0, 0);
    for seed in (0..count / EPOCH).map(|epoch| SEED + epoch) {
        let mut dice = Dice(seed);
        let mut world = World::new(&mut dice);
        for number in 0..EPOCH {
            world.event(&mut dice);
            let wrong = world.wrong.take();
            assert!(wrong.is_none(), "seed {seed:#x}, event {number}: {wrong:?}");
        }
        world.end(&mut dice);
        assert!(world.wrong.is_none(), "seed {seed:#x}, at its end: {:?}", world.wrong);
        opened += world.opened;
        faults += world.faults;
    }
    assert!(opened > count / 20 && faults > 0, "nothing much happened: {opened}, {faults}");
    (opened, faults)
}

#[test]
fn filters_live_and_end_in_order_whatever_happens() {
    events(20_000);
}

mod torture {
    /// Told as the runs against the built proxy are: a line of JSON.
    #[test]
    #[ignore = "a reliability run of up to a minute, to be run by itself"]
    fn r12_native_lifecycles() {
        const EVENTS: u64 = 1_000_000;
        let begun = std::time::SystemTime::now();
        let (filters, faults) = super::events(EVENTS);
        let seconds = begun.elapsed().expect("later").as_secs_f64();
        let build = if cfg!(debug_assertions) { "dev" } else { "release" };
        let line = format!(
            r#"{{"name":"r12-native-lifecycles","passed":true,"build":"{build}","figures":{{"events":{EVENTS},"filters":{filters},"faults":{faults},"seconds":{seconds}}},"wrong":[]}}"#
        );
        eprintln!("{line}");
        if let Some(runs) = std::env::var_os("MORTISE_TORTURE_RUNS") {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(runs);
            std::io::Write::write_all(&mut file.expect("a file"), format!("{line}\n").as_bytes())
                .expect("the file of the runs");
        }
    }
}
