//! SOFABolt, version 1, as a plugin: the protocol that the proxy also has built in, so that the
//! price of a codec in a plugin can be seen.
//!
//! It knows requests, one-way requests, responses and heartbeats. Where bytes stand in a frame is
//! in `layout`. Start reading at [`BoltCodec`].
#![forbid(unsafe_code)]

mod layout;

use mortise_sdk::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, Host, IdPlace, IdWidth, Plugin,
    PoolMode, Refusal, Rejection, Rewrite,
};

use crate::layout::{Head, read_fields};

mortise_sdk::plugin!(Bolt);

/// The field that names the service, and the one that names its method, as SOFARPC sends them.
const SERVICE: &[u8] = b"sofa_head_target_service";
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
        head.write(id, &[], &rejection.fields, rejection.body)
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
        Some(fields) => frame.fields = fields,
        None => frame.malformed = Some("the header block is not what its lengths say".to_owned()),
    }
    if matches!(frame.kind, FrameKind::Request | FrameKind::OneWay) {
        frame.service = text_of(&frame, SERVICE);
        frame.method = text_of(&frame, METHOD);
    }
    frame
}

fn text_of(frame: &Frame, wanted: &[u8]) -> String {
    let field = frame.fields.iter().find(|(name, _value)| name == wanted);
    field.map_or_else(String::new, |(_name, value)| String::from_utf8_lossy(value).into_owned())
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
