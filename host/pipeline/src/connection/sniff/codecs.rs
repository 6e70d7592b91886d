//! Whose frames a connection speaks: the codecs of its listener are asked in their order.

use std::{rc::Rc, time::Duration};

use host_extension::{Codec, CodecStep, DETECT_BYTES_MAX, Detection, FaultKind, PluginFault};
use host_net::PrefixedIo;
use host_types::Limits;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{connection::ClientIo, listener::CodecEntry};

/// What came of asking the codecs.
pub(crate) enum Asked {
    /// The connection is this one's.
    Codec(CodecEntry, Rc<dyn Codec>),
    /// It is none of theirs.
    None,
    /// It ended first, or nothing came.
    Silent,
    /// A codec failed.
    Failed(CodecEntry, PluginFault),
}

/// A codec that may be the right one.
struct Candidate<'a> {
    entry: &'a CodecEntry,
    codec: Rc<dyn Codec>,
}

/// Reads until it is clear whose frames these are. The first codec that knows them as its own
/// has the connection; while one needs more bytes, those behind it wait. Where no more come in
/// time, what it has is not its own.
pub(crate) async fn ask_codecs(
    io: &mut PrefixedIo<ClientIo>,
    entries: &[CodecEntry],
    limits: &Limits,
) -> Asked {
    let mut candidates = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.factory.codec() {
            Ok(codec) => candidates.push(Candidate { entry, codec }),
            Err(fault) => return Asked::Failed(entry.clone(), fault),
        }
    }
    let mut deadline = Instant::now() + limits.idle_timeout;
    let mut no_more_comes = false;
    loop {
        let first = io.prefix().is_empty();
        if !first {
            let is_all = no_more_comes || io.prefix().len() >= DETECT_BYTES_MAX;
            if let Some(asked) = ask(&mut candidates, io.prefix(), is_all, limits).await {
                return asked;
            }
        } else if no_more_comes {
            return Asked::Silent;
        }
        let read = timeout_at(deadline, io.fill(DETECT_BYTES_MAX)).await;
        if first {
            deadline = Instant::now() + limits.header_timeout;
        }
        match read {
            Ok(Ok(read)) if read > 0 => {}
            Ok(Err(_gone)) => return Asked::Silent,
            Ok(Ok(_)) | Err(_) => no_more_comes = true,
        }
    }
}

/// Asks those that are left; `None` where one of them needs more bytes, of which there may be.
async fn ask(
    candidates: &mut Vec<Candidate<'_>>,
    first: &[u8],
    is_all: bool,
    limits: &Limits,
) -> Option<Asked> {
    while let Some(Candidate { entry, codec }) = candidates.first() {
        match detect(&**codec, first, limits.stall_timeout).await {
            Ok(Detection::Match) => return Some(Asked::Codec((*entry).clone(), Rc::clone(codec))),
            Ok(Detection::NeedMore) if !is_all => return None,
            Ok(Detection::NeedMore | Detection::No) => drop(candidates.remove(0)),
            Err(fault) => return Some(Asked::Failed((*entry).clone(), fault)),
        }
    }
    Some(Asked::None)
}

async fn detect(
    codec: &dyn Codec,
    first: &[u8],
    stall: Duration,
) -> Result<Detection, PluginFault> {
    match codec.detect(first) {
        CodecStep::Ready(detection) => detection,
        CodecStep::Later(detection) => timeout(stall, detection).await.unwrap_or_else(|_late| {
            Err(PluginFault::new(FaultKind::TimedOut, "its codec did not answer in time"))
        }),
    }
}

#[cfg(test)]
mod tests;
