//! One upstream connection of an RPC protocol, as its requests and its pool see it.
//!
//! Its task ([`super::task`]) reads and writes; here is what both sides share: the ids, the queue,
//! and whether it still takes requests. A [`Seat`] is the right to have one request under way on
//! it. Whatever way a connection ends, [`Connection::end`] is called once, and who waits learns
//! of it from [`Connection::failure`].

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use host_extension::{Codec, PoolMode, Signal};
use host_telemetry::ClusterMetrics;
use host_types::{ClusterName, Frame};
use tokio::{sync::oneshot, time::Instant};

use super::{
    RpcProtocol,
    ids::{Ids, Owner},
    life::Silence,
    lists::{self, Key},
    queue::{Queue, Ticket},
    seat::Seat,
};
use crate::{ConnectionEnd, UpstreamError, pool::Slot};

/// Ids of one connection that may wait for late responses. An upstream that lets so many
/// requests down gets no more of them on this connection.
const LATE_MAX: usize = 1024;

/// The id under which the only request of a ping-pong connection waits.
pub(super) const ONLY: u64 = 0;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) key: Key,
    pub(super) local: Option<SocketAddr>,
    pub(super) mode: PoolMode,
    pub(super) codec: Rc<dyn Codec>,
    pub(super) queue: Queue,
    /// Held by the connection's task: gone means that the connection is.
    slot: Weak<Slot>,
    pub(super) cluster: ClusterName,
    /// Longest wait for room in the queue.
    pub(super) pending_timeout: Duration,
    metrics: Arc<ClusterMetrics>,
    ids: RefCell<Ids>,
    state: Cell<State>,
    /// Raised when the task is to end.
    pub(super) closing: Signal,
    why: RefCell<Option<Arc<ConnectionEnd>>>,
    /// Requests that have a seat.
    seats: Cell<usize>,
    seats_max: usize,
    served: Cell<bool>,
    idle_since: Cell<Option<Instant>>,
    /// When frames came last, and how often they did.
    pub(super) heard: Cell<Instant>,
    pub(super) reads: Cell<u64>,
    silence: Silence,
    /// A heartbeat is on its way, which a ping-pong protocol lets nothing overtake.
    beating: Cell<bool>,
    /// Raised when a bound connection ends.
    ended: Option<Rc<Signal>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Takes requests.
    Open,
    /// Ends when nothing is under way; until then requests of its own client are taken.
    Leaving,
    /// Takes no requests, and ends when nothing is under way.
    Draining,
    /// Over.
    Ended,
}

impl Connection {
    pub(super) fn new(
        protocol: &RpcProtocol,
        codec: Rc<dyn Codec>,
        key: Key,
        slot: &Rc<Slot>,
        ended: Option<Rc<Signal>>,
    ) -> Rc<Self> {
        let profile = protocol.profile;
        let pool = slot.pool();
        let seats_max = match profile.pool {
            PoolMode::PingPong => 1,
            PoolMode::Multiplexed | PoolMode::Bound => pool.plan().rpc.requests_per_connection_max,
        };
        // Our own heartbeats on a connection whose ids are the client's: far from those.
        let last = match profile.pool {
            PoolMode::Bound => profile.id_width.max() / 2,
            PoolMode::Multiplexed | PoolMode::PingPong => 0,
        };
        let state = if pool.keeps(key.address()) { State::Open } else { State::Leaving };
        Rc::new(Self {
            key,
            local: slot.local_address(),
            mode: profile.pool,
            codec,
            queue: Queue::default(),
            slot: Rc::downgrade(slot),
            cluster: pool.plan().name.clone(),
            pending_timeout: pool.plan().pool.pending_timeout,
            metrics: Arc::clone(pool.metrics()),
            ids: RefCell::new(Ids::new(profile.id_width, last)),
            state: Cell::new(state),
            closing: Signal::default(),
            why: RefCell::default(),
            seats: Cell::new(0),
            seats_max: seats_max.max(1),
            served: Cell::new(false),
            idle_since: Cell::new(Some(Instant::now())),
            heard: Cell::new(Instant::now()),
            reads: Cell::new(0),
            silence: Silence::default(),
            beating: Cell::new(false),
            ended,
        })
    }

