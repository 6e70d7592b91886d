use proptest::prelude::*;

use super::*;
use crate::{BuiltinCodec, testing::*};

const THRIFT: BuiltinCodec = BuiltinCodec::DubboThrift;

/// A call of `say` at `svc` with id 7, sequence 3 and the arguments `{1: "hi"}`.
const CALL: &[u8] = b"\x00\x00\x00\x30\xda\xbc\x00\x00\x00\x30\x00\x18\x01\
    \x00\x00\x00\x03svc\x00\x00\x00\x00\x00\x00\x00\x07\
    \x80\x01\x00\x01\x00\x00\x00\x03say\x00\x00\x00\x03\
    \x0b\x00\x01\x00\x00\x00\x02hi";
/// The place of the message's type in it.
const TYPE: usize = 31;

fn changed(frame: &[u8], place: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[place] = byte;
    frame
}

/// The struct of `CALL` ends without a stop, which no codec looks for.
fn call() -> Frame {
    frame(&*codec(THRIFT), CALL)
}

/// A frame of the parts that a header and a message have.
fn sample(service: &str, path: Option<&str>, id: u64, of: Type, name: &str, body: &[u8]) -> Bytes {
    let mut head = vec![0; PREFIX_BYTES + 2];
    head[4..6].copy_from_slice(&MAGIC.to_be_bytes());
    head.push(VERSION);
    for text in [Some(service), path].into_iter().flatten() {
        head.put_i32(i32::try_from(text.len()).unwrap());
        head.put_slice(text.as_bytes());
    }
    let id_offset = head.len();
    head.put_u64(id);
    let header_bytes = u16::try_from(head.len() - SIZE_BYTES).unwrap();
    head[10..12].copy_from_slice(&header_bytes.to_be_bytes());
    message::put_begin(&mut head, of, name.as_bytes(), 3).unwrap();
    compose(&head, id_offset, id, body).unwrap()
}

#[test]
fn a_call_says_what_it_is() {
    let call = call();
    assert_eq!((call.kind, call.id, call.malformed), (FrameKind::Request, 7, None));
    assert_eq!((&*call.service, &*call.method), ("svc", "say"));
    assert_eq!(call.body, &b"\x0b\x00\x01\x00\x00\x00\x02hi"[..]);
    assert_eq!(call.fields.get(b":seq-id"), Some(&b"3"[..]));
    assert_eq!(call.fields.get(b":message-type"), Some(&b"1"[..]));
    assert_eq!(sample("svc", None, 7, Type::Call, "say", &call.body), CALL);
    let one_way = frame(&*codec(THRIFT), &changed(CALL, TYPE, 4));
    assert_eq!(one_way.kind, FrameKind::OneWay);
}

#[test]
fn a_header_may_have_a_path() {
    let raw = sample("svc", Some("/a/path"), 9, Type::Call, "say", b"\0");
    let call = frame(&*codec(THRIFT), &raw);
    assert_eq!((call.id, &*call.service, &*call.method), (9, "/a/path", "say"));
    assert_eq!(call.fields.get(b":interface"), Some(&b"svc"[..]));
    check_laws(THRIFT, &raw);
    let empty = frame(&*codec(THRIFT), &sample("svc", Some(""), 9, Type::Call, "say", b"\0"));
    assert_eq!((&*empty.service, empty.fields.get(b":interface")), ("svc", None));
}

#[test]
fn a_message_may_be_of_the_older_form() {
    let mut raw = CALL[..28].to_vec();
    raw.extend(b"\x00\x00\x00\x03say\x01\x00\x00\x00\x05\x00");
    let size = u8::try_from(raw.len() - SIZE_BYTES).unwrap();
    (raw[3], raw[9]) = (size, size);
    let call = frame(&*codec(THRIFT), &raw);
    assert_eq!((call.kind, &*call.method, &call.body[..]), (FrameKind::Request, "say", &b"\0"[..]));
    check_laws(THRIFT, &raw);
}

#[test]
fn a_response_says_how_the_call_ended() {
    let answer = |of, body: &[u8]| {
        let answer = frame(&*codec(THRIFT), &sample("svc", None, 7, of, "say", body));
        assert_eq!(answer.kind, FrameKind::Response);
        (answer.status.code, answer.status.http)
    };
    assert_eq!(answer(Type::Reply, b"\0"), (2, 200));
    assert_eq!(answer(Type::Exception, &message::exception(b"no", 404).unwrap()), (3, 404));
    assert_eq!(answer(Type::Exception, &message::exception(b"no", 503).unwrap()), (3, 500));
    assert_eq!(answer(Type::Exception, b"\x0b\x00\x01\x7f\xff\xff\xff"), (3, 500));
    assert_eq!(answer(Type::Exception, b""), (3, 500));
}

