//! The tables and values of `include/mortise.h`, as Rust sees them. What each means and who may
//! call it when is said there.

use std::{ffi::c_void, fmt, mem::offset_of};

#[cfg(feature = "rust")]
use abi_stable::StableAbi;

/// Bytes of somebody else.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Bytes {
    /// Where they are; may be null where there are none.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

/// A name with its value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Field {
    /// The name.
    pub name: Bytes,
    /// The value.
    pub value: Bytes,
}

/// Fields, in order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Fields {
    /// Where they are; may be null where there are none.
    pub data: *const Field,
    /// How many.
    pub count: usize,
}

/// A whole response that a plugin makes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Response {
    /// Bytes of this.
    pub size: u32,
    /// The status.
    pub status: u32,
    /// Its fields.
    pub fields: Fields,
    /// Its body.
    pub body: Bytes,
    /// The status for a client that asked in gRPC; negative for none.
    pub grpc_status: i32,
    /// Zero.
    pub reserved: u32,
    /// For the access log.
    pub details: Bytes,
}

/// A request to a cluster.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct HttpRequest {
    /// Bytes of this.
    pub size: u32,
    /// The longest wait; zero for the proxy's own limit.
    pub timeout_ms: u32,
    /// The cluster.
    pub cluster: Bytes,
    /// The head.
    pub fields: Fields,
    /// The body.
    pub body: Bytes,
}

/// The answer to one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct HttpAnswer {
    /// Bytes of this.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// The head.
    pub headers: Fields,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Fields,
}

/// One whole message of a protocol.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Frame {
    /// Bytes of this.
    pub size: u32,
    /// What it is.
    pub kind: u32,
    /// What ties a response to its request.
    pub id: u64,
    /// Bytes of the frame.
    pub length: usize,
    /// Where the id stands.
    pub id_offset: usize,
    /// Bytes of the id there; zero where it is no such number.
    pub id_width: u32,
    /// One where the first of them is the least significant one.
    pub id_little_endian: u32,
    /// The service that a request is for.
    pub service: Bytes,
    /// The method.
    pub method: Bytes,
    /// [`FRAME_HAS_TIMEOUT`](crate::number::FRAME_HAS_TIMEOUT) and others.
    pub flags: u32,
    /// How long the caller waits.
    pub timeout_ms: u32,
    /// The protocol's status.
    pub status: u32,
    /// What HTTP would say.
    pub http_status: u32,
    /// The header block.
    pub fields: Fields,
    /// What else is known.
    pub attributes: Fields,
    /// Where the payload begins.
    pub body_start: usize,
    /// How many bytes it has.
    pub body_length: usize,
    /// What is wrong.
    pub malformed: Bytes,
}

/// A frame to be written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Rewrite {
    /// Bytes of this.
    pub size: u32,
    /// What it is.
    pub kind: u32,
    /// The id that it came with.
    pub old_id: u64,
    /// The id to write.
    pub id: u64,
    /// What is not as it came.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// The bytes that it came in.
    pub raw: Bytes,
    /// The header block.
    pub fields: Fields,
    /// The payload.
    pub body: Bytes,
}

/// A response that the proxy makes in the upstream's place.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Rejection {
    /// Bytes of this.
    pub size: u32,
    /// What HTTP would say.
    pub status: u32,
    /// The id of the request.
    pub id: u64,
    /// Its bytes.
    pub request: Bytes,
    /// One line for the caller.
    pub message: Bytes,
    /// Fields of the reply.
    pub fields: Fields,
    /// Its payload.
    pub body: Bytes,
}

/// What holds of all connections of a protocol.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct CodecProfile {
    /// Bytes of this.
    pub size: u32,
    /// How upstream connections are shared.
    pub pool: u32,
    /// Bytes of an id.
    pub id_width: u32,
    /// [`CODEC_HEARTBEATS`](crate::number::CODEC_HEARTBEATS) and others.
    pub flags: u32,
    /// How long a request waits that does not say.
    pub default_timeout_ms: u32,
    /// Zero.
    pub reserved: u32,
}

