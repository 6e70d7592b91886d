//! The codecs of an instance in a runner.
//!
//! What a library tells of frames is handed on to the proxy, which looks at all of it; only what
//! cannot be said there is refused here.

use std::{collections::VecDeque, rc::Rc};

use abi_native::{
    number::{self, BODY_CHANGED, FIELDS_CHANGED, FRAMES_MAX, Refusal},
    table::{self, Bytes, Field, Fields},
};
use host_extension::FrameRecord;
use mortise_sdk::{
    Codec, CodecProfile, Decoded, Detection, Frame, IdPlace, IdWidth, PoolMode, Rejection, Rewrite,
    backend::{kind_number, kind_of},
};

use super::shared::{Shared, fail};
use crate::{
    callbacks::{CodecHook, Kept, default_profile, has_go_away, has_heartbeats},
    desk::{Asked, Found},
};

/// What a callback of a codec tells.
#[derive(Debug, Default)]
pub(super) enum Told {
    /// None runs.
    #[default]
    Nothing,
    /// One that tells of nothing.
    Silent,
    Frames(VecDeque<Frame>, Option<Decoded>),
    Bytes(Option<Vec<u8>>),
}

impl Told {
    pub(super) fn frame(&mut self, found: &Found<'_>) -> Asked<()> {
        let Self::Frames(frames, None) = self else { return Err(Refusal::WrongPhase) };
        if frames.len() >= FRAMES_MAX {
            return Err(Refusal::LimitReached);
        }
        frames.push_back(frame(found));
        Ok(())
    }

    pub(super) fn rest(&mut self, needed: usize, lost: Option<&[u8]>) -> Asked<()> {
        let Self::Frames(_, rest) = self else { return Err(Refusal::WrongPhase) };
        *rest = Some(match lost {
            Some(why) => Decoded::Lost(String::from_utf8_lossy(why).into_owned()),
            None => Decoded::NeedMore { total: needed },
        });
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Asked<()> {
        let Self::Bytes(written) = self else { return Err(Refusal::WrongPhase) };
        if bytes.is_empty() {
            return Err(Refusal::BadArgument); // there is no frame of nothing
        }
        *written = Some(bytes.to_vec());
        Ok(())
    }
}

/// One codec.
pub(super) struct RunnerCodec {
    shared: Rc<Shared>,
    kept: Kept,
    /// Its number.
    context: u64,
    /// Frames that the library told of and that were not asked for yet, with what is behind.
    next: VecDeque<Frame>,
    rest: Option<Decoded>,
    /// How many bytes are left where the next one begins.
    left: usize,
}

impl RunnerCodec {
    pub(super) fn new(shared: &Rc<Shared>, kept: Kept, context: u64) -> Self {
        let (next, rest, left) = Default::default();
        Self { shared: Rc::clone(shared), kept, context, next, rest, left }
    }

    fn call(&self, told: Told, hook: CodecHook<'_>) -> Told {
        let callbacks = self.shared.callbacks;
        let (kept, context) = (self.kept, self.context);
        self.shared.call_codec(told, |object| callbacks.codec(object, kept, context, hook))
    }

    fn write(&self, hook: CodecHook<'_>) -> Option<Vec<u8>> {
        match self.call(Told::Bytes(None), hook) {
            Told::Bytes(written) => written,
            Told::Nothing | Told::Silent | Told::Frames(..) => None,
        }
    }
}

impl Codec for RunnerCodec {
    fn detect(&mut self, first: &[u8]) -> Detection {
        let mut found = number::Detection::No.number();
        self.call(Told::Silent, CodecHook::Detect(first, &mut found));
        match number::Detection::of(found) {
            Some(number::Detection::Match) => Detection::Match,
            Some(number::Detection::More) => Detection::NeedMore,
            Some(number::Detection::No) => Detection::No,
            None => fail(&format!("it set the detection to {found}, which is none")),
        }
    }