    /// True where a request that nobody else has a claim on may be put on it.
    pub(super) fn has_room(&self) -> bool {
        self.state.get() == State::Open && self.has_seat() && !self.codec.is_lost()
    }

    fn has_seat(&self) -> bool {
        self.seats.get() < self.seats_max && !self.beating.get()
    }

    /// A seat, where [`Connection::has_room`].
    pub(super) fn seat(self: &Rc<Self>) -> Option<Seat> {
        self.has_room().then(|| self.sit())
    }

    /// A seat for a request of the client that the connection is bound to.
    pub(super) fn bound_seat(self: &Rc<Self>) -> Result<Seat, UpstreamError> {
        match self.state.get() {
            State::Open | State::Leaving if self.has_seat() => Ok(self.sit()),
            State::Open | State::Leaving => {
                self.metrics.overflow_total.increment();
                Err(UpstreamError::PoolFull { cluster: self.cluster.clone() })
            }
            State::Draining | State::Ended => Err(self.failure(false)),
        }
    }

    /// The first seat of a connection that was just made.
    pub(super) fn first_seat(self: &Rc<Self>) -> Seat {
        self.sit()
    }

    fn sit(self: &Rc<Self>) -> Seat {
        self.seats.set(self.seats.get() + 1);
        self.idle_since.set(None);
        let id = (self.mode == PoolMode::Multiplexed).then(|| self.ids.borrow_mut().reserve());
        Seat { connection: Rc::clone(self), id, reused: self.served.replace(true) }
    }

    /// A request is over, and its id free where it was not used.
    pub(super) fn stand_up(self: &Rc<Self>, id: Option<u64>) {
        if let Some(id) = id {
            self.ids.borrow_mut().unreserve(id);
        }
        let seats = self.seats.get().saturating_sub(1);
        self.seats.set(seats);
        if seats == 0 {
            self.idle_since.set(Some(Instant::now()));
            if matches!(self.state.get(), State::Leaving | State::Draining) {
                self.end(ConnectionEnd::Replaced);
            }
        }
        let Some(slot) = self.slot.upgrade() else { return };
        if seats == 0 {
            lists::vacated(slot.pool(), self);
        }
        slot.pool().serve();
    }

