//! SOFABolt, version 1, as a plugin: the protocol that the proxy also has built in, so that the
//! price of a codec in a plugin can be seen.
//!
//! It knows requests, one-way requests, responses and heartbeats. Where bytes stand in a frame is
//! in `layout`. Start reading at [`BoltCodec`].
#![forbid(unsafe_code)]

mod exception;
mod layout;

use mortise_sdk::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, Host, IdPlace, IdWidth, Plugin,
    PoolMode, Refusal, Rejection, Rewrite,
};

use crate::layout::{Head, read_fields, value_of};

mortise_sdk::plugin!(Bolt);

/// The two fields that may name the service, and the one that names its method, as SOFARPC sends
/// them.
const TARGET_SERVICE: &[u8] = b"sofa_head_target_service";
const SERVICE: &[u8] = b"service";
const METHOD: &[u8] = b"sofa_head_method_name";

/// The plugin, which keeps nothing.
#[derive(Debug)]
pub struct Bolt;

/// It takes no configuration.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Plugin for Bolt {
    type Config = Nothing;

    const CODEC: CodecProfile = CodecProfile {
        pool: PoolMode::Multiplexed,
        id_width: IdWidth::Four,
        heartbeats: true,
        go_away: false,
        default_timeout_ms: 0,
    };

    fn start(Nothing {}: Nothing, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn codec(&mut self, _host: &Host<'_>) -> Option<Box<dyn Codec>> {
        Some(Box::new(BoltCodec))
    }
}

/// The codec of one connection. Every frame says all of itself, so that nothing is kept.
#[derive(Debug)]
pub struct BoltCodec;

impl Codec for BoltCodec {
    fn detect(&mut self, first: &[u8]) -> Detection {
        match first {
            [] | [1] => Detection::NeedMore,
            [1, 0..=2, ..] => Detection::Match,
            _ => Detection::No,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        let head = match Head::read(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return Decoded::NeedMore { total: 0 },
            Err(why) => return Decoded::Lost(why),
        };
        match bytes.get(..head.length()) {
            Some(frame) => Decoded::Frame(Box::new(read(&head, frame))),
            None => Decoded::NeedMore { total: head.length() },
        }
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        let head = Head::read(rewrite.raw).ok()??;
        if is_request(rewrite.kind) {
            service(rewrite.fields.iter().copied()).ok()?;
        }
        let class = rewrite.raw.get(head.class())?;
        head.write(u32::try_from(rewrite.id).ok()?, class, &rewrite.fields, rewrite.body)
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        Head::heartbeat().write(u32::try_from(id).ok()?, &[], &[], &[])
    }

    fn heartbeat_reply(&mut self, _heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        Head::heartbeat_reply().write(u32::try_from(id).ok()?, &[], &[], &[])
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let id = u32::try_from(rejection.id).ok()?;
        let head = Head::response(status_of(rejection.status));
        if (200..300).contains(&rejection.status) {
            return head.write(id, &[], &rejection.fields, rejection.body);
        }
        // Clients close the connection on content of a failure that they cannot read.
        let text = std::str::from_utf8(rejection.body).unwrap_or_default();
        let text = if text.is_empty() { rejection.message } else { text };
        let content = exception::saying(text);
        head.write(id, exception::CLASS.as_bytes(), &rejection.fields, &content)
    }
}

/// A whole frame.
fn read(head: &Head, bytes: &[u8]) -> Frame {
    let mut frame = Frame {
        kind: head.kind(),
        length: head.length(),
        id: u64::from(head.id),
        id_place: Some(IdPlace { offset: layout::ID, width: IdWidth::Four, little_endian: false }),
        timeout_ms: head.timeout_ms(),
        status: u32::from(head.status),
        http_status: http_status(head.status),
        body: head.content(),
        ..Frame::default()
    };
    match read_fields(bytes.get(head.fields()).unwrap_or_default()) {
        Ok(fields) => frame.fields = fields,
        Err(why) => frame.malformed = Some(why.to_owned()),
    }
    if is_request(frame.kind) {
        let pairs = || frame.fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let method = lossy(value_of(pairs(), METHOD));
        match service(pairs()).map(lossy) {
            Ok(service) => frame.service = service,
            Err(why) => frame.malformed = Some(why.to_owned()),
        }
        frame.method = method;
    }
    frame
}

fn is_request(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Request | FrameKind::OneWay)
}

/// The service that a request with these fields calls. Servers differ in which of the two fields
/// they read first, so they must say the same.
fn service<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Result<Option<&'a [u8]>, &'static str> {
    match (value_of(fields.clone(), TARGET_SERVICE), value_of(fields, SERVICE)) {
        (Some(target), Some(service)) if target != service => Err("two services are named"),
        (target, service) => Ok(target.or(service)),
    }
}

fn lossy(text: Option<&[u8]>) -> String {
    String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
}

/// What HTTP says for a status of bolt.
fn http_status(status: u16) -> u16 {
    match status {
        0 => 200,
        4 => 503,
        7 => 504,
        16 => 502,
        _ => 500,
    }
}

/// The status of bolt for what HTTP says.
fn status_of(http: u16) -> u16 {
    match http {
        200..=299 => 0,
        400 => 9,
        403 => 2,
        404 | 502 => 6,
        503 => 4,
        504 => 7,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
