//! A connection's task: opens it, reads, decodes and hands out what comes, writes what waits.
//!
//! All parts run side by side in one task, and the first that ends ends the connection. Start
//! reading at [`open`].

use std::{net::SocketAddr, pin::Pin, rc::Rc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use host_extension::{CodecStep, FRAMES_MAX, FaultKind, PluginFault, ResponseTo, Signal};
use host_types::{Frame, FrameKind};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    RpcProtocol,
    connection::Connection,
    life,
    lists::{self, Key},
    seat::Seat,
};
use crate::{
    ConnectionEnd, UpstreamError,
    pool::{Slot, connect},
};

/// How long a peer may take no byte of what waits for it, and a codec may take for an answer;
/// past it the connection is taken for dead.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// Room for one read.
const READ_BYTES: usize = 16 * 1024;

/// Longest response that is read over where it is too long to be read. A longer one is likelier
/// damage than an answer.
const SKIPPED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection in `slot`, and its first seat.
pub(super) async fn open(
    slot: Slot,
    address: SocketAddr,
    protocol: &RpcProtocol,
    ended: Option<Rc<Signal>>,
) -> Result<Seat, UpstreamError> {
    let pool = Rc::clone(slot.pool());
    let codec = protocol.factory.codec().map_err(|fault| UpstreamError::CodecFailed {
        cluster: pool.plan().name.clone(),
        source: Box::new(fault),
    })?;
    let key = Key::new(address, protocol);
    let stream = connect::open(&pool, address).await.inspect_err(|_| {
        // Each of those who wait would try in its turn.
        lists::cannot_connect(&pool, &key);
    })?;
    host_net::limit_unacknowledged(&stream, STALL).map_err(|source| {
        let error = host_net::ConnectError::Failed { address, source };
        UpstreamError::connect(pool.plan().name.clone(), error)
    })?;
    slot.opened(stream.local_addr().ok());
    let slot = Rc::new(slot);
    let connection = Connection::new(protocol, codec, key, &slot, ended);
    let seat = connection.first_seat();
    if pool.keeps(address) {
        lists::add(&pool, &connection);
    }
    slot.settled();
    let task = Task { connection, slot, protocol: protocol.clone() };
    tokio::task::spawn_local(task.run(stream));
    // Those who waited for this connection share it.
    pool.serve();
    Ok(seat)
}

/// What the task holds. However it ends, who waits learns of it.
struct Task {
    connection: Rc<Connection>,
    slot: Rc<Slot>,
    protocol: RpcProtocol,
}

/// What was read and is no whole frame.
#[derive(Default)]
struct Begun {
    /// The beginning of a frame.
    bytes: BytesMut,
    /// How many bytes there must be before it is looked at again.
    needed: usize,
    /// Bytes still to come that are read over.
    skipped: usize,
}

impl Begun {
    /// Reads over what is to be.
    fn skip(&mut self) {
        let count = self.skipped.min(self.bytes.len());
        self.bytes.advance(count);
        self.skipped -= count;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.connection.end(ConnectionEnd::Replaced);
    }
}

