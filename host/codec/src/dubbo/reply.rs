//! Replies that the proxy makes in a provider's place.
//!
//! An error of Dubbo is its status and one string. A consumer in Java throws it: a timeout as
//! such, all others as failures of the call, with the string as their message. Nothing else has
//! room in it, so the fields of the reply are left out, and its body, where it is a text, is the
//! string.

use bytes::Bytes;
use host_extension::Rejection;

use super::{
    head::{self, HEAD_BYTES, Head, OK},
    json,
    payload::{self, Holds},
};
use crate::{
    hessian::{END, MAP, write_text},
    wire::{last_of_each, words_of},
};

/// The response to a request.
pub(super) fn write(rejection: &Rejection<'_>) -> Option<Bytes> {
    let request = rejection.request;
    let asked = Head::read(&request.raw)?;
    let status = head::status_of(rejection.status);
    if status != OK {
        let serialization = head::serialization_of_reply(asked.serialization());
        let head = Head { flags: serialization, status, ..Head::default() };
        let text = words_of(rejection);
        let mut out = head.begin(request.id, text.len());
        head::write_message(serialization, &mut out, text)?;
        return head::finish(out);
    }
    // A route answers itself: with a string, or with no value.
    let body = String::from_utf8_lossy(rejection.body);
    let is_attached = takes_attachments(&version_of(&asked, &request.raw));
    let head = Head { flags: head::HESSIAN, status, ..Head::default() };
    let mut out = head.begin(request.id, body.len());
    Holds::value(!body.is_empty(), is_attached).write(&mut out);
    if !body.is_empty() {
        write_text(&mut out, body.as_bytes())?;
    }
    if is_attached {
        out.push(MAP);
        for (name, value) in last_of_each(rejection.fields) {
            write_text(&mut out, name)?;
            write_text(&mut out, value)?;
        }
        out.push(END);
    }
    head::finish(out)
}

/// The version of the protocol that a request says, where it can be read.
fn version_of(asked: &Head, raw: &[u8]) -> Box<str> {
    let version = match asked.serialization() {
        head::HESSIAN => payload::read_version(raw).ok(),
        head::FASTJSON => raw.get(HEAD_BYTES..).and_then(json::read_version),
        _ => None,
    };
    version.unwrap_or_default()
}

/// True where a consumer of this version of the protocol reads attachments of responses: from
/// 2.0.2 to 2.0.99. Consumers of old wrote the version of their library there, which is higher.
fn takes_attachments(version: &str) -> bool {
    let digits = |part: &str| part.parse::<u32>().ok();
    let mut parts = version.split('.').map(digits);
    let number = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    matches!(number, (Some(2), Some(0), Some(2..=99))) && parts.next().is_none()
}

#[cfg(test)]
mod tests;
