//! A codec by MOSN's interface, `proxy_abi_mosn_version_0_2_0`, as its modules know it.
//!
//! A context of the guest is one message: it is made for the bytes that it is read from, keeps
//! what the guest knows of the message, and ends with its frame. Ids have no place that we are
//! told of, so that each frame is written by the guest.
//!
//! What the SDK of that interface leaves out in silence (fields that were added or changed, a
//! body that became empty) is looked at here: what is not written as it was wanted is not sent.

mod message;
mod settings;
mod wire;

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use abi_wasm::mosn as names;
use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecStep, DETECT_BYTES_MAX, Decoded, Detection, PluginFault, Rejection, Rewrite,
};
use host_types::{Frame, FrameKind};

use self::message::{Message, Read};
pub(super) use self::settings::{Settings, machine_map};
use crate::seat::Seat;

/// How many bytes a guest is shown at first: it copies all that it is shown for each frame.
const WINDOW_BYTES: usize = 16 * 1024;

/// One codec.
pub(super) struct MosnCodec {
    seat: Rc<Seat>,
    /// A context in which nothing was read yet.
    spare: RefCell<Option<Rc<Message>>>,
    /// The responses that the guest makes in the upstream's place have the id of their request;
    /// in some modules it is zero.
    rejects_with_id: Cell<bool>,
}

impl MosnCodec {
    pub(super) fn new(seat: &Rc<Seat>) -> Self {
        let (seat, spare) = (Rc::clone(seat), RefCell::default());
        Self { seat, spare, rejects_with_id: Cell::new(true) }
    }

    /// A context in which nothing was read.
    fn fresh(&self) -> Result<Rc<Message>, PluginFault> {
        match self.spare.take() {
            Some(spare) => Ok(spare),
            None => Message::new(&self.seat).map(Rc::new),
        }
    }

    /// Reads the first frame of the bytes, of which no more are shown than it takes.
    fn read(&self, bytes: &[u8]) -> Result<(Rc<Message>, Read), PluginFault> {
        let message = self.fresh()?;
        let mut shown = WINDOW_BYTES;
        loop {
            let window = bytes.get(..shown).unwrap_or(bytes);
            let read = message.decode(window)?;
            if !matches!(read, Read::More) || window.len() == bytes.len() {
                return Ok((message, read));
            }
            shown = shown.saturating_mul(4);
        }
    }

    fn find(&self, first: &[u8]) -> Result<Detection, PluginFault> {
        if first.is_empty() {
            return Ok(Detection::NeedMore);
        }
        let (message, read) = self.read(first)?;
        Ok(match read {
            Read::Frame(_) => Detection::Match,
            Read::More => {
                self.spare.replace(Some(message));
                let is_enough = first.len() >= DETECT_BYTES_MAX;
                if is_enough { Detection::Match } else { Detection::NeedMore }
            }
            Read::Refused(_) => Detection::No,
        })
    }

    fn take(&self, mut bytes: BytesMut) -> Result<Decoded, PluginFault> {
        let mut decoded = Decoded::default();
        while !bytes.is_empty() {
            let (message, read) = self.read(&bytes)?;
            match read {
                Read::Frame(told) => {
                    let frame = told.cut(&mut bytes);
                    let mut frame = frame.map_err(|lie| message.lied(&lie))?;
                    message.id.set(frame.id);
                    frame.keep = Some(message);
                    decoded.frames.push(frame);
                }
                Read::More => {
                    self.spare.replace(Some(message));
                    break;
                }
                Read::Refused(status) => {
                    decoded.lost =
                        Some(format!("the codec refused it with status {status}").into());
                    break;
                }
            }
        }
        decoded.rest = bytes;
        Ok(decoded)
    }

