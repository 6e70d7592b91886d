//! The reading side of a connection: bytes become frames, frames become tasks.
//!
//! Where as many requests are under way as may be, more wait in order, and heartbeats are answered
//! past them. Nothing is read while enough wait, or while the client does not take its replies. Start reading at [`Reader::run`].

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    mem::{MaybeUninit, take},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use host_extension::{Decoded, FRAMES_MAX, Interrupt, PoolMode};
use host_types::{Frame, FrameKind, ReplyReason};
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{RpcConnection, call::serve_call};

/// Bytes of one read. They stand on the stack, so that a connection that is silent keeps none.
const READ_BYTES_MAX: usize = 16 * 1024;

/// Requests that wait for their turn, and their bytes, past which nothing more is read.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 1024 * 1024;

const TOO_LARGE: &str = "a frame is larger than the listener's limit";

/// Reads one connection.
pub(super) struct Reader<'a, R> {
    connection: &'a Rc<RpcConnection>,
    /// The requests that are under way.
    calls: &'a mut JoinSet<()>,
    read: R,
    /// The beginning of a frame.
    bytes: BytesMut,
    /// How long that frame is, where that is known.
    needed: usize,
    /// There may be more whole frames in `bytes`.
    is_more: bool,
    /// Frames whose turn has not come.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Nothing more is read.
    ended: bool,
    draining: Draining,
    /// When the last frame came or went.
    active: Instant,
}

/// A frame, and when it came.
struct Waiting {
    frame: Frame,
    came: Instant,
}

/// Whether the client is to go elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Draining {
    No,
    /// It was told; it closes when it is ready.
    Told,
    /// It cannot be told: the connection is closed when it is quiet.
    Untold,
}

/// What a turn of the reader's loop is about.
enum Turn {
    CallEnded(Result<(), JoinError>),
    Read(io::Result<usize>),
    Drain,
    LastOrders,
    Room,
    Idle,
}

impl<'a, R: AsyncRead + Unpin> Reader<'a, R> {
    pub(super) fn new(
        connection: &'a Rc<RpcConnection>,
        calls: &'a mut JoinSet<()>,
        read: R,
    ) -> Self {
        Self {
            connection,
            calls,
            read,
            bytes: BytesMut::new(),
            needed: 0,
            is_more: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ended: false,
            draining: Draining::No,
            active: Instant::now(),
        }
    }

    /// Reads until the connection must end at once, and says why. Where it may end in order, the
    /// outbox is told, and the connection is over when that is empty.
    pub(super) async fn run(mut self) -> ReplyReason {
        let listener = Rc::clone(&self.connection.listener);
        let mut drain = pin!(listener.until_drain());
        let mut last_orders = pin!(last_orders(self.connection));
        let mut idle = pin!(sleep_until(self.idle_at()));
        loop {
            if let Err(broken) = self.begin_calls().await {
                return broken;
            }
            if self.is_over() {
                self.connection.outbox.finish();
                std::future::pending::<()>().await;
            }
            let (can_read, is_full) = (self.can_read(), !self.connection.outbox.has_room());
            let turn = tokio::select! {
                biased;
                Some(ended) = self.calls.join_next() => Turn::CallEnded(ended),
                () = last_orders.as_mut(), if !self.ended => Turn::LastOrders,
                read = fill(&mut self.read, &mut self.bytes), if can_read => Turn::Read(read),
                () = drain.as_mut(), if self.draining == Draining::No => Turn::Drain,
                () = self.connection.outbox.until_room(), if is_full => Turn::Room,
                () = idle.as_mut() => Turn::Idle,
            };
            if matches!(turn, Turn::Idle) {
                self.look_for_idleness();
                idle.as_mut().reset(self.idle_at());
            }
            if let Err(broken) = self.take_turn(turn).await {
                return broken;
            }
        }
    }

