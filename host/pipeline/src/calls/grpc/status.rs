//! What the status of a gRPC call is, and how metadata is written.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use host_extension::{CallResult, OutboundError, Pairs};
use http::{HeaderMap, HeaderName, StatusCode};

use super::frames::FrameError;
use crate::calls::outbound::fields;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const UNKNOWN: u32 = 2;
const DEADLINE_EXCEEDED: u32 = 4;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Status {
    pub(super) code: u32,
    pub(super) message: Box<str>,
    /// What went wrong on the way, where the answer was not whole.
    pub(super) failed: Option<OutboundError>,
}

impl Status {
    fn new(code: u32, message: impl Into<Box<str>>) -> Self {
        Self { code, message: message.into(), failed: None }
    }

    fn failed(self, why: OutboundError) -> Self {
        Self { failed: Some(why), ..self }
    }

    /// True where a section says the status.
    pub(super) fn is_in(map: &HeaderMap) -> bool {
        map.contains_key(GRPC_STATUS)
    }

    /// What trailers say; nothing where they do not.
    pub(super) fn of_trailers(map: &HeaderMap) -> Option<Self> {
        let code = map.get(GRPC_STATUS)?.to_str().ok().and_then(|code| code.parse().ok());
        let message = map.get(GRPC_MESSAGE).map(|text| percent_decoded(text.as_bytes()));
        Some(Self::new(code.unwrap_or(UNKNOWN), message.unwrap_or_default()))
    }

    /// Of an answer that is no gRPC.
    pub(super) fn of_http(status: StatusCode) -> Self {
        if status == StatusCode::OK {
            return Self::missing();
        }
        Self::new(
            code_of_http(status),
            format!("the upstream answered with status {}", status.as_u16()),
        )
    }

    /// Of a body that breaks its own frames.
    pub(super) fn of_frame(error: FrameError) -> Self {
        let (code, message) = match error {
            FrameError::Compressed => (INTERNAL, "a message is compressed"),
            FrameError::Flags => (INTERNAL, "a message has unknown flags"),
            FrameError::TooLarge => {
                let status = Self::new(RESOURCE_EXHAUSTED, "a message is too large");
                return status.failed(OutboundError::TooLarge);
            }
            FrameError::Cut => (INTERNAL, "the answer ends within a message"),
        };
        Self::new(code, message).failed(OutboundError::Reset)
    }

    /// Of a call that got no answer.
    pub(super) fn of(error: OutboundError) -> Self {
        let code = match error {
            OutboundError::TimedOut => DEADLINE_EXCEEDED,
            OutboundError::TooLarge => RESOURCE_EXHAUSTED,
            OutboundError::Unreachable | OutboundError::Reset | _ => UNAVAILABLE,
        };
        Self::new(code, error.to_string()).failed(error)
    }

    /// Of an answer that broke off.
    pub(super) fn broken() -> Self {
        Self::new(INTERNAL, OutboundError::Reset.to_string()).failed(OutboundError::Reset)
    }

    /// Of an answer that does not say.
    pub(super) fn missing() -> Self {
        Self::new(UNKNOWN, "the answer has no grpc-status")
    }
}

/// The counterpart of a status of HTTP.
pub(crate) fn code_of_http(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Bytes behind a `%` and two digits are meant as they are; what is no text is replaced.
fn percent_decoded(text: &[u8]) -> Box<str> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = behind.split_first_chunk::<2>().filter(|_| byte == b'%');
        match digits.and_then(|(digits, behind)| hex(*digits).map(|byte| (byte, behind))) {
            Some((meant, behind)) => {
                decoded.push(meant);
                rest = behind;
            }
            None => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into()
}

fn hex([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

fn is_binary(name: &[u8]) -> bool {
    name.len() > 4 && name.to_ascii_lowercase().ends_with(b"-bin")
}

/// Metadata as fields: raw bytes are written in base64.
pub(super) fn encode_metadata(pairs: &Pairs) -> CallResult<HeaderMap> {
    let written = pairs.iter().map(|(name, value)| {
        let value = if is_binary(name) {
            STANDARD_NO_PAD.encode(value).into_bytes()
        } else {
            value.clone()
        };
        (name.clone(), value)
    });
    fields(&written.collect())
}
