//! Which fields a section can carry.
//!
//! For hosts that do not tell a field that no message can carry from a section that cannot be
//! changed any more, and for the host of tests. The rules are those of the proxy. Start reading
//! at [`check_change`].

use crate::{
    HostError,
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

/// True for what stands in the first line of HTTP/1; `host` means `:authority`.
pub(crate) fn is_pseudo(section: Section, name: &[u8]) -> bool {
    let is_host = section == Section::RequestHeaders && name.eq_ignore_ascii_case(b"host");
    name.first() == Some(&b':') || is_host
}

fn is_field(section: Section, name: &[u8], value: &[u8]) -> bool {
    if is_pseudo(section, name) {
        return is_pseudo_field(section, &name.to_ascii_lowercase(), value);
    }
    !name.is_empty() && name.iter().all(is_token_byte) && is_value(value)
}

fn is_pseudo_field(section: Section, name: &[u8], value: &[u8]) -> bool {
    let visible = !value.is_empty() && value.iter().all(|byte| (b'!'..=b'~').contains(byte));
    match (section, name) {
        (Section::RequestHeaders, b":method") => {
            visible && value.iter().all(is_token_byte) && value != b"CONNECT"
        }
        (Section::RequestHeaders, b":path") => {
            visible && (value.first() == Some(&b'/') || value == b"*")
        }
        (Section::RequestHeaders, b":authority" | b"host") => visible && !value.contains(&b'@'),
        (Section::RequestHeaders, b":scheme") => {
            visible && value.first().is_some_and(u8::is_ascii_alphabetic)
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

fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// Anything but control characters, of which a tab is none here.
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests;
