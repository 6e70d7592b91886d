//! bolt as far as a load and its upstream need it: version 1, one request and one response.
//!
//! The layout is in the documentation of SOFABolt; all numbers are big-endian.

use anyhow::{Context, Result, ensure};

/// What a request begins with, and a response.
const REQUEST_BYTES: usize = 22;
const RESPONSE_BYTES: usize = 20;

/// The fields of a request as SOFARPC sends them; the method says how long the response is.
const FIELDS: [(&str, &str); 8] = [
    ("service", "bench.Echo:1.0"),
    ("sofa_head_target_service", "bench.Echo:1.0"),
    ("sofa_head_target_app", "bench-server"),
    ("sofa_head_generic_type", "0"),
    ("rpc_trace_context.sofaRpcId", "0.1"),
    ("rpc_trace_context.sofaTraceId", "0a0fe8dc1577786351234100112345"),
    ("rpc_trace_context.sofaPenAttrs", "theme=dark&session=5d41402abc4b2a76b9719d911017c592"),
    ("rpc_trace_context.sofaCallerApp", "bench-client"),
];
const METHOD: &str = "sofa_head_method_name";
const REQUEST_CLASS: &str = "com.alipay.sofa.rpc.core.request.SofaRequest";
const RESPONSE_CLASS: &str = "com.alipay.sofa.rpc.core.response.SofaResponse";

/// A request for a response of that many bytes, with the id 1 and as many bytes of its own.
pub(super) fn request(bytes: usize) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in FIELDS.into_iter().chain([(METHOD, bytes.to_string().as_str())]) {
        for text in [name, value] {
            fields.extend_from_slice(&digits::<4>(text.len()));
            fields.extend_from_slice(text.as_bytes());
        }
    }
    let mut frame = vec![1, 1, 0, 1, 1, 0, 0, 0, 1, 1];
    frame.extend_from_slice(&3000_u32.to_be_bytes());
    frame.extend_from_slice(&digits::<2>(REQUEST_CLASS.len()));
    frame.extend_from_slice(&digits::<2>(fields.len()));
    frame.extend_from_slice(&digits::<4>(bytes));
    frame.extend_from_slice(REQUEST_CLASS.as_bytes());
    frame.extend_from_slice(&fields);
    frame.resize(frame.len() + bytes, b'x');
    frame
}

/// The response to a request, which is one of the requests that [`request`] makes with any id:
/// as many bytes as it brought, and a field.
pub(crate) fn response(request: &[u8]) -> Option<Vec<u8>> {
    let id = request.get(5..9)?;
    let bytes = number(request, 18..22)?;
    let field = b"\0\0\0\x06server\0\0\0\x08upstream";
    let mut frame = vec![1, 0, 0, 2, 1];
    frame.extend_from_slice(id);
    frame.extend_from_slice(&[1, 0, 0]);
    frame.extend_from_slice(&digits::<2>(RESPONSE_CLASS.len()));
    frame.extend_from_slice(&digits::<2>(field.len()));
    frame.extend_from_slice(&digits::<4>(bytes));
    frame.extend_from_slice(RESPONSE_CLASS.as_bytes());
    frame.extend_from_slice(field);
    frame.resize(frame.len() + bytes, b'x');
    Some(frame)
}

/// How many bytes the request has that the buffer begins with, once it is whole.
pub(crate) fn request_length(buffer: &[u8]) -> Option<usize> {
    let parts = number(buffer, 14..16)? + number(buffer, 16..18)? + number(buffer, 18..22)?;
    Some(REQUEST_BYTES + parts).filter(|length| buffer.len() >= *length)
}

/// The bytes before the content of the response, once it is whole.
///
/// # Errors
/// It is not the success with `bytes` bytes that answers the request 1.
pub(super) fn whole(buffer: &[u8], bytes: usize) -> Result<Option<usize>> {
    let Some(head) = buffer.get(..RESPONSE_BYTES) else { return Ok(None) };
    let read = |range| number(head, range).context("a short head");
    ensure!(head.starts_with(&[1, 0, 0, 2]), "no response of bolt: {head:?}");
    ensure!(read(5..9)? == 1, "the id is not the request's: {head:?}");
    ensure!(read(10..12)? == 0, "the status is {}", read(10..12)?);
    let content = read(16..20)?;
    ensure!(content == bytes, "not {bytes} bytes but {content}");
    let before = RESPONSE_BYTES + read(12..14)? + read(14..16)?;
    ensure!(buffer.len() <= before + content, "something follows the response");
    Ok((buffer.len() == before + content).then_some(before))
}

/// The last `N` bytes of a number, big-endian.
fn digits<const N: usize>(number: usize) -> [u8; N] {
    let all = number.to_be_bytes();
    let (_zeros, last) = all.split_last_chunk().unwrap_or((&[], &[0; N]));
    *last
}

/// A big-endian number.
fn number(bytes: &[u8], range: std::ops::Range<usize>) -> Option<usize> {
    let digits = bytes.get(range)?;
    Some(digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)))
}

#[cfg(test)]
mod tests;
