//! What the kernel keeps from a child.
//!
//! Runs in the trampoline, right before it becomes the plugin's program. In order: limits of
//! resources, capabilities, no new privileges, Landlock (files, TCP, signals), seccomp (calls
//! that no plugin needs). Nothing here can be taken back by the child. What this kernel cannot
//! enforce is refused rather than left out, but for Landlock's features above its fourth version.

mod landlock;
mod limits;
mod seccomp;

use std::io;

use crate::launch::{
    order::{Order, Sandbox, Sockets},
    trampoline::Refusal,
};

pub(crate) use self::{landlock::probe as probe_landlock, seccomp::probe as probe_seccomp};

/// Why a child cannot be confined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfineError {
    /// The kernel cannot do it.
    #[error(
        "this kernel cannot confine the plugin: {0}; `sandbox: none` starts it with all that \
         the proxy may do (`mortise doctor` says what is missing)"
    )]
    Unsupported(String),
    /// A path of the configuration does not open.
    #[error("cannot allow reading {path}: {reason}")]
    Path {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// A limit was refused.
    #[error("cannot set the limit of {what}")]
    Limit {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ConfineError {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Unsupported(_) => Refusal::Unconfined,
            Self::Path { .. } | Self::Limit { .. } => Refusal::Fatal,
        }
    }
}

/// Confines the calling thread, and what it becomes.
pub(crate) fn apply(order: &Order, sandbox: &Sandbox) -> Result<(), ConfineError> {
    let sockets = Sockets::try_from(sandbox.sockets).unwrap_or(Sockets::None);
    limits::apply(sandbox)?;
    limits::drop_privileges()?;
    landlock::apply(order, sandbox, sockets)?;
    seccomp::apply(sockets)
}