impl Task {
    async fn run(self, mut stream: TcpStream) {
        let (reader, writer) = stream.split();
        let connection = &self.connection;
        let plan = self.slot.pool().plan();
        // Reading comes first, so that a request is not written to a peer that closed already.
        let why = tokio::select! {
            biased;
            () = connection.closing.wait() => return,
            why = self.read(reader) => why,
            why = write(connection, writer) => why,
            why = life::beat(connection, &self.protocol, &plan.rpc) => why,
            () = life::idle_for(connection, plan.pool.idle_timeout) => ConnectionEnd::Replaced,
        };
        let (cluster, address) = (&connection.cluster, connection.key.address());
        tracing::debug!(%cluster, %address, protocol = %self.protocol.name, %why, "upstream connection ends");
        if let ConnectionEnd::CodecFailed(fault) = &why {
            failed(&self.protocol, fault);
        }
        connection.end(why);
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin) -> ConnectionEnd {
        let mut begun = Begun::default();
        loop {
            let buffer = &mut begun.bytes;
            buffer.reserve(READ_BYTES);
            let room = buffer.capacity() - buffer.len();
            let count = match reader.read_buf(buffer).await {
                Ok(0) => return ConnectionEnd::Closed,
                Ok(count) => count,
                Err(error) => return ConnectionEnd::Io(error.kind()),
            };
            begun.skip();
            if !begun.bytes.is_empty() && begun.bytes.len() >= begun.needed {
                begun = match self.decode(begun.bytes).await {
                    Ok(begun) => begun,
                    Err(why) => return why,
                };
            }
            if count == room {
                // There may be more at once: the other parts of the task have a turn first.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes the frames out of what was read and hands them out. What is left.
    async fn decode(&self, buffer: BytesMut) -> Result<Begun, ConnectionEnd> {
        let bytes_max = self.protocol.frame_bytes_max;
        let mut rest = buffer;
        loop {
            let decoded = answer(self.connection.codec.decode(rest)).await?;
            // So many frames, and there may be some in the rest.
            let more = decoded.frames.len() >= FRAMES_MAX && !decoded.rest.is_empty();
            if !decoded.frames.is_empty() {
                self.connection.heard();
            }
            for frame in decoded.frames {
                self.take(frame).await?;
            }
            if let Some(why) = decoded.lost {
                return Err(ConnectionEnd::Lost(why));
            }
            rest = decoded.rest;
            if more {
                continue;
            }
            if decoded.needed > bytes_max || rest.len() > bytes_max {
                return self.skip(rest, decoded.needed, decoded.response_to);
            }
            // An empty rest would share the memory of the frames, which can be changed in place
            // once nobody else holds it.
            let bytes = if rest.is_empty() { BytesMut::new() } else { rest };
            return Ok(Begun { bytes, needed: decoded.needed, skipped: 0 });
        }
    }

    /// Begins to read over a frame that is too long. Where it is a response, the request that it
    /// answers fails alone.
    fn skip(
        &self,
        start: BytesMut,
        length: usize,
        response_to: ResponseTo,
    ) -> Result<Begun, ConnectionEnd> {
        let bytes_max = self.protocol.frame_bytes_max;
        match response_to {
            ResponseTo::Request(id) if (bytes_max..=SKIPPED_BYTES_MAX).contains(&length) => {
                self.connection.answered(too_large(id, length, bytes_max));
                let skipped = length.saturating_sub(start.len());
                Ok(Begun { skipped, ..Begun::default() })
            }
            ResponseTo::NeedMore if start.len() <= bytes_max => {
                Ok(Begun { needed: start.len() + 1, bytes: start, skipped: 0 })
            }
            ResponseTo::Request(_) | ResponseTo::NeedMore | ResponseTo::Unknown => {
                Err(ConnectionEnd::FrameTooLarge { bytes_max })
            }
        }
    }

    async fn take(&self, frame: Frame) -> Result<(), ConnectionEnd> {
        let (connection, bytes_max) = (&self.connection, self.protocol.frame_bytes_max);
        let length = frame.raw.len();
        match frame.kind {
            FrameKind::Response if length > bytes_max => {
                connection.answered(too_large(frame.id, length, bytes_max));
            }
            _ if length > bytes_max => return Err(ConnectionEnd::FrameTooLarge { bytes_max }),
            FrameKind::Response => connection.answered(frame),
            // Damage can hide what kind it is. Whoever waits under its id waits for nothing else.
            FrameKind::Request | FrameKind::OneWay | FrameKind::GoAway
                if frame.malformed.is_some() =>
            {
                connection.answered(frame);
            }
            FrameKind::Request | FrameKind::OneWay => connection.unknown(),
            FrameKind::HeartbeatReply => {}
            FrameKind::Heartbeat => {
                let reply = answer(connection.codec.heartbeat_reply(&frame)).await?;
                control(connection, reply)?;
            }
            FrameKind::GoAway => {
                connection.metrics().go_aways_total.increment();
                connection.drain();
            }
        }
        Ok(())
    }
}

/// Puts a frame of the proxy's own into the queue.
pub(super) fn control(connection: &Connection, frame: Option<Bytes>) -> Result<(), ConnectionEnd> {
    let taken = frame.is_none_or(|frame| connection.queue.push_control(frame));
    if taken { Ok(()) } else { Err(ConnectionEnd::Stalled) }
}

/// What a codec answers, within its time.
pub(super) async fn answer<T>(step: CodecStep<T>) -> Result<T, ConnectionEnd> {
    let answered = match step {
        CodecStep::Ready(answer) => answer,
        CodecStep::Later(answer) => {
            timeout(STALL, answer).await.unwrap_or_else(|_elapsed| Err(too_late()))
        }
    };
    answered.map_err(|fault| ConnectionEnd::CodecFailed(Box::new(fault)))
}

fn too_late() -> PluginFault {
    PluginFault::new(FaultKind::TimedOut, "the codec did not answer in time")
}

/// Writes what waits, as long as the peer takes it.
async fn write(connection: &Connection, mut writer: impl AsyncWrite + Unpin) -> ConnectionEnd {
    let queue = &connection.queue;
    loop {
        std::future::poll_fn(|context| queue.poll_filled(context)).await;
        let some = std::future::poll_fn(|context| queue.poll_write(Pin::new(&mut writer), context));
        match timeout(STALL, some).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return ConnectionEnd::Io(error.kind()),
            Err(_elapsed) => return ConnectionEnd::Stalled,
        }
    }
}

/// What a request gets in place of a response that is too long.
fn too_large(id: u64, length: usize, bytes_max: usize) -> Frame {
    let why = format!("it has {length} bytes, and `frame_bytes_max` is {bytes_max}");
    Frame { kind: FrameKind::Response, id, malformed: Some(why.into()), ..Frame::default() }
}

fn failed(protocol: &RpcProtocol, fault: &PluginFault) {
    tracing::warn!(plugin = %protocol.name, error = %fault, "the codec of an upstream connection failed");
    protocol.factory.on_fault(fault);
}
