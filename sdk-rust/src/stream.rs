//! Stream filters: one request with its response.

use std::fmt;

use crate::{
    Action, CallFailure, CallId, Host, HostError, HttpAnswer, HttpRequest, Message, Property,
    Response,
    backend::{Backend, ContextId, http_call},
    check::{check_path, check_response},
};

/// A direction of a stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// One request with its response.
///
/// `end` says that nothing of this direction follows. Callbacks of the two directions may come
/// in any order; those of one direction come in the order of the message.
pub trait StreamFilter {
    /// The request's head, before it is routed.
    fn on_request_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        let _ = (stream, end);
        Action::Continue
    }

    /// A part of the request's body: the newest bytes, behind those that were paused on.
    fn on_request_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        let _ = (stream, end);
        Action::Continue
    }

    /// The request's trailers.
    fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
        let _ = stream;
        Action::Continue
    }

    /// The response's head.
    fn on_response_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        let _ = (stream, end);
        Action::Continue
    }

    /// As [`StreamFilter::on_request_body`], for the response.
    fn on_response_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        let _ = (stream, end);
        Action::Continue
    }

    /// The response's trailers.
    fn on_response_trailers(&mut self, stream: &Stream<'_>) -> Action {
        let _ = stream;
        Action::Continue
    }

    /// The answer to a request of [`Stream::http_call`]. What waits is resumed from here.
    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        let _ = (stream, call);
        drop(answer);
    }

    /// The stream is over. Called last, where [`Phases::LOG`](crate::Phases::LOG) asks for it.
    fn on_complete(&mut self, stream: &Stream<'_>) {
        let _ = stream;
    }
}

/// Names a stream; unique in one started plugin, never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stream as its filter may see and change it during a callback.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    backend: &'a dyn Backend,
    context: ContextId,
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("context", &self.context).finish_non_exhaustive()
    }
}

impl<'a> Stream<'a> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(backend: &'a dyn Backend, context: ContextId) -> Self {
        Self { backend, context }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> Message<'a> {
        Message::new(self.backend, self.context, Side::Request)
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> Message<'a> {
        Message::new(self.backend, self.context, Side::Response)
    }

    /// What is asked of the host beside this stream.
    #[must_use]
    pub fn host(&self) -> Host<'a> {
        Host::new(self.backend)
    }

    /// Which stream. To be kept, and given to [`Host::stream`] when something of the plugin's
    /// concerns the stream.
    #[must_use]
    pub fn id(&self) -> StreamId {
        StreamId(self.context)
    }

    /// What the host knows of the stream, by path: `["source", "address"]`. `None` where it
    /// knows no such thing, or not yet.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Property> {
        self.try_property(path).ok().flatten()
    }

    /// As [`Stream::property`], for who must tell what is not known from what cannot be asked.
    ///
    /// # Errors
    /// `BadArgument` for no path at all, `NotFound` where the stream is over, `Denied` (in a Wasm sandbox it reads as not known).
    pub fn try_property(&self, path: &[&str]) -> Result<Option<Property>, HostError> {
        check_path(path)?;
        Ok(self.backend.property(Some(self.context), path)?.map(Property))
    }

    /// Sets a property that other plugins and the access log can read.
    ///
    /// # Errors
    /// `BadArgument` for a path that is the host's own or none at all, `LimitReached`, `Denied`.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) -> Result<(), HostError> {
        check_path(path)?;
        self.backend.set_property(self.context, path, value.as_ref())
    }

    /// Sends a request to a cluster; the answer comes to [`StreamFilter::on_http_answer`].
    ///
    /// # Errors
    /// `NotFound` for an unknown cluster (`BadArgument` in a Wasm sandbox, which has no other
    /// word for it), `BadArgument`, `LimitReached`, `Denied`.
    pub fn http_call(&self, request: &HttpRequest) -> Result<CallId, HostError> {
        http_call(self.backend, Some(self.context), request)
    }

    /// Lets the request go on that waits since [`Action::Pause`].
    pub fn resume_request(&self) {
        self.backend.resume(self.context, Side::Request);
    }

    /// Lets the response go on that waits since [`Action::Pause`].
    pub fn resume_response(&self) {
        self.backend.resume(self.context, Side::Response);
    }

    /// Answers the client, from a callback that has no [`Action`] to say it with.
    ///
    /// # Errors
    /// `BadArgument` for a response that cannot be sent, `LimitReached` for one of more than 1024
    /// fields, 1 MiB of them or 15 MiB of body, `Denied`.
    pub fn respond(&self, response: &Response) -> Result<(), HostError> {
        check_response(response)?;
        self.backend.respond(self.context, response)
    }

    /// Breaks the stream off, from a callback that has no [`Action`] to say it with.
    pub fn reset(&self) {
        self.backend.reset(self.context);
    }
}
