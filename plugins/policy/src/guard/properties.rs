//! Properties by path: the name that a permission matches, and the fields that some of them are.

use std::borrow::Cow;

use abi_manifest::Capability;
use host_extension::{CallError, CallResult, PropertyValue};
use prost::Message;

use super::gate::Gate;
use crate::{Access, Rights, Rule};

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

/// What a property tells of the fields of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part<'p> {
    /// One of them.
    Field(&'p [u8]),
    /// All of them, by their names.
    Section,
    /// Something about all of them together.
    Sum,
}

/// Whether a property may be read: as such, and as what it tells of fields. Fields that may not
/// be read are as if they were not there.
pub(super) fn allow_read(gate: &Gate, path: &[&[u8]]) -> CallResult<()> {
    if has_nul(path) {
        return Err(CallError::NotFound);
    }
    let read = Capability::PropertiesRead;
    if !gate.is_open_unnoted(read) {
        gate.allow(Access::to(read, &join(path)))?;
    }
    let Some((read, part)) = part_of(path) else { return Ok(()) };
    if let Part::Field(name) = part {
        if name.is_empty() {
            return Err(CallError::NotFound);
        }
        return gate.allow(Access::to(read, name)).map_err(|_denied| CallError::NotFound);
    }
    gate.note_all(read);
    if part == Part::Sum && !gate.is_open(read) {
        return gate.deny_all(read).map_err(|_denied| CallError::NotFound);
    }
    Ok(())
}

/// Whether a property may be set.
pub(super) fn allow_write(gate: &Gate, path: &[&[u8]]) -> CallResult<()> {
    if has_nul(path) {
        return Err(CallError::BadArgument);
    }
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

/// Takes the fields out of a property that may not be read, be it as fields or as properties.
/// Says whether that is a denial: where none may be read, it is.
pub(super) fn hide_fields(
    gate: &Gate,
    path: &[&[u8]],
    value: &mut PropertyValue,
) -> CallResult<()> {
    let (Some((read, Part::Section)), PropertyValue::Map(fields)) = (part_of(path), value) else {
        return Ok(());
    };
    let has_open_fields = gate.is_open(read);
    let has_open_paths = gate.is_open(Capability::PropertiesRead);
    let rights = &gate.ward.rights;
    let mut is_hidden = false;
    fields.retain(|(name, _value)| {
        let field = Access::to(read, name);
        let property =
            if has_open_paths { Vec::new() } else { [&join(path), &b"."[..], name].concat() };
        let property = Access::to(Capability::PropertiesRead, &property);
        let access = if !has_open_fields && !rights.allows(field) {
            field
        } else if !has_open_paths && rights.denies(property) {
            property
        } else {
            return true;
        };
        is_hidden = true;
        rights.is_permissive() && gate.deny(access).is_ok()
    });
    let is_denied = is_hidden && !rights.is_permissive() && rights.withholds(read);
    if is_denied { gate.deny_all(read) } else { Ok(()) }
}

impl Rights {
    /// What reading a property takes beside `properties.read`, where it tells of the fields of a
    /// message, and by which rule a plugin may read those, or not; `None` for most properties.
    /// The name is that of permissions: `request.headers.cookie`.
    #[must_use]
    pub fn explain_fields_of<'a>(&self, property: &'a [u8]) -> Option<(Access<'a>, Rule<'_>)> {
        let path: Vec<_> = property.splitn(PATH_PARTS, |&byte| byte == b'.').collect();
        let (read, part) = part_of(&path)?;
        let (access, rule) = match part {
            Part::Field(name) => {
                let field = Access::to(read, name);
                (field, self.explain(field))
            }
            // Those that may not be read are left out; where none may, nothing is left.
            Part::Section if self.report_of(read).why_not.is_none() => {
                (Access::whole(read), Rule::Preset)
            }
            Part::Section | Part::Sum => (Access::whole(read), self.explain_all(read)),
        };
        Some((access, rule))
    }
}

/// Parts of the name of a property that tells of fields: names of fields have dots, too.
const PATH_PARTS: usize = 3;

/// What a property tells of the fields of a message; `None` for most.
fn part_of<'p>(path: &[&'p [u8]]) -> Option<(Capability, Part<'p>)> {
    let (read, rest) = match path {
        [b"request", rest @ ..] => (Capability::HeadersRequestRead, rest),
        [b"response", rest @ ..] => (Capability::HeadersResponseRead, rest),
        _ => return None,
    };
    let field: &[u8] = match (rest, read) {
        ([b"headers" | b"trailers"], _) => return Some((read, Part::Section)),
        ([b"total_size"], _) => return Some((read, Part::Sum)),
        ([b"headers" | b"trailers", name, ..], _) => name,
        ([b"code"], Capability::HeadersResponseRead) => b":status",
        ([b"grpc_status"], Capability::HeadersResponseRead) => b"grpc-status",
        (_, Capability::HeadersResponseRead) => return None,
        ([b"path" | b"url_path" | b"query"], _) => b":path",
        ([b"host"], _) => b":authority",
        ([b"scheme"], _) => b":scheme",
        ([b"method"], _) => b":method",
        ([b"referer"], _) => b"referer",
        ([b"useragent"], _) => b"user-agent",
        _ => return None,
    };
    Some((read, Part::Field(field)))
}

/// True where a name has the byte that some hosts put between names: such a path could be another
/// one to the host than it is to the permissions.
fn has_nul(path: &[&[u8]]) -> bool {
    path.iter().any(|name| name.contains(&0))
}

/// The name of a property: its segments with `.` between them. Names of fields are the same in
/// any case.
fn join<'p>(path: &[&'p [u8]]) -> Cow<'p, [u8]> {
    match path {
        [only] => Cow::Borrowed(only),
        _ => {
            let mut name = path.join(&b'.');
            if matches!(part_of(path), Some((_, Part::Field(_)))) {
                name.make_ascii_lowercase();
            }
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests;
