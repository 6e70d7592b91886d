//! A session that says hello and nothing else: the proof that a child serves.

use abi_process::{
    bootstrap::TOKEN_KEY,
    handshake::shown,
    v1::{Event, HelloBack, Limits, ToPlugin, event, plugin_client::PluginClient},
};
use futures_util::{StreamExt, stream};
use tonic::{Code, Request, Status, metadata::MetadataValue};

use crate::{
    child::Reach,
    dial,
    hello::{self, BadAnswer},
};

/// Bytes of an answer to a hello.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why a hello was not answered as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HelloError {
    /// There is no connection.
    #[error("it cannot be connected to: {0}")]
    Connect(Box<str>),
    /// It does not speak gRPC, or broke off.
    #[error("it does not speak the protocol of plugins: {0}")]
    NotSpoken(Box<str>),
    /// It serves gRPC, but no plugin.
    #[error("it serves gRPC but not `mortise.plugin.v1.Plugin`")]
    NotServed,
    /// Its answer is none.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
}

/// Says hello, and is answered.
pub(crate) async fn hello(reach: &Reach, plugin: &str) -> Result<HelloBack, HelloError> {
    let opened = dial::open(reach).await;
    let opened = opened.map_err(|error| HelloError::Connect(error.to_string().into()))?;
    let channel = dial::channel(opened).await;
    let channel = channel.map_err(|error| HelloError::NotSpoken(causes(&error).into()))?;
    let mut client = PluginClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    // The stream stays open until this is dropped.
    let events = stream::iter([first(reach, plugin)]).chain(stream::pending());
    let mut request = Request::new(events);
    if let Some(token) = &reach.token
        && let Ok(token) = MetadataValue::try_from(token.as_ref())
    {
        request.metadata_mut().insert(TOKEN_KEY, token);
    }
    let mut replies =
        client.session(request).await.map_err(|status| refused(&status))?.into_inner();
    let message = replies.message().await.map_err(|status| refused(&status))?;
    let first = message.and_then(|message| message.replies.into_iter().next());
    Ok(hello::answer(first.and_then(|reply| reply.kind), reach)?)
}

fn first(reach: &Reach, plugin: &str) -> ToPlugin {
    let limits =
        Limits { message_bytes_max: 1 << 16, calls_max: 0, contexts_max: 0, answer_timeout_ms: 0 };
    let hello = hello::hello(reach, u32::MAX, plugin, limits);
    ToPlugin { events: vec![Event { kind: Some(event::Kind::Hello(hello)) }] }
}

fn refused(status: &Status) -> HelloError {
    if status.code() == Code::Unimplemented {
        return HelloError::NotServed;
    }
    let said = shown(status.message().as_bytes());
    HelloError::NotSpoken(format!("{:?}: {said}", status.code()).into())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
