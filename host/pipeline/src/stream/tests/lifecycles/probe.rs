//! A filter that does anything, and watches that it is treated as the contract says.

use std::cell::Cell;

use host_extension::{CallError, CallResult, Capability, FilterFactory, PluginFault, StreamFilter};

use super::super::*;
use crate::testing::weather::{Act, Run, Word, fault, verdict};

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
        self.word.leave();
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
                verdict(act, &self.life.has_failed, self.is_quiet).into()
            }
        }
    }

    fn wait(&self, side: Side) -> futures_util::future::LocalBoxFuture<'static, Verdict> {
        let word = self.run.listen();
        self.life.of(side).waits.set(true);
        let wait = Wait { life: Rc::clone(&self.life), side, word };
        let is_quiet = self.is_quiet;
        Box::pin(async move {
            let act = wait.word.hear().await;
            verdict(act, &wait.life.has_failed, is_quiet)
        })
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
