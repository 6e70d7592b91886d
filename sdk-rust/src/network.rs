//! Network filters: the bytes of one connection.

use std::fmt;

use crate::{
    CallFailure, CallId, FlowAction, Host, HostError, HttpAnswer, HttpRequest, Property,
    backend::{Backend, ContextId, http_call},
    check::check_path,
};

/// A direction of a connection's bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Flow {
    /// From the client.
    Downstream,
    /// To the client.
    Upstream,
}

/// Who closed a side of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Not known.
    Unknown,
    /// The proxy.
    Local,
    /// The other side.
    Remote,
}

/// One connection.
pub trait NetworkFilter {
    /// The connection was accepted; nothing was read yet.
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        let _ = connection;
        FlowAction::Continue
    }

    /// Bytes: the newest, behind those that were paused on. `end` says that no more follow in
    /// this direction; then there may be none.
    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        let _ = (connection, flow, end);
        FlowAction::Continue
    }

    /// A side was closed: [`Flow::Downstream`] is the client's.
    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        let _ = (connection, flow, by);
    }

    /// The answer to a request of [`Connection::http_call`].
    fn on_http_answer(
        &mut self,
        connection: &Connection<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        let _ = (connection, call);
        drop(answer);
    }

    /// The connection is over. Called last, where [`Phases::LOG`](crate::Phases::LOG) asks for
    /// it.
    fn on_complete(&mut self, connection: &Connection<'_>) {
        let _ = connection;
    }
}

/// Names a connection; unique in one started plugin, never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A connection as its filter may see and change it during a callback.
#[derive(Clone, Copy)]
pub struct Connection<'a> {
    backend: &'a dyn Backend,
    context: ContextId,
}

impl fmt::Debug for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("context", &self.context).finish_non_exhaustive()
    }
}

impl<'a> Connection<'a> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(backend: &'a dyn Backend, context: ContextId) -> Self {
        Self { backend, context }
    }

    /// The bytes in hand.
    ///
    /// # Errors
    /// `WrongPhase` outside [`NetworkFilter::on_data`] of that direction, `Denied`.
    pub fn data(&self, flow: Flow) -> Result<Vec<u8>, HostError> {
        self.backend.data(self.context, flow)
    }

    /// Replaces the bytes in hand.
    ///
    /// # Errors
    /// As for [`Connection::data`], and `LimitReached`.
    pub fn set_data(&self, flow: Flow, bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.splice_data(flow, 0, usize::MAX, bytes)
    }

    /// Replaces `length` of the bytes in hand from `start`, both cut to what is there: `(0, 0)`
    /// puts in front.
    ///
    /// # Errors
    /// As for [`Connection::set_data`].
    pub fn splice_data(
        &self,
        flow: Flow,
        start: usize,
        length: usize,
        with: impl AsRef<[u8]>,
    ) -> Result<(), HostError> {
        self.backend.splice_data(self.context, flow, start, length, with.as_ref())
    }

    /// What is asked of the host beside this connection.
    #[must_use]
    pub fn host(&self) -> Host<'a> {
        Host::new(self.backend)
    }

    /// Which connection. To be kept, and given to [`Host::connection`] when something of the
    /// plugin's concerns the connection.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        ConnectionId(self.context)
    }

    /// What the host knows of the connection, by path.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Property> {
        self.try_property(path).ok().flatten()
    }

    /// As [`Connection::property`], for who must tell what is not known from what cannot be asked.
    ///
    /// # Errors
    /// `BadArgument` for no path at all, `NotFound` where the connection is over, `Denied` (in a Wasm sandbox it reads as not known).
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

    /// Sends a request to a cluster; the answer comes to [`NetworkFilter::on_http_answer`].
    ///
    /// # Errors
    /// As for [`Stream::http_call`](crate::Stream::http_call).
    pub fn http_call(&self, request: &HttpRequest) -> Result<CallId, HostError> {
        http_call(self.backend, Some(self.context), request)
    }

    /// Lets the bytes go on that wait since [`FlowAction::Pause`].
    pub fn resume(&self, flow: Flow) {
        self.backend.resume_flow(self.context, flow);
    }

    /// Closes the connection, from a callback that has no [`FlowAction`] to say it with.
    pub fn close(&self) {
        self.backend.close(self.context);
    }
}