#[test]
fn the_type_of_the_message_tells_whose_response_a_frame_is() {
    for of in [Type::Reply, Type::Exception] {
        let answer = sample("svc", None, 7, of, "say", b"\0");
        let body = answer.len() - 1;
        assert!(known_from(&*codec(THRIFT), &answer) < body);
    }
    let told = decode(&*codec(THRIFT), &CALL[..CALL.len() - 1]).response_to;
    assert_eq!(told, ResponseTo::Unknown);
}

#[test]
fn every_cut_gives_the_same_frames() {
    let reply = sample("svc", None, 7, Type::Reply, "say", b"\0");
    let exception = sample("", None, 1, Type::Exception, "", b"");
    let stream = [CALL, &reply, &exception, &changed(CALL, TYPE, 4)].concat();
    check_laws(THRIFT, &stream);
    check_damage(THRIFT, &stream);
}

#[test]
fn what_is_no_frame_ends_the_connection() {
    let check = |bytes: &[u8], expect: &str| {
        assert_eq!(lost(&*codec(THRIFT), bytes).as_deref(), Some(expect), "{bytes:02x?}");
    };
    check(&changed(CALL, 4, 0), "the magic of the frame is wrong");
    check(&changed(CALL, 5, 0xbb)[..6], "the magic of the frame is wrong");
    check(&changed(CALL, 0, 0x80), "the size of the frame is none");
    check(&[0, 0, 0, 20], "the size of the frame is none");
    check(&changed(CALL, 9, 0x31), "the two sizes of the frame differ");
    check(&changed(CALL, 3, 0x31), "the two sizes of the frame differ");
    check(&changed(CALL, 6, 0xff), "the two sizes of the frame differ");
}

#[test]
fn a_length_is_said_before_its_bytes_are_there() {
    let needed = |bytes: &[u8]| decode(&*codec(THRIFT), bytes).needed;
    assert_eq!(needed(&[0]), 10);
    assert_eq!(needed(&[0x7f, 0xff, 0xff, 0xff]), 0x8000_0003);
    assert_eq!(needed(&CALL[..12]), 52);
}

#[test]
fn a_frame_that_is_wrong_inside_is_refused_alone() {
    let check = |place: usize, byte: u8, expect: &str| {
        let decoded = decode(&*codec(THRIFT), &[&changed(CALL, place, byte), CALL].concat());
        assert_eq!((decoded.frames.len(), decoded.lost), (2, None));
        assert_eq!(decoded.frames[0].malformed.as_deref(), Some(expect));
        assert_eq!(decoded.frames[1].malformed, None);
    };
    check(10, 1, "the header is no part of the frame");
    check(12, 2, "the version of the frame is unknown");
    check(13, 0x80, "the header ends within the service");
    check(16, 12, "the header ends within the service");
    check(11, 9, "the header ends within the service");
    check(11, 23, "the header does not end with an id");
    check(11, 27, "the header does not end with an id");
    check(16, 2, "the header ends within the path");
    check(29, 2, "the version of the Thrift message is unknown");
    check(TYPE, 5, "the type of the Thrift message is unknown");
    check(32, 0xff, "the frame ends within the begin of the message");
    check(35, 60, "the frame ends within the begin of the message");
    let path = sample("s", Some("1234"), 7, Type::Call, "say", b"\0");
    let short = changed(&path, 21, 3);
    let frame = frame(&*codec(THRIFT), &short);
    assert_eq!(frame.malformed.as_deref(), Some("the header does not end with an id"));
}

#[test]
fn a_response_that_is_wrong_inside_is_one() {
    for of in [Type::Reply, Type::Exception] {
        let sound = sample("svc", None, 7, of, "say", b"\0");
        for (place, byte, id) in [(35, 60, 7), (32, 0xff, 7), (30, 1, 7), (13, 0x80, 0), (12, 2, 0)]
        {
            let response = frame(&*codec(THRIFT), &changed(&sound, place, byte));
            assert!(response.malformed.is_some(), "{place}");
            assert_eq!((response.kind, response.id), (FrameKind::Response, id), "{place}");
        }
    }
    let one_way = frame(&*codec(THRIFT), &changed(&changed(CALL, TYPE, 4), 35, 60));
    assert_eq!((one_way.kind, one_way.id), (FrameKind::OneWay, 7));
    let mut older = CALL[..28].to_vec();
    older.extend(b"\x00\x00\x00\x03say\x02\x00");
    let size = u8::try_from(older.len() - SIZE_BYTES).unwrap();
    (older[3], older[9]) = (size, size);
    let older = frame(&*codec(THRIFT), &older);
    assert_eq!((older.kind, older.id), (FrameKind::Response, 7));
    assert!(older.malformed.is_some());
}