    fn write(&self, rewrite: &Rewrite<'_>) -> Result<Option<Bytes>, PluginFault> {
        let frame = rewrite.frame;
        let Some(message) = message_of(frame) else { return Ok(None) };
        let written = message.encode(&wire::Order {
            fields: Some(&frame.fields),
            flag: flag(frame.kind),
            new_id: rewrite.id,
            old_id: message.id.get(),
            number: number(frame),
            body: &frame.body,
        })?;
        let Some(bytes) = written else { return Ok(None) };
        message.id.set(rewrite.id);
        let may_be_lost =
            frame.fields.is_changed() || (rewrite.body_changed && frame.body.is_empty());
        if may_be_lost && !self.stands(&bytes, frame)? {
            let plugin = &self.seat.root.plugin;
            tracing::debug!(%plugin, "the codec left out what was changed of a frame");
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// True where what was written says what the frame says.
    fn stands(&self, bytes: &Bytes, frame: &Frame) -> Result<bool, PluginFault> {
        let (message, read) = self.read(bytes)?;
        let Read::Frame(told) = read else { return Ok(false) };
        let mut bytes = BytesMut::from(&bytes[..]);
        let again = told.cut(&mut bytes).map_err(|lie| message.lied(&lie))?;
        let sorted = |frame: &Frame| {
            let mut all: Vec<(Vec<u8>, Vec<u8>)> =
                frame.fields.block().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            all.sort();
            all
        };
        Ok(again.body == frame.body && sorted(&again) == sorted(frame))
    }

    fn beat(&self, id: u64) -> Result<Option<Bytes>, PluginFault> {
        let message = self.fresh()?;
        if !message.heartbeat(id)? {
            return Ok(None);
        }
        let flag = flag(FrameKind::Heartbeat);
        message.encode(&wire::Order { flag, new_id: id, old_id: id, ..wire::Order::default() })
    }

    fn reply(&self, heartbeat: &Frame) -> Result<Option<Bytes>, PluginFault> {
        let Some(message) = message_of(heartbeat) else { return Ok(None) };
        if !message.heartbeat_reply()? {
            return Ok(None);
        }
        let (flag, id) = (flag(FrameKind::HeartbeatReply), heartbeat.id);
        message.encode(&wire::Order { flag, new_id: id, old_id: id, ..wire::Order::default() })
    }

    /// The response is made in a context of its own: in that of the request the guest would
    /// write the request.
    fn answer(&self, rejection: &Rejection<'_>) -> Result<Option<Bytes>, PluginFault> {
        let request = rejection.request;
        let message = self.fresh()?;
        let order = wire::Order {
            flag: flag(request.kind),
            new_id: request.id,
            old_id: request.id,
            number: number(request),
            body: &request.raw,
            ..wire::Order::default()
        };
        let status = framework_status(rejection.status);
        if !message.reject(status, &order)? {
            return Ok(None);
        }
        let first = self.rejects_with_id.get();
        for with_id in [first, !first] {
            let written = message.encode(&wire::Order {
                fields: Some(rejection.fields),
                flag: flag(FrameKind::Response),
                new_id: request.id,
                old_id: if with_id { request.id } else { 0 },
                number: status,
                body: rejection.body,
            })?;
            if written.is_some() {
                self.rejects_with_id.set(with_id);
                return Ok(written);
            }
        }
        Ok(None)
    }
}

/// What the guest knows of a frame.
fn message_of(frame: &Frame) -> Option<Rc<Message>> {
    Rc::clone(frame.keep.as_ref()?).downcast().ok()
}

/// The flag that a kind has in this interface.
fn flag(kind: FrameKind) -> u8 {
    match kind {
        FrameKind::Request | FrameKind::GoAway => names::REQUEST,
        // As guests check it; MOSN's hosts send both bits, which no guest takes.
        FrameKind::OneWay => names::ONE_WAY,
        FrameKind::Response => 0,
        FrameKind::Heartbeat => names::REQUEST | names::HEARTBEAT_FLAG,
        FrameKind::HeartbeatReply => names::HEARTBEAT_FLAG,
    }
}

/// The timeout of a request in milliseconds, or the status of a response.
fn number(frame: &Frame) -> u32 {
    if matches!(frame.kind, FrameKind::Response | FrameKind::HeartbeatReply) {
        return frame.status.code;
    }
    let timeout = frame.timeout.map_or(0, |timeout| timeout.as_millis());
    u32::try_from(timeout).unwrap_or(u32::MAX)
}

/// What a status of HTTP is called in MOSN: only a request that could not be read has a number
/// of its own.
fn framework_status(http: u16) -> u32 {
    if http == 400 { 0 } else { http.into() }
}

impl Codec for MosnCodec {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        CodecStep::Ready(self.find(first))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        CodecStep::Ready(self.take(bytes))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.write(&rewrite))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.beat(id))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.reply(heartbeat))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.answer(&rejection))
    }

    fn is_lost(&self) -> bool {
        self.seat.vm.is_lost()
    }
}

impl fmt::Debug for MosnCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MosnCodec").field("seat", &self.seat).finish_non_exhaustive()
    }
}
