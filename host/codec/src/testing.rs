//! Drives a codec in unit tests: what every codec must keep, whatever its protocol.
//!
//! Start reading at [`check_laws`].

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, CodecStep, Decoded, Detection, Rejection, ResponseTo, Rewrite};
use host_types::{FieldList, Frame, FrameKind};

use crate::BuiltinCodec;

/// A codec of a connection.
pub(crate) fn codec(of: BuiltinCodec) -> Rc<dyn Codec> {
    of.factory().codec().expect("a built-in codec is always there")
}

/// What stands at once, as all of a built-in codec does.
pub(crate) fn now<T>(step: CodecStep<T>) -> T {
    match step {
        CodecStep::Ready(answer) => answer.expect("a built-in codec has no faults"),
        CodecStep::Later(_) => panic!("a built-in codec never waits"),
    }
}

pub(crate) fn decode(codec: &dyn Codec, bytes: &[u8]) -> Decoded {
    now(codec.decode(BytesMut::from(bytes)))
}

/// The only frame of some bytes.
pub(crate) fn frame(codec: &dyn Codec, bytes: &[u8]) -> Frame {
    let mut decoded = decode(codec, bytes);
    assert_eq!(decoded.lost, None, "{bytes:02x?}");
    assert_eq!(decoded.frames.len(), 1, "{bytes:02x?}");
    assert!(decoded.rest.is_empty(), "{bytes:02x?}");
    decoded.frames.remove(0)
}

pub(crate) fn detect(codec: &dyn Codec, first: &[u8]) -> Detection {
    now(codec.detect(first))
}

/// Why the connection ends on these bytes.
pub(crate) fn lost(codec: &dyn Codec, bytes: &[u8]) -> Option<Box<str>> {
    decode(codec, bytes).lost
}

/// The frame with another id.
pub(crate) fn encode(codec: &dyn Codec, frame: &Frame, id: u64) -> Option<Bytes> {
    now(codec.encode(Rewrite { frame, id, body_changed: false }))
}

/// The frame with its own id and another body.
pub(crate) fn encode_body(codec: &dyn Codec, frame: &Frame, body: &'static [u8]) -> Option<Bytes> {
    let frame = Frame { body: Bytes::from_static(body), ..frame.clone() };
    now(codec.encode(Rewrite { frame: &frame, id: frame.id, body_changed: true }))
}

/// The reply that the proxy makes to a request.
pub(crate) fn reject(codec: &dyn Codec, request: &Frame, status: u16, message: &str) -> Bytes {
    let fields = FieldList::default();
    let rejection = Rejection { request, status, message, fields: &fields, body: &[] };
    now(codec.reject(rejection)).expect("the protocol has words for it")
}

/// The reply that the proxy makes to a request where a filter or a route gives its body.
pub(crate) fn reject_with(codec: &dyn Codec, request: &Frame, status: u16, body: &[u8]) -> Bytes {
    let fields = FieldList::default();
    let rejection = Rejection { request, status, message: "no way", fields: &fields, body };
    now(codec.reject(rejection)).expect("the protocol has words for it")
}

/// All that is to be seen of a frame, to be compared.
pub(crate) fn seen(frame: &Frame) -> String {
    let fields: Vec<(String, String)> = frame
        .fields
        .iter()
        .map(|(name, value)| (name.escape_ascii().to_string(), value.escape_ascii().to_string()))
        .collect();
    format!("{frame:?} {fields:?} {:02x?} {:02x?}", &frame.body[..], &frame.raw[..])
}