/// The proxy, as one instance sees it. What is behind the field is the proxy's.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
pub struct Handle {
    /// The calls.
    pub host: *const c_void,
}

/// The calls of the proxy.
#[repr(C)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
#[cfg_attr(
    feature = "rust",
    sabi(kind(Prefix(prefix_ref = HostRef, prefix_fields = HostPrefix)))
)]
pub struct Host {
    /// Bytes of the table.
    pub size: u32,
    /// The version of the contract.
    pub major: u16,
    /// How far it has grown.
    pub minor: u16,
    /// Bits; none are given out.
    pub features: u64,
    /// The first value of a field.
    pub field: Option<unsafe extern "C" fn(*const Handle, u64, u32, Bytes, *mut Bytes) -> u32>,
    /// All fields of a section.
    pub fields: Option<unsafe extern "C" fn(*const Handle, u64, u32, *mut Fields) -> u32>,
    /// Changes a field.
    pub write_field:
        Option<unsafe extern "C" fn(*const Handle, u64, u32, u32, Bytes, Bytes) -> u32>,
    /// Replaces a section.
    pub replace_fields: Option<unsafe extern "C" fn(*const Handle, u64, u32, Fields) -> u32>,
    /// The bytes of a body in hand.
    pub body: Option<unsafe extern "C" fn(*const Handle, u64, u32, *mut Bytes) -> u32>,
    /// Replaces some of them.
    pub splice_body:
        Option<unsafe extern "C" fn(*const Handle, u64, u32, usize, usize, Bytes) -> u32>,
    /// The bytes of a connection in hand.
    pub data: Option<unsafe extern "C" fn(*const Handle, u64, u32, *mut Bytes) -> u32>,
    /// Replaces some of them.
    pub splice_data:
        Option<unsafe extern "C" fn(*const Handle, u64, u32, usize, usize, Bytes) -> u32>,
    /// What the proxy knows of a context.
    pub property:
        Option<unsafe extern "C" fn(*const Handle, u64, *const Bytes, usize, *mut Bytes) -> u32>,
    /// Sets what others can read.
    pub set_property:
        Option<unsafe extern "C" fn(*const Handle, u64, *const Bytes, usize, Bytes) -> u32>,
    /// Answers the client.
    pub respond: Option<unsafe extern "C" fn(*const Handle, u64, *const Response) -> u32>,
    /// Lets a side go on.
    pub resume: Option<unsafe extern "C" fn(*const Handle, u64, u32) -> u32>,
    /// Lets a flow go on.
    pub resume_flow: Option<unsafe extern "C" fn(*const Handle, u64, u32) -> u32>,
    /// Breaks a stream off.
    pub reset: Option<unsafe extern "C" fn(*const Handle, u64) -> u32>,
    /// Closes a connection.
    pub close: Option<unsafe extern "C" fn(*const Handle, u64) -> u32>,
    /// Sends a request.
    pub http_call:
        Option<unsafe extern "C" fn(*const Handle, u64, *const HttpRequest, *mut u64) -> u32>,
    /// Sets the timer.
    pub set_tick_period: Option<unsafe extern "C" fn(*const Handle, u64) -> u32>,
    /// A shared value with its version.
    pub shared_data:
        Option<unsafe extern "C" fn(*const Handle, Bytes, *mut Bytes, *mut u32) -> u32>,
    /// Sets a shared value.
    pub set_shared_data: Option<unsafe extern "C" fn(*const Handle, Bytes, Bytes, u32) -> u32>,
    /// Makes or finds a queue.
    pub register_queue: Option<unsafe extern "C" fn(*const Handle, Bytes, *mut u32) -> u32>,
    /// Finds a queue.
    pub resolve_queue: Option<unsafe extern "C" fn(*const Handle, Bytes, Bytes, *mut u32) -> u32>,
    /// Puts an item in.
    pub enqueue: Option<unsafe extern "C" fn(*const Handle, u32, Bytes) -> u32>,
    /// Takes an item out.
    pub dequeue: Option<unsafe extern "C" fn(*const Handle, u32, *mut Bytes) -> u32>,
    /// Makes or finds a metric.
    pub define_metric: Option<unsafe extern "C" fn(*const Handle, u32, Bytes, *mut u32) -> u32>,
    /// Records a value.
    pub record_metric: Option<unsafe extern "C" fn(*const Handle, u32, u64) -> u32>,
    /// Counts on.
    pub increment_metric: Option<unsafe extern "C" fn(*const Handle, u32, i64) -> u32>,
    /// The value of a metric.
    pub metric: Option<unsafe extern "C" fn(*const Handle, u32, *mut u64) -> u32>,
    /// Writes a line.
    pub log: Option<unsafe extern "C" fn(*const Handle, u32, Bytes) -> u32>,
    /// The wall clock.
    pub now: Option<unsafe extern "C" fn(*const Handle, *mut u64) -> u32>,
    #[cfg_attr(feature = "rust", sabi(last_prefix_field))]
    /// Says why the instance fails.
    pub fail: Option<unsafe extern "C" fn(*const Handle, Bytes) -> u32>,
    /// The next frame of bytes that are decoded. Since 1.1, as all behind it.
    pub codec_frame: Option<unsafe extern "C" fn(*const Handle, *const Frame) -> u32>,
    /// What is behind the last one.
    pub codec_rest: Option<unsafe extern "C" fn(*const Handle, usize, *const Bytes) -> u32>,
    /// The bytes of a frame that was to be written.
    pub codec_bytes: Option<unsafe extern "C" fn(*const Handle, Bytes) -> u32>,
}

