//! Heads as a test writes them, and changes as a plugin makes them.

use crate::{
    Fields, HostError,
    backend::{FieldChange, Section, check_change},
};

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
    match change {
        FieldChange::Add(name, value) => {
            let name = known_name(section, name.as_bytes());
            // What stands in a first line stands there once.
            if name.first() == Some(&b':') {
                set(fields, name, value)
            } else {
                add(fields, name, value)
            }
        }
        FieldChange::Set(name, value) => set(fields, known_name(section, name.as_bytes()), value),
        FieldChange::Remove(name) => {
            fields.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
        }
        FieldChange::ReplaceAll(all) => {
            let is_line = |(name, _): &(Vec<u8>, Vec<u8>)| name.first() == Some(&b':');
            let mut next =
                Fields(fields.0.iter().filter(|field| is_line(field)).cloned().collect());
            for (name, value) in all.iter() {
                let name = known_name(section, name);
                if name.first() == Some(&b':') {
                    set(&mut next, name, value);
                } else {
                    add(&mut next, name, value);
                }
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

fn add(fields: &mut Fields, name: Vec<u8>, value: &[u8]) {
    fields.0.push((name, value.to_vec()));
}

fn set(fields: &mut Fields, name: Vec<u8>, value: &[u8]) {
    let place = fields.0.iter().position(|(known, _)| *known == name);
    let mut first = true;
    // The first one gets the value; those behind it go.
    fields.0.retain(|(known, _)| *known != name || std::mem::take(&mut first));
    match place.and_then(|place| fields.0.get_mut(place)) {
        Some(field) => field.1 = value.to_vec(),
        None => add(fields, name, value),
    }
}
