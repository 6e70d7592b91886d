//! A filter that does anything, and watches that it is treated as the contract says.

use std::cell::{Cell, RefCell};

use host_extension::{
    CallError, CallResult, Capability, FaultKind, FilterFactory, LocalReply, PluginFault, Signal,
    StreamFilter,
};

use super::super::*;

/// What all filters of a run have in common.
pub(super) struct Run {
    pub(super) random: RefCell<fastrand::Rng>,
    /// Who waits for a word from beside.
    pub(super) waiting: RefCell<Vec<Rc<Word>>>,
    /// What was not as the contract says.
    pub(super) violations: RefCell<Vec<String>>,
    pub(super) hooks: Cell<u64>,
    /// Filters that live.
    pub(super) filters: Cell<usize>,
}

/// What a filter waits for.
#[derive(Default)]
pub(super) struct Word {
    act: Cell<Option<Act>>,
    signal: Signal,
    gone: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Continue,
    Hold,
    Later,
    HoldUntil,
    Respond,
    Reset,
    Fail,
}

impl Run {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            waiting: RefCell::default(),
            violations: RefCell::default(),
            hooks: Cell::default(),
            filters: Cell::default(),
        })
    }

    pub(super) fn one_of(&self, count: usize) -> usize {
        self.random.borrow_mut().usize(0..count)
    }

    fn act(&self) -> Act {
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

    /// Gives one who waits his word.
    pub(super) fn speak(&self) {
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

    fn check(&self, holds: bool, what: &str) {
        if !holds {
            self.violations.borrow_mut().push(what.to_owned());
        }
    }
}

/// A factory of one generation.
pub(super) struct Probes {
    pub(super) run: Rc<Run>,
    pub(super) phases: Phases,
    /// It may neither answer nor break off.
    pub(super) is_quiet: bool,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probes")
    }
}

impl FilterFactory for Probes {
    fn phases(&self) -> Phases {
        self.phases
    }

    fn stream_filter(&self, _stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        if self.run.one_of(50) == 0 {
            return Err(fault());
        }
        self.run.filters.set(self.run.filters.get() + 1);
        let (run, life) = (Rc::clone(&self.run), Rc::<Life>::default());
        Ok(Box::new(Probe { run, life, phases: self.phases, is_quiet: self.is_quiet }))
    }

    fn may(&self, _what: Capability) -> CallResult<()> {
        if self.is_quiet { Err(CallError::Denied) } else { Ok(()) }
    }
}

fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "the test says so")
}

/// What a filter has seen and said.
#[derive(Default)]
struct Life {
    is_done: Cell<bool>,
    has_failed: Cell<bool>,
    request: Sight,
    response: Sight,
}

/// One direction.
#[derive(Default)]
struct Sight {
    head: Cell<bool>,
    ended: Cell<bool>,
    waits: Cell<bool>,
}

impl Life {
    fn of(&self, side: Side) -> &Sight {
        if side == Side::Request { &self.request } else { &self.response }
    }
}

struct Probe {
    run: Rc<Run>,
    life: Rc<Life>,
    phases: Phases,
    is_quiet: bool,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

/// Somebody waits for a word. Dropped when it came, or when nobody waits any more.
struct Wait {
    life: Rc<Life>,
    side: Side,
    word: Rc<Word>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.word.gone.set(true);
        self.life.of(self.side).waits.set(false);
    }
}

impl Probe {
    fn hook(&self, side: Side, hook: Hook) -> Step {
        let (run, sight) = (&self.run, self.life.of(side));
        run.hooks.set(run.hooks.get() + 1);
        run.check(!self.life.is_done.get(), "a hook after on_complete");
        run.check(!self.life.has_failed.get(), "a hook after a failure");
        run.check(!sight.waits.get(), "a hook while the direction waits");
        run.check(!sight.ended.get(), "a hook after the end of the direction");
        run.check(self.phases.intersects(hook.phase(side)), "a hook that nobody asked for");
        let is_end = match hook {
            Hook::Headers { end } => {
                run.check(!sight.head.replace(true), "a second head");
                end
            }
            Hook::Body { end } => end,
            Hook::Trailers => true,
        };
        sight.ended.set(is_end);
        let act = run.act();
        match act {
            Act::Later => Step::Later(self.wait(side)),
            Act::HoldUntil => Step::HoldUntil(self.wait(side)),
            Act::Continue | Act::Hold | Act::Respond | Act::Reset | Act::Fail => {
                verdict(act, &self.life, self.is_quiet).into()
            }
        }
    }

    fn wait(&self, side: Side) -> futures_util::future::LocalBoxFuture<'static, Verdict> {
        let word = Rc::<Word>::default();
        self.run.waiting.borrow_mut().push(Rc::clone(&word));
        self.life.of(side).waits.set(true);
        let wait = Wait { life: Rc::clone(&self.life), side, word };
        let is_quiet = self.is_quiet;
        Box::pin(async move {
            wait.word.signal.wait().await;
            verdict(wait.word.act.get().unwrap_or(Act::Continue), &wait.life, is_quiet)
        })
    }
}

/// A verdict, noted where no hook may follow it.
fn verdict(act: Act, life: &Life, is_quiet: bool) -> Verdict {
    let may_not = is_quiet && matches!(act, Act::Respond | Act::Reset);
    life.has_failed.set(life.has_failed.get() || act == Act::Fail || may_not);
    match act {
        Act::Continue | Act::Later => Verdict::Continue,
        Act::Hold | Act::HoldUntil => Verdict::Hold,
        Act::Respond => Verdict::Respond(Box::new(LocalReply::text(StatusCode::OK, "mine"))),
        Act::Reset => Verdict::Reset,
        Act::Fail => Verdict::Failed(fault()),
    }
}

impl StreamFilter for Probe {
    fn on_request_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.hook(Side::Request, Hook::Headers { end })
    }

    fn on_request_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.hook(Side::Request, Hook::Body { end })
    }

    fn on_request_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        self.hook(Side::Request, Hook::Trailers)
    }

    fn on_response_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.hook(Side::Response, Hook::Headers { end })
    }

    fn on_response_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.hook(Side::Response, Hook::Body { end })
    }

    fn on_response_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        self.hook(Side::Response, Hook::Trailers)
    }

    fn on_complete(&mut self, _stream: &Rc<Stream>) -> Result<(), PluginFault> {
        self.run.check(!self.life.has_failed.get(), "on_complete after a failure");
        self.run.check(!self.life.is_done.replace(true), "on_complete twice");
        if self.run.one_of(20) == 0 { Err(fault()) } else { Ok(()) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let is_over = self.life.is_done.get() || self.life.has_failed.get();
        self.run.check(is_over, "a filter that was never told of the end");
        self.run.filters.set(self.run.filters.get() - 1);
    }
}