/// The callbacks of a plugin.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(feature = "rust", derive(StableAbi))]
#[cfg_attr(
    feature = "rust",
    sabi(kind(Prefix(prefix_ref = PluginRef, prefix_fields = PluginPrefix)))
)]
pub struct Plugin {
    /// Bytes of the table.
    pub size: u32,
    /// The version of the contract.
    pub major: u16,
    /// How far it has grown.
    pub minor: u16,
    /// Bits; none are given out.
    pub features: u64,
    /// The name of the package.
    pub name: Bytes,
    /// Its version.
    pub version: Bytes,
    /// With what it was written.
    pub sdk: Bytes,
    /// All callbacks that any instance wants.
    pub phases: u32,
    /// Zero.
    pub reserved: u32,
    /// Starts the plugin for one use.
    pub instance_new:
        Option<unsafe extern "C" fn(*const Handle, Bytes, Bytes, *mut u32) -> *mut c_void>,
    /// Ends an instance.
    pub instance_free: Option<unsafe extern "C" fn(*mut c_void)>,
    /// A stream begins.
    pub stream_new: Option<unsafe extern "C" fn(*mut c_void, u64) -> *mut c_void>,
    /// What was kept for it goes.
    pub stream_free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    /// The request's head.
    pub request_headers: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32) -> u32>,
    /// A part of its body.
    pub request_body: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32) -> u32>,
    /// Its trailers.
    pub request_trailers: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
    /// The response's head.
    pub response_headers: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32) -> u32>,
    /// A part of its body.
    pub response_body: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32) -> u32>,
    /// Its trailers.
    pub response_trailers: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
    /// The stream is over.
    pub stream_complete: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
    /// The answer to a request of a stream.
    pub stream_http_answer:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u64, *const HttpAnswer) -> u32>,
    /// A connection begins.
    pub connection_new: Option<unsafe extern "C" fn(*mut c_void, u64) -> *mut c_void>,
    /// What was kept for it goes.
    pub connection_free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    /// It was accepted.
    pub new_connection: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
    /// Bytes of it.
    pub data: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32, u32) -> u32>,
    /// A side was closed.
    pub close: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u32, u32) -> u32>,
    /// The connection is over.
    pub connection_complete: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
    /// The answer to a request of a connection.
    pub connection_http_answer:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u64, *const HttpAnswer) -> u32>,
    /// The timer ticked.
    pub tick: Option<unsafe extern "C" fn(*mut c_void) -> u32>,
    /// An item is in a queue.
    pub queue_ready: Option<unsafe extern "C" fn(*mut c_void, u32) -> u32>,
    #[cfg_attr(feature = "rust", sabi(last_prefix_field))]
    /// The answer to a request of the instance.
    pub http_answer: Option<unsafe extern "C" fn(*mut c_void, u64, *const HttpAnswer) -> u32>,
    /// Tells what holds of the protocol. Since 1.1, as all behind it.
    pub codec_profile: Option<unsafe extern "C" fn(*mut c_void, *mut CodecProfile) -> u32>,
    /// A codec of a connection begins.
    pub codec_new: Option<unsafe extern "C" fn(*mut c_void, u64) -> *mut c_void>,
    /// What was kept for it goes.
    pub codec_free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    /// Whether the first bytes are of the protocol.
    pub codec_detect:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, Bytes, *mut u32) -> u32>,
    /// Finds the frames of some bytes.
    pub codec_decode: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, Bytes) -> u32>,
    /// Writes a frame.
    pub codec_encode:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, *const Rewrite) -> u32>,
    /// Writes a heartbeat.
    pub codec_heartbeat: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, u64) -> u32>,
    /// Writes the reply to one.
    pub codec_heartbeat_reply:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, Bytes, u64) -> u32>,
    /// Writes a response in the upstream's place.
    pub codec_reject:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64, *const Rejection) -> u32>,
    /// Writes that no new requests are taken.
    pub codec_go_away: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> u32>,
}

