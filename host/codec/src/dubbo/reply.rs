//! Replies that the proxy makes in a provider's place.
//!
//! An error of Dubbo is its status and one string. A consumer in Java throws it: a timeout as
//! such, all others as failures of the call, with the string as their message. Nothing else has
//! room in it, so the fields of the reply are left out, and its body, where it has one, is the
//! string.

use bytes::Bytes;
use host_extension::Rejection;

use super::{
    head::{self, Head, OK},
    payload::Holds,
};
use crate::hessian::{END, MAP, write_text};

/// The response to a request.
pub(super) fn write(rejection: &Rejection<'_>) -> Option<Bytes> {
    let request = rejection.request;
    let asked = Head::read(&request.raw)?;
    let status = head::status_of(rejection.status);
    let body = String::from_utf8_lossy(rejection.body);
    if status != OK {
        let serialization = head::serialization_of_reply(asked.serialization());
        let head = Head { flags: serialization, status, ..Head::default() };
        let text = if body.is_empty() { rejection.message } else { &body };
        let mut out = head.begin(request.id, text.len());
        head::write_message(serialization, &mut out, text)?;
        return head::finish(out);
    }
    // A route answers itself: with a string, or with no value.
    let is_attached = request.fields.get(b":dubbo").is_some_and(takes_attachments);
    let head = Head { flags: head::HESSIAN, status, ..Head::default() };
    let mut out = head.begin(request.id, body.len());
    Holds::value(!body.is_empty(), is_attached).write(&mut out);
    if !body.is_empty() {
        write_text(&mut out, body.as_bytes())?;
    }
    if is_attached {
        out.push(MAP);
        for (name, value) in rejection.fields.block() {
            write_text(&mut out, name)?;
            write_text(&mut out, value)?;
        }
        out.push(END);
    }
    head::finish(out)
}

/// True where a consumer of this version of the protocol reads attachments of responses: from
/// 2.0.2 to 2.0.99. Consumers of old wrote the version of their library there, which is higher.
fn takes_attachments(version: &[u8]) -> bool {
    let version = std::str::from_utf8(version).unwrap_or_default();
    let digits = |part: &str| part.parse::<u32>().ok();
    let mut parts = version.split('.').map(digits);
    let number = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    matches!(number, (Some(2), Some(0), Some(2..=99))) && parts.next().is_none()
}

#[cfg(test)]
mod tests;
