//! Heads as a test writes them, and changes as a plugin makes them.

use crate::{
    Fields, HostError,
    backend::{FieldChange, Section, check_change},
};

/// Fields of a section after a plugin's changes, and their bytes, as in the proxy.
const FIELDS_MAX: usize = 1024;
const FIELD_BYTES_MAX: usize = 1 << 20;
const SMALL_FIELD_BYTES: usize = FIELD_BYTES_MAX / FIELDS_MAX;

/// The head of a request to `http://test`.
///
/// ```
/// let head = mortise_sdk::testing::request("GET", "/a?b=c").header("accept", "text/plain");
/// assert_eq!(head.get_str(":authority"), Some("test"));
/// ```
#[must_use]
pub fn request(method: &str, path: &str) -> Fields {
    let line = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)];
    line.into_iter().fold(Fields::default(), |head, (name, value)| head.header(name, value))
}

/// The head of a response.
///
/// ```
/// let head = mortise_sdk::testing::response(200).header("content-type", "text/plain");
/// assert_eq!(head.get_str(":status"), Some("200"));
/// ```
#[must_use]
pub fn response(status: u16) -> Fields {
    Fields::default().header(":status", status.to_string())
}

/// Changes a section by the rules of the proxy.
pub(super) fn change(
    fields: &mut Fields,
    section: Section,
    change: FieldChange<'_>,
) -> Result<(), HostError> {
    check_change(section, change)?;
    check_size(fields, section, change)?;
    match change {
        FieldChange::Add(name, value) => put(fields, known_name(section, name.as_bytes()), value),
        FieldChange::Set(name, value) => set(fields, known_name(section, name.as_bytes()), value),
        FieldChange::Remove(name) => remove(fields, &known_name(section, name.as_bytes())),
        FieldChange::ReplaceAll(all) => {
            let is_line = |(name, _): &(Vec<u8>, Vec<u8>)| is_pseudo(name);
            let mut next =
                Fields(fields.0.iter().filter(|field| is_line(field)).cloned().collect());
            for (name, value) in all.iter() {
                put(&mut next, known_name(section, name), value);
            }
            *fields = next;
        }
    }
    Ok(())
}

/// Names are in lower case, and the host of a request is its authority.
pub(super) fn known_name(section: Section, name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    let is_host = section == Section::RequestHeaders && name == b"host";
    if is_host { b":authority".to_vec() } else { name }
}

/// A section as the proxy shows it: names in lower case, its first line in front, and the
/// values of a name together.
pub(super) fn normal(section: Section, fields: Fields) -> Fields {
    let named = |(name, value): (Vec<u8>, _)| (known_name(section, &name), value);
    // Where there are both, `:authority` rules over `host`.
    let has_authority = fields.get(":authority").is_some();
    let is_kept = |(name, _): &(Vec<u8>, _)| {
        let is_host = is_pseudo(&known_name(section, name)) && !is_pseudo(name);
        !(is_host && has_authority)
    };
    let kept = fields.0.into_iter().filter(is_kept).map(named);
    let (line, rest): (Vec<_>, Vec<_>) = kept.partition(|(name, _)| is_pseudo(name));
    let mut next = Fields::default();
    for (name, value) in line.into_iter().chain(rest) {
        put(&mut next, name, &value);
    }
    next
}

/// The head of a reply of the plugin's own: framing is the proxy's, and a field that no message
/// can carry is left out.
pub(super) fn reply(status: u16, headers: &[(String, Vec<u8>)]) -> Fields {
    let mut head = response(status);
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let change = FieldChange::Add(&name, value);
        let is_kept = !is_pseudo(name.as_bytes()) && name != "content-length";
        if is_kept && check_change(Section::ResponseHeaders, change).is_ok() {
            put(&mut head, name.into_bytes(), value);
        }
    }
    remove_hop_by_hop(&mut head);
    head
}

fn remove_hop_by_hop(head: &mut Fields) {
    let connection: Vec<_> = head.iter().filter(|(name, _)| *name == b"connection").collect();
    let named: Vec<_> = connection
        .iter()
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .filter(|name| !NEVER_NOMINATED.contains(&name.as_slice()))
        .collect();
    let is_ours = |name: &[u8]| !is_pseudo(name) && named.iter().any(|ours| ours == name);
    head.0.retain(|(name, _)| !is_ours(name) && !HOP_BY_HOP.contains(&name.as_slice()));
}

/// What concerns one connection only.
const HOP_BY_HOP: [&[u8]; 7] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
    b"te",
];

/// What is not removed for being named as such.
const NEVER_NOMINATED: [&[u8]; 8] = [
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"te",
    b"trailer",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-request-id",
];

/// Keeps a section within its limits.
fn check_size(fields: &Fields, section: Section, change: FieldChange<'_>) -> Result<(), HostError> {
    let size = |fields: &Fields| {
        fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    };
    // A small field is not weighed: as many as may be stay below the limit.
    let grown = |name: &str, value: &[u8]| match name.len() + value.len() {
        0..=SMALL_FIELD_BYTES => 0,
        large => size(fields) + large,
    };
    let (count, bytes) = match change {
        FieldChange::Remove(_) => return Ok(()),
        FieldChange::ReplaceAll(all) => (all.len(), size(all)),
        FieldChange::Add(name, value) => (fields.len() + 1, grown(name, value)),
        FieldChange::Set(name, value) => {
            let known = known_name(section, name.as_bytes());
            let is_new = fields.iter().all(|(name, _)| *name != *known);
            (fields.len() + usize::from(is_new), grown(name, value))
        }
    };
    let fits = count <= FIELDS_MAX && bytes <= FIELD_BYTES_MAX;
    if fits { Ok(()) } else { Err(HostError::LimitReached) }
}

fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}

/// Adds a value behind those of its name. What stands in a first line stands there once.
fn put(fields: &mut Fields, name: Vec<u8>, value: &[u8]) {
    if is_pseudo(&name) {
        return set(fields, name, value);
    }
    let last = fields.0.iter().rposition(|(known, _)| *known == name);
    let place = last.map_or(fields.len(), |last| last + 1);
    fields.0.insert(place, (name, value.to_vec()));
}

/// Removes all values of a name. The last name takes its place, as in the proxy's map.
fn remove(fields: &mut Fields, name: &[u8]) {
    let Some(place) = fields.0.iter().position(|(known, _)| *known == *name) else { return };
    fields.0.retain(|(known, _)| *known != *name);
    let is_last = place == fields.len();
    let Some((last, _)) = fields.0.last().filter(|_| !is_last).cloned() else { return };
    let (moved, stay): (Vec<_>, Vec<_>) =
        fields.0.split_off(place).into_iter().partition(|(known, _)| *known == last);
    fields.0.extend(moved.into_iter().chain(stay));
}

fn set(fields: &mut Fields, name: Vec<u8>, value: &[u8]) {
    let place = fields.0.iter().position(|(known, _)| *known == name);
    let mut first = true;
    // The first one gets the value; those behind it go.
    fields.0.retain(|(known, _)| *known != name || std::mem::take(&mut first));
    match place.and_then(|place| fields.0.get_mut(place)) {
        Some(field) => field.1 = value.to_vec(),
        None => fields.0.push((name, value.to_vec())),
    }
}
