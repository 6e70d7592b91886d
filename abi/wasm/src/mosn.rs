//! MOSN's own: names that its hosts give to calls of 0.1.0, and the interface of its codecs.
//!
//! No version of Proxy-Wasm contains any of it, but modules built for those hosts need it.

use crate::HostFunction;

/// The other names: of the local reply, and of going on with a paused direction.
pub const ALIASES: &[HostFunction] = &[
    HostFunction::new("proxy_send_http_response", "iiiiiiii"),
    HostFunction::new("proxy_resume_http_request", ""),
    HostFunction::new("proxy_resume_http_response", ""),
];

/// What the module of a codec exports to say so; for the rest it is one of 0.1.0.
pub const CODEC_MARKER: &str = "proxy_abi_mosn_version_0_2_0";

/// `(context, address, length) -> status`: the first frame of some bytes.
pub const DECODE: &str = "proxy_decode_buffer_bytes";
/// `(context, address, length) -> status`: the bytes of a frame.
pub const ENCODE: &str = "proxy_encode_buffer_bytes";
/// `(context, 64 bits) -> status`: makes a heartbeat with this id, to be encoded.
pub const HEARTBEAT: &str = "proxy_keepalive_buffer_bytes";
/// `(context, 0, 0) -> status`: makes the reply to the heartbeat that was decoded in this context.
pub const HEARTBEAT_REPLY: &str = "proxy_reply_keepalive_buffer_bytes";
/// `(context, status, address, length) -> status`: makes a response to a request, to be encoded.
pub const REJECT: &str = "proxy_hijack_buffer_bytes";

/// The buffer that a guest sets to tell of the frame that it decoded.
pub const DECODED: u32 = 13;
/// The buffer that a guest sets to hand over the frame that it encoded.
pub const ENCODED: u32 = 14;

/// What a decode answers that wants more bytes.
pub const NEED_MORE: u32 = 99;

/// Bit 6 of a flag: a request.
pub const REQUEST: u8 = 0x40;
/// Bit 7: a request that is not answered. Guests say it with or without bit 6, and take it
/// without only.
pub const ONE_WAY: u8 = 0x80;
/// Bit 5: a heartbeat, or the reply to one where it is no request.
pub const HEARTBEAT_FLAG: u8 = 0x20;
