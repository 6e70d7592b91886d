//! The service that a provider looks up.
//!
//! A request names it twice: in the strings in front, and in its attachments. A provider in Java
//! puts these strings among the attachments and then all attachments over them; others look at
//! the strings first. Of several attachments with one name some keep the last, some the first. What
//! one of them would read in another way than the proxy is malformed: no other service is called
//! than the one that routes and filters were shown.

use host_types::FieldList;

use super::{attachments::Attachments, payload::Names};
use crate::{
    hessian::Read,
    wire::{DOUBLE, has_double, last_of},
};

const PATH: &[u8] = b"path";
const VERSION: &[u8] = b"version";

/// The attachments that say which service is called.
const NAMES: [&[u8]; 4] = [PATH, VERSION, b"group", b"interface"];

/// True for the name of an attachment that says which service is called.
pub(super) fn is_said_by(name: &[u8]) -> bool {
    NAMES.contains(&name)
}

/// Settles which service a request calls, of which the strings in front are known, where all
/// providers read the same.
pub(super) fn settle(
    names: &mut Names,
    raw: &[u8],
    fields: &FieldList,
    attachments: &Attachments,
) -> Read<()> {
    if attachments.is_no_map() {
        return Err("the attachments are no map");
    }
    let others = attachments.others(raw);
    if others.clone().any(|(name, _is_null)| name.is_none()) {
        return Err("the name of an attachment is no string");
    }
    let other_names = others.clone().filter_map(|(name, _is_null)| name);
    if has_double(fields.block().map(|(name, _value)| name).chain(other_names)) {
        return Err(DOUBLE);
    }
    let mut said = others.filter(|(name, _is_null)| name.is_some_and(is_said_by));
    if said.any(|(_name, is_null)| !is_null) {
        return Err("an attachment that names the service is no string");
    }
    agree(names, |name| said_by(raw, fields, attachments, name))
}

/// True where a request with other fields would still call the service that it came for.
pub(super) fn is_kept(
    names: &mut Names,
    raw: &[u8],
    fields: &FieldList,
    attachments: &Attachments,
) -> bool {
    agree(names, |name| said_by(raw, fields, attachments, name)).is_ok()
}

/// Expects what the attachments say to be what the strings in front do, or fills these in.
pub(super) fn agree<'a>(names: &mut Names, said: impl Fn(&[u8]) -> Option<&'a [u8]>) -> Read<()> {
    match said(PATH) {
        Some(path) if names.service.is_empty() => names.service = text(path)?,
        Some(path) if path != names.service.as_bytes() => {
            return Err("the attachments name another path");
        }
        Some(_) | None => {}
    }
    match said(VERSION) {
        Some(version) if is_none(version) && is_none(names.version.as_bytes()) => {}
        Some(version) if version != names.version.as_bytes() => {
            Err("the attachments name another version")?;
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// What an attachment says, the last of this name; one without a value is empty.
fn said_by<'a>(
    raw: &[u8],
    fields: &'a FieldList,
    attachments: &Attachments,
    name: &[u8],
) -> Option<&'a [u8]> {
    let is_null = || attachments.others(raw).any(|(other, _is_null)| other == Some(name));
    last_of(fields, name).or_else(|| is_null().then_some(&[]))
}

/// True where providers look for a service without a version.
fn is_none(version: &[u8]) -> bool {
    matches!(version, b"" | b"0.0.0")
}

fn text(bytes: &[u8]) -> Read<Box<str>> {
    std::str::from_utf8(bytes).map(Into::into).or(Err("a name is no text"))
}
