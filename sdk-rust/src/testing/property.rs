//! The properties of a stream that come of its messages.

use super::message::Message;
use crate::Fields;

/// What the host knows of a stream by itself: the request's line, its fields, sizes and the
/// status.
pub(super) fn of_stream(request: &Message, response: &Message, path: &[&str]) -> Option<Vec<u8>> {
    // The request line is known also when the head is gone.
    let line = request.head.as_ref().or(request.passed.head.as_ref());
    let of_line = |name: &str| Some(line?.get(name)?.to_vec());
    let head = |message: &Message| message.head.clone();
    match path {
        ["request", "method"] => of_line(":method"),
        ["request", "scheme"] => of_line(":scheme"),
        ["request", "host"] => of_line(":authority"),
        ["request", "path"] => of_line(":path"),
        ["request", "url_path"] => Some(split(&of_line(":path")?).0.to_vec()),
        ["request", "query"] => Some(split(&of_line(":path")?).1.to_vec()),
        ["request", "referer"] => joined(&head(request)?, "referer"),
        ["request", "useragent"] => joined(&head(request)?, "user-agent"),
        ["request", "size"] => Some(number(request.body_bytes)),
        ["request", "headers", name] => joined(&head(request)?, name),
        ["request", "trailers", name] => joined(request.trailers.as_ref()?, name),
        ["response", "code"] => {
            let head = response.head.as_ref().or(response.passed.head.as_ref())?;
            Some(number(head.get_str(":status")?.parse().ok()?))
        }
        ["response", "size"] => Some(number(response.body_bytes)),
        ["response", "headers", name] => joined(&head(response)?, name),
        ["response", "trailers", name] => joined(response.trailers.as_ref()?, name),
        _ => None,
    }
}

/// All values of a field, as one.
fn joined(fields: &Fields, name: &str) -> Option<Vec<u8>> {
    let values: Vec<_> = fields
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
        .collect();
    (!values.is_empty()).then(|| values.join(&b','))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn number(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}
