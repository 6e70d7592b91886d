//! What the proxy asks of codecs, and their answers.

use abi_process::v1::{
    self, CodecAnswer, Decode, Decoded, Detect, Encode, GoAway, Heartbeat, HeartbeatReply, Reject,
    Written, codec_answer::Kind, reply,
};
use prost::{Message, bytes::Bytes};

use super::{Engine, Filter};
use crate::{
    Codec, Detection, Frame, Host, Rejection, Rewrite,
    backend::{
        Batch, ContextId, FRAMES_MAX, Instance, decode, kind_number, kind_of, pool_number,
        width_bytes,
    },
    child::panics::{drop_guarded, guard},
};

/// Most fields and attributes of the frames of one answer.
const FIELDS_MAX: usize = 8192;
/// Most of one frame that are told; the proxy takes a frame with so many for a malformed one.
const FRAME_FIELDS_MAX: usize = 4097;

impl Engine {
    /// Has a plugin make a codec that nobody needs: who makes none serves no protocol. Says what
    /// holds of the protocol.
    pub(super) fn try_codec(
        &self,
        instance: u64,
        plugin: &mut dyn Instance,
    ) -> Result<v1::CodecProfile, String> {
        self.desk.begin(instance, None, None);
        let made = guard(|| plugin.codec(&Host::new(&self.desk)));
        self.desk.end();
        let codec = made?.ok_or("the plugin serves no protocol")?;
        drop_guarded(codec)?;
        let profile = plugin.codec_profile();
        Ok(v1::CodecProfile {
            pool: number(pool_number(profile.pool)),
            id_width: width_bytes(profile.id_width),
            heartbeats: profile.heartbeats,
            go_away: profile.go_away,
            default_timeout_ms: profile.default_timeout_ms,
        })
    }

    pub(super) fn on_detect(&mut self, detect: &Detect) {
        self.ask_codec(detect.context, detect.exchange, |codec| {
            Kind::Detection(match codec.detect(&detect.first) {
                Detection::Match => v1::Detection::Match.into(),
                Detection::NeedMore => v1::Detection::NeedMore.into(),
                Detection::No => v1::Detection::NoMatch.into(),
            })
        });
    }

    pub(super) fn on_decode(&mut self, asked: &Decode) {
        let bytes = &asked.bytes;
        self.ask_codec(asked.context, asked.exchange, |codec| {
            Kind::Decoded(decoded(decode(codec, bytes), bytes.len()))
        });
    }

    pub(super) fn on_encode(&mut self, encode: &Encode) {
        self.write(encode.context, encode.exchange, |codec| {
            codec.encode(&Rewrite {
                raw: &encode.raw,
                // A kind that is not known was never told of here.
                kind: u32::try_from(encode.frame_kind).ok().and_then(kind_of)?,
                old_id: encode.old_id,
                id: encode.id,
                fields: pairs(&encode.fields),
                fields_changed: encode.fields_changed,
                body: &encode.body,
                body_changed: encode.body_changed,
            })
        });
    }

    pub(super) fn on_heartbeat(&mut self, asked: &Heartbeat) {
        self.write(asked.context, asked.exchange, |codec| codec.heartbeat(asked.id));
    }

    pub(super) fn on_heartbeat_reply(&mut self, asked: &HeartbeatReply) {
        self.write(asked.context, asked.exchange, |codec| {
            codec.heartbeat_reply(&asked.heartbeat, asked.id)
        });
    }

    pub(super) fn on_reject(&mut self, reject: &Reject) {
        self.write(reject.context, reject.exchange, |codec| {
            codec.reject(&Rejection {
                request: &reject.request,
                id: reject.id,
                status: u16::try_from(reject.status).unwrap_or(500),
                message: &reject.message,
                fields: pairs(&reject.fields),
                body: &reject.body,
            })
        });
    }

    pub(super) fn on_go_away(&mut self, asked: &GoAway) {
        self.write(asked.context, asked.exchange, |codec| codec.go_away());
    }

