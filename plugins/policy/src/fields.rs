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

/// What a field decides, by its name in any case.
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

/// True for the capabilities to which it matters what a field decides.
#[inline]
pub(crate) fn writes_fields(capability: Capability) -> bool {
    matches!(capability, Capability::HeadersRequestWrite | Capability::HeadersResponseWrite)
}

#[cfg(test)]
mod tests;
