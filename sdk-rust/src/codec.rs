//! Codecs: a protocol in the proxy.

use std::{fmt, ops::Range};

/// One protocol on one connection, of a client or to an upstream.
///
/// A codec finds frames in bytes and writes frames. Everything else is the proxy's: connections
/// and their pools, ids, heartbeats, timeouts, routes, filters. A frame that nobody changed goes on
/// as it came, with another id written into its [`IdPlace`]; [`Codec::encode`] is asked for those
/// that were changed, and for all where ids have no such place.
///
/// The bytes come from the network: answer [`Decoded::Lost`] where they are none of your protocol,
/// and a frame that is [`Frame::malformed`] where only its contents are wrong. A panic is a fault
/// of the plugin.
pub trait Codec {
    /// Whether the first bytes of a connection are of this protocol; asked on listeners that take
    /// several. Called again with all bytes from the beginning while it needs more, up to 4096.
    fn detect(&mut self, first: &[u8]) -> Detection;

    /// The first frame of the bytes. Called again with what is behind it.
    fn decode(&mut self, bytes: &[u8]) -> Decoded;

    /// Writes a frame that was changed, or whose id has no place. `None` where what was changed
    /// cannot stand in the protocol.
    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>>;

    /// A heartbeat with this id, where the protocol has any ([`CodecProfile::heartbeats`]).
    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        let _ = id;
        None
    }

    /// The reply to a heartbeat, which is given as it came, with its id.
    fn heartbeat_reply(&mut self, heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        let _ = (heartbeat, id);
        None
    }

    /// The response that the proxy gives in the upstream's place; `None` where the protocol has
    /// no words for it, and the connection is closed.
    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let _ = rejection;
        None
    }

    /// The frame that says that no new requests are taken, where the protocol has one
    /// ([`CodecProfile::go_away`]).
    fn go_away(&mut self) -> Option<Vec<u8>> {
        None
    }
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

/// What the first bytes of what is left are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoded {
    /// A whole frame.
    Frame(Box<Frame>),
    /// The beginning of a frame. `total` is how many bytes it has in all, as far as its beginning
    /// says, else 0: the proxy does not ask again before they are there, and closes the
    /// connection where they are more than its limit.
    NeedMore {
        /// Bytes of the whole frame, or 0.
        total: usize,
    },
    /// None of this protocol, with one line that says why. The connection is closed.
    Lost(String),
}

/// One whole message. Its parts are places in the bytes that it was read from, counted from its
/// first byte. By default it is an empty request, whose status says that all is well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// How many bytes it has, at least one.
    pub length: usize,
    /// What ties a response to its request.
    pub id: u64,
    /// Where the id stands, where it does as a number of fixed width.
    pub id_place: Option<IdPlace>,
    /// The service that a request is for; empty where the protocol names none.
    pub service: String,
    /// The method of that service; empty where the protocol names none.
    pub method: String,
    /// How long the caller waits for the response, in milliseconds, where the request says.
    pub timeout_ms: Option<u32>,
    /// How a response ends the call, as the protocol's own number.
    pub status: u32,
    /// The same as HTTP would say it, 200 to 599.
    pub http_status: u16,
    /// The fields of the header block, in order; routes match them and filters change them.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// What else is known of the frame, under names that begin with a colon (`:version`): to be
    /// matched and read.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// The payload.
    pub body: Range<usize>,
    /// What is wrong inside of the frame, where its borders are sound.
    pub malformed: Option<String>,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum FrameKind {
    /// A request that is answered.
    #[default]
    Request,
    /// A request that is not answered.
    OneWay,
    /// The answer to a request.
    Response,
    /// Asks whether the other side lives.
    Heartbeat,
    /// The answer to a heartbeat.
    HeartbeatReply,
    /// The sender takes no new requests on this connection.
    GoAway,
}

/// Where an id stands in a frame.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct IdPlace {
    /// The place of its first byte.
    pub offset: usize,
    /// How many bytes it has.
    pub width: IdWidth,
    /// The first byte is the least significant one.
    pub little_endian: bool,
}

/// How many bytes an id has.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum IdWidth {
    /// 4
    #[default]
    Four,
    /// 8
    Eight,
}

/// A frame to be written.
#[derive(Clone, Debug)]
pub struct Rewrite<'a> {
    /// The bytes that it came in.
    pub raw: &'a [u8],
    /// What it is.
    pub kind: FrameKind,
    /// The id that it came with.
    pub old_id: u64,
    /// The id to write.
    pub id: u64,
    /// Its fields, without attributes.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    /// The fields are not those that came.
    pub fields_changed: bool,
    /// Its payload.
    pub body: &'a [u8],
    /// The payload is not the one that came.
    pub body_changed: bool,
}

/// A reply that the proxy makes in the upstream's place.
#[derive(Clone, Debug)]
pub struct Rejection<'a> {
    /// The bytes of the request that it answers.
    pub request: &'a [u8],
    /// The id of that request, which the reply bears.
    pub id: u64,
    /// What HTTP would say; choose the protocol's own status by it.
    pub status: u16,
    /// One line for the caller.
    pub message: &'a str,
    /// Fields that a filter or a route gave to the reply.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    /// The payload that a filter or a route gave to the reply; often empty.
    pub body: &'a [u8],
}

/// How upstream connections are shared by requests.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PoolMode {
    /// Many requests at a time on each connection, told apart by their ids.
    #[default]
    Multiplexed,
    /// One request at a time on each connection.
    PingPong,
    /// One upstream connection for each connection of a client; ids are not changed.
    Bound,
}

/// What holds of all connections of a protocol.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CodecProfile {
    /// How upstream connections are shared.
    pub pool: PoolMode,
    /// The range of ids.
    pub id_width: IdWidth,
    /// The proxy may send heartbeats of its own.
    pub heartbeats: bool,
    /// The protocol has a frame that says that no new requests are taken.
    pub go_away: bool,
    /// How long a request waits that does not say, in milliseconds; 0 leaves it to the route.
    pub default_timeout_ms: u32,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            kind: FrameKind::Request,
            length: 0,
            id: 0,
            id_place: None,
            service: String::new(),
            method: String::new(),
            timeout_ms: None,
            status: 0,
            http_status: 200,
            fields: Vec::new(),
            attributes: Vec::new(),
            body: 0..0,
            malformed: None,
        }
    }
}

impl CodecProfile {
    /// A multiplexed protocol with ids of four bytes and nothing else.
    pub const DEFAULT: Self = Self {
        pool: PoolMode::Multiplexed,
        id_width: IdWidth::Four,
        heartbeats: false,
        go_away: false,
        default_timeout_ms: 0,
    };
}

impl fmt::Debug for dyn Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}