    async fn take_turn(&mut self, turn: Turn) -> Result<(), ReplyReason> {
        match turn {
            Turn::CallEnded(ended) => {
                self.active = Instant::now(); // its reply was a frame, too
                note_panic(ended);
            }
            Turn::Read(read) => self.took(read).await?,
            Turn::Drain => self.drain().await?,
            Turn::LastOrders => self.ended = true,
            Turn::Room | Turn::Idle => {}
        }
        Ok(())
    }

    /// Starts what waits, as far as there may be more requests under way.
    async fn begin_calls(&mut self) -> Result<(), ReplyReason> {
        loop {
            while let Some(next) = self.next_waiting() {
                self.begin(next).await?;
            }
            if !(self.is_more && self.may_more_wait()) {
                return Ok(());
            }
            self.decode().await?;
        }
    }

    fn next_waiting(&mut self) -> Option<Waiting> {
        let next = self.waiting.front()?.frame.raw.len();
        if self.calls.len() >= self.calls_max() || !self.connection.has_room_for(next) {
            return None;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(next);
        self.waiting.pop_front()
    }

    async fn begin(&mut self, next: Waiting) -> Result<(), ReplyReason> {
        let Waiting { frame, came } = next;
        if frame.kind == FrameKind::Heartbeat {
            return self.answer_heartbeat(&frame).await;
        }
        let connection = Rc::clone(self.connection);
        let held = connection.hold(frame.raw.len());
        self.calls.spawn_local(async move {
            serve_call(connection, frame, came).await;
            drop(held);
        });
        Ok(())
    }

    fn calls_max(&self) -> usize {
        if self.is_ping_pong() {
            return 1;
        }
        let state = self.connection.listener.state();
        usize::try_from(state.plan.limits.streams_per_connection_max).unwrap_or(usize::MAX).max(1)
    }

    fn is_ping_pong(&self) -> bool {
        self.connection.profile.pool == PoolMode::PingPong
    }

    fn can_read(&self) -> bool {
        let is_wanted = !self.ended && !self.is_more && self.may_more_wait();
        is_wanted && self.connection.outbox.has_room()
    }

    fn may_more_wait(&self) -> bool {
        let most = self.connection.listener.state().plan.limits.rpc_bytes_max;
        let bytes_max = WAITING_BYTES_MAX.min(most);
        self.waiting.len() < WAITING_MAX && self.waiting_bytes < bytes_max
    }

    fn wait_in_line(&mut self, frame: Frame) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(frame.raw.len());
        self.waiting.push_back(Waiting { frame, came: self.active });
    }

    /// True where the connection may end once everything is written.
    fn is_over(&self) -> bool {
        let is_last = match self.draining {
            Draining::Untold => self.bytes.is_empty(),
            Draining::No | Draining::Told => false,
        };
        (self.ended || is_last) && self.calls.is_empty() && self.waiting.is_empty()
    }

    /// Bytes came, or the client went.
    async fn took(&mut self, read: io::Result<usize>) -> Result<(), ReplyReason> {
        match read {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return Err(ReplyReason::ClientGone),
        }
        if self.bytes.len() < self.needed {
            self.active = Instant::now(); // a long frame makes progress
            return Ok(());
        }
        self.decode().await
    }

    async fn decode(&mut self) -> Result<(), ReplyReason> {
        let connection = Rc::clone(self.connection);
        let answer = connection.answer(connection.codec.decode(take(&mut self.bytes))).await;
        let Decoded { frames, rest, needed, lost } = answer.map_err(reason_of)?;
        self.is_more = frames.len() >= FRAMES_MAX && !rest.is_empty() && lost.is_none();
        // An empty rest may keep the memory of all that was read.
        self.bytes = if rest.is_empty() { BytesMut::new() } else { rest };
        self.needed = needed;
        let frame_bytes_max = connection.listener.state().plan.limits.frame_bytes_max;
        for frame in frames {
            if frame.raw.len() > frame_bytes_max {
                self.refuse(TOO_LARGE);
                return Ok(());
            }
            self.accept(frame).await?;
        }
        if let Some(why) = lost {
            self.refuse(&why);
        } else if !self.is_more && needed.max(self.bytes.len()) > frame_bytes_max {
            self.refuse(TOO_LARGE);
        }
        Ok(())
    }

