//! What a plugin may write, whatever the backend.
//!
//! The handles look here before they ask, so that a mistake has the same name everywhere: not
//! every host tells a field that no message can carry from a section that cannot be changed any
//! more. The rules are those of the proxy, which takes all that passes here. Start reading at
//! [`check_change`].

use crate::{
    HostError, Response,
    backend::{FieldChange, Section},
};

/// Looks at the names and values of a change.
///
/// # Errors
/// `BadArgument`.
pub fn check_change(section: Section, change: FieldChange<'_>) -> Result<(), HostError> {
    let good = match change {
        FieldChange::Add(name, value) | FieldChange::Set(name, value) => {
            is_field(section, name.as_bytes(), value)
        }
        // No message can be without what its first line says.
        FieldChange::Remove(name) => !is_pseudo(section, name.as_bytes()),
        FieldChange::ReplaceAll(fields) => {
            fields.iter().all(|(name, value)| is_field(section, name, value))
        }
    };
    if good { Ok(()) } else { Err(HostError::BadArgument) }
}

/// Looks at the path of a property.
///
/// # Errors
/// `BadArgument` for none at all, for one with a NUL byte, which stands between two segments
/// somewhere, and for one that is too long to be anything's.
pub(crate) fn check_path(path: &[&str]) -> Result<(), HostError> {
    let bytes = path.iter().map(|segment| segment.len() + 1).sum::<usize>().saturating_sub(1);
    let is_path = !path.is_empty() && bytes <= PATH_BYTES_MAX;
    let is_good = is_path && !path.iter().any(|segment| segment.contains('\0'));
    if is_good { Ok(()) } else { Err(HostError::BadArgument) }
}

/// Looks at the size of a plugin's response.
///
/// # Errors
/// `LimitReached`.
pub fn check_response(response: &Response) -> Result<(), HostError> {
    let fields = response.headers.iter().map(|(name, value)| name.len() + value.len());
    check_reply(fields, response.body.len().saturating_add(response.details.len()))
}

/// As [`check_response`]: the bytes of each field's name and value, and those of the rest.
///
/// # Errors
/// `LimitReached`.
pub fn check_reply(
    fields: impl ExactSizeIterator<Item = usize>,
    rest: usize,
) -> Result<(), HostError> {
    let count = fields.len();
    let bytes = fields.fold(0, usize::saturating_add);
    // As the most talkative of the interfaces writes them.
    let bytes = bytes.saturating_add(count.saturating_mul(PAIR_BYTES)).saturating_add(4);
    let fits = count <= REPLY_FIELDS_MAX && bytes <= REPLY_HEAD_BYTES_MAX;
    if fits && rest <= REPLY_BODY_BYTES_MAX { Ok(()) } else { Err(HostError::LimitReached) }
}

/// A response that can be sent: one that is too large becomes a plain 500, since a plugin that
/// wants to end a request must not fail over how.
#[must_use]
pub fn sendable(response: Response) -> Response {
    if check_response(&response).is_ok() { response } else { Response::new(500) }
}

/// Fields of a plugin's response, their bytes, and those of its body.
const REPLY_FIELDS_MAX: usize = 1024;
const REPLY_HEAD_BYTES_MAX: usize = 1 << 20;
const REPLY_BODY_BYTES_MAX: usize = 15 << 20;
/// Bytes of a field beside its name and value.
const PAIR_BYTES: usize = 10;
/// Bytes of a property's path, with one between two segments.
const PATH_BYTES_MAX: usize = 1024;
/// Bytes of a field's name, of a path and of a scheme.
const NAME_BYTES_MAX: usize = (1 << 16) - 1;
const TARGET_BYTES_MAX: usize = (1 << 16) - 2;
const SCHEME_BYTES_MAX: usize = 64;
/// Colons within the brackets of an address.
const ADDRESS_COLONS_MAX: usize = 7;

/// True for what stands in the first line of HTTP/1; `host` means `:authority`.
pub(crate) fn is_pseudo(section: Section, name: &[u8]) -> bool {
    let is_host = section == Section::RequestHeaders && name.eq_ignore_ascii_case(b"host");
    name.first() == Some(&b':') || is_host
}

fn is_field(section: Section, name: &[u8], value: &[u8]) -> bool {
    if is_pseudo(section, name) {
        return is_pseudo_field(section, &name.to_ascii_lowercase(), value);
    }
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(is_token_byte);
    is_name && is_value(value)
}

fn is_pseudo_field(section: Section, name: &[u8], value: &[u8]) -> bool {
    match (section, name) {
        (Section::RequestHeaders, b":method") => {
            !value.is_empty() && value.iter().all(is_token_byte) && value != b"CONNECT"
        }
        (Section::RequestHeaders, b":path") => value == b"*" || is_path(value),
        (Section::RequestHeaders, b":authority" | b"host") => is_authority(value),
        (Section::RequestHeaders, b":scheme") => {
            value.first().is_some_and(u8::is_ascii_alphabetic)
                && value.len() <= SCHEME_BYTES_MAX
                && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.~".contains(byte))
        }
        (Section::ResponseHeaders, b":status") => {
            let digits: &[u8; 3] = match value.try_into() {
                Ok(digits) => digits,
                Err(_other_length) => return false,
            };
            // An interim status would promise another head.
            digits.iter().all(u8::is_ascii_digit) && digits.first() > Some(&b'1')
        }
        _ => false,
    }
}

/// A path with its query. What is no ASCII must be percent-encoded.
fn is_path(value: &[u8]) -> bool {
    let is_byte = |byte: &u8| (b'!'..=b'~').contains(byte) && !b"\"<>`".contains(byte);
    value.first() == Some(&b'/') && value.len() <= TARGET_BYTES_MAX && value.iter().all(is_byte)
}

/// A host, perhaps with a port, and without the name of a user. An address of IPv6 stands in
/// brackets; a percent sign stands only there.
fn is_authority(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$&'()*+,-.:;=_~".contains(byte);
    let colons = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b':').count();
    let end = value.iter().position(|byte| *byte == b']').filter(|_at| value.starts_with(b"["));
    let (address, rest) = match end.and_then(|end| value.split_at_checked(end)) {
        Some((address, rest)) => (address, rest.get(1..).unwrap_or_default()),
        None => (&[][..], value),
    };
    let inside = address.get(1..).unwrap_or_default();
    !value.is_empty()
        && inside.iter().all(|byte| is_plain(byte) || *byte == b'%')
        && colons(inside) <= ADDRESS_COLONS_MAX
        && rest.iter().all(is_plain)
        && colons(rest) <= 1
}

fn is_token_byte(byte: &u8) -> bool {
    // Every change passes here; a pattern becomes a look at some bits, a search does not.
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^'..=b'`' | b'|' | b'~')
}

/// Anything but control characters, of which a tab is none here.
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests;
