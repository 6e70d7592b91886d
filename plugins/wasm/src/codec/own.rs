//! A codec by our own interface: each is one context of the guest.
//!
//! The guest owns a buffer, into which its input is written before each call. It answers with
//! bytes in its memory, which are read before it is called again.

use std::{fmt, rc::Rc};

use abi_wasm::codec::{
    self, AnswerReader, EncodeOrder, FrameEntry, RejectOrder, ReplyOrder, detection, export,
};
use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecStep, Decoded, Detection, FRAMES_MAX, FaultKind, FrameRecord, PluginFault,
    RecordPlace, Rejection, Rewrite, check_needed, frame_kind_number, record_text,
};
use host_types::{FieldList, Frame};
use wasmtime::Store;

use super::{
    CodecHooks,
    context::{CodecContext, Lie, Told, read, write},
    hooks::{BytesHook, OwnHooks},
};
use crate::{seat::Seat, state::VmData};

/// Least bytes that a guest is asked to have a buffer of, so that it is seldom asked again.
const BUFFER_BYTES_MIN: usize = 16 * 1024;
/// A buffer of more bytes than these is asked for anew for a small input, so that the guest can
/// let go of it.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;

/// One codec.
pub(super) struct OwnCodec {
    context: CodecContext,
}

impl OwnCodec {
    /// Has the guest make a codec.
    pub(super) fn new(seat: &Rc<Seat>, hooks: &OwnHooks) -> Result<Self, PluginFault> {
        let context = CodecContext::new(seat, false)?;
        let numbers = (context.id(), seat.root.id);
        let made =
            context.call(export::CONTEXT, |store| hooks.context.call(store, numbers).map(Ok))?;
        if made == 0 {
            let message = format!("plugin `{}` makes no codec", seat.root.plugin);
            return Err(PluginFault::new(FaultKind::Protocol, message));
        }
        Ok(Self { context })
    }

    fn hooks(&self) -> Result<&OwnHooks, PluginFault> {
        match &self.context.seat().vm.hooks().codec {
            Some(CodecHooks::Own(hooks)) => Ok(hooks),
            Some(CodecHooks::Mosn(_)) | None => {
                let message = "a codec lives in a guest that has none";
                Err(PluginFault::new(FaultKind::Protocol, message))
            }
        }
    }

    fn find(&self, first: &[u8]) -> Result<Detection, PluginFault> {
        let hooks = self.hooks()?;
        self.context.call(export::DETECT, |store| {
            let length = match give(store, hooks, first)? {
                Ok(length) => length,
                Err(lie) => return Ok(Err(lie)),
            };
            let number = hooks.detect.call(&mut *store, (self.context.id(), length))?;
            Ok(match number {
                detection::NO => Ok(Detection::No),
                detection::MATCH => Ok(Detection::Match),
                detection::NEED_MORE => Ok(Detection::NeedMore),
                other => Err(format!("answered {other}, which says nothing,")),
            })
        })
    }

    fn take(&self, mut bytes: BytesMut) -> Result<Decoded, PluginFault> {
        let hooks = self.hooks()?;
        let mut decoded = Decoded::default();
        let mut is_over = bytes.is_empty();
        while !is_over {
            is_over = self.context.call(export::DECODE, |store| {
                let length = match give(store, hooks, &bytes)? {
                    Ok(length) => length,
                    Err(lie) => return Ok(Err(lie)),
                };
                let answer = hooks.decode.call(&mut *store, (self.context.id(), length))?;
                let place = codec::unpack(answer).ok_or_else(|| "answered with nothing".to_owned());
                let record = place.and_then(|place| read(store, place));
                Ok(record.and_then(|record| cut(record, &mut bytes, &mut decoded)))
            })?;
        }
        decoded.rest = bytes;
        Ok(decoded)
    }

