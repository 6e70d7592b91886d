//! The names of the exports. All parameters have 32 bits but the id of a heartbeat, which has 64.

/// `(length) -> address`: memory of at least so many bytes, in which the next call finds its
/// input. It stays as it is until it is asked for again.
pub const BUFFER: &str = "mortise_codec_buffer";
/// `(root) -> 64 bits`: a [`ProfileWord`](super::ProfileWord); zero where that root serves no
/// protocol.
pub const PROFILE: &str = "mortise_codec_profile";
/// `(context, root) -> 32 bits`: a codec for a connection; zero where the root makes none.
pub const CONTEXT: &str = "mortise_on_codec_context";
/// `(context, length) -> 32 bits`: one of [`detection`](super::detection).
pub const DETECT: &str = "mortise_codec_detect";
/// `(context, length) -> 64 bits`: an answer record.
pub const DECODE: &str = "mortise_codec_decode";
/// `(context, length) -> 64 bits`: the bytes of a frame, of an [`EncodeOrder`](super::EncodeOrder).
pub const ENCODE: &str = "mortise_codec_encode";
/// `(context, id) -> 64 bits`: the bytes of a heartbeat.
pub const HEARTBEAT: &str = "mortise_codec_heartbeat";
/// `(context, length) -> 64 bits`: the bytes of a reply, of a [`ReplyOrder`](super::ReplyOrder).
pub const HEARTBEAT_REPLY: &str = "mortise_codec_heartbeat_reply";
/// `(context, length) -> 64 bits`: the bytes of a response, of a
/// [`RejectOrder`](super::RejectOrder).
pub const REJECT: &str = "mortise_codec_reject";
/// `(context) -> 64 bits`: the bytes of a frame.
pub const GO_AWAY: &str = "mortise_codec_go_away";

/// What a codec cannot be without.
pub const REQUIRED: [&str; 8] =
    [BUFFER, PROFILE, CONTEXT, DETECT, DECODE, ENCODE, HEARTBEAT_REPLY, REJECT];
