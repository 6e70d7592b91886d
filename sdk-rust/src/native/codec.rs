//! Codecs over the C table.

use abi_native::{
    guest::{self, Calls, CodecEvent, FrameRecord},
    number::{self, CODEC_GO_AWAY, CODEC_HEARTBEATS, Refusal},
    table,
};

use crate::{
    Codec, CodecProfile, Detection, Frame, Rejection, Rewrite,
    backend::{Batch, decode, kind_number, kind_of, pool_number, width_bytes},
};

/// Does what the proxy asks of a codec.
pub(super) fn on_event(calls: &Calls, codec: &mut dyn Codec, event: CodecEvent<'_>) {
    let written = match event {
        CodecEvent::Detect(first, detection) => {
            *detection = match codec.detect(first) {
                Detection::Match => number::Detection::Match,
                Detection::NeedMore => number::Detection::More,
                Detection::No => number::Detection::No,
            };
            return;
        }
        CodecEvent::Decode(bytes) => return tell(calls, &decode(codec, bytes)),
        CodecEvent::Encode(rewrite) => encode(codec, &rewrite),
        CodecEvent::Heartbeat(id) => codec.heartbeat(id),
        CodecEvent::HeartbeatReply(bytes, id) => codec.heartbeat_reply(bytes, id),
        CodecEvent::Reject(rejection) => reject(codec, &rejection),
        CodecEvent::GoAway => codec.go_away(),
    };
    if let Some(bytes) = written {
        must(calls.codec_bytes(&bytes));
    }
}

/// Tells of frames. What the host does not take it knows to be a fault.
fn tell(calls: &Calls, batch: &Batch) {
    for frame in &batch.frames {
        if calls.codec_frame(&record(frame)).is_err() {
            return;
        }
    }
    if batch.needed > 0 || batch.lost.is_some() {
        must(calls.codec_rest(batch.needed, batch.lost.as_deref()));
    }
}

/// A host that takes no bytes where it asked for them breaks the contract, or they are too many:
/// the plugin cannot go on either way.
fn must(told: Result<(), Refusal>) {
    assert!(told.is_ok(), "the host does not take what the codec wrote: {told:?}");
}

fn record(frame: &Frame) -> FrameRecord<'_> {
    FrameRecord {
        kind: kind_number(frame.kind),
        id: frame.id,
        length: frame.length,
        id_place: frame.id_place.map(|place| guest::IdPlace {
            offset: place.offset,
            width: width_bytes(place.width),
            little_endian: place.little_endian,
        }),
        service: &frame.service,
        method: &frame.method,
        timeout_ms: frame.timeout_ms,
        status: frame.status,
        http_status: frame.http_status.into(),
        fields: frame.fields.iter().map(|(name, value)| (&name[..], &value[..])).collect(),
        attributes: frame
            .attributes
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]))
            .collect(),
        body_start: frame.body.start,
        body_length: frame.body.len(),
        malformed: frame.malformed.as_deref(),
    }
}

fn encode(codec: &mut dyn Codec, rewrite: &guest::Rewrite<'_>) -> Option<Vec<u8>> {
    codec.encode(&Rewrite {
        raw: rewrite.raw,
        kind: kind_of(rewrite.kind)?,
        old_id: rewrite.old_id,
        id: rewrite.id,
        fields: rewrite.fields.iter().collect(),
        fields_changed: rewrite.fields_changed,
        body: rewrite.body,
        body_changed: rewrite.body_changed,
    })
}

fn reject(codec: &mut dyn Codec, rejection: &guest::Rejection<'_>) -> Option<Vec<u8>> {
    codec.reject(&Rejection {
        request: rejection.request,
        id: rejection.id,
        status: u16::try_from(rejection.status).unwrap_or(500),
        message: &String::from_utf8_lossy(rejection.message),
        fields: rejection.fields.iter().collect(),
        body: rejection.body,
    })
}

/// Tells what holds of a protocol.
pub(super) fn tell_profile(of: CodecProfile, profile: &mut table::CodecProfile) {
    profile.pool = pool_number(of.pool);
    profile.id_width = width_bytes(of.id_width);
    let heartbeats = if of.heartbeats { CODEC_HEARTBEATS } else { 0 };
    let go_away = if of.go_away { CODEC_GO_AWAY } else { 0 };
    profile.flags = heartbeats | go_away;
    profile.default_timeout_ms = of.default_timeout_ms;
}
