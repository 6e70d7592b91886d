//! Does with some bytes all that the proxy may do with them, and expects what must hold of every
//! codec, whatever the bytes are. The fuzz targets drive codecs by the same.
//!
//! Start reading at [`drive`].

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use host_codec::BuiltinCodec;
use host_extension::{Codec, CodecStep, DETECT_BYTES_MAX, Detection, Rejection, Rewrite};
use host_types::{Frame, FrameKind};

/// Most frames of an input that are written again: the others would tell nothing new.
const REWRITTEN_MAX: usize = 4;

/// Drives a codec over some bytes: all at once, and in pieces that `cuts` chooses; a number below
/// the one that it is given. Where it `rewrites`, the frames are written again. Returns what it
/// found.
pub(crate) fn drive(
    of: BuiltinCodec,
    bytes: &[u8],
    rewrites: bool,
    mut cuts: impl FnMut(usize) -> usize,
) -> Found {
    let codec = codec(of);
    detect(&*codec, bytes);
    let (frames, lost) = read(&*codec, &[bytes]);

    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + cuts(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    let (again, lost_again) = read(&*self::codec(of), &pieces);
    assert_eq!(frames.len(), again.len(), "as many frames in pieces");
    assert_eq!(lost, lost_again, "lost in pieces, too");
    for (frame, again) in frames.iter().zip(&again) {
        assert_same(frame, again);
    }

    for frame in frames.iter().take(if rewrites { REWRITTEN_MAX } else { 0 }) {
        write(&*codec, frame);
    }
    let sound = frames.iter().filter(|frame| frame.malformed.is_none()).count();
    Found { frames: frames.len(), sound }
}

/// What an input held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Whole frames.
    pub(crate) frames: usize,
    /// Those of them with nothing wrong inside.
    pub(crate) sound: usize,
}

/// The frames of a whole stream.
#[cfg(test)]
pub(crate) fn frames(of: BuiltinCodec, bytes: &[u8]) -> Vec<Frame> {
    let (frames, lost) = read(&*codec(of), &[bytes]);
    assert!(!lost, "{bytes:02x?}");
    frames
}

fn codec(of: BuiltinCodec) -> Rc<dyn Codec> {
    of.factory().codec().expect("a built-in codec is always there")
}

/// Built-in codecs never wait and have no faults.
fn now<T>(step: CodecStep<T>) -> T {
    match step {
        CodecStep::Ready(answer) => answer.expect("an answer"),
        CodecStep::Later(_) => panic!("a built-in codec waits"),
    }
}

fn detect(codec: &dyn Codec, bytes: &[u8]) {
    let first = &bytes[..bytes.len().min(DETECT_BYTES_MAX)];
    let whole = now(codec.detect(first));
    let half = now(codec.detect(&first[..first.len() / 2]));
    assert!(half == Detection::NeedMore || half == whole, "more bytes change no answer");
}

/// The frames of a connection that these pieces come on, and whether its framing is lost.
fn read(codec: &dyn Codec, pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
    let mut frames = Vec::new();
    let mut rest = BytesMut::new();
    for piece in pieces {
        rest.extend_from_slice(piece);
        let there = rest.len();
        let decoded = now(codec.decode(rest));
        let taken: usize = decoded.frames.iter().map(|frame| frame.raw.len()).sum();
        if decoded.lost.is_some() {
            assert!(taken + decoded.rest.len() <= there, "no byte is made");
            frames.extend(decoded.frames);
            return (frames, true);
        }
        assert_eq!(taken + decoded.rest.len(), there, "no byte is made, and none is lost");
        let needed = decoded.needed;
        assert!(needed == 0 || needed > decoded.rest.len(), "what is there is not needed");
        frames.extend(decoded.frames);
        rest = decoded.rest;
    }
    (frames, false)
}