/// Checks with some whole frames, one behind the other, what every codec must keep:
/// - every cut of the bytes gives the same frames, and byte by byte does, too;
/// - `needed` is never less than what is there, nor more than the frame has;
/// - a frame is written as it came, and as it is patched, where it has a place for its id;
/// - what is written with another id is read again as the same frame;
/// - whose response it is is said of responses only, and rightly, however few bytes are there.
#[track_caller]
pub(crate) fn check_laws(of: BuiltinCodec, stream: &[u8]) {
    let whole = decode(&*codec(of), stream);
    assert_eq!(whole.lost, None);
    assert!(whole.rest.is_empty(), "the sample ends with a frame");
    let expect: Vec<String> = whole.frames.iter().map(seen).collect();
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(in_pieces(&*codec(of), &[first, second]), expect, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(in_pieces(&*codec(of), &bytes), expect, "byte by byte");
    let reader = codec(of);
    for frame in decode(&*reader, stream).frames {
        check_rewrites(&*reader, &frame);
        check_whose(&*reader, &frame);
    }
}

fn check_whose(codec: &dyn Codec, frame: &Frame) {
    let right = ResponseTo::Request(frame.id);
    for cut in 1..frame.raw.len() {
        let told = decode(codec, &frame.raw[..cut]).response_to;
        let is_well = match told {
            ResponseTo::NeedMore | ResponseTo::Unknown => true,
            ResponseTo::Request(_) => frame.kind == FrameKind::Response && told == right,
        };
        assert!(is_well || frame.malformed.is_some(), "{told:?} of {cut} bytes of {frame:?}");
    }
}

/// From how many bytes of a response on its codec knows whose it is. Before, it needs more.
pub(crate) fn known_from(codec: &dyn Codec, response: &[u8]) -> usize {
    let told: Vec<_> =
        (1..response.len()).map(|cut| decode(codec, &response[..cut]).response_to).collect();
    let known = told.iter().take_while(|told| **told == ResponseTo::NeedMore).count();
    for told in &told[known..] {
        assert!(matches!(told, ResponseTo::Request(_)), "{told:?}");
    }
    known + 1
}

fn in_pieces(codec: &dyn Codec, pieces: &[&[u8]]) -> Vec<String> {
    let mut rest = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        rest.extend_from_slice(piece);
        let there = rest.len();
        let decoded = now(codec.decode(rest));
        assert_eq!(decoded.lost, None);
        let taken: usize = decoded.frames.iter().map(|frame| frame.raw.len()).sum();
        assert_eq!(taken + decoded.rest.len(), there, "no byte is lost, and none is made");
        assert!(decoded.needed == 0 || decoded.needed > decoded.rest.len());
        frames.extend(decoded.frames.iter().map(seen));
        rest = decoded.rest;
    }
    assert!(rest.is_empty(), "all frames were found");
    frames
}

fn check_rewrites(codec: &dyn Codec, frame: &Frame) {
    if frame.malformed.is_some() {
        return;
    }
    assert_eq!(encode(codec, frame, frame.id).as_ref(), Some(&frame.raw), "as it came");
    let other = frame.id ^ 0x0102_0304;
    let Some(written) = encode(codec, frame, other) else { panic!("{frame:?} has no other id") };
    if let Some(place) = frame.id_place {
        assert_eq!(Frame::patched(frame.raw.clone(), place, other).as_ref(), Some(&written));
    }
    let again = self::frame(codec, &written);
    assert_eq!(again.id, other);
    let same = Frame { id: frame.id, raw: frame.raw.clone(), ..again };
    assert_eq!(seen(&same), seen(frame), "with another id");
}

/// Feeds a stream with each of its bytes changed in some ways, and cut off at each place: nothing
/// may panic, and no frame may have more bytes than were there.
pub(crate) fn check_damage(of: BuiltinCodec, stream: &[u8]) {
    for place in 0..stream.len() {
        for flip in [0x01, 0x80, 0xff, 0x7f] {
            let mut bytes = stream.to_vec();
            bytes[place] ^= flip;
            survive(&*codec(of), &bytes);
        }
        survive(&*codec(of), &stream[..place]);
        survive(&*codec(of), &stream[place..]);
    }
}

/// Does all that can be done with some bytes.
pub(crate) fn survive(codec: &dyn Codec, bytes: &[u8]) {
    let _ = detect(codec, bytes);
    let decoded = decode(codec, bytes);
    let taken: usize = decoded.frames.iter().map(|frame| frame.raw.len()).sum();
    assert!(taken + decoded.rest.len() <= bytes.len());
    for frame in &decoded.frames {
        assert!(frame.body.len() <= frame.raw.len());
        drop(encode(codec, frame, 7));
        drop(encode_body(codec, frame, b"another body"));
        drop(now(codec.heartbeat_reply(frame)));
        let fields = FieldList::default();
        let rejection =
            Rejection { request: frame, status: 503, message: "no", fields: &fields, body: &[] };
        drop(now(codec.reject(rejection)));
        let mut changed = frame.clone();
        changed.fields.replace(b"a", b"b").expect("a field");
        drop(encode(codec, &changed, 9));
    }
}
