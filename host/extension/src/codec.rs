//! Codecs: the extension point of protocols.
//!
//! A codec turns bytes into frames and frames into bytes. It opens no socket, reads no clock and
//! knows nothing of routes, pools or filters: all of that is the same for every protocol. The
//! pipeline makes one codec for each connection, on either side.
//!
//! ```text
//! client -> detect? -> decode -> filters, route -> id of the upstream's connection -> upstream
//! client <- encode? <-  filters  <- decode <----------------------------------------- upstream
//! ```
//!
//! A frame that nobody changed goes on as it came, with another id written into it, and its codec
//! is not asked ([`Frame::id_place`]); else the codec *that read it* writes it again. So what a
//! codec keeps for a frame ([`Frame::keep`]) is there when it writes it.
//!
//! Start reading at [`Codec`].

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use host_types::{FieldList, Frame, IdWidth};

use crate::PluginFault;

/// The answer of a codec: now, or later from a backend that must wait. The future owns what it
/// needs.
#[must_use]
pub enum CodecStep<T> {
    /// It stands.
    Ready(Result<T, PluginFault>),
    /// It comes when the future is done; past the listener's `stall_timeout`, and past 30 s for
    /// what an upstream sent, the connection is closed.
    Later(LocalBoxFuture<'static, Result<T, PluginFault>>),
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Detection {
    /// It is this protocol.
    Match,
    /// More bytes must tell.
    NeedMore,
    /// It is another one.
    No,
}

/// What came of some bytes.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The whole frames, in order.
    pub frames: Vec<Frame>,
    /// The bytes behind them: the beginning of a frame.
    pub rest: BytesMut,
    /// How many bytes the frame in `rest` has in all, as far as its beginning says; 0 where it
    /// does not. The pipeline does not ask again before they are there. Where they are more than
    /// `frame_bytes_max` it closes the connection, unless `response_to` says that one request
    /// fails alone.
    pub needed: usize,
    /// Whose response the frame in `rest` is. Looked at where it is longer than frames may be, on
    /// connections to upstreams.
    pub response_to: ResponseTo,
    /// Where the bytes behind the frames are none of this protocol: why. Nobody knows where the
    /// next frame begins, so the connection ends behind the frames.
    pub lost: Option<Box<str>>,
}

/// Whose response a frame is, as far as its beginning says. One that is too long to be read is
/// read over, and its request fails alone; where nobody knows whose it is, the connection ends and
/// all requests on it fail.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResponseTo {
    /// That of the request with this id.
    Request(u64),
    /// More bytes must tell.
    NeedMore,
    /// It is no response, or nobody knows.
    #[default]
    Unknown,
}

/// What is written of a frame.
#[derive(Debug)]
pub struct Rewrite<'a> {
    /// The frame as it was read, by this codec or another one of the same instance. Its `fields`
    /// and its `body` may have been changed since; `raw` has the bytes that it came in.
    pub frame: &'a Frame,
    /// The id to write.
    pub id: u64,
    /// `frame.body` is not what came.
    pub body_changed: bool,
}

/// A reply that the proxy makes in the upstream's place.
#[derive(Debug)]
pub struct Rejection<'a> {
    /// The request that it answers. Where it is `malformed`, only its id and `raw` say anything.
    pub request: &'a Frame,
    /// What HTTP would say: the codec chooses the protocol's own status by it.
    pub status: u16,
    /// One line for the caller.
    pub message: &'a str,
    /// Fields that a filter or a route gave to the reply.
    pub fields: &'a FieldList,
    /// The payload that a filter or a route gave to the reply; often empty.
    pub body: &'a [u8],
}

/// How connections are shared by requests.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PoolMode {
    /// Many requests at a time on each connection, told apart by their ids.
    #[default]
    Multiplexed,
    /// One request at a time on each connection.
    PingPong,
    /// One upstream connection for each downstream connection; both end together. Ids are not
    /// changed.
    Bound,
}

/// What holds of all connections of a protocol.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CodecProfile {
    /// How upstream connections are shared.
    pub pool: PoolMode,
    /// The range of ids.
    pub id_width: IdWidth,
    /// True where the proxy may send heartbeats of its own.
    pub heartbeats: bool,
    /// True where the protocol has a frame that says that no new requests are taken.
    pub go_away: bool,
    /// How long a request without a timeout of its own waits, where the protocol says.
    pub default_timeout: Option<Duration>,
}

/// One protocol on one connection.
///
/// Bytes are decoded in order: the pipeline waits for a [`CodecStep::Later`] of `decode` before it
/// decodes more. Frames are written meanwhile. A fault ends the connection; the instance is dealt
/// with as after a filter's. Bytes from the network are hostile: what cannot be decoded is `lost`
/// or `malformed`, never a fault.
pub trait Codec: fmt::Debug {
    /// Whether the first bytes of a connection are of this protocol. Called again with all bytes
    /// from the beginning while it needs more, up to [`DETECT_BYTES_MAX`].
    fn detect(&self, first: &[u8]) -> CodecStep<Detection>;

    /// Takes all whole frames out of the bytes.
    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded>;

    /// Writes a frame that was changed, or whose id has no place of its own. `None` where what
    /// was changed cannot stand in the protocol: the stream ends as after a filter that failed.
    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>>;

    /// A heartbeat with this id.
    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        let _ = id;
        CodecStep::Ready(Ok(None))
    }

    /// The reply to a heartbeat; `None` where the protocol has none.
    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>>;

    /// The response frame that says so; `None` where the protocol has no words for it: the
    /// connection is closed.
    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>>;

    /// The frame that says that no new requests are taken.
    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(Ok(None))
    }

    /// True once the instance that it lives in failed, on whatever connection: all its answers
    /// will be faults. No request is put on an upstream connection with such a codec.
    fn is_lost(&self) -> bool {
        false
    }
}

/// Most bytes that a codec is shown to find out whether a connection is its own.
pub const DETECT_BYTES_MAX: usize = 4096;

impl<T> CodecStep<T> {
    /// An answer that stands.
    pub fn ready(value: T) -> Self {
        Self::Ready(Ok(value))
    }

    /// Waits for it.
    ///
    /// # Errors
    /// The plugin failed.
    pub async fn answer(self) -> Result<T, PluginFault> {
        match self {
            Self::Ready(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for CodecStep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
