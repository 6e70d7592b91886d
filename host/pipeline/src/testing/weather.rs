//! Filters that do anything, at times that a seed decides: for tests of lifecycles.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use host_extension::{FaultKind, LocalReply, PluginFault, Signal, Verdict};
use http::StatusCode;
use tokio::{
    runtime::{Builder, LocalOptions},
    task::yield_now,
};

/// What all filters of a run have in common.
pub(crate) struct Run {
    pub(crate) random: RefCell<fastrand::Rng>,
    /// Who waits for a word from beside.
    waiting: RefCell<Vec<Rc<Word>>>,
    /// What was not as the contract says.
    pub(crate) violations: RefCell<Vec<String>>,
    pub(crate) hooks: Cell<u64>,
    /// Filters that live.
    pub(crate) filters: Cell<usize>,
}

/// What a filter waits for.
#[derive(Default)]
pub(crate) struct Word {
    act: Cell<Option<Act>>,
    signal: Signal,
    gone: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    Continue,
    Hold,
    Later,
    HoldUntil,
    Respond,
    Reset,
    Fail,
}

impl Run {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            waiting: RefCell::default(),
            violations: RefCell::default(),
            hooks: Cell::default(),
            filters: Cell::default(),
        })
    }

    pub(crate) fn one_of(&self, count: usize) -> usize {
        self.random.borrow_mut().usize(0..count)
    }

    /// What a filter does next.
    pub(crate) fn act(&self) -> Act {
        match self.one_of(100) {
            0..50 => Act::Continue,
            50..65 => Act::Hold,
            65..77 => Act::Later,
            77..89 => Act::HoldUntil,
            89..92 => Act::Respond,
            92..94 => Act::Reset,
            _ => Act::Fail,
        }
    }

    /// Somebody waits for a word.
    pub(crate) fn listen(&self) -> Rc<Word> {
        let word = Rc::<Word>::default();
        self.waiting.borrow_mut().push(Rc::clone(&word));
        word
    }

    /// Gives one who waits his word.
    pub(crate) fn speak(&self) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|word| !word.gone.get());
        if waiting.is_empty() {
            return;
        }
        let place = self.one_of(waiting.len());
        let word = waiting.swap_remove(place);
        drop(waiting);
        word.act.set(Some(self.act()));
        word.signal.raise();
    }

    /// Notes what does not hold.
    pub(crate) fn check(&self, holds: bool, what: &str) {
        if !holds {
            self.violations.borrow_mut().push(what.to_owned());
        }
    }
}

impl Word {
    /// Waits for it.
    pub(crate) async fn hear(&self) -> Act {
        self.signal.wait().await;
        self.act.get().unwrap_or(Act::Continue)
    }

    /// Nobody waits any more.
    pub(crate) fn leave(&self) {
        self.gone.set(true);
    }
}

/// The failure of a filter that fails.
pub(crate) fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "the test says so")
}

/// A verdict, noted where no hook may follow it. Who is quiet may neither answer nor break off.
pub(crate) fn verdict(act: Act, has_failed: &Cell<bool>, is_quiet: bool) -> Verdict {
    let may_not = is_quiet && matches!(act, Act::Respond | Act::Reset);
    has_failed.set(has_failed.get() || act == Act::Fail || may_not);
    match act {
        Act::Continue | Act::Later => Verdict::Continue,
        Act::Hold | Act::HoldUntil => Verdict::Hold,
        Act::Respond => Verdict::Respond(Box::new(LocalReply::text(StatusCode::OK, "mine"))),
        Act::Reset => Verdict::Reset,
        Act::Fail => Verdict::Failed(fault()),
    }
}

/// Plays so many events of one seed with a model, whose `event` says how far time goes on with it,
/// and whose `finish` gives what [`check`] wants to know. Fails at the first violation.
pub(crate) fn play<M>(
    seed: u64,
    events: usize,
    model: impl FnOnce(Rc<Run>) -> M,
    event: impl Fn(&mut M) -> Option<Duration>,
    finish: impl AsyncFnOnce(M) -> (u64, u64),
) -> (u64, u64) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .unwrap();
    let run = Run::new(seed);
    runtime.block_on(async {
        let mut model = model(Rc::clone(&run));
        for at in 0..events {
            if let Some(time) = event(&mut model) {
                tokio::time::advance(time).await;
            }
            for _ in 0..run.one_of(4) {
                yield_now().await;
            }
            let violations = run.violations.borrow();
            assert!(violations.is_empty(), "seed {seed}, event {at}: {violations:?}");
        }
        let played = finish(model).await;
        assert!(run.violations.borrow().is_empty(), "seed {seed}: {:?}", run.violations.borrow());
        played
    })
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays so many events, or as many as `MORTISE_LIFECYCLE_EVENTS` says, of a new seed or that of
/// `MORTISE_LIFECYCLE_SEED`, and tells the figures. `play` answers with how many of `things` there
/// were, and how many hooks.
pub(crate) fn check(events: usize, things: &str, play: impl FnOnce(u64, usize) -> (u64, u64)) {
    let seed = number("MORTISE_LIFECYCLE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let events = number("MORTISE_LIFECYCLE_EVENTS")
        .and_then(|events| usize::try_from(events).ok())
        .unwrap_or(events);
    println!("seed {seed}");
    let clock = host_telemetry::Clock::new();
    let start = clock.tick();
    let (count, hooks) = play(seed, events);
    let seconds = clock.since(start).as_secs_f64();
    println!("{events} events, {count} {things}, {hooks} hooks, {seconds:.1} s");
    assert!(hooks > count, "filters saw something");
}
