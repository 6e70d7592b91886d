//! What a root has under way: calls to clusters, its timer, its places at queues.
//!
//! Everything here is counted and limited, and ends with the root. What comes of it comes from
//! the worker's loop, never from within a host call; the callbacks are in `outbound::deliver`.

mod deliver;
mod ids;
mod tally;

use std::{collections::HashMap, fmt, rc::Rc};

use bytes::Bytes;
use host_extension::{CallResult, GrpcStream, QueueId, Subscription};

use self::tally::Counted;
pub(crate) use self::{
    deliver::Target,
    ids::{CallIds, CallKind},
    tally::Tally,
};

/// What one root has under way.
#[derive(Default)]
pub(crate) struct Outbound {
    /// What it is counted by, alone or with others.
    tally: Rc<Tally>,
    http: HashMap<u32, HttpUnderWay>,
    grpc: HashMap<u32, GrpcUnderWay>,
    tick: Option<Subscription>,
    queues: HashMap<QueueId, Subscription>,
    /// How the last call or stream ended that did not end with an answer: a number and words.
    pub(crate) last_status: (u32, Box<str>),
}

struct HttpUnderWay {
    _counted: Counted,
    _subscription: Subscription,
}

/// A gRPC call or stream that is open.
struct GrpcUnderWay {
    stream: Rc<dyn GrpcStream>,
    answer: UnaryAnswer,
    _counted: Counted,
}

/// What came so far for a call that has one answer. It is handed over when the call ends well.
#[derive(Debug, Default)]
pub(crate) enum UnaryAnswer {
    /// Nothing.
    #[default]
    None,
    /// The answer.
    One(Bytes),
    /// More than one, which breaks the protocol.
    Many,
}

impl Outbound {
    /// Of a root that is counted with others.
    pub(crate) fn within(tally: &Rc<Tally>) -> Self {
        Self { tally: Rc::clone(tally), ..Self::default() }
    }

    /// Whether one more HTTP call of so many bytes may begin.
    pub(crate) fn check_http(&self, bytes: usize) -> CallResult<()> {
        self.tally.check_http(bytes)
    }

    /// An HTTP call has begun.
    pub(crate) fn insert_http(&mut self, id: u32, bytes: usize, subscription: Subscription) {
        let counted = self.tally.count_http(bytes);
        self.http.insert(id, HttpUnderWay { _counted: counted, _subscription: subscription });
    }

    /// An HTTP call has ended; `None` where it is not known.
    fn take_http(&mut self, id: u32) -> Option<HttpUnderWay> {
        self.http.remove(&id)
    }

    /// Whether one more gRPC call or stream may begin.
    pub(crate) fn check_grpc(&self) -> CallResult<()> {
        self.tally.check_grpc()
    }

    /// A gRPC call or stream has begun.
    pub(crate) fn insert_grpc(&mut self, id: u32, stream: Rc<dyn GrpcStream>) {
        let counted = self.tally.count_grpc();
        self.grpc.insert(id, GrpcUnderWay { stream, answer: UnaryAnswer::None, _counted: counted });
    }

    /// An open gRPC call or stream.
    pub(crate) fn grpc(&self, id: u32) -> Option<Rc<dyn GrpcStream>> {
        self.grpc.get(&id).map(|call| Rc::clone(&call.stream))
    }

    /// A gRPC call or stream has ended. Dropping what this answers cancels it.
    pub(crate) fn take_grpc(&mut self, id: u32) -> Option<(Rc<dyn GrpcStream>, UnaryAnswer)> {
        self.grpc.remove(&id).map(|call| (call.stream, call.answer))
    }

    /// A message came for a call that has one answer.
    fn keep_answer(&mut self, id: u32, message: Bytes) {
        if let Some(call) = self.grpc.get_mut(&id) {
            call.answer = match call.answer {
                UnaryAnswer::None => UnaryAnswer::One(message),
                UnaryAnswer::One(_) | UnaryAnswer::Many => UnaryAnswer::Many,
            };
        }
    }

    /// True where a call or stream has this number.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.http.contains_key(&id) || self.grpc.contains_key(&id)
    }

    /// Sets the timer, or stops it; answers with the one before, to drop.
    pub(crate) fn set_tick(&mut self, tick: Option<Subscription>) -> Option<Subscription> {
        std::mem::replace(&mut self.tick, tick)
    }

    /// The queues at which the root has a place.
    pub(crate) fn queues(&self) -> impl ExactSizeIterator<Item = QueueId> {
        self.queues.keys().copied()
    }

    /// A place at a queue; answers with the one before, to drop.
    pub(crate) fn insert_queue(
        &mut self,
        queue: QueueId,
        place: Subscription,
    ) -> Option<Subscription> {
        self.queues.insert(queue, place)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("http", &self.http.len())
            .field("grpc", &self.grpc.len())
            .field("ticks", &self.tick.is_some())
            .field("queues", &self.queues.len())
            .finish_non_exhaustive()
    }
}
