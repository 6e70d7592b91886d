//! How a plugin fails. A fault is a value, never a panic.

use std::fmt;

/// One failure of a plugin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct PluginFault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// One line for a person: what happened, and what to do where that is known.
    pub message: Box<str>,
}

/// The kinds of failure; each is a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// It could not be read, verified, compiled, started or configured.
    LoadFailed,
    /// It trapped.
    Trapped,
    /// It ran past its budget.
    TimedOut,
    /// It asked for more memory than it may have.
    OutOfMemory,
    /// Its process died.
    Crashed,
    /// It broke the rules of its interface.
    Protocol,
    /// Policy forbids it to run, or to do what it did.
    Denied,
    /// It used more processor time than it may in a second; its instance is well.
    Overspent,
    /// Its instance went away under it because of a fault of another stream. The fault
    /// itself was counted there.
    InstanceLost,
}

impl PluginFault {
    /// A fault of a kind, with its story.
    #[must_use]
    pub fn new(kind: FaultKind, message: impl Into<Box<str>>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::LoadFailed,
        Self::Trapped,
        Self::TimedOut,
        Self::OutOfMemory,
        Self::Crashed,
        Self::Protocol,
        Self::Denied,
        Self::Overspent,
        Self::InstanceLost,
    ];

    /// A short stable word for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::LoadFailed => "load_failed",
            Self::Trapped => "trapped",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::Crashed => "crashed",
            Self::Protocol => "protocol",
            Self::Denied => "denied",
            Self::Overspent => "overspent",
            Self::InstanceLost => "instance_lost",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