/// Expects all that is seen of two frames to be the same.
fn assert_same(one: &Frame, other: &Frame) {
    assert_eq!((one.kind, one.id, one.status), (other.kind, other.id, other.status));
    assert_eq!((&one.service, &one.method), (&other.service, &other.method));
    assert_eq!((one.timeout, &one.malformed), (other.timeout, &other.malformed));
    assert_eq!((&one.raw, &one.body), (&other.raw, &other.body));
    assert!(one.fields.iter().eq(other.fields.iter()), "the same fields");
}

/// Writes all that can be written of a frame, and reads it again.
fn write(codec: &dyn Codec, frame: &Frame) {
    assert!(frame.body.len() <= frame.raw.len(), "a body is a part of its frame");
    assert!((200..600).contains(&frame.status.http), "a status of HTTP");
    let id = frame.id ^ 0x0102_0304;
    let written = now(codec.encode(Rewrite { frame, id, body_changed: false }));
    if let Some(place) = frame.id_place {
        assert!(place.range(frame.raw.len()).is_some(), "an id lies in its frame");
        let patched = Frame::patched(frame.raw.clone(), place, id);
        let is_sound = frame.malformed.is_none();
        assert!(!is_sound || patched == written, "an id is written as it is patched");
    }
    check_written(codec, frame, id, written);

    let mut changed = frame.clone();
    for (name, value) in
        [(&b"a"[..], &b"new"[..]), (b"Timeout", b"1"), (b"x", "é\u{1f600}".as_bytes())]
    {
        let is_set = changed.fields.replace(name, value).is_ok();
        assert!(is_set || changed.fields.len() > 1, "a field can be set");
    }
    let written = now(codec.encode(Rewrite { frame: &changed, id, body_changed: false }));
    check_written(codec, frame, id, written);
    changed.body = Bytes::from_static(b"\x02hi\x91");
    let written = now(codec.encode(Rewrite { frame: &changed, id, body_changed: true }));
    check_written(codec, frame, id, written);
    changed = Frame { body: Bytes::new(), ..frame.clone() };
    let written = now(codec.encode(Rewrite { frame: &changed, id, body_changed: true }));
    check_written(codec, frame, id, written);

    match frame.kind {
        FrameKind::Request => {
            for (status, body) in [(200, &b"said"[..]), (404, b""), (503, b"\xff")] {
                let fields = &frame.fields;
                let rejection = Rejection { request: frame, status, message: "no", fields, body };
                if let Some(reply) = now(codec.reject(rejection)) {
                    check_reply(codec, frame, &reply, FrameKind::Response);
                }
            }
        }
        FrameKind::Heartbeat => {
            if let Some(reply) = now(codec.heartbeat_reply(frame)) {
                check_reply(codec, frame, &reply, FrameKind::HeartbeatReply);
            }
        }
        FrameKind::OneWay | FrameKind::Response | FrameKind::HeartbeatReply | FrameKind::GoAway => {
        }
    }
}

/// Expects that what was written of a sound frame is one, with this id.
fn check_written(codec: &dyn Codec, frame: &Frame, id: u64, written: Option<Bytes>) {
    let Some(written) = written.filter(|_written| frame.malformed.is_none()) else { return };
    let again = only(codec, &written);
    assert_eq!((again.kind, again.id), (frame.kind, id), "{frame:?}");
    assert_eq!(again.malformed, None, "{frame:?}");
}

/// Expects a sound answer to a frame.
fn check_reply(codec: &dyn Codec, frame: &Frame, reply: &[u8], kind: FrameKind) {
    let reply = only(codec, reply);
    assert_eq!((reply.kind, reply.id), (kind, frame.id), "{frame:?}");
    assert_eq!(reply.malformed, None, "{frame:?}");
}

fn only(codec: &dyn Codec, bytes: &[u8]) -> Frame {
    let (mut frames, lost) = read(codec, &[bytes]);
    assert!(!lost && frames.len() == 1, "one frame is written: {bytes:02x?}");
    frames.remove(0)
}