#[test]
fn the_body_can_be_changed_and_fields_cannot() {
    let codec = codec(THRIFT);
    let mut call = call();
    let written = encode_body(&*codec, &call, b"another and longer body\0").unwrap();
    let again = frame(&*codec, &written);
    assert_eq!((again.id, &*again.method), (7, "say"));
    assert_eq!(again.body, &b"another and longer body\0"[..]);
    call.fields.add(b"a", b"b").unwrap();
    assert_eq!(encode(&*codec, &call, 7), None);
    assert_eq!(encode(&*codec, &Frame::default(), 7), None);
}

#[test]
fn a_refusal_is_an_exception_of_thrift() {
    let codec = codec(THRIFT);
    for raw in [CALL.into(), sample("svc", Some("/p"), 7, Type::Call, "say", b"\0")] {
        let call = frame(&*codec, &raw);
        let service = &*call.service;
        for (status, about, http) in [(302, 6, 500), (404, 1, 404), (400, 7, 500), (503, 6, 500)] {
            let answer = frame(&*codec, &reject(&*codec, &call, status, "no way"));
            assert_eq!((answer.kind, answer.id), (FrameKind::Response, 7));
            assert_eq!((answer.status.http, &*answer.service), (http, service));
            assert_eq!(&*answer.method, "say");
            assert_eq!(answer.fields.get(b":seq-id"), Some(&b"3"[..]));
            let body =
                [b"\x0b\x00\x01\x00\x00\x00\x06no way\x08\x00\x02\x00\x00\x00", &[about, 0][..]];
            assert_eq!(answer.body, body.concat());
        }
        let words = reject(&*codec, &call, 404, "no such service");
        assert_eq!(reject_with(&*codec, &call, 404, b"no such service"), words);
        let no_text = reject_with(&*codec, &call, 404, b"\xff");
        assert_eq!(no_text, reject(&*codec, &call, 404, "no way"));
        let answer = frame(&*codec, &reject(&*codec, &call, 200, ""));
        assert_eq!((answer.status.http, &answer.body[..]), (200, &[0][..]));
    }
}

#[test]
fn what_is_no_call_is_not_answered() {
    let codec = codec(THRIFT);
    let refuse = |request: &Frame, body: &'static [u8]| {
        let fields = FieldList::default();
        now(codec.reject(Rejection { request, status: 503, message: "", fields: &fields, body }))
    };
    assert_eq!(refuse(&frame(&*codec, &changed(CALL, TYPE, 4)), b""), None);
    assert_eq!(refuse(&frame(&*codec, &changed(CALL, TYPE, 2)), b""), None);
    assert_eq!(refuse(&frame(&*codec, &changed(CALL, 12, 2)), b""), None, "no id is known");
    let malformed = frame(&*codec, &changed(CALL, TYPE, 5));
    let answer = frame(&*codec, &refuse(&malformed, b"said").unwrap());
    assert_eq!((&*answer.method, answer.status.code), ("", 3));
    assert!(answer.body.windows(4).any(|text| text == b"said"));
}

#[test]
fn the_first_bytes_tell() {
    use Detection::{Match, NeedMore, No};
    let cases: [(&[u8], Detection); 8] = [
        (b"", NeedMore),
        (&CALL[..4], NeedMore),
        (&CALL[..5], NeedMore),
        (&CALL[..6], Match),
        (&[0x80], No),
        (&[0, 0, 0, 40, 0x10, 1], No),
        (b"GET /index", No),
        (&[0xda, 0xbb, 0xc2, 0], No),
    ];
    for (first, expect) in cases {
        assert_eq!(detect(&*codec(THRIFT), first), expect, "{first:02x?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        service in ".{0,20}",
        path in prop::option::of("[a-z/]{0,20}"),
        id in any::<u64>(),
        of in 1_u8..=4,
        name in "[a-z]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let of = [Type::Call, Type::Reply, Type::Exception, Type::OneWay][usize::from(of) - 1];
        let raw = sample(&service, path.as_deref(), id, of, &name, &body);
        check_laws(THRIFT, &raw);
        let read = frame(&*codec(THRIFT), &raw);
        let called = path.as_deref().filter(|path| !path.is_empty()).unwrap_or(&service);
        prop_assert_eq!((read.id, &*read.service, &*read.method), (id, called, &*name));
        prop_assert_eq!(&read.body[..], &body[..]);
    }

    #[test]
    fn no_bytes_do_harm(rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = CALL[..PREFIX_BYTES].to_vec();
        bytes.extend(rest);
        survive(&*codec(THRIFT), &bytes);
    }
}
