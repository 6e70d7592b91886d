//! The codecs of one use: each is a protocol on one connection, and a context of the child.
//!
//! The child only says where things are: frames are cut out of the host's own bytes, which are not
//! sent back.

use std::rc::Rc;

use abi_process::v1::{self, codec_answer, event};
use bytes::{Bytes, BytesMut};
use host_extension::{
    BadRecord, Codec, CodecStep, Decoded, Detection, FRAMES_MAX, FaultKind, FrameRecord,
    PluginFault, RecordPlace, Rejection, Rewrite, check_needed, frame_kind_number, record_text,
};
use host_types::Frame;

use crate::session::Context;

/// One codec.
#[derive(Debug)]
pub(crate) struct ProcessCodec {
    context: Rc<Context>,
}

impl ProcessCodec {
    pub(crate) fn new(context: Rc<Context>) -> Self {
        Self { context }
    }

    /// Has a frame written.
    fn write(
        &self,
        call: &'static str,
        event: impl FnOnce(u64, u64) -> event::Kind + 'static,
    ) -> CodecStep<Option<Bytes>> {
        let context = Rc::clone(&self.context);
        CodecStep::Later(Box::pin(async move {
            let instance = Rc::clone(&context.instance);
            let came = context.ask_codec(call, event).await?;
            let codec_answer::Kind::Written(written) = came else {
                return Err(instance.lied(call, OTHER));
            };
            if written.bytes.as_ref().is_some_and(Bytes::is_empty) {
                return Err(instance.lied(call, "wrote a frame of nothing"));
            }
            Ok(written.bytes)
        }))
    }
}

/// What is said of an answer to another question.
const OTHER: &str = "answered something that it was not asked";

impl Codec for ProcessCodec {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        let (context, first) = (Rc::clone(&self.context), Bytes::copy_from_slice(first));
        CodecStep::Later(Box::pin(async move {
            let instance = Rc::clone(&context.instance);
            let ask =
                |context, exchange| event::Kind::Detect(v1::Detect { context, exchange, first });
            let codec_answer::Kind::Detection(found) = context.ask_codec("detect", ask).await?
            else {
                return Err(instance.lied("detect", OTHER));
            };
            Ok(match v1::Detection::try_from(found).unwrap_or_default() {
                v1::Detection::Match => Detection::Match,
                v1::Detection::NeedMore => Detection::NeedMore,
                v1::Detection::NoMatch => Detection::No,
            })
        }))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        CodecStep::Later(Box::pin(decode(Rc::clone(&self.context), bytes)))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        let frame = rewrite.frame;
        let mut encode = v1::Encode {
            frame_kind: i32::try_from(frame_kind_number(frame.kind)).unwrap_or_default(),
            old_id: frame.id,
            id: rewrite.id,
            raw: frame.raw.clone(),
            fields: fields(frame.fields.block()),
            fields_changed: frame.fields.is_changed(),
            body: frame.body.clone(),
            body_changed: rewrite.body_changed,
            ..v1::Encode::default()
        };
        self.write("encode", move |context, exchange| {
            (encode.context, encode.exchange) = (context, exchange);
            event::Kind::Encode(encode)
        })
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        self.write("heartbeat", move |context, exchange| {
            event::Kind::Heartbeat(v1::Heartbeat { context, exchange, id })
        })
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        let (heartbeat, id) = (heartbeat.raw.clone(), heartbeat.id);
        self.write("heartbeat_reply", move |context, exchange| {
            event::Kind::HeartbeatReply(v1::HeartbeatReply { context, exchange, heartbeat, id })
        })
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        let mut reject = v1::Reject {
            request: rejection.request.raw.clone(),
            id: rejection.request.id,
            status: rejection.status.into(),
            message: rejection.message.to_owned(),
            fields: fields(rejection.fields.block()),
            body: Bytes::copy_from_slice(rejection.body),
            ..v1::Reject::default()
        };
        self.write("reject", move |context, exchange| {
            (reject.context, reject.exchange) = (context, exchange);
            event::Kind::Reject(reject)
        })
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        self.write("go_away", |context, exchange| {
            event::Kind::GoAway(v1::GoAway { context, exchange })
        })
    }

    fn is_lost(&self) -> bool {
        self.context.is_shut()
    }
}

