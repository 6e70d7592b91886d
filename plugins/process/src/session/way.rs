//! One direction of a context: the exchange under way, and the wait for its end.
//!
//! A direction has at most one exchange under way. Its hook waits in a [`Waiting`] until the child
//! has answered; after an answer that pauses it waits on until the child resumes the direction.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context as Task, Poll, Waker},
};

use host_extension::{Flow, PluginFault, Side, Verdict};

use super::context::Context;

/// A direction of a stream or connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dir {
    /// Towards the upstream.
    In,
    /// Back.
    Out,
}

impl From<Side> for Dir {
    fn from(side: Side) -> Self {
        match side {
            Side::Request => Self::In,
            Side::Response => Self::Out,
        }
    }
}

impl From<Flow> for Dir {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Downstream => Self::In,
            Flow::Upstream => Self::Out,
        }
    }
}

/// What a pause means for the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnPause {
    /// The direction waits until the child resumes it.
    Wait,
    /// The bytes are kept, and the hook is called again with more.
    Hold,
}

/// How the child wants a direction to go on.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// At once, in this way.
    Now(Verdict),
    /// Not before it says so.
    Pause,
}

/// The state of a direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// The number of the newest exchange; zero before the first one.
    exchange: Cell<u64>,
    stage: RefCell<Stage>,
    /// The child said "go on" since that exchange began.
    resumed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Bytes of the body, or of the connection, that the child has and keeps.
    pub(crate) kept: Cell<usize>,
    /// The child may not see these bytes, and keeps none.
    pub(super) is_hidden: Cell<bool>,
    /// It may not because its policy says so: that is not asked again for each piece.
    pub(super) is_denied: Cell<bool>,
    /// A change of these bytes was not made that the child takes for made.
    diverged: Cell<bool>,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nobody waits.
    #[default]
    Idle,
    /// The child was asked.
    Asked(OnPause),
    /// The hook has its verdict.
    Answered(Verdict),
    /// The child keeps what was asked of a body until more comes, or until it resumes it.
    Holding,
    /// The child lets the direction wait.
    Paused,
}

impl Way {
    /// An exchange begins.
    pub(super) fn begin(&self, exchange: u64, on_pause: OnPause) {
        self.exchange.set(exchange);
        self.resumed.set(false);
        self.diverged.set(false);
        self.stage.replace(Stage::Asked(on_pause));
    }

    /// True while the child owes the answer to this exchange.
    pub(super) fn awaits(&self, exchange: u64) -> bool {
        self.exchange.get() == exchange && matches!(*self.stage.borrow(), Stage::Asked(_))
    }

    /// The child changed the bytes, and believes so also where it failed.
    pub(super) fn note_change(&self, failed: bool) {
        self.diverged.set(self.diverged.get() || failed);
    }

    /// The child keeps what is in hand now. Where that is not what it believes, it is shown all
    /// of it again.
    pub(super) fn keep(&self, in_hand: usize) {
        self.kept.set(if self.diverged.take() { 0 } else { in_hand });
    }

    /// True while the child keeps bytes between two exchanges.
    pub(super) fn is_holding(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Holding)
    }

    /// The child answered. True where it keeps the bytes.
    pub(super) fn rule(&self, ruling: Ruling) -> bool {
        let mut stage = self.stage.borrow_mut();
        let Stage::Asked(on_pause) = *stage else { return false };
        let (next, keeps) = match ruling {
            Ruling::Now(verdict) => (Stage::Answered(verdict), false),
            Ruling::Pause if self.resumed.get() => (Stage::Answered(Verdict::Continue), false),
            Ruling::Pause if on_pause == OnPause::Hold => (Stage::Holding, true),
            Ruling::Pause => (Stage::Paused, false),
        };
        *stage = next;
        drop(stage);
        self.wake();
        keeps
    }

    /// The child says that the direction goes on.
    pub(super) fn resume(&self) {
        self.resumed.set(true);
        let mut stage = self.stage.borrow_mut();
        if matches!(*stage, Stage::Paused | Stage::Holding) {
            *stage = Stage::Answered(Verdict::Continue);
            drop(stage);
            // They are passed on: what comes next does not lie behind them.
            self.kept.set(0);
            self.wake();
        }
    }

    /// Whoever waits here hears of a fault.
    pub(super) fn fail(&self, fault: &PluginFault) {
        let mut stage = self.stage.borrow_mut();
        if matches!(*stage, Stage::Asked(_) | Stage::Paused | Stage::Holding) {
            *stage = Stage::Answered(Verdict::Failed(fault.clone()));
            drop(stage);
            self.wake();
        }
    }

    /// Nobody waits any more for the answer to this exchange.
    fn forget(&self, exchange: u64) {
        if self.awaits(exchange) {
            self.stage.replace(Stage::Idle);
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Waits for the end of one exchange.
#[derive(Debug)]
pub(crate) struct Waiting {
    context: Rc<Context>,
    dir: Dir,
    exchange: u64,
    /// The child has said that it holds, and the pipeline knows.
    is_held: bool,
}

impl Waiting {
    pub(super) fn new(context: Rc<Context>, dir: Dir, exchange: u64) -> Self {
        Self { context, dir, exchange, is_held: false }
    }
}

impl Future for Waiting {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Verdict> {
        let context = Rc::clone(&self.context);
        let way = context.way(self.dir);
        if way.exchange.get() != self.exchange {
            return Poll::Pending; // another hook has taken its place; nobody asks here any more
        }
        let mut stage = way.stage.borrow_mut();
        match &*stage {
            Stage::Answered(_) => {
                let Stage::Answered(verdict) = std::mem::take(&mut *stage) else {
                    return Poll::Pending;
                };
                Poll::Ready(verdict)
            }
            Stage::Holding if !self.is_held => {
                let mut held = Self::new(Rc::clone(&context), self.dir, self.exchange);
                held.is_held = true;
                self.is_held = true;
                Poll::Ready(Verdict::HoldUntil(Box::pin(held)))
            }
            Stage::Idle | Stage::Asked(_) | Stage::Holding | Stage::Paused => {
                let mut waker = way.waker.borrow_mut();
                match &mut *waker {
                    Some(known) => known.clone_from(task.waker()),
                    none => *none = Some(task.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.context.way(self.dir).forget(self.exchange);
    }
}

#[cfg(test)]
mod tests;
