//! The beginning of a session: the connection, and a hello each way.

use std::sync::Arc;

use abi_process::v1;
use bytes::Bytes;
use host_extension::{FaultKind, PluginFault};
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{
    connect::{self, ConnectError},
    frame,
    limits::{CALLS_MAX, ENDING_MAX, MESSAGE_BYTES_MAX},
    link::ChildLink,
    outbox::Outbox,
};
use crate::{
    child::Reach,
    hello::{self, BadAnswer},
};

/// A session that a child has said hello on.
pub(super) struct Opened {
    pub(super) inbound: Streaming<Bytes>,
    /// What it said in one breath with that.
    pub(super) rest: Bytes,
    /// To be held as long as the session.
    pub(super) channel: Channel,
}

/// Connects, says hello and hears it back.
pub(super) async fn open(
    link: &ChildLink,
    reach: &Arc<Reach>,
    outbox: &Arc<Outbox>,
    worker: u32,
) -> Result<Opened, PluginFault> {
    let refused = |error: &ConnectError| {
        // The supervisor has heard its hello; who is not there now has died since, which is no
        // fault of the use that asks.
        let kind = match error {
            ConnectError::Transport(_) | ConnectError::Refused(_) => FaultKind::Crashed,
            ConnectError::Token => FaultKind::LoadFailed,
        };
        fault_of(link, kind, &error.to_string())
    };
    let hello = hello::hello(reach, worker, link.name.as_str(), limits(link));
    let hello = v1::event::Kind::Hello(hello);
    if let Err(error) = outbox.ask(hello) {
        return Err(fault_of(link, FaultKind::Protocol, &error.to_string()));
    }
    let channel = connect::dial(reach).await.map_err(|error| refused(&error))?;
    let opened = connect::open(channel.clone(), reach, outbox).await;
    let mut inbound = opened.map_err(|error| refused(&error))?;
    let mut rest = match inbound.message().await {
        Ok(Some(message)) => message,
        Ok(None) => return Err(fault_of(link, FaultKind::Crashed, "it ended its session")),
        Err(status) => return Err(broken(link, &status)),
    };
    check_hello(link, reach, &mut rest)?;
    Ok(Opened { inbound, rest, channel })
}

fn limits(link: &ChildLink) -> v1::Limits {
    let contexts_max = link.limits.contexts_max.saturating_add(ENDING_MAX);
    v1::Limits {
        message_bytes_max: narrow(MESSAGE_BYTES_MAX),
        calls_max: narrow(CALLS_MAX),
        contexts_max: narrow(contexts_max),
        answer_timeout_ms: u32::try_from(link.settings.call_timeout.as_millis())
            .unwrap_or(u32::MAX),
    }
}

/// The first reply says hello.
fn check_hello(link: &ChildLink, reach: &Reach, message: &mut Bytes) -> Result<(), PluginFault> {
    let broke = |what: &str| fault_of(link, FaultKind::Protocol, what);
    let reply = frame::next_reply(message).map_err(|error| broke(&error.to_string()))?;
    let answer = hello::answer(reply.and_then(|reply| reply.kind), reach);
    answer.map(drop).map_err(|bad| match bad {
        BadAnswer::Version(_) => fault_of(link, FaultKind::LoadFailed, &bad.to_string()),
        BadAnswer::NoHello | BadAnswer::Generation(_) => broke(&bad.to_string()),
    })
}

/// What the end of the stream means.
pub(super) fn broken(link: &ChildLink, status: &Status) -> PluginFault {
    // Of ours: a message that is too large, or is none.
    let is_malformed =
        matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted | Code::Internal);
    let kind = if is_malformed { FaultKind::Protocol } else { FaultKind::Crashed };
    fault_of(link, kind, &connect::story(status))
}

pub(super) fn fault_of(link: &ChildLink, kind: FaultKind, what: &str) -> PluginFault {
    let name = &link.name;
    PluginFault::new(kind, format!("the session with the child of plugin `{name}` ended: {what}"))
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
