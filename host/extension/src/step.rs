//! What a hook answers.

use std::fmt;

use futures_util::future::LocalBoxFuture;

use crate::{LocalReply, PluginFault};

/// The answer of a hook: now, or later.
///
/// A synchronous backend answers [`Step::Ready`], which allocates nothing. A backend that
/// must wait (a child process, a guest that paused the stream) answers [`Step::Later`]; the
/// direction of that stream waits with it, and nothing else does. The future owns what it
/// needs, so that the filter stays free for the hooks of the other direction.
#[must_use]
pub enum Step {
    /// The verdict stands.
    Ready(Verdict),
    /// The verdict comes when the future is done; past the listener's `stall_timeout` the stream
    /// or connection ends.
    Later(LocalBoxFuture<'static, Verdict>),
    /// As [`Verdict::Hold`] of a body, unless the future is done before more of it comes: then
    /// its verdict stands for what is held. Of any other hook, and at the end of a body or of one
    /// direction of a connection, this is [`Step::Later`].
    HoldUntil(LocalBoxFuture<'static, Verdict>),
}

/// How a direction of a stream goes on.
#[must_use]
pub enum Verdict {
    /// Go on with the next filter.
    Continue,
    /// Keep what came so far and call again with more. A held body grows up to the
    /// listener's limit; at the end of the message a hold ends as `Continue`.
    Hold,
    /// What a [`Step::Later`] of a body comes to where a [`Step::HoldUntil`] is meant: a hold
    /// that the future may end before more comes. Of any other hook it is [`Verdict::Hold`].
    HoldUntil(LocalBoxFuture<'static, Self>),
    /// Answer the client now. After the response's head is on its way, this resets.
    Respond(Box<LocalReply>),
    /// Break the stream off.
    Reset,
    /// The plugin failed: apply `on_error`.
    Failed(PluginFault),
}

impl Step {
    /// Go on at once.
    pub const CONTINUE: Self = Self::Ready(Verdict::Continue);
}

impl From<Verdict> for Step {
    fn from(verdict: Verdict) -> Self {
        Self::Ready(verdict)
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Hold => f.write_str("Hold"),
            Self::HoldUntil(_) => f.write_str("HoldUntil"),
            Self::Respond(reply) => f.debug_tuple("Respond").field(reply).finish(),
            Self::Reset => f.write_str("Reset"),
            Self::Failed(fault) => f.debug_tuple("Failed").field(fault).finish(),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(verdict) => f.debug_tuple("Ready").field(verdict).finish(),
            Self::Later(_) => f.write_str("Later"),
            Self::HoldUntil(_) => f.write_str("HoldUntil"),
        }
    }
}