    /// Has a frame written.
    fn write(
        &mut self,
        id: ContextId,
        exchange: u64,
        write: impl FnOnce(&mut dyn Codec) -> Option<Vec<u8>>,
    ) {
        self.ask_codec(id, exchange, |codec| {
            Kind::Written(Written { bytes: write(codec).map(Bytes::from) })
        });
    }

    /// Calls a codec, and sends what came of it.
    fn ask_codec(
        &mut self,
        id: ContextId,
        exchange: u64,
        call: impl FnOnce(&mut dyn Codec) -> Kind,
    ) {
        let instance = self.desk.context(id).map(|context| context.instance);
        let (Some(instance), Some(filter)) = (instance, self.filters.get_mut(&id)) else {
            return self.note_stray();
        };
        let came = match filter {
            Filter::Codec(codec) => guard(|| call(codec.as_mut())),
            Filter::Refused(error) => Err(error.clone()),
            Filter::Absent => Err("the plugin made no codec for a connection".to_owned()),
            Filter::Stream(_) | Filter::Connection(_) => {
                Err("the plugin was asked for frames of what is no codec".to_owned())
            }
        };
        let generation = self.desk.link.generation();
        let kind = Some(came.unwrap_or_else(Kind::Failed));
        let mut answer = CodecAnswer { generation, context: id, exchange, kind };
        let bytes = answer.encoded_len();
        if self.desk.link.is_too_large(bytes) {
            let error = format!("the plugin's answer has {bytes} bytes, more than the proxy takes");
            answer.kind = Some(Kind::Failed(error));
        }
        let has_failed = matches!(answer.kind, Some(Kind::Failed(_)));
        self.desk.link.send(reply::Kind::Codec(answer));
        if has_failed {
            self.let_go(instance);
        }
    }
}

/// An answer with as many of the frames as it may have.
fn decoded(batch: Batch, length: usize) -> Decoded {
    let Batch { frames, needed, lost } = batch;
    let (count, mut told) = (frames.len(), Vec::with_capacity(frames.len()));
    let (mut fields, mut cut) = (0, 0_usize);
    for frame in frames {
        fields += frame.fields.len() + frame.attributes.len();
        if fields > FIELDS_MAX && !told.is_empty() {
            break;
        }
        cut = cut.saturating_add(frame.length);
        told.push(frame_of(frame));
    }
    let is_full = told.len() < count || count >= FRAMES_MAX;
    if is_full {
        return Decoded { frames: told, more: cut < length, needed: 0, lost: None };
    }
    let lost = lost.map(Bytes::from);
    Decoded { frames: told, more: false, needed: needed as u64, lost }
}

fn frame_of(frame: Frame) -> v1::Frame {
    let fields = frame.fields.into_iter();
    let attributes = frame.attributes.into_iter();
    v1::Frame {
        kind: number(kind_number(frame.kind)),
        length: frame.length as u64,
        id: frame.id,
        id_place: frame.id_place.map(|place| v1::IdPlace {
            offset: place.offset as u64,
            width: width_bytes(place.width),
            little_endian: place.little_endian,
        }),
        service: frame.service.into(),
        method: frame.method.into(),
        timeout_ms: frame.timeout_ms,
        status: frame.status,
        http_status: frame.http_status.into(),
        fields: fields.take(FRAME_FIELDS_MAX).map(|(name, value)| field(name, value)).collect(),
        attributes: attributes
            .take(FRAME_FIELDS_MAX)
            .map(|(name, value)| field(name.into(), value))
            .collect(),
        body_start: frame.body.start as u64,
        body_length: frame.body.len() as u64,
        malformed: frame.malformed.map(Bytes::from),
    }
}

fn field(name: Vec<u8>, value: Vec<u8>) -> v1::Field {
    v1::Field { name: name.into(), value: value.into() }
}

fn pairs(fields: &[v1::Field]) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|field| (&field.name[..], &field.value[..])).collect()
}

/// A small number as enums are sent.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests;
