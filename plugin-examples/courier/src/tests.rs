//! The codec with the SDK's kit, and what it says of single frames.

use mortise_sdk::testing::{TestHost, codec::CodecKit};

use super::*;
use mortise_sdk::{Decoded, Detection, FrameKind, Rejection, Rewrite};

/// A frame as the readme describes it.
fn frame(kind: u8, id: u32, word: u32, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend((name.len() as u16).to_be_bytes());
        block.extend((value.len() as u16).to_be_bytes());
        block.extend(name.bytes().chain(value.bytes()));
    }
    let mut bytes = [b'C', b'R', 1, kind].to_vec();
    for number in [id, word, block.len() as u32, body.len() as u32] {
        bytes.extend(number.to_be_bytes());
    }
    [bytes, block, body.to_vec()].concat()
}

fn request(id: u32) -> Vec<u8> {
    let fields = [("service", "depot.Parcels"), ("method", "track"), ("X-Trace", "7f")];
    frame(0, id, 250, &fields, b"parcel 12")
}

fn kit() -> CodecKit {
    let one_way = frame(1, 2, 0, &[("method", "note")], b"");
    let fine = frame(2, 1, 0, &[("weight", "3"), ("weight", "4")], b"on its way");
    let failed = frame(2, 2, 77, &[], b"");
    let heartbeats = [frame(3, 9, 0, &[], b""), frame(4, 9, 0, &[], b"")].concat();
    let mut lying = request(4);
    // The name of the first field is longer than all fields.
    lying[20] = 0xff;
    CodecKit::of(TestHost::start::<Protocol>("").expect("it starts"))
        .sample("calls", [request(1), one_way, request(3)].concat())
        .sample("responses", [fine, failed, frame(5, 0, 0, &[], b"")].concat())
        .sample("heartbeats", heartbeats)
        .sample("a large body", frame(0, 5, 0, &[("method", "store")], &[b'x'; 30_000]))
        .malformed("a field that lies", [lying, request(5)].concat())
        .malformed("no method", frame(0, 6, 0, &[("service", "depot")], b""))
        .malformed("no text", frame(1, 6, 0, &[("method", "track"), ("", "x")], b""))
        .lost("no magic", [request(7), b"CRX".to_vec()].concat())
        .lost("an unknown kind", frame(6, 8, 0, &[], b""))
        .lost("an endless body", {
            let mut bytes = request(9);
            bytes[16..20].fill(0xff);
            bytes
        })
        .foreign("a later version", *b"CR\x02\0")
}

#[test]
fn the_codec_keeps_the_laws_of_codecs() {
    let tried = kit().assert_sound();
    assert!(tried.frames > 10 && tried.mutations > 50_000, "{tried:?}");
    assert_eq!(tried.rejections_refused, 0, "{tried:?}");
    kit().seed(2).assert_sound();
}

fn decoded(bytes: &[u8]) -> mortise_sdk::Frame {
    match Courier::new(FRAME_BYTES_MAX).decode(bytes) {
        Decoded::Frame(frame) => *frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_says_what_it_is_for_and_how_long_its_caller_waits() {
    let bytes = request(7);
    let without = decoded(&frame(1, 1, 0, &[("method", "note")], b""));
    let frame = decoded(&bytes);
    assert_eq!((frame.kind, frame.id, frame.length), (FrameKind::Request, 7, bytes.len()));
    assert_eq!((frame.service.as_str(), frame.method.as_str()), ("depot.Parcels", "track"));
    assert_eq!(frame.timeout_ms, Some(250));
    assert_eq!(frame.fields[2], (b"X-Trace".to_vec(), b"7f".to_vec()));
    assert_eq!(&bytes[frame.body.clone()], b"parcel 12");
    assert_eq!((without.service.as_str(), without.timeout_ms), ("", None));
}

#[test]
fn statuses_go_both_ways() {
    for (http, status, back) in [
        (200, 0, 200),
        (204, 0, 200),
        (401, 1, 400),
        (403, 2, 403),
        (404, 3, 404),
        (429, 5, 429),
        (500, 6, 500),
        (504, 9, 504),
        (599, 6, 500),
    ] {
        let rejection = Rejection {
            request: &request(7),
            id: 7,
            status: http,
            message: "no route",
            fields: Vec::new(),
            body: b"",
        };
        let bytes = Courier::new(FRAME_BYTES_MAX).reject(&rejection).expect("a response");
        let frame = decoded(&bytes);
        assert_eq!((frame.status, frame.http_status), (status, back), "{http}");
        let body: &[u8] = if status == 0 { b"" } else { b"no route" };
        assert_eq!(&bytes[frame.body], body, "{http}");
    }
    assert_eq!(decoded(&frame(2, 1, 123, &[], b"")).http_status, 500, "an unknown one");
}

#[test]
fn what_cannot_stand_in_the_protocol_is_not_written() {
    let raw = request(7);
    let mut codec = Courier::new(64);
    let rewrite = |fields: Vec<(&'static [u8], &'static [u8])>, body| Rewrite {
        raw: &raw,
        kind: FrameKind::Request,
        old_id: 7,
        id: 7,
        fields,
        fields_changed: true,
        body,
        body_changed: true,
    };
    let method: (&[u8], &[u8]) = (b"method", b"track");
    assert!(codec.encode(&rewrite(vec![method], b"x")).is_some());
    assert!(codec.encode(&rewrite(vec![], b"x")).is_none(), "no method");
    assert!(codec.encode(&rewrite(vec![method], &[0; 64])).is_none(), "too long");
    let mut wide = rewrite(vec![method], b"x");
    wide.id = 1 << 32;
    assert!(codec.encode(&wide).is_none(), "an id of five bytes");
}

#[test]
fn frames_that_are_too_long_are_lost_by_their_head_alone() {
    let head = &frame(0, 1, 0, &[("method", "store")], &[0; 100])[..HEAD_BYTES];
    assert!(matches!(Courier::new(100).decode(head), Decoded::Lost(_)));
    assert_eq!(Courier::new(1000).decode(head), Decoded::NeedMore { total: 135 });
}

#[test]
fn the_first_bytes_tell_the_protocol() {
    for (first, told) in [
        (&b"C"[..], Detection::NeedMore),
        (b"CR\x01", Detection::NeedMore),
        (b"CR\x01\x00", Detection::Match),
        (b"CR\x01\x09", Detection::No),
        (b"CONNECT", Detection::No),
        (b"GET /", Detection::No),
    ] {
        assert_eq!(Courier::new(100).detect(first), told, "{first:?}");
    }
}

#[test]
fn a_configuration_that_lets_no_frame_pass_is_refused() {
    assert!(TestHost::start::<Protocol>("").is_ok());
    assert!(TestHost::start::<Protocol>(r#"{ "frame_bytes_max": 1024 }"#).is_ok());
    let refused = TestHost::start::<Protocol>(r#"{ "frame_bytes_max": 19 }"#).err();
    let refused = refused.expect("it is refused").to_string();
    assert!(refused.contains("less than the 20 bytes"), "{refused}");
    assert!(TestHost::start::<Protocol>(r#"{ "frame_bytes": 1024 }"#).is_err());
}
