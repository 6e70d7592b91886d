//! Local replies to gRPC requests: such a client looks for a gRPC status, not for one of HTTP.
//!
//! The reply is a head that says all there is to say: status 200, what went wrong in numbers,
//! and the body as a message. Nothing here decides whether a request is replied to.

use std::fmt::Write as _;

use bytes::Bytes;
use host_extension::LocalReply;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};

use crate::calls::code_of_http;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Bytes of a reply's body that become the message: it is a field of the head.
const MESSAGE_BYTES_MAX: usize = 2048;

/// True for a request of gRPC, whatever its messages are written in.
pub(crate) fn is_grpc(request: &HeaderMap) -> bool {
    let content = request.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let behind = content.and_then(|content| content.strip_prefix(b"application/grpc"));
    behind.is_some_and(|behind| behind.first().is_none_or(|next| matches!(next, b'+' | b';')))
}

/// Makes a reply one that a gRPC client understands. A status among its fields stands.
pub(super) fn answer_grpc(reply: &mut LocalReply) {
    let code = reply.grpc_status.unwrap_or_else(|| code_of_http(reply.status));
    let headers = &mut reply.headers;
    headers.entry(GRPC_STATUS).or_insert(HeaderValue::from(code));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let body = std::mem::take(&mut reply.body);
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(&body))
        && !message.is_empty()
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    reply.status = StatusCode::OK;
}

/// The beginning of a text, without the white space at its end.
fn percent_encoded(text: &Bytes) -> String {
    let text = text.get(..MESSAGE_BYTES_MAX).unwrap_or(text).trim_ascii_end();
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b' '..=b'~' if *byte != b'%' => encoded.push(char::from(*byte)),
            _ => drop(write!(encoded, "%{byte:02X}")), // a string takes all
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