/// The function that a library is entered by.
pub type Entry = unsafe extern "C" fn(*const Host) -> *const Plugin;

/// What stands in the file of a library.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Abi {
    /// [`MAGIC`](crate::number::MAGIC)
    pub magic: [u8; 8],
    /// The version of the contract.
    pub major: u16,
    /// How far it had grown.
    pub minor: u16,
    /// [`Kind`](crate::number::Kind)
    pub kind: u32,
}

/// Bytes of [`Abi`].
pub const ABI_BYTES: usize = size_of::<Abi>();

/// Bytes of [`Host`], as its table says.
#[expect(clippy::cast_possible_truncation, reason = "it has some hundreds")]
pub const HOST_BYTES: u32 = size_of::<Host>() as u32;
/// Bytes of [`Plugin`], as its table says.
#[expect(clippy::cast_possible_truncation, reason = "it has some hundreds")]
pub const PLUGIN_BYTES: u32 = size_of::<Plugin>() as u32;
/// Bytes that every host table has: those of version 1.0.
pub const HOST_BYTES_MIN: usize = offset_of!(Host, fail) + size_of::<*const c_void>();
/// Bytes that every plugin table has: up to the functions that must be there.
pub const PLUGIN_BYTES_MIN: usize = offset_of!(Plugin, instance_free) + size_of::<*const c_void>();

impl Bytes {
    /// None.
    pub const NONE: Self = Self { data: std::ptr::null(), length: 0 };

    /// Those of a slice, for as long as that lives.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }
}

impl Fields {
    /// None.
    pub const NONE: Self = Self { data: std::ptr::null(), count: 0 };

    /// Those of a slice, for as long as that lives.
    #[must_use]
    pub const fn of(fields: &[Field]) -> Self {
        Self { data: fields.as_ptr(), count: fields.len() }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, major, minor, .. } = self;
        f.debug_struct("Host").field("size", size).field("version", &(major, minor)).finish()
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, major, minor, .. } = self;
        f.debug_struct("Plugin").field("size", size).field("version", &(major, minor)).finish()
    }
}

#[cfg(test)]
mod tests;
