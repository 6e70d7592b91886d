//! A reply that the proxy makes in the upstream's place.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

/// A whole reply: status, fields, body.
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// The final status.
    pub status: StatusCode,
    /// Fields to send; framing fields are the pipeline's.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The status for a client that asked in gRPC; without one, the counterpart of `status`.
    pub grpc_status: Option<u32>,
    /// Why, for the access log; not sent.
    pub details: Box<str>,
}

impl LocalReply {
    /// A reply with a plain text body (none where `text` is empty).
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        let body = text.into();
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        Self { status, headers, body, grpc_status: None, details: Box::default() }
    }
}
