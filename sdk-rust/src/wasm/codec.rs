//! The codecs of a module, by the numbers that the host gives them.
//!
//! The host writes what a codec is to read into the input, and reads what it wrote from the
//! output, each before it calls again. A codec asks the host for nothing while it is called.

use std::cell::RefCell;

use abi_wasm::codec::{
    AnswerWriter, EncodeOrder, FrameEntry, IdEntry, PoolMode as Pool, ProfileWord, RejectOrder,
    ReplyOrder, detection,
};

use super::module::{self, numbers};
use crate::{
    Codec, CodecProfile, Detection, Frame, IdWidth, PoolMode, Rejection, Rewrite,
    backend::{decode as decode_all, kind_number, kind_of},
};

thread_local! {
    static CODECS: Codecs = const { Codecs::new() };
}

/// All codecs of a module. There is one thread.
struct Codecs {
    made: RefCell<numbers::Table<Box<dyn Codec>>>,
    input: RefCell<Vec<u8>>,
    output: RefCell<Vec<u8>>,
}

/// More bytes than these are let go of once they are no longer needed.
const KEPT_BYTES_MAX: usize = 256 * 1024;

impl Codecs {
    const fn new() -> Self {
        Self {
            made: RefCell::new(numbers::table()),
            input: RefCell::new(Vec::new()),
            output: RefCell::new(Vec::new()),
        }
    }

    /// Calls a codec with the first bytes of the input, and an empty output. `None` where there
    /// is no such codec, or no such input.
    fn call<R>(
        &self,
        context: u32,
        length: usize,
        call: impl FnOnce(&mut dyn Codec, &[u8], &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let mut made = self.made.borrow_mut();
        let codec = made.get_mut(&context)?;
        let input = self.input.borrow();
        let mut output = self.output.borrow_mut();
        output.clear();
        output.shrink_to(KEPT_BYTES_MAX);
        Some(call(&mut **codec, input.get(..length)?, &mut output))
    }

    /// As [`Codecs::call`], for one that writes a frame or none; true where it wrote one.
    fn write(
        &self,
        context: u32,
        length: usize,
        call: impl FnOnce(&mut dyn Codec, &[u8]) -> Option<Vec<u8>>,
    ) -> bool {
        let written = self.call(context, length, |codec, input, output| {
            let written = call(codec, input)?;
            *output = written;
            Some(())
        });
        written.flatten().is_some()
    }
}

/// Where the host writes its next input, of at most so many bytes.
pub(super) fn buffer(length: usize) -> *mut u8 {
    CODECS.with(|codecs| {
        let mut input = codecs.input.borrow_mut();
        input.clear();
        input.shrink_to(length);
        input.resize(length, 0);
        input.as_mut_ptr()
    })
}

/// Writes the next input, as a host does.
#[cfg(test)]
pub(super) fn fill(bytes: &[u8]) {
    buffer(bytes.len());
    CODECS.with(|codecs| codecs.input.borrow_mut().copy_from_slice(bytes));
}

/// Reaches the bytes of the last answer.
pub(super) fn with_output<R>(read: impl FnOnce(&[u8]) -> R) -> R {
    CODECS.with(|codecs| read(&codecs.output.borrow()))
}

/// What holds of the protocol of a root; zero where there is no such root.
pub(super) fn profile(root: u32) -> u64 {
    let profile = module::with_instance(root, |instance, _host| instance.codec_profile());
    profile.map_or(0, |profile| word(profile).pack())
}

fn word(profile: CodecProfile) -> ProfileWord {
    ProfileWord {
        pool: match profile.pool {
            PoolMode::Multiplexed => Pool::Multiplexed,
            PoolMode::PingPong => Pool::PingPong,
            PoolMode::Bound => Pool::Bound,
        },
        wide_ids: profile.id_width == IdWidth::Eight,
        heartbeats: profile.heartbeats,
        go_away: profile.go_away,
        default_timeout_ms: profile.default_timeout_ms,
    }
}

/// Makes a codec; false where the plugin serves no protocol.
pub(super) fn create(context: u32, root: u32) -> bool {
    let made = module::with_instance(root, |instance, host| instance.codec(host)).flatten();
    let Some(codec) = made else { return false };
    let before = CODECS.with(|codecs| codecs.made.borrow_mut().insert(context, codec));
    drop(before);
    true
}

/// Lets go of a codec; false where the context is none.
pub(super) fn delete(context: u32) -> bool {
    // Outside of the table: what is dropped may be anything.
    let gone = CODECS.with(|codecs| codecs.made.borrow_mut().remove(&context));
    gone.is_some()
}

/// Whether the input is of the codec's protocol, as the interface says it.
pub(super) fn detect(context: u32, length: usize) -> u32 {
    let told = CODECS
        .with(|codecs| codecs.call(context, length, |codec, first, _output| codec.detect(first)));
    match told {
        Some(Detection::Match) => detection::MATCH,
        Some(Detection::NeedMore) => detection::NEED_MORE,
        Some(Detection::No) | None => detection::NO,
    }
}

/// Tells of the frames in the input.
pub(super) fn decode(context: u32, length: usize) -> bool {
    let told = CODECS.with(|codecs| {
        codecs.call(context, length, |codec, bytes, output| {
            let batch = decode_all(codec, bytes);
            let mut writer = AnswerWriter::new(output);
            for frame in &batch.frames {
                let fields = frame.fields.iter().map(|(name, value)| (name, value));
                let attributes = frame.attributes.iter().map(|(name, value)| (name, value));
                writer.frame(&entry(frame), fields, attributes);
            }
            writer.finish(narrow(batch.needed), batch.lost.as_deref().map(str::as_bytes));
        })
    });
    told.is_some()
}

fn entry(frame: &Frame) -> FrameEntry<'_> {
    // A body that ends before it begins is told of as one that no frame has.
    let body_length = frame.body.end.checked_sub(frame.body.start).unwrap_or(usize::MAX);
    FrameEntry {
        length: narrow(frame.length),
        kind: u8::try_from(kind_number(frame.kind)).unwrap_or(u8::MAX),
        id: frame.id,
        id_place: frame.id_place.map(|place| IdEntry {
            offset: narrow(place.offset),
            is_wide: place.width == IdWidth::Eight,
            is_little_endian: place.little_endian,
        }),
        service: frame.service.as_bytes(),
        method: frame.method.as_bytes(),
        timeout_ms: frame.timeout_ms,
        status: frame.status,
        http_status: frame.http_status,
        body_start: narrow(frame.body.start),
        body_length: narrow(body_length),
        malformed: frame.malformed.as_deref().map(str::as_bytes),
    }
}

