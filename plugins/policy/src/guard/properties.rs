//! Properties by path: the name that a permission matches, and the fields that some of them are.

use std::borrow::Cow;

use abi_manifest::Capability;
use host_extension::{CallError, CallResult, PropertyValue};
use prost::Message;

use super::gate::Gate;
use crate::Access;

/// The function by name that sets a property: who may not do that may not do it this way.
pub(super) const SETS_PROPERTY: &[u8] = b"set_envoy_filter_state";

/// The first segment of the path under which it leaves its values.
const FILTER_STATE: &[u8] = b"filter_state";

/// The argument of that function, as far as it matters here.
#[derive(Clone, PartialEq, Message)]
struct FilterState {
    #[prost(string, tag = "1")]
    path: String,
}

/// Whether a property may be read: as such, and as the field that it may be.
pub(super) fn allow_read(gate: &Gate, path: &[&[u8]]) -> CallResult<()> {
    let read = Capability::PropertiesRead;
    if !gate.is_open_unnoted(read) {
        gate.allow(Access::to(read, &join(path)))?;
    }
    match field_of(path) {
        None => Ok(()),
        Some((read, Some(name))) => {
            // As a field that may not be read: it is as if it were not there.
            gate.allow(Access::to(read, name)).map_err(|_denied| CallError::NotFound)
        }
        Some((read, None)) => {
            gate.note_all(read);
            Ok(())
        }
    }
}

/// Whether a property may be set.
pub(super) fn allow_write(gate: &Gate, path: &[&[u8]]) -> CallResult<()> {
    let write = Capability::PropertiesWrite;
    if gate.is_open_unnoted(write) {
        return Ok(());
    }
    gate.allow(Access::to(write, &join(path)))
}

/// Whether the property may be set that the argument of [`SETS_PROPERTY`] names. An argument
/// that cannot be read sets nothing; the host says so.
pub(super) fn allow_filter_state(gate: &Gate, argument: &[u8]) -> CallResult<()> {
    match FilterState::decode(argument) {
        Ok(state) => allow_write(gate, &[FILTER_STATE, state.path.as_bytes()]),
        Err(_malformed) => Ok(()),
    }
}

/// Takes the fields out of a property that may not be read.
pub(super) fn hide_fields(gate: &Gate, path: &[&[u8]], value: &mut PropertyValue) {
    let Some((read, None)) = field_of(path) else { return };
    let rights = &gate.ward.rights;
    if gate.is_open(read) || rights.is_permissive() {
        return;
    }
    if let PropertyValue::Map(fields) = value {
        fields.retain(|(name, _value)| rights.allows(Access::to(read, name)));
    }
}

/// The field that a property is, or (without a name) the whole section.
fn field_of<'p>(path: &[&'p [u8]]) -> Option<(Capability, Option<&'p [u8]>)> {
    let (read, rest) = match path {
        [b"request", rest @ ..] => (Capability::HeadersRequestRead, rest),
        [b"response", rest @ ..] => (Capability::HeadersResponseRead, rest),
        _ => return None,
    };
    let name: &[u8] = match (rest, read) {
        ([b"headers" | b"trailers"], _) => return Some((read, None)),
        ([b"headers" | b"trailers", name, ..], _) => name,
        (_, Capability::HeadersResponseRead) => return None,
        ([b"path" | b"url_path" | b"query"], _) => b":path",
        ([b"host"], _) => b":authority",
        ([b"scheme"], _) => b":scheme",
        ([b"method"], _) => b":method",
        ([b"referer"], _) => b"referer",
        ([b"useragent"], _) => b"user-agent",
        _ => return None,
    };
    Some((read, Some(name)))
}

/// The name of a property: its segments with `.` between them. Names of fields are the same in
/// any case.
fn join<'p>(path: &[&'p [u8]]) -> Cow<'p, [u8]> {
    match path {
        [only] => Cow::Borrowed(only),
        _ => {
            let mut name = path.join(&b'.');
            if matches!(field_of(path), Some((_, Some(_)))) {
                name.make_ascii_lowercase();
            }
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests;