    /// The library tells of all frames at once; they are asked for one after the other.
    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        if self.left != bytes.len() || (self.next.is_empty() && self.rest.is_none()) {
            let told = Told::Frames(VecDeque::new(), None);
            if let Told::Frames(next, rest) = self.call(told, CodecHook::Decode(Bytes::of(bytes))) {
                (self.next, self.rest) = (next, rest);
            }
        }
        let Some(frame) = self.next.pop_front() else {
            return self.rest.take().unwrap_or(Decoded::NeedMore { total: 0 });
        };
        self.left = bytes.len().saturating_sub(frame.length);
        Decoded::Frame(Box::new(frame))
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        let fields = lent(&rewrite.fields);
        let fields_changed = if rewrite.fields_changed { FIELDS_CHANGED } else { 0 };
        let body_changed = if rewrite.body_changed { BODY_CHANGED } else { 0 };
        self.write(CodecHook::Encode(&table::Rewrite {
            size: bytes_of::<table::Rewrite>(),
            kind: kind_number(rewrite.kind),
            old_id: rewrite.old_id,
            id: rewrite.id,
            flags: fields_changed | body_changed,
            reserved: 0,
            raw: Bytes::of(rewrite.raw),
            fields: Fields::of(&fields),
            body: Bytes::of(rewrite.body),
        }))
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        self.write(CodecHook::Heartbeat(id))
    }

    fn heartbeat_reply(&mut self, heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        self.write(CodecHook::HeartbeatReply(heartbeat, id))
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let fields = lent(&rejection.fields);
        self.write(CodecHook::Reject(&table::Rejection {
            size: bytes_of::<table::Rejection>(),
            status: rejection.status.into(),
            id: rejection.id,
            request: Bytes::of(rejection.request),
            message: Bytes::of(rejection.message.as_bytes()),
            fields: Fields::of(&fields),
            body: Bytes::of(rejection.body),
        }))
    }

    fn go_away(&mut self) -> Option<Vec<u8>> {
        self.write(CodecHook::GoAway)
    }
}

impl Drop for RunnerCodec {
    fn drop(&mut self) {
        let (callbacks, kept) = (self.shared.callbacks, self.kept);
        self.shared.close(self.context, |object| callbacks.free_codec(object, kept));
    }
}

/// What holds of the protocol of a library.
pub(super) fn profile(shared: &Shared) -> CodecProfile {
    let mut told = default_profile();
    let callbacks = shared.callbacks;
    shared.call_codec(Told::Silent, |object| callbacks.codec_profile(object, &mut told));
    let pool = match told.pool {
        0 => PoolMode::Multiplexed,
        1 => PoolMode::PingPong,
        2 => PoolMode::Bound,
        other => fail(&format!("{other} is no way to share connections")),
    };
    CodecProfile {
        pool,
        id_width: width(told.id_width),
        heartbeats: has_heartbeats(&told),
        go_away: has_go_away(&told),
        default_timeout_ms: told.default_timeout_ms,
    }
}

fn frame(found: &Found<'_>) -> Frame {
    let FrameRecord { length, kind, id, id_place, service, method, timeout_ms, .. } = found.record;
    let FrameRecord { status, http_status, body_start, body_length, malformed, .. } = found.record;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let body_start = place(body_start);
    Frame {
        kind: kind_of(kind).unwrap_or_else(|| {
            fail(&format!("it told of a frame of the kind {kind}, which is none"))
        }),
        length: place(length),
        id,
        id_place: id_place.map(|it| IdPlace {
            offset: place(it.offset),
            width: width(it.width),
            little_endian: it.little_endian,
        }),
        service: text(service),
        method: text(method),
        timeout_ms,
        status,
        http_status: u16::try_from(http_status).unwrap_or(u16::MAX),
        fields: found.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        attributes: found
            .attributes
            .iter()
            .map(|(name, value)| (text(name), value.to_vec()))
            .collect(),
        body: body_start..body_start.saturating_add(place(body_length)),
        malformed: malformed.map(text),
    }
}

/// A place that cannot be is outside of every frame.
fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn width(bytes: u32) -> IdWidth {
    match bytes {
        4 => IdWidth::Four,
        8 => IdWidth::Eight,
        other => fail(&format!("an id has 4 bytes or 8, not {other}")),
    }
}

fn lent(fields: &[(&[u8], &[u8])]) -> Vec<Field> {
    let lend =
        |(name, value): &(&[u8], &[u8])| Field { name: Bytes::of(name), value: Bytes::of(value) };
    fields.iter().map(lend).collect()
}

fn bytes_of<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}
