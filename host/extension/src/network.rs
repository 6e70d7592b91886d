//! Network filters: the L4 extension point.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::SystemTime,
};

use host_types::{ClusterName, Limits, ReplyReason};

use crate::{Attribute, BodyBuffer, ConnectionFacts, PluginFault, Signal, Step};

/// A direction of a connection's bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Flow {
    /// From the client.
    Downstream,
    /// To the client: from the upstream of a TCP proxy, or from our own HTTP.
    Upstream,
}

/// Who closed a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Peer {
    /// Not known.
    Unknown,
    /// We did.
    Local,
    /// The other side did.
    Remote,
}

/// The bytes of one direction. Borrowed for the length of one host call only.
#[derive(Debug, Default)]
pub struct FlowState {
    /// What the filter on duty sees: the newest bytes behind those that are held.
    pub bytes: RefCell<BodyBuffer>,
    /// True while a filter has the bytes in hand and may rewrite them.
    pub on_duty: Cell<bool>,
    /// How many bytes that filter may make of them, where that is less than
    /// [`Connection::held_bytes_max`].
    pub duty_bytes_max: Cell<Option<usize>>,
    /// Bytes that came so far, before filters.
    pub bytes_seen: Cell<u64>,
    /// True once nothing more can come.
    pub ended: Cell<bool>,
}

/// One downstream connection as network filters and host calls see it.
#[derive(Debug)]
pub struct Connection {
    /// What is known of it.
    pub facts: Rc<ConnectionFacts>,
    /// When it was accepted.
    pub started: SystemTime,
    /// The client's bytes.
    pub downstream: FlowState,
    /// The bytes for the client.
    pub upstream: FlowState,
    /// The endpoint that a TCP proxy chose, once it did.
    pub upstream_address: Cell<Option<std::net::SocketAddr>>,
    /// Our own address on the connection to it.
    pub upstream_local: Cell<Option<std::net::SocketAddr>>,
    /// The cluster that a TCP proxy sends to, once it does.
    pub cluster: OnceCell<ClusterName>,
    /// Attributes that plugins set, by path (segments joined by NUL).
    pub attributes: RefCell<Vec<Attribute>>,
    /// How many bytes of one direction a filter may hold, or make of what it has in hand.
    pub held_bytes_max: Cell<usize>,
    close: RefCell<Option<ReplyReason>>,
    closed: Signal,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(facts: Rc<ConnectionFacts>, started: SystemTime) -> Self {
        Self {
            facts,
            started,
            downstream: FlowState::default(),
            upstream: FlowState::default(),
            upstream_address: Cell::default(),
            upstream_local: Cell::default(),
            cluster: OnceCell::new(),
            attributes: RefCell::default(),
            held_bytes_max: Cell::new(Limits::default().held_body_bytes_max),
            close: RefCell::default(),
            closed: Signal::default(),
        }
    }

    /// The state of a direction.
    #[must_use]
    pub fn flow(&self, flow: Flow) -> &FlowState {
        match flow {
            Flow::Downstream => &self.downstream,
            Flow::Upstream => &self.upstream,
        }
    }

    /// Asks for the connection's end, from wherever; the first reason said stands.
    pub fn close(&self, reason: ReplyReason) {
        self.close.borrow_mut().get_or_insert(reason);
        self.closed.raise();
    }

    /// Why it was asked to end, if it was.
    #[must_use]
    pub fn close_reason(&self) -> Option<ReplyReason> {
        self.close.borrow().clone()
    }

    /// Waits until it is asked to end.
    pub async fn until_closed(&self) {
        poll_fn(|context| self.poll_closed(context)).await;
    }

    /// As [`Connection::until_closed`].
    pub fn poll_closed(&self, context: &Context<'_>) -> Poll<()> {
        self.closed.poll_raised(context)
    }
}

/// One plugin's part in one connection.
///
/// The pipeline makes one per connection and chain entry when the connection is accepted and
/// drops it after [`NetworkFilter::on_complete`]. Of a [`Step`] the verdict `Continue` passes
/// the bytes on to the next filter, `Hold` keeps them and calls again with more (up to the
/// listener's limit), `Respond` and `Reset` close the connection. After `Failed` no hook of
/// this filter is called again, not even `on_complete`.
///
/// Client bytes go through the filters in order, bytes for the client in reverse.
pub trait NetworkFilter: fmt::Debug {
    /// The connection was accepted. Nothing is read before this says to go on.
    fn on_new_connection(&mut self, connection: &Rc<Connection>) -> Step {
        let _ = connection;
        Step::CONTINUE
    }

    /// Bytes are in `connection.flow(flow)`: the newest, behind those that this filter holds.
    /// `end` says that no more follow in this direction; then there may be none.
    fn on_data(&mut self, connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        let _ = (connection, flow, end);
        Step::CONTINUE
    }

    /// One side was closed: `Flow::Downstream` is the client's connection, `Flow::Upstream` that
    /// to the upstream (or our own HTTP, which ended).
    ///
    /// # Errors
    /// The plugin failed. Where the other side is still open (the upstream of a tunnel ended its
    /// half), `on_error` is applied as for any other hook; a connection that is over does not
    /// notice.
    fn on_close(
        &mut self,
        connection: &Rc<Connection>,
        flow: Flow,
        by: Peer,
    ) -> Result<(), PluginFault> {
        let _ = (connection, flow, by);
        Ok(())
    }

    /// The connection is over. Called once, last.
    ///
    /// # Errors
    /// The plugin failed; the connection is over and does not notice.
    fn on_complete(&mut self, connection: &Rc<Connection>) -> Result<(), PluginFault> {
        let _ = connection;
        Ok(())
    }
}
