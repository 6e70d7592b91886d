//! The head of an RPC request, as HTTP would say it: `POST /service/method`.

use std::fmt::Write as _;

use bytes::Bytes;
use host_types::{Frame, Headers, ProtocolName, RequestHead};
use http::{
    Method,
    uri::{PathAndQuery, Scheme},
};

/// Longest name of a service or a method.
const NAME_BYTES_MAX: usize = 4096;

/// What stands for a name that the protocol does not say.
const NO_NAME: &str = "-";

/// The scheme of a protocol's requests: its name, where that can be one.
pub(super) fn scheme_of(name: &ProtocolName) -> Scheme {
    let scheme = Scheme::try_from(name.as_str()).or_else(|_none| Scheme::try_from("rpc"));
    scheme.unwrap_or(Scheme::HTTP)
}

/// Makes the head of a request out of its frame, which is left without its fields. A frame whose
/// names are longer than any name is malformed from now on.
pub(super) fn request_head(frame: &mut Frame, scheme: &Scheme) -> Headers {
    if frame.service.len().max(frame.method.len()) > NAME_BYTES_MAX {
        frame.service = Box::default();
        frame.method = Box::default();
        frame
            .malformed
            .get_or_insert_with(|| "the name of its service or method is too long".into());
    }
    let head = RequestHead {
        method: Method::POST,
        scheme: scheme.clone(),
        authority: None,
        path: path_of(&frame.service, &frame.method),
    };
    Headers::rpc_request(head, std::mem::take(&mut frame.fields))
}

/// `/service/method`, with all bytes encoded that are none of one segment of a path.
fn path_of(service: &str, method: &str) -> PathAndQuery {
    let mut path = String::with_capacity(service.len() + method.len() + 4);
    for name in [service, method] {
        path.push('/');
        match name {
            "" => path.push_str(NO_NAME),
            // Not to be taken for none, and not for a step in a path.
            "-" => path.push_str("%2D"),
            "." => path.push_str("%2E"),
            ".." => path.push_str("%2E%2E"),
            name => push_segment(&mut path, name),
        }
    }
    let path = PathAndQuery::from_maybe_shared(Bytes::from(path));
    path.unwrap_or_else(|_refused| PathAndQuery::from_static("/-/-"))
}

fn push_segment(path: &mut String, name: &str) {
    if name.bytes().all(is_plain) {
        return path.push_str(name);
    }
    for byte in name.bytes() {
        if is_plain(byte) {
            path.push(char::from(byte));
        } else {
            let _infallible = write!(path, "%{byte:02X}");
        }
    }
}

/// The bytes that stand in a segment as they are (RFC 3986 section 3.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
