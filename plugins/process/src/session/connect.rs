//! The way to a session: a connection to the child, and the call that is the session.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use abi_process::bootstrap::TOKEN_KEY;
use bytes::Bytes;
use http::{Uri, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tower_service::Service;

use super::{
    frame::SessionCodec,
    limits::MESSAGE_BYTES_MAX,
    outbox::{Outbox, Outgoing},
};
use crate::{
    child::Reach,
    dial::{self, ORIGIN, Stream},
};

/// The method of a session.
const SESSION: &str = "/mortise.plugin.v1.Plugin/Session";

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Nobody listens there, or breaks off.
    #[error("no connection: {0}")]
    Transport(String),
    /// It is no server of the protocol, or refuses us.
    #[error("the session was refused: {0}")]
    Refused(String),
    /// The token is none.
    #[error("its token cannot be sent")]
    Token,
}

/// A connection to the child.
///
/// # Errors
/// There is none to be had.
pub(super) async fn dial(reach: &Arc<Reach>) -> Result<Channel, ConnectError> {
    let endpoint = Endpoint::from_static(ORIGIN);
    let connected = endpoint.connect_with_connector(Dial(Arc::clone(reach))).await;
    connected.map_err(|error| ConnectError::Transport(words(&error)))
}

/// Opens a session, on which all that comes into the outbox is sent.
///
/// # Errors
/// The child refuses it.
pub(super) async fn open(
    channel: Channel,
    reach: &Reach,
    outbox: &Arc<Outbox>,
) -> Result<Streaming<Bytes>, ConnectError> {
    let mut client = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    client.ready().await.map_err(|error| ConnectError::Transport(words(&error)))?;
    let mut request = Request::new(Outgoing(Arc::clone(outbox)));
    if let Some(token) = &reach.token {
        let token: MetadataValue<Ascii> = token.parse().map_err(|_no_token| ConnectError::Token)?;
        request.metadata_mut().insert(TOKEN_KEY, token);
    }
    let opened = client.streaming(request, PathAndQuery::from_static(SESSION), SessionCodec).await;
    match opened {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(ConnectError::Refused(story(&status))),
    }
}

/// A status in words.
pub(super) fn story(status: &Status) -> String {
    format!("{:?}: {}", status.code(), cut(status.message()))
}

/// At most so much of what a child says is shown.
fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words.push_str(": ");
        words.push_str(&next.to_string());
        cause = next.source();
    }
    words
}

/// Connects where a child listens.
#[derive(Clone, Debug)]
struct Dial(Arc<Reach>);

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Stream>>>> + Send>>;

impl Service<Uri> for Dial {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Connecting {
        let reach = Arc::clone(&self.0);
        Box::pin(async move { dial::open(&reach).await.map(TokioIo::new) })
    }
}