    /// When its last request ended, where none is under way.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.idle_since.get()
    }

    /// The endpoint is not worth keeping a connection to: it ends when nothing is under way.
    pub(crate) fn leave(self: &Rc<Self>) {
        self.finish(State::Leaving);
    }

    /// Takes no requests any more, and ends when nothing is under way.
    pub(super) fn drain(self: &Rc<Self>) {
        self.finish(State::Draining);
        if let Some(slot) = self.slot.upgrade() {
            lists::remove(slot.pool(), self);
        }
    }

    fn finish(self: &Rc<Self>, state: State) {
        if matches!(self.state.get(), State::Ended | State::Draining) {
            return;
        }
        self.state.set(state);
        if self.seats.get() == 0 {
            self.end(ConnectionEnd::Replaced);
        }
    }

    /// Gives its place in the pool back although it is still closing.
    pub(super) fn release(&self) {
        if let Some(slot) = self.slot.upgrade() {
            slot.release();
        }
    }

    /// It is over: whoever waits learns why.
    pub(super) fn end(self: &Rc<Self>, why: ConnectionEnd) {
        if self.state.replace(State::Ended) == State::Ended {
            return;
        }
        self.why.replace(Some(Arc::new(why)));
        if let Some(slot) = self.slot.upgrade() {
            lists::remove(slot.pool(), self);
        }
        let waiting = self.ids.borrow_mut().take_all();
        drop(waiting);
        self.queue.close();
        self.closing.raise();
        if let Some(ended) = &self.ended {
            ended.raise();
        }
    }

    /// What a request is told that the connection let down.
    pub(super) fn failure(&self, sent: bool) -> UpstreamError {
        let source = self.why.borrow().clone().unwrap_or_else(|| Arc::new(ConnectionEnd::Replaced));
        if sent {
            self.metrics.resets_total.increment();
        }
        UpstreamError::ConnectionEnded { cluster: self.cluster.clone(), sent, source }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.get() == State::Ended
    }

    pub(super) fn is_busy(&self, id: u64) -> bool {
        self.ids.borrow().is_busy(id)
    }

    /// The request of this ticket waits for the response with this id.
    pub(super) fn wait(&self, id: u64, answer: oneshot::Sender<Frame>, ticket: Ticket) {
        self.ids.borrow_mut().wait(id, answer, ticket);
    }

    /// An id for a heartbeat.
    pub(super) fn fresh_id(&self) -> u64 {
        self.ids.borrow_mut().fresh()
    }

    /// A heartbeat goes out. False where it must wait because of a request.
    pub(super) fn begin_heartbeat(&self) -> bool {
        if self.mode == PoolMode::PingPong {
            if self.seats.get() > 0 {
                return false;
            }
            self.beating.set(true);
        }
        true
    }

    /// Frames of any kind came.
    pub(super) fn heard(&self) {
        self.heard.set(Instant::now());
        self.silence.broken();
        self.reads.set(self.reads.get().wrapping_add(1));
        self.end_heartbeat();
    }

    /// No heartbeat is on its way any more.
    pub(super) fn end_heartbeat(&self) {
        if self.beating.replace(false)
            && let Some(slot) = self.slot.upgrade()
        {
            slot.pool().serve();
        }
    }

    /// Hands a response to whoever waits for it.
    pub(super) fn answered(self: &Rc<Self>, frame: Frame) {
        let key = if self.mode == PoolMode::PingPong { ONLY } else { frame.id };
        let owner = self.ids.borrow_mut().answered(key, |ticket| self.queue.is_unsent(ticket));
        match owner {
            // It cannot have been given up: then it were no longer in the table.
            Owner::Waiting { answer } => drop(answer.send(frame)),
            Owner::Late => self.metrics.rpc_late_total.increment(),
            Owner::Unknown => {
                self.unknown();
                if self.mode == PoolMode::PingPong {
                    // What it sends next might be taken for the answer to another request.
                    self.end(ConnectionEnd::OutOfTurn);
                }
            }
        }
    }

    /// A frame that nobody waits for.
    pub(super) fn unknown(&self) {
        self.metrics.rpc_unknown_total.increment();
    }

    pub(super) fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }

    /// Nobody waits any more for the answer to what was asked at this time.
    pub(super) fn give_up(self: &Rc<Self>, key: u64, ticket: Ticket, asked: Instant) {
        if self.state.get() == State::Ended {
            return;
        }
        let unsent = self.queue.take_back(ticket);
        let mut ids = self.ids.borrow_mut();
        if !ids.give_up(key, ticket, unsent) || unsent {
            return;
        }
        let late = ids.late();
        drop(ids);
        let seems_dead = self.silence.given_up(asked.max(self.heard.get()), Instant::now());
        match self.mode {
            // The next request would get its answer.
            PoolMode::PingPong => self.end(ConnectionEnd::GivenUp),
            PoolMode::Multiplexed | PoolMode::Bound if late >= LATE_MAX || seems_dead => {
                self.drain();
            }
            PoolMode::Multiplexed | PoolMode::Bound => {}
        }
    }

    #[cfg(test)]
    pub(super) fn ids_taken(&self) -> usize {
        self.ids.borrow().taken()
    }
}
