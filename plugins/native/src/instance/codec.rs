//! The codecs of an instance: how they are called, and what they tell meanwhile.
//!
//! A library tells of frames while `codec_decode` runs, and gives bytes while a callback runs that
//! writes a frame. The frames are cut out of the host's own bytes.
//!
//! What a library says that cannot be ends the connection that it is of. Those beside it go on: a
//! client that brings a codec to a lie must not end the others. New ones get a fresh instance, as
//! after any fault.

use std::time::Duration;

use abi_native::{
    number::{self, BODY_CHANGED, FIELDS_CHANGED, Refusal},
    table::{self, Bytes as Lent, Field, Fields},
};
use bytes::{Bytes, BytesMut};
use host_extension::{
    BadRecord, CodecProfile, Decoded, Detection, FRAMES_MAX, FaultKind, PluginFault, PoolMode,
    Rejection, Rewrite, check_needed, frame_kind_number, record_text,
};
use host_types::{Frame, IdWidth};

use super::{Duty, Instance, Kind, Outcome};
use crate::{
    callbacks::{CodecHook, Kept, Object, default_profile, has_go_away, has_heartbeats},
    contexts::Of,
    desk::{Asked, Found},
};

/// Most bytes of a frame that a library writes.
const WRITTEN_BYTES_MAX: usize = 64 << 20;

/// What a codec's callback may tell the host.
#[derive(Debug, Default)]
pub(crate) enum Taking {
    /// Nothing: none runs.
    #[default]
    Nothing,
    /// Frames.
    Frames(FramesTold),
    /// The bytes of one.
    Bytes(Option<Bytes>),
}

/// The frames of one call.
#[derive(Debug, Default)]
pub(crate) struct FramesTold {
    /// What no frame was cut off yet.
    bytes: BytesMut,
    frames: Vec<Frame>,
    rest: Option<Rest>,
    /// What it said cannot be.
    bad: Option<BadRecord>,
}

#[derive(Debug)]
struct Rest {
    needed: usize,
    lost: Option<Box<str>>,
}

impl FramesTold {
    fn take(&mut self, found: &Found<'_>) -> Asked<()> {
        if self.rest.is_some() || self.bad.is_some() {
            return Err(Refusal::WrongPhase);
        }
        if self.frames.len() >= FRAMES_MAX {
            return Err(Refusal::LimitReached);
        }
        let (fields, attributes) = (found.fields.iter(), found.attributes.iter());
        match found.record.cut(&mut self.bytes, fields, attributes) {
            Ok(frame) => {
                self.frames.push(frame);
                Ok(())
            }
            Err(bad) => {
                self.bad = Some(bad);
                Err(Refusal::BadArgument)
            }
        }
    }
}

/// What the library tells.
impl Instance {
    pub(super) fn take_frame(&self, found: &Found<'_>) -> Asked<()> {
        match &mut *self.taking.borrow_mut() {
            Taking::Frames(told) => told.take(found),
            Taking::Nothing | Taking::Bytes(_) => Err(Refusal::WrongPhase),
        }
    }

    pub(super) fn take_rest(&self, needed: usize, lost: Option<&[u8]>) -> Asked<()> {
        match &mut *self.taking.borrow_mut() {
            Taking::Frames(told) => {
                told.rest = Some(Rest { needed, lost: lost.map(record_text) });
                Ok(())
            }
            Taking::Nothing | Taking::Bytes(_) => Err(Refusal::WrongPhase),
        }
    }

    pub(super) fn take_bytes(&self, bytes: &[u8]) -> Asked<()> {
        match &mut *self.taking.borrow_mut() {
            Taking::Bytes(_) if bytes.len() > WRITTEN_BYTES_MAX => Err(Refusal::LimitReached),
            // There is no frame of nothing.
            Taking::Bytes(_) if bytes.is_empty() => Err(Refusal::BadArgument),
            Taking::Bytes(written) => {
                *written = Some(Bytes::copy_from_slice(bytes));
                Ok(())
            }
            Taking::Nothing | Taking::Frames(_) => Err(Refusal::WrongPhase),
        }
    }
}

/// What the host asks.
impl Instance {
    /// Has it say what holds of its protocol, and make a codec once: who makes none serves none.
    pub(super) fn start_codecs(&self) -> Result<(), PluginFault> {
        let callbacks = &self.plugin.callbacks;
        let mut told = default_profile();
        let duty = Duty { callback: "codec_profile", context: 0, way: None };
        self.call(duty, |object| callbacks.codec_profile(object, &mut told))?;
        self.codec_profile.set(self.checked(&told)?);
        let at = self.open_codec()?;
        self.close_codec(at);
        Ok(())
    }

    fn checked(&self, told: &table::CodecProfile) -> Result<CodecProfile, PluginFault> {
        let pool = match told.pool {
            0 => PoolMode::Multiplexed,
            1 => PoolMode::PingPong,
            2 => PoolMode::Bound,
            other => return Err(self.bad_start(&format!("{other} is no way to share connections"))),
        };
        let id_width = match told.id_width {
            4 => IdWidth::Four,
            8 => IdWidth::Eight,
            other => return Err(self.bad_start(&format!("an id has 4 bytes or 8, not {other}"))),
        };
        let timeout = u64::from(told.default_timeout_ms);
        Ok(CodecProfile {
            pool,
            id_width,
            heartbeats: has_heartbeats(told),
            go_away: has_go_away(told),
            default_timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
        })
    }