    /// Hands an order to the guest, which answers with bytes or with none.
    fn order(
        &self,
        callback: &'static str,
        hook: impl FnOnce(&OwnHooks) -> &BytesHook,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Option<Bytes>, PluginFault> {
        let hooks = self.hooks()?;
        let hook = hook(hooks);
        self.context.call(callback, |store| {
            let mut order = std::mem::take(&mut store.data_mut().scratch);
            write(&mut order);
            let given = give(store, hooks, &order);
            order.shrink_to(BUFFER_BYTES_KEPT);
            store.data_mut().scratch = order;
            let length = match given? {
                Ok(length) => length,
                Err(lie) => return Ok(Err(lie)),
            };
            let answer = hook.call(&mut *store, (self.context.id(), length))?;
            Ok(answered(store, answer))
        })
    }
}

/// Writes the input of a call to where the guest reads it; answers with its length.
fn give(store: &mut Store<VmData>, hooks: &OwnHooks, input: &[u8]) -> Told<u32> {
    let Ok(length) = u32::try_from(input.len()) else {
        return Ok(Err("was given more bytes than any memory has,".to_owned()));
    };
    let (mut address, bytes) = store.data().codec.buffer;
    let is_large = usize::try_from(bytes).is_ok_and(|bytes| bytes > BUFFER_BYTES_KEPT);
    let is_small = input.len() <= BUFFER_BYTES_MIN;
    if bytes < length || bytes == 0 || (is_large && is_small) {
        let wanted = input.len().max(BUFFER_BYTES_MIN);
        let wanted = wanted.checked_next_power_of_two().unwrap_or(wanted);
        let wanted = u32::try_from(wanted).unwrap_or(length);
        // Whatever the guest answers, the old one is gone.
        store.data_mut().codec.buffer = (0, 0);
        address = hooks.buffer.call(&mut *store, wanted)?;
        if address == 0 {
            return Ok(Err("gave no buffer for its input".to_owned()));
        }
        store.data_mut().codec.buffer = (address, wanted);
    }
    Ok(write(store, address, input).map(|()| length))
}

/// The bytes that a guest answered with.
fn answered(store: &Store<VmData>, answer: u64) -> Result<Option<Bytes>, Lie> {
    let place = codec::unpack(answer);
    place.map(|place| read(store, place).map(Bytes::copy_from_slice)).transpose()
}

/// Cuts the frames that an answer tells of off the bytes; true where nothing more is to be asked.
fn cut(answer: &[u8], bytes: &mut BytesMut, decoded: &mut Decoded) -> Result<bool, Lie> {
    let malformed = |error: codec::RecordError| format!("answered with {error}");
    let mut reader = AnswerReader::new(answer).map_err(malformed)?;
    let count = reader.frames();
    decoded.frames.reserve(count);
    while let Some((entry, fields, attributes)) = reader.frame().map_err(malformed)? {
        let frame = record(&entry).cut(bytes, fields, attributes);
        decoded.frames.push(frame.map_err(|lie| lie.to_string())?);
    }
    let needed = reader.needed();
    if let Some(lost) = reader.finish().map_err(malformed)? {
        decoded.lost = Some(record_text(lost));
        return Ok(true);
    }
    decoded.needed = check_needed(needed.into(), bytes.len()).map_err(|lie| lie.to_string())?;
    Ok(bytes.is_empty() || count < FRAMES_MAX)
}

fn record<'a>(entry: &FrameEntry<'a>) -> FrameRecord<'a> {
    FrameRecord {
        length: entry.length.into(),
        kind: entry.kind.into(),
        id: entry.id,
        id_place: entry.id_place.map(|place| RecordPlace {
            offset: place.offset.into(),
            width: if place.is_wide { 8 } else { 4 },
            little_endian: place.is_little_endian,
        }),
        service: entry.service,
        method: entry.method,
        timeout_ms: entry.timeout_ms,
        status: entry.status,
        http_status: entry.http_status.into(),
        body_start: entry.body_start.into(),
        body_length: entry.body_length.into(),
        malformed: entry.malformed,
    }
}

/// The fields of a list as an order carries them.
fn pairs(fields: &FieldList) -> std::vec::IntoIter<(&[u8], &[u8])> {
    fields.block().collect::<Vec<_>>().into_iter()
}

/// Where the body stands in the frame's own bytes; `None` where it does not.
fn body_start(frame: &Frame) -> Option<usize> {
    if frame.body.is_empty() {
        return Some(0);
    }
    let start = frame.body.as_ptr().addr().checked_sub(frame.raw.as_ptr().addr())?;
    let end = start.checked_add(frame.body.len())?;
    (end <= frame.raw.len()).then_some(start)
}

impl Codec for OwnCodec {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        CodecStep::Ready(self.find(first))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        CodecStep::Ready(self.take(bytes))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        let frame = rewrite.frame;
        let order = EncodeOrder {
            kind: u8::try_from(frame_kind_number(frame.kind)).unwrap_or_default(),
            old_id: frame.id,
            id: rewrite.id,
            raw: &frame.raw,
            fields: pairs(&frame.fields),
            fields_changed: frame.fields.is_changed(),
            body: &frame.body,
            body_start: if rewrite.body_changed { None } else { body_start(frame) },
        };
        CodecStep::Ready(self.order(
            export::ENCODE,
            |hooks| &hooks.encode,
            |record| order.write(record),
        ))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        let beat = || {
            let Some(hook) = &self.hooks()?.heartbeat else { return Ok(None) };
            self.context.call(export::HEARTBEAT, |store| {
                let answer = hook.call(&mut *store, (self.context.id(), id))?;
                Ok(answered(store, answer))
            })
        };
        CodecStep::Ready(beat())
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        let order = ReplyOrder { heartbeat: &heartbeat.raw, id: heartbeat.id };
        CodecStep::Ready(self.order(
            export::HEARTBEAT_REPLY,
            |hooks| &hooks.heartbeat_reply,
            |record| order.write(record),
        ))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        let order = RejectOrder {
            request: &rejection.request.raw,
            id: rejection.request.id,
            status: rejection.status,
            message: rejection.message.as_bytes(),
            fields: pairs(rejection.fields),
            body: rejection.body,
        };
        CodecStep::Ready(self.order(
            export::REJECT,
            |hooks| &hooks.reject,
            |record| order.write(record),
        ))
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        let go = || {
            let Some(hook) = &self.hooks()?.go_away else { return Ok(None) };
            self.context.call(export::GO_AWAY, |store| {
                let answer = hook.call(&mut *store, self.context.id())?;
                Ok(answered(store, answer))
            })
        };
        CodecStep::Ready(go())
    }

    fn is_lost(&self) -> bool {
        self.context.seat().vm.is_lost()
    }
}

impl fmt::Debug for OwnCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnCodec").field(&self.context.id()).finish()
    }
}

#[cfg(test)]
mod tests;