    fn refuse(&mut self, why: &str) {
        self.ended = true;
        self.is_more = false;
        self.bytes = BytesMut::new();
        self.connection.refuse(why);
    }

    /// Decides what becomes of a frame.
    async fn accept(&mut self, frame: Frame) -> Result<(), ReplyReason> {
        let counts = &self.connection.counts;
        counts.frame(frame.kind);
        let is_request = matches!(frame.kind, FrameKind::Request | FrameKind::OneWay);
        // A client that was told to go is waited for as long as it has requests.
        if is_request || self.draining != Draining::Told {
            self.active = Instant::now();
        }
        match frame.kind {
            FrameKind::Request | FrameKind::OneWay => self.wait_in_line(frame),
            // Without ids, a reply belongs to its place in the order.
            FrameKind::Heartbeat if self.is_ping_pong() => self.wait_in_line(frame),
            FrameKind::Heartbeat => return self.answer_heartbeat(&frame).await,
            FrameKind::Response => counts.malformed_total.increment(), // nobody asked it
            FrameKind::HeartbeatReply | FrameKind::GoAway => {}
        }
        Ok(())
    }

    async fn answer_heartbeat(&self, heartbeat: &Frame) -> Result<(), ReplyReason> {
        let connection = self.connection;
        if heartbeat.malformed.is_some() {
            connection.counts.malformed_total.increment();
            return Ok(());
        }
        let reply = connection.answer(connection.codec.heartbeat_reply(heartbeat)).await;
        if let Some(reply) = reply.map_err(reason_of)? {
            connection.counts.frame(FrameKind::HeartbeatReply);
            connection.outbox.push(reply);
        }
        Ok(())
    }

    /// The client should go elsewhere.
    async fn drain(&mut self) -> Result<(), ReplyReason> {
        let connection = self.connection;
        let word = if connection.profile.go_away {
            connection.answer(connection.codec.go_away()).await.map_err(reason_of)?
        } else {
            None
        };
        self.draining = if word.is_some() { Draining::Told } else { Draining::Untold };
        if let Some(word) = word {
            connection.counts.frame(FrameKind::GoAway);
            connection.outbox.push(word);
        }
        Ok(())
    }

    fn idle_at(&self) -> Instant {
        self.active + self.connection.listener.state().plan.limits.idle_timeout
    }

    /// Time passed. A connection with requests under way is never idle.
    fn look_for_idleness(&mut self) {
        let now = Instant::now();
        if !self.calls.is_empty() || !self.waiting.is_empty() {
            self.active = now;
        } else if now >= self.idle_at() {
            self.ended = true;
        }
    }
}

/// Waits until nothing more should be read: somebody said so, or the one upstream connection of
/// this client is gone.
async fn last_orders(connection: &RpcConnection) {
    let is_bound = connection.profile.pool == PoolMode::Bound;
    tokio::select! {
        () = connection.last_orders.wait() => {}
        () = connection.session.until_upstream_closed(), if is_bound => {}
    }
}

/// Reads once. Nothing is lost where it is dropped before it is done.
async fn fill<R: AsyncRead + Unpin>(read: &mut R, bytes: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|context| poll_fill(Pin::new(&mut *read), bytes, context)).await
}

fn poll_fill<R: AsyncRead>(
    read: Pin<&mut R>,
    bytes: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(read.poll_read(context, &mut buffer))?;
    bytes.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// A codec's fault ends the connection for this reason.
fn reason_of(broken: Interrupt) -> ReplyReason {
    match broken {
        Interrupt::Reply(reason, _) | Interrupt::Reset(reason) => reason,
    }
}

/// Says so where the task of a request panicked, which is a bug; its connection lives on.
pub(super) fn note_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "the task of a request panicked");
    }
}