impl Drop for ProcessCodec {
    fn drop(&mut self) {
        if let Err(fault) = self.context.complete(|_context| v1::Complete::default()) {
            tracing::debug!(%fault, "a plugin failed as its codec was dropped");
        }
    }
}

/// A codec of a trial: it says that there would be one.
#[derive(Debug)]
pub(crate) struct TriedCodec;

impl TriedCodec {
    fn answer<T>() -> CodecStep<T> {
        let why = "a codec was asked in the trial of its plugin";
        CodecStep::Ready(Err(PluginFault::new(FaultKind::InstanceLost, why)))
    }
}

impl Codec for TriedCodec {
    fn detect(&self, _first: &[u8]) -> CodecStep<Detection> {
        Self::answer()
    }

    fn decode(&self, _bytes: BytesMut) -> CodecStep<Decoded> {
        Self::answer()
    }

    fn encode(&self, _rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        Self::answer()
    }

    fn heartbeat_reply(&self, _heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        Self::answer()
    }

    fn reject(&self, _rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        Self::answer()
    }
}

/// Asks until all whole frames are told of.
async fn decode(context: Rc<Context>, bytes: BytesMut) -> Result<Decoded, PluginFault> {
    let mut decoded = Decoded { rest: bytes, ..Decoded::default() };
    loop {
        if decoded.rest.is_empty() {
            return Ok(decoded);
        }
        let bytes = std::mem::take(&mut decoded.rest).freeze();
        let shown = bytes.clone();
        let ask =
            |context, exchange| event::Kind::Decode(v1::Decode { context, exchange, bytes: shown });
        let came = Rc::clone(&context).ask_codec("decode", ask).await?;
        let lied = |what: &str| Err(context.instance.lied("decode", what));
        let codec_answer::Kind::Decoded(told) = came else { return lied(OTHER) };
        let v1::Decoded { frames, more, needed, lost } = told;
        if frames.len() > FRAMES_MAX {
            return lied("told of more frames at a time than it may");
        }
        if more && frames.is_empty() {
            return lied("has more to tell, and told of nothing");
        }
        // What was sent is not held any more, unless the connection to the child is slow.
        let copy = |shared: Bytes| BytesMut::from(&shared[..]);
        decoded.rest = bytes.try_into_mut().unwrap_or_else(copy);
        for frame in &frames {
            match cut(frame, &mut decoded.rest) {
                Ok(frame) => decoded.frames.push(frame),
                Err(bad) => return lied(&bad.to_string()),
            }
        }
        if !more {
            match check_needed(needed, decoded.rest.len()) {
                Ok(needed) => decoded.needed = needed,
                Err(bad) => return lied(&bad.to_string()),
            }
            decoded.lost = lost.map(|why| record_text(&why));
            return Ok(decoded);
        }
    }
}

fn cut(told: &v1::Frame, bytes: &mut BytesMut) -> Result<Frame, BadRecord> {
    let record = FrameRecord {
        length: told.length,
        // What is below zero is no kind either.
        kind: u32::try_from(told.kind).unwrap_or(u32::MAX),
        id: told.id,
        id_place: told.id_place.as_ref().map(|place| RecordPlace {
            offset: place.offset,
            width: place.width,
            little_endian: place.little_endian,
        }),
        service: &told.service,
        method: &told.method,
        timeout_ms: told.timeout_ms,
        status: told.status,
        http_status: told.http_status,
        body_start: told.body_start,
        body_length: told.body_length,
        malformed: told.malformed.as_deref(),
    };
    record.cut(bytes, told.fields.iter().map(pair_of), told.attributes.iter().map(pair_of))
}

fn pair_of(field: &v1::Field) -> (&[u8], &[u8]) {
    (&field.name, &field.value)
}

/// Fields as they are sent: names and values lie one behind the other in one piece of memory.
fn fields<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<v1::Field> {
    let mut arena = BytesMut::new();
    let mut lengths = Vec::new();
    for (name, value) in pairs {
        arena.extend_from_slice(name);
        arena.extend_from_slice(value);
        lengths.push((name.len(), value.len()));
    }
    let mut arena = arena.freeze();
    let field =
        |(name, value)| v1::Field { name: arena.split_to(name), value: arena.split_to(value) };
    lengths.into_iter().map(field).collect()
}
