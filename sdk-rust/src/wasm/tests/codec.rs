//! Codecs of a module, called as its exports call them.

use abi_wasm::codec::{
    AnswerReader, EncodeOrder, FrameEntry, IdEntry, PoolMode as Pool, ProfileWord, RejectOrder,
    ReplyOrder, detection,
};

use super::{super::codec, fake, module, started};
use crate::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, Host, IdPlace, IdWidth, Plugin,
    PoolMode, Refusal, Rejection, Rewrite,
};

/// A plugin that reads a protocol: length of the frame, kind, id, body; an `x` is none of it.
pub(super) struct Reader;

impl Plugin for Reader {
    type Config = ();

    const CODEC: CodecProfile = CodecProfile {
        pool: PoolMode::Bound,
        id_width: IdWidth::Eight,
        heartbeats: true,
        go_away: false,
        default_timeout_ms: 500,
    };

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn codec(&mut self, host: &Host<'_>) -> Option<Box<dyn Codec>> {
        super::log(host, "make codec");
        Some(Box::new(Short))
    }
}

struct Short;

impl Codec for Short {
    fn detect(&mut self, first: &[u8]) -> Detection {
        match first {
            [] => Detection::NeedMore,
            [b'x', ..] => Detection::No,
            [..] => Detection::Match,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        let [length, rest @ ..] = bytes else { return Decoded::NeedMore { total: 0 } };
        if *length == b'x' {
            return Decoded::Lost("an x".to_owned());
        }
        let length = usize::from(*length);
        let ([kind, id, ..], true) = (rest, bytes.len() >= length) else {
            return Decoded::NeedMore { total: length };
        };
        let place = IdPlace { offset: 2, width: IdWidth::Four, little_endian: true };
        Decoded::Frame(Box::new(Frame {
            kind: if *kind == 0 { FrameKind::Request } else { FrameKind::Response },
            length,
            id: u64::from(*id),
            id_place: Some(place),
            service: "Short".to_owned(),
            method: "go".to_owned(),
            timeout_ms: Some(7),
            status: 3,
            http_status: 503,
            fields: vec![(b"Key".to_vec(), b"value".to_vec())],
            attributes: vec![(":kind".to_owned(), vec![*kind])],
            body: 3..length,
            malformed: Some("odd".to_owned()),
        }))
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        Some(format!("{rewrite:?}").into_bytes())
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        (id > 0).then(|| id.to_string().into_bytes())
    }

    fn heartbeat_reply(&mut self, heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        Some([heartbeat, id.to_string().as_bytes()].concat())
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        Some(format!("{rejection:?}").into_bytes())
    }
}

/// Puts bytes where a codec reads them; answers with how many there are.
fn give(bytes: &[u8]) -> usize {
    codec::fill(bytes);
    bytes.len()
}

fn output() -> Vec<u8> {
    codec::with_output(<[u8]>::to_vec)
}

#[test]
fn a_codec_is_made_for_the_root_that_serves_a_protocol() {
    started(&[(1, "reader"), (2, "both")]);
    let profile = ProfileWord {
        pool: Pool::Bound,
        wide_ids: true,
        heartbeats: true,
        go_away: false,
        default_timeout_ms: 500,
    };
    assert_eq!(ProfileWord::unpack(codec::profile(1)), Some(profile));
    assert_eq!(codec::profile(77), 0);
    fake::serve(3);
    assert!(codec::create(3, 1));
    assert_eq!(fake::said(), ["3 log Info make codec"]);
    assert!(!codec::create(4, 2), "it serves none");
    assert!(!codec::create(5, 77), "there is no such root");
    assert!(codec::delete(3));
    assert!(!codec::delete(3));
    assert!(!codec::decode(3, give(b"")), "it is gone");
    module::delete(1);
    assert_eq!(codec::profile(1), 0);
}

#[test]
fn frames_are_told_of_with_all_that_the_codec_says() {
    started(&[(1, "reader")]);
    assert!(codec::create(3, 1));
    assert!(codec::decode(3, give(b"\x05\x00\x09hi\x03\x01\x0a\x07\x01")));
    let record = output();
    let mut reader = AnswerReader::new(&record).expect("a record");
    assert_eq!((reader.frames(), reader.needed()), (2, 7));
    let (first, fields, attributes) = reader.frame().expect("sound").expect("one");
    let expect = FrameEntry {
        length: 5,
        kind: 0,
        id: 9,
        id_place: Some(IdEntry { offset: 2, is_wide: false, is_little_endian: true }),
        service: b"Short",
        method: b"go",
        timeout_ms: Some(7),
        status: 3,
        http_status: 503,
        body_start: 3,
        body_length: 2,
        malformed: Some(b"odd"),
    };
    assert_eq!(first, expect);
    assert_eq!(fields.collect::<Vec<_>>(), [(&b"Key"[..], &b"value"[..])]);
    assert_eq!(attributes.collect::<Vec<_>>(), [(&b":kind"[..], &b"\0"[..])]);
    let (second, ..) = reader.frame().expect("sound").expect("two");
    assert_eq!((second.kind, second.id, second.body_length), (2, 10, 0));
    assert_eq!(reader.finish(), Ok(None));
    assert!(codec::decode(3, give(b"x")));
    let record = output();
    let reader = AnswerReader::new(&record).expect("a record");
    assert_eq!((reader.frames(), reader.finish()), (0, Ok(Some(&b"an x"[..]))));
    assert!(!codec::decode(3, 4000), "there are not so many bytes");
}

#[test]
fn a_body_that_ends_before_it_begins_is_told_as_it_is() {
    started(&[(1, "reader")]);
    assert!(codec::create(3, 1));
    // Three bytes say how a frame begins; this one says that it has two.
    assert!(codec::decode(3, give(b"\x02\x00\x09")));
    let record = output();
    let mut reader = AnswerReader::new(&record).expect("a record");
    let (frame, ..) = reader.frame().expect("sound").expect("one");
    assert_eq!((frame.length, frame.body_length), (2, u32::MAX));
}

#[test]
fn the_first_bytes_tell_the_protocol() {
    started(&[(1, "reader")]);
    assert!(codec::create(3, 1));
    assert_eq!(codec::detect(3, give(b"")), detection::NEED_MORE);
    assert_eq!(codec::detect(3, give(b"\x05")), detection::MATCH);
    assert_eq!(codec::detect(3, give(b"x")), detection::NO);
    assert_eq!(codec::detect(77, give(b"\x05")), detection::NO);
}

#[test]
fn orders_come_to_the_codec_and_its_bytes_go_back() {
    started(&[(1, "reader")]);
    assert!(codec::create(3, 1));
    let mut record = Vec::new();
    let fields = [(&b"k"[..], &b"v"[..])];
    EncodeOrder {
        kind: 2,
        old_id: 5,
        id: 6,
        raw: b"raw",
        fields: fields.into_iter(),
        fields_changed: true,
        body: b"aw",
        body_start: Some(1),
    }
    .write(&mut record);
    assert!(codec::encode(3, give(&record)));
    let expect = Rewrite {
        raw: b"raw",
        kind: FrameKind::Response,
        old_id: 5,
        id: 6,
        fields: fields.to_vec(),
        fields_changed: true,
        body: b"aw",
        body_changed: false,
    };
    assert_eq!(output(), format!("{expect:?}").into_bytes());
    let order = RejectOrder {
        request: b"raw",
        id: 6,
        status: 404,
        message: b"no route",
        fields: fields.into_iter(),
        body: b"b",
    };
    order.write(&mut record);
    assert!(codec::reject(3, give(&record)));
    let expect = Rejection {
        request: b"raw",
        id: 6,
        status: 404,
        message: "no route",
        fields: fields.to_vec(),
        body: b"b",
    };
    assert_eq!(output(), format!("{expect:?}").into_bytes());
    ReplyOrder { heartbeat: b"beat", id: 6 }.write(&mut record);
    assert!(codec::heartbeat_reply(3, give(&record)));
    assert_eq!(output(), b"beat6");
    assert!(codec::heartbeat(3, 12));
    assert_eq!(output(), b"12");
    assert!(!codec::heartbeat(3, 0));
    assert!(!codec::go_away(3), "it has none");
    // What is no order is not carried out.
    assert!(!codec::encode(3, give(b"no order")));
    assert!(!codec::reject(3, give(b"")));
    assert!(!codec::heartbeat_reply(3, give(b"\x01\0")));
}
