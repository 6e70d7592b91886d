//! Fields that are the host's: those that frame a message, and those that route a request.

use abi_manifest::Capability;

/// What a field decides beside what it says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FieldClass {
    /// Nothing.
    Ordinary,
    /// Where a request goes, and how it is understood there.
    Routing,
    /// Where a message ends, or what a connection does (RFC 9110 section 7.6.1, RFC 9112
    /// section 6).
    Framing,
}

/// The fields that route a request.
pub const ROUTING: [&str; 5] = [":authority", ":method", ":path", ":scheme", "host"];

/// The fields that route a request of the RPC protocols that are built in, in any of them: the
/// header block of bolt and the attachments of Dubbo. In HTTP they are ordinary. What the codec of
/// a plugin routes by, nobody knows but the plugin.
pub const RPC_ROUTING: [&str; 8] = [
    "group",
    "interface",
    "method",
    "path",
    "service",
    "sofa_head_method_name",
    "sofa_head_target_service",
    "version",
];

/// The fields that frame a message or belong to one connection.
pub const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    ":protocol",
];

/// What a field decides, by its name in any case; but for [`RPC_ROUTING`].
#[must_use]
pub fn class_of(name: &[u8]) -> FieldClass {
    let is_in =
        |list: &[&str]| list.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    // Most names are told from all of these by their first byte.
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b':' | b'h') if is_in(&ROUTING) => FieldClass::Routing,
        Some(b':' | b'c' | b'h' | b'k' | b'p' | b't' | b'u') if is_in(&FRAMING) => {
            FieldClass::Framing
        }
        _ => FieldClass::Ordinary,
    }
}

/// True for a field that routes a request where that is a frame. Case does not count: a write may
/// hit a field that differs in case.
pub(crate) fn routes_frames(capability: Capability, name: &[u8]) -> bool {
    capability == Capability::HeadersRequestWrite
        && RPC_ROUTING.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// True for the capabilities to which it matters what a field decides.
#[inline]
pub(crate) fn writes_fields(capability: Capability) -> bool {
    matches!(capability, Capability::HeadersRequestWrite | Capability::HeadersResponseWrite)
}

#[cfg(test)]
mod tests;