/// A number as the interface has it; what is larger is larger than any memory.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Writes the frame that the input orders.
pub(super) fn encode(context: u32, length: usize) -> bool {
    CODECS.with(|codecs| {
        codecs.write(context, length, |codec, order| {
            let order = EncodeOrder::read(order).ok()?;
            codec.encode(&Rewrite {
                raw: order.raw,
                kind: kind_of(order.kind.into())?,
                old_id: order.old_id,
                id: order.id,
                fields: order.fields.collect(),
                fields_changed: order.fields_changed,
                body: order.body,
                body_changed: order.body_start.is_none(),
            })
        })
    })
}

/// Writes a heartbeat.
pub(super) fn heartbeat(context: u32, id: u64) -> bool {
    CODECS.with(|codecs| codecs.write(context, 0, |codec, _input| codec.heartbeat(id)))
}

/// Writes the reply to the heartbeat in the input.
pub(super) fn heartbeat_reply(context: u32, length: usize) -> bool {
    CODECS.with(|codecs| {
        codecs.write(context, length, |codec, order| {
            let order = ReplyOrder::read(order).ok()?;
            codec.heartbeat_reply(order.heartbeat, order.id)
        })
    })
}

/// Writes the response that the input orders.
pub(super) fn reject(context: u32, length: usize) -> bool {
    CODECS.with(|codecs| {
        codecs.write(context, length, |codec, order| {
            let order = RejectOrder::read(order).ok()?;
            codec.reject(&Rejection {
                request: order.request,
                id: order.id,
                status: order.status,
                message: std::str::from_utf8(order.message).unwrap_or_default(),
                fields: order.fields.collect(),
                body: order.body,
            })
        })
    })
}

/// Writes the frame that says that no new requests are taken.
pub(super) fn go_away(context: u32) -> bool {
    CODECS.with(|codecs| codecs.write(context, 0, |codec, _input| codec.go_away()))
}
