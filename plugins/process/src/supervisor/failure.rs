//! Why a child did not get ready, and whether trying again may help.

use std::io;

use super::{process::Ended, restarts::NotReady};
use crate::{bootstrap::HelloError, go_plugin::GoPluginError, hello::BadAnswer};

/// Why a child did not get ready.
#[derive(Debug)]
pub(crate) struct StartFailure {
    pub(crate) kind: NotReady,
    pub(crate) text: String,
}

impl StartFailure {
    pub(super) fn new(kind: NotReady, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(super) fn passing(what: &str, error: &io::Error) -> Self {
        Self::new(NotReady::Passing, format!("{what}: {error}"))
    }
}

pub(super) fn ended_early(ended: Ended, also: Option<StartFailure>) -> StartFailure {
    let (kind, hint) = match ended {
        Ended::Code(127) => (NotReady::Fatal, " (a command was not found)"),
        Ended::Code(126) => (NotReady::Fatal, " (a command could not be executed)"),
        Ended::Signal(31) => (NotReady::Passing, " (it made a system call that is denied to it)"),
        Ended::Code(_) | Ended::Signal(_) | Ended::Unknown => (NotReady::Passing, ""),
    };
    let also = also.map(|failure| format!(" ({})", failure.text)).unwrap_or_default();
    StartFailure::new(kind, format!("it ended {ended}{hint} before it was ready{also}"))
}

pub(super) fn hello_failure(error: &HelloError) -> StartFailure {
    let kind = match error {
        HelloError::Answer(BadAnswer::Version(_)) | HelloError::NotServed => NotReady::Fatal,
        HelloError::Connect(_) => NotReady::Passing,
        HelloError::NotSpoken(_) | HelloError::Answer(_) => NotReady::Misunderstood,
    };
    StartFailure::new(kind, error.to_string())
}

pub(super) fn go_failure(error: &GoPluginError) -> StartFailure {
    let misunderstood = matches!(
        error,
        GoPluginError::TooLong { .. }
            | GoPluginError::Handshake(_)
            | GoPluginError::Address { .. }
            | GoPluginError::Unhealthy(_)
    );
    let kind = match (error.is_final(), misunderstood) {
        (true, _) => NotReady::Fatal,
        (false, true) => NotReady::Misunderstood,
        (false, false) => NotReady::Passing,
    };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    StartFailure::new(kind, text)
}
