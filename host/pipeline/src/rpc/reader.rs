//! The reading side of a connection: bytes become frames, frames become tasks.
//!
//! Where as many requests are under way as may be, more wait in order, and heartbeats are answered
//! past them. Nothing is read while enough wait, or while the client does not take its replies.
//! What it does because time passed is in `clocks.rs`. Start reading at [`Reader::run`].

mod clocks;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    mem::{MaybeUninit, take},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use host_extension::{Decoded, FRAMES_MAX, Interrupt, PoolMode};
use host_types::{Frame, FrameKind, ReplyReason};
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use self::clocks::{Clocks, Due, State};
use super::{RpcConnection, call::serve_call};

/// Bytes of one read. They stand on the stack, so that a connection that is silent keeps none.
const READ_BYTES_MAX: usize = 16 * 1024;

/// Requests that wait for their turn, and their bytes, past which nothing more is read.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Longest time, and most bytes, that a client sends on once its connection is over.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1024 * 1024;
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
    clocks: Clocks,
}

/// A frame, and when it came.
struct Waiting {
    frame: Frame,
    came: Instant,
}

/// What a turn of the reader's loop is about.
enum Turn {
    CallEnded(Result<(), JoinError>),
    Read(io::Result<usize>),
    Drain,
    LastOrders,
    Room,
    Clock,
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
            clocks: Clocks::new(),
        }
    }

    /// Reads until the connection may end in order, once what waits for the client is written.
    ///
    /// # Errors
    /// It must end at once, for this reason.
    pub(super) async fn run(mut self) -> Result<(), ReplyReason> {
        let listener = Rc::clone(&self.connection.listener);
        let mut drain = pin!(listener.until_drain());
        let mut last_orders = pin!(last_orders(self.connection));
        let mut clock = pin!(sleep_until(self.wakes_at()));
        loop {
            self.begin_calls().await?;
            self.end_at_border();
            if self.is_over() {
                return Ok(());
            }
            let (can_read, is_full) = (self.can_read(), !self.connection.outbox.has_room());
            self.clocks.pause(can_read);
            let (wakes_at, most) = (self.wakes_at(), self.read_bytes_max());
            if wakes_at < clock.deadline() {
                clock.as_mut().reset(wakes_at);
            }
            let turn = tokio::select! {
                biased;
                Some(ended) = self.calls.join_next() => Turn::CallEnded(ended),
                () = last_orders.as_mut(), if !self.ended => Turn::LastOrders,
                read = fill(&mut self.read, &mut self.bytes, most), if can_read => Turn::Read(read),
                () = drain.as_mut(), if !self.clocks.is_draining() => Turn::Drain,
                () = self.connection.outbox.until_room(), if is_full => Turn::Room,
                () = clock.as_mut() => Turn::Clock,
            };
            let is_clock = matches!(turn, Turn::Clock);
            self.take_turn(turn).await?;
            if is_clock {
                clock.as_mut().reset(self.wakes_at());
            }
        }
    }

    async fn take_turn(&mut self, turn: Turn) -> Result<(), ReplyReason> {
        match turn {
            Turn::CallEnded(ended) => {
                self.clocks.frame(true); // its reply was a frame, too
                note_panic(ended);
            }
            Turn::Read(read) => self.took(read).await?,
            Turn::Drain => self.drain().await?,
            Turn::LastOrders => self.ended = true,
            Turn::Clock => self.look_at_clocks(),
            Turn::Room => {}
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
        self.waiting.push_back(Waiting { frame, came: self.clocks.active() });
    }

    /// Bytes of the next read: those of the last frame, where that is known.
    fn read_bytes_max(&self) -> usize {
        if !self.clocks.is_last_frame() {
            return READ_BYTES_MAX;
        }
        self.needed.saturating_sub(self.bytes.len()).clamp(1, READ_BYTES_MAX)
    }

    /// Where no frames but the one that has begun are wanted, it ends behind that.
    fn end_at_border(&mut self) {
        // A codec may say what it needs of a frame that has not begun.
        let is_border = self.bytes.is_empty() || self.bytes.len() >= self.needed;
        if self.clocks.is_last_frame() && !self.is_more && is_border {
            self.ended = true;
        }
    }

    /// True where the connection may end once everything is written.
    fn is_over(&self) -> bool {
        self.ended && self.is_free()
    }

    fn is_free(&self) -> bool {
        self.calls.is_empty() && self.waiting.is_empty()
    }

    /// Bytes came, or the client went. Where it says in order that it sends nothing more, it may
    /// wait for its replies.
    async fn took(&mut self, read: io::Result<usize>) -> Result<(), ReplyReason> {
        if read.map_err(|_gone| ReplyReason::ClientGone)? == 0 {
            self.ended = true;
            return Ok(());
        }
        if self.bytes.len() < self.needed {
            self.clocks.read(false, true);
            return Ok(());
        }
        self.decode().await
    }

    async fn decode(&mut self) -> Result<(), ReplyReason> {
        let connection = Rc::clone(self.connection);
        let answer = connection.answer(connection.codec.decode(take(&mut self.bytes))).await;
        let Decoded { frames, rest, needed, lost, response_to: _ } = answer.map_err(reason_of)?;
        self.is_more = frames.len() >= FRAMES_MAX && !rest.is_empty() && lost.is_none();
        // An empty rest may keep the memory of all that was read.
        self.bytes = if rest.is_empty() { BytesMut::new() } else { rest };
        self.needed = needed;
        self.clocks.read(!frames.is_empty(), !self.bytes.is_empty() && !self.is_more);
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
        self.clocks.frame(is_request);
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
        let within = self.connection.listener.state().worker.drain_timeout.get();
        self.clocks.drain(word.is_some(), within);
        if let Some(word) = word {
            connection.counts.frame(FrameKind::GoAway);
            connection.outbox.push(word);
        }
        Ok(())
    }

    /// When something is due, or may be.
    fn wakes_at(&self) -> Instant {
        let limits = &self.connection.listener.state().plan.limits;
        let next = self.clocks.next(self.state(), limits);
        next.map_or_else(|| Instant::now() + limits.idle_timeout, |(at, _due)| at)
    }

    fn state(&self) -> State {
        State {
            is_free: self.is_free(),
            is_read: self.can_read(),
            is_ended: self.ended,
            frame_bytes: self.needed.max(self.bytes.len()),
        }
    }

    /// Time passed.
    fn look_at_clocks(&mut self) {
        let listener = self.connection.listener.state();
        let next = self.clocks.next(self.state(), &listener.plan.limits);
        match next.filter(|(at, _)| *at <= Instant::now()).map(|(_, due)| due) {
            None => {}
            Some(Due::Idle | Due::Quiet) => self.ended = true,
            Some(Due::FrameLate) => self.refuse("the rest of a frame did not come in time"),
            Some(Due::LastFrame) => self.clocks.last_frame(),
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

/// Reads once, so many bytes at most. Nothing is lost where it is dropped before it is done.
async fn fill<R>(read: &mut R, bytes: &mut BytesMut, most: usize) -> io::Result<usize>
where
    R: AsyncRead + Unpin,
{
    poll_fn(|context| poll_fill(Pin::new(&mut *read), bytes, most, context)).await
}

fn poll_fill<R: AsyncRead>(
    read: Pin<&mut R>,
    bytes: &mut BytesMut,
    most: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
    let mut buffer = ReadBuf::uninit(space.get_mut(..most).unwrap_or_default());
    ready!(read.poll_read(context, &mut buffer))?;
    bytes.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Reads on and drops what comes, until the client has closed its side, but not for long: a
/// socket that is closed with unread bytes in it takes the last replies away from its client.
pub(super) async fn linger<R: AsyncRead + Unpin>(read: &mut R) {
    let dropping = async {
        let (mut bytes, mut dropped) = (BytesMut::new(), 0);
        while dropped < LINGER_BYTES_MAX {
            match fill(read, &mut bytes, READ_BYTES_MAX).await {
                Ok(count) if count > 0 => dropped += count,
                Ok(_) | Err(_) => return,
            }
            bytes.clear();
        }
    };
    // Whoever still sends has had its time.
    drop(timeout(LINGER_MAX, dropping).await);
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