    fn bad_start(&self, why: &str) -> PluginFault {
        let message = format!("plugin `{}` does not start: {why}", self.plugin.name);
        PluginFault::new(FaultKind::LoadFailed, message)
    }

    /// Makes a codec for a connection.
    pub(crate) fn open_codec(&self) -> Result<At, PluginFault> {
        self.cpu.check()?;
        let id = self.cpu.charge(|| self.open(Kind::Codec, Of::Codec))?;
        if let Some(kept) = self.kept(id) {
            return Ok(At { id, kept });
        }
        self.close(Kind::Codec, id);
        let message = format!("plugin `{}` serves no protocol: it made no codec", self.plugin.name);
        Err(PluginFault::new(FaultKind::Protocol, message))
    }

    pub(crate) fn close_codec(&self, at: At) {
        self.cpu.charge(|| self.close(Kind::Codec, at.id));
    }

    pub(crate) fn detect(&self, at: At, first: &[u8]) -> Result<Detection, PluginFault> {
        let mut found = number::Detection::No.number();
        self.ask(at, CodecHook::Detect(first, &mut found), Taking::Nothing)?;
        match number::Detection::of(found) {
            Some(number::Detection::Match) => Ok(Detection::Match),
            Some(number::Detection::More) => Ok(Detection::NeedMore),
            Some(number::Detection::No) => Ok(Detection::No),
            None => Err(self.broke(&format!("set the detection to {found}, which is none"))),
        }
    }

    pub(crate) fn decode(&self, at: At, bytes: BytesMut) -> Result<Decoded, PluginFault> {
        let mut decoded = Decoded { rest: bytes, ..Decoded::default() };
        while !decoded.rest.is_empty() {
            let bytes = std::mem::take(&mut decoded.rest);
            // The bytes stay where they are while what holds them is moved.
            let shown = Lent::of(&bytes);
            let told = FramesTold { bytes, ..FramesTold::default() };
            let taken = self.ask(at, CodecHook::Decode(shown), Taking::Frames(told))?;
            let Taking::Frames(FramesTold { bytes, mut frames, rest, bad }) = taken else { break };
            if let Some(bad) = bad {
                return Err(self.broke(&bad.to_string()));
            }
            let has_more = frames.len() >= FRAMES_MAX && rest.is_none();
            decoded.rest = bytes;
            decoded.frames.append(&mut frames);
            if let Some(Rest { needed, lost }) = rest {
                let needed = check_needed(needed as u64, decoded.rest.len());
                decoded.needed = needed.map_err(|bad| self.broke(&bad.to_string()))?;
                decoded.lost = lost;
            }
            if !has_more {
                break;
            }
        }
        Ok(decoded)
    }

    pub(crate) fn encode(
        &self,
        at: At,
        rewrite: &Rewrite<'_>,
    ) -> Result<Option<Bytes>, PluginFault> {
        let frame = rewrite.frame;
        let fields = lent(frame.fields.block());
        let fields_changed = if frame.fields.is_changed() { FIELDS_CHANGED } else { 0 };
        let body_changed = if rewrite.body_changed { BODY_CHANGED } else { 0 };
        let hook = CodecHook::Encode(&table::Rewrite {
            size: bytes_of::<table::Rewrite>(),
            kind: frame_kind_number(frame.kind),
            old_id: frame.id,
            id: rewrite.id,
            flags: fields_changed | body_changed,
            reserved: 0,
            raw: Lent::of(&frame.raw),
            fields: Fields::of(&fields),
            body: Lent::of(&frame.body),
        });
        self.write(at, hook)
    }

    pub(crate) fn reject(
        &self,
        at: At,
        rejection: &Rejection<'_>,
    ) -> Result<Option<Bytes>, PluginFault> {
        let fields = lent(rejection.fields.block());
        let hook = CodecHook::Reject(&table::Rejection {
            size: bytes_of::<table::Rejection>(),
            status: rejection.status.into(),
            id: rejection.request.id,
            request: Lent::of(&rejection.request.raw),
            message: Lent::of(rejection.message.as_bytes()),
            fields: Fields::of(&fields),
            body: Lent::of(rejection.body),
        });
        self.write(at, hook)
    }

    /// Has it write a frame.
    pub(crate) fn write(&self, at: At, hook: CodecHook<'_>) -> Result<Option<Bytes>, PluginFault> {
        match self.ask(at, hook, Taking::Bytes(None))? {
            Taking::Bytes(written) => Ok(written),
            Taking::Nothing | Taking::Frames(_) => Ok(None),
        }
    }

    /// Calls a codec; answers with what it told meanwhile.
    fn ask(&self, at: At, hook: CodecHook<'_>, taking: Taking) -> Result<Taking, PluginFault> {
        self.cpu.check()?;
        let duty = Duty { callback: hook.name(), context: at.id, way: None };
        let mut taken = Taking::Nothing;
        let call = |object: &Object| {
            self.taking.replace(taking);
            let number = self.plugin.callbacks.codec(object, at.kept, at.id, hook);
            taken = self.taking.take();
            number
        };
        match self.cpu.charge(|| self.call(duty, call))? {
            Outcome::Passed => Ok(taken),
            Outcome::Paused | Outcome::Answered(_) => {
                Err(self.broke("answered with an action that is none of a codec"))
            }
        }
    }
}

/// A codec of an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    id: u64,
    kept: Kept,
}

fn lent<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<Field> {
    fields.map(|(name, value)| Field { name: Lent::of(name), value: Lent::of(value) }).collect()
}

fn bytes_of<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}
