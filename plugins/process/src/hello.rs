//! The hello of a session: what the proxy says first, and what a child has to answer.
//!
//! Said by the supervisor to know that a child serves (`bootstrap`), and by every session of a
//! worker (`session`). No connection is made here.

use abi_process::v1::{Hello, HelloBack, Limits, reply};

use crate::child::Reach;

/// The version of the protocol that is spoken.
const VERSION: u32 = 1;

/// Why an answer to a hello is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAnswer {
    /// It speaks another version than we do.
    #[error("it speaks version {0} of the protocol, and not {VERSION}")]
    Version(u32),
    /// It is something else.
    #[error("its first message is no answer to the hello")]
    NoHello,
    /// It is for another start of the plugin.
    #[error("it answered for start {0}, which this is not")]
    Generation(u32),
}

/// What is said to a child.
pub(crate) fn hello(reach: &Reach, worker: u32, plugin: &str, limits: Limits) -> Hello {
    Hello {
        versions: vec![VERSION],
        features: Vec::new(),
        generation: reach.generation,
        worker,
        plugin: plugin.to_owned(),
        limits: Some(limits),
    }
}

/// Judges the first thing that a child says.
///
/// # Errors
/// It is not what was asked for.
pub(crate) fn answer(first: Option<reply::Kind>, reach: &Reach) -> Result<HelloBack, BadAnswer> {
    let Some(reply::Kind::Hello(back)) = first else { return Err(BadAnswer::NoHello) };
    if back.version != VERSION {
        return Err(BadAnswer::Version(back.version));
    }
    if back.generation != reach.generation {
        return Err(BadAnswer::Generation(back.generation));
    }
    Ok(back)
}

#[cfg(test)]
mod tests;
