//! The gRPC service: each session gets a thread for its plugins, and this file carries messages
//! between that thread and the socket.
//!
//! Both ways are bounded: a thread that does not read stops the reading of its session, and with
//! it the proxy's writing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use abi_process::{
    bootstrap::TOKEN_KEY,
    v1::{ToPlugin, plugin_server::Plugin},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    engine,
    link::{Link, Outgoing},
};
use crate::backend::Declaration;

/// Messages on their way to a thread of plugins, and from it.
const QUEUE_MAX: usize = 32;
/// Sessions at a time: more than any machine has workers.
const SESSIONS_MAX: usize = 1024;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    declaration: &'static Declaration,
    token: Option<Arc<str>>,
    open: Arc<AtomicUsize>,
}

/// The place of an open session.
struct Place(Arc<AtomicUsize>);

impl Sessions {
    /// A service of these plugins, for who knows the token.
    pub(super) fn new(declaration: &'static Declaration, token: Option<Arc<str>>) -> Self {
        Self { declaration, token, open: Arc::default() }
    }

    fn check_token(&self, request: &Request<Streaming<ToPlugin>>) -> Result<(), Status> {
        let Some(token) = &self.token else { return Ok(()) };
        let shown = request.metadata().get(TOKEN_KEY).map(|value| value.as_bytes());
        if is_same(shown.unwrap_or_default(), token.as_bytes()) {
            return Ok(());
        }
        Err(Status::unauthenticated("the session does not carry the token of this start"))
    }

    fn take_place(&self) -> Result<Place, Status> {
        let place = Place(Arc::clone(&self.open));
        if self.open.fetch_add(1, Ordering::Relaxed) < SESSIONS_MAX {
            return Ok(place);
        }
        Err(Status::resource_exhausted("too many sessions are open"))
    }
}

#[tonic::async_trait]
impl Plugin for Sessions {
    type SessionStream = ReceiverStream<Outgoing>;

    async fn session(
        &self,
        request: Request<Streaming<ToPlugin>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        self.check_token(&request)?;
        let place = self.take_place()?;
        let (to_thread, events) = mpsc::channel(QUEUE_MAX);
        let (replies, to_socket) = mpsc::channel(QUEUE_MAX);
        let declaration = self.declaration;
        let refusals = replies.clone();
        let run = move || {
            engine::run(declaration, Link::new(events, replies));
            drop(place);
        };
        thread::Builder::new()
            .name("plugins".to_owned())
            .spawn(run)
            .map_err(|error| Status::resource_exhausted(format!("no thread: {error}")))?;
        tokio::spawn(carry(request.into_inner(), to_thread, refusals));
        Ok(Response::new(ReceiverStream::new(to_socket)))
    }
}

/// Carries events to the thread until either side is gone.
async fn carry(
    mut incoming: Streaming<ToPlugin>,
    to_thread: mpsc::Sender<ToPlugin>,
    refusals: mpsc::Sender<Outgoing>,
) {
    loop {
        let next = tokio::select! {
            next = incoming.message() => next,
            // The session ended from our side; who is still there to send is not waited for.
            () = to_thread.closed() => return,
        };
        match next {
            Ok(Some(message)) => {
                if to_thread.send(message).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(refusal) => {
                // Where nobody listens any more nobody needs to know.
                drop(refusals.send(Err(refusal)).await);
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes as long for a wrong token of this length as for the right one.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |all, (one, other)| all | (one ^ other));
    shown.len() == token.len() && differing == 0
}
