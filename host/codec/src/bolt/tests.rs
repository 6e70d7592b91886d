use host_extension::Codec;
use proptest::prelude::*;

use super::*;
use crate::{BuiltinCodec, testing::*};

const BOLT: BuiltinCodec = BuiltinCodec::Bolt(BoltSettings { go_away: false });
const WITH_GO_AWAY: BuiltinCodec = BuiltinCodec::Bolt(BoltSettings { go_away: true });

/// A request of version 1: class `C`, the fields `service: s` and `sofa_head_method_name: m`,
/// content `body`.
const REQUEST_V1: &[u8] = b"\x01\x01\x00\x01\x01\x00\x00\x00\x2a\x01\x00\x00\x0b\xb8\
    \x00\x01\x00\x2e\x00\x00\x00\x04C\
    \x00\x00\x00\x07service\x00\x00\x00\x01s\
    \x00\x00\x00\x15sofa_head_method_name\x00\x00\x00\x01m\
    body";
const RESPONSE_V1: &[u8] =
    b"\x01\x00\x00\x02\x01\x00\x00\x00\x2a\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02ok";
const REQUEST_V2: &[u8] =
    b"\x02\x01\x01\x00\x01\x01\x00\x00\x00\x2b\x01\x00\x00\x00\x00\x64\x00\x00\x00\x00\x00\x00\x00\x01x";
/// Version 2 of version 2, with the switch for the sum on: `x` and the CRC32 of all before.
const REQUEST_SUM: &[u8] =
    b"\x02\x02\x01\x00\x01\x01\x00\x00\x00\x2b\x01\x01\x00\x00\x00\x64\x00\x00\x00\x00\x00\x00\x00\x01x";
const HEARTBEAT_V1: &[u8] =
    b"\x01\x01\x00\x00\x01\x00\x00\x00\x05\x01\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00";
const HEARTBEAT_REPLY_V1: &[u8] =
    b"\x01\x00\x00\x00\x01\x00\x00\x00\x05\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

fn with_sum(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let sum = crc32fast::hash(&frame);
    frame.extend(sum.to_be_bytes());
    frame
}

fn changed(frame: &[u8], place: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[place] = byte;
    frame
}

fn bolt() -> std::rc::Rc<dyn Codec> {
    codec(BOLT)
}

#[test]
fn a_request_says_what_it_is() {
    let read = frame(&*bolt(), REQUEST_V1);
    assert_eq!((read.kind, read.id), (FrameKind::Request, 42));
    assert_eq!((&*read.service, &*read.method), ("s", "m"));
    assert_eq!(read.timeout, Some(Duration::from_secs(3)));
    assert_eq!(read.body, &b"body"[..]);
    assert_eq!(read.fields.get(b":class"), Some(&b"C"[..]));
    assert_eq!(read.fields.get(b"service"), Some(&b"s"[..]));
    assert_eq!(read.malformed, None);
    let one_way = frame(&*bolt(), &changed(REQUEST_V1, 1, 2));
    assert_eq!(one_way.kind, FrameKind::OneWay);
}

#[test]
fn a_response_says_how_the_call_ended() {
    let read = frame(&*bolt(), RESPONSE_V1);
    assert_eq!((read.kind, read.id, &read.body[..]), (FrameKind::Response, 42, &b"ok"[..]));
    assert_eq!(read.status, FrameStatus { code: 0, http: 200 });
    for (status, http) in [(1, 500), (4, 503), (7, 504), (16, 502), (18, 500), (200, 500)] {
        let read = frame(&*bolt(), &changed(RESPONSE_V1, 11, status));
        assert_eq!(read.status, FrameStatus { code: status.into(), http });
    }
}

#[test]
fn the_head_tells_whose_response_a_frame_is() {
    assert_eq!(known_from(&*bolt(), RESPONSE_V1), 20);
    for nobodys in [REQUEST_V1, HEARTBEAT_REPLY_V1] {
        let start = &nobodys[..nobodys.len() - 1];
        assert!(!matches!(decode(&*bolt(), start).response_to, ResponseTo::Request(_)));
    }
}

#[test]
fn versions_may_be_mixed() {
    let stream =
        [REQUEST_V1, REQUEST_V2, RESPONSE_V1, &with_sum(REQUEST_SUM), HEARTBEAT_V1].concat();
    check_laws(BOLT, &stream);
    check_damage(BOLT, &stream);
    let go_away = now(codec(WITH_GO_AWAY).go_away()).unwrap();
    check_laws(WITH_GO_AWAY, &[REQUEST_V2, &go_away].concat());
}

#[test]
fn a_sum_is_checked_and_written_anew() {
    let sound = with_sum(REQUEST_SUM);
    let read = frame(&*bolt(), &sound);
    assert_eq!(read.body, &b"x"[..], "the sum is no content");
    assert_eq!(read.id_place, None);
    let other = encode(&*bolt(), &read, 0x0708).unwrap();
    let (head, _sum) = other.split_at(other.len() - 4);
    assert_eq!(with_sum(head), other);
    for place in 6..sound.len() {
        let bad = changed(&sound, place, sound[place] ^ 0x10);
        let decoded = decode(&*bolt(), &bad);
        let is_length = (16..24).contains(&place);
        // Behind a length that lies the sum is not there, or elsewhere.
        assert!(decoded.lost.is_some() || is_length, "{place}");
        assert!(decoded.frames.is_empty(), "{place}");
    }
}

#[test]
fn only_the_second_version_of_version_2_has_a_sum() {
    let read = frame(&*bolt(), &changed(REQUEST_V2, 11, 1));
    assert!(read.id_place.is_some());
    let without = frame(&*bolt(), &changed(REQUEST_V2, 1, 2));
    assert!(without.id_place.is_some(), "the switch is off");
}

#[track_caller]
fn check_lost(bytes: &[u8], expect: &str) {
    assert_eq!(lost(&*bolt(), bytes).as_deref(), Some(expect), "{bytes:02x?}");
}

#[test]
fn what_is_no_frame_ends_the_connection() {
    check_lost(b"GET / HTTP/1.1\r\n", "the first byte is no version of bolt");
    check_lost(&[0], "the first byte is no version of bolt");
    check_lost(&changed(REQUEST_V1, 1, 3), "the type of the frame is unknown");
    check_lost(&changed(REQUEST_V2, 1, 0), "the version of bolt 2 is unknown");
    check_lost(&changed(REQUEST_V2, 1, 3), "the version of bolt 2 is unknown");
    check_lost(&changed(REQUEST_V2, 2, 9), "the type of the frame is unknown");
    check_lost(&changed(REQUEST_V1, 18, 0x80), "the length of the content is negative");
    check_lost(&changed(RESPONSE_V1, 16, 0xff), "the length of the content is negative");
    check_lost(&changed(REQUEST_V2, 20, 0xff), "the length of the content is negative");
}

#[test]
fn a_length_is_said_before_its_bytes_are_there() {
    let large = changed(&REQUEST_V1[..22], 18, 0x7f);
    let decoded = decode(&*bolt(), &large);
    assert_eq!(decoded.needed, 22 + 1 + 46 + 0x7f00_0004);
    assert_eq!(decode(&*bolt(), &[1]).needed, 20);
    assert_eq!(decode(&*bolt(), &[1, 1]).needed, 22);
    assert_eq!(decode(&*bolt(), &[2]).needed, 22);
    assert_eq!(decode(&*bolt(), &[2, 1, 1, 0]).needed, 24);
}

#[track_caller]
fn check_malformed(bytes: &[u8], kind: FrameKind, expect: &str) {
    let decoded = decode(&*bolt(), &[bytes, REQUEST_V1].concat());
    assert_eq!(decoded.lost, None);
    assert_eq!(decoded.frames.len(), 2, "the connection lives");
    assert_eq!(decoded.frames[0].kind, kind);
    assert_eq!(decoded.frames[0].malformed.as_deref(), Some(expect));
    assert_eq!(decoded.frames[1].malformed, None);
}

#[test]
fn a_frame_that_is_wrong_inside_is_refused_alone() {
    let unknown = "the command of the request is unknown";
    check_malformed(&changed(REQUEST_V1, 3, 9), FrameKind::Request, unknown);
    check_malformed(&changed(REQUEST_V1, 3, 2), FrameKind::Request, unknown);
    check_malformed(&changed(&changed(REQUEST_V1, 1, 2), 2, 1), FrameKind::OneWay, unknown);
    let unknown = "the command of the response is unknown";
    check_malformed(&changed(RESPONSE_V1, 3, 1), FrameKind::Response, unknown);
    let lies = "the header block ends within a field";
    for (place, byte) in [(26, 8), (26, 3), (23, 0x7f), (34, 0xff), (65, 200), (67, 0), (67, 9)] {
        check_malformed(&changed(REQUEST_V1, place, byte), FrameKind::Request, lies);
    }
}

#[test]
fn a_frame_may_have_so_many_fields_and_no_more() {
    let head = Head { command: RESPONSE, ..Head::default() };
    let with = |fields: usize| {
        let mut list = FieldList::default();
        for number in 0..fields {
            list.push(number.to_string().as_bytes(), b"");
        }
        let mut block = Vec::new();
        write_block(&list, &mut block).unwrap();
        frame(&*bolt(), &compose(head, &[], &block, &[]).unwrap())
    };
    assert_eq!(with(FIELDS_MAX).malformed, None);
    let expect = Some("the header block has too many fields");
    assert_eq!(with(FIELDS_MAX + 1).malformed.as_deref(), expect);
}

#[test]
fn fields_without_a_name_or_a_value_are_not_seen() {
    let block = b"\x00\x00\x00\x01a\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01b\
        \x00\x00\x00\x01c\x00\x00\x00\x00";
    let head = Head { command: RESPONSE, ..Head::default() };
    let written = compose(head, &[], block, b"x").unwrap();
    let mut read = frame(&*bolt(), &written);
    assert_eq!(read.malformed, None);
    let fields: Vec<_> = read.fields.iter().collect();
    assert_eq!(fields, [(&b"c"[..], &b""[..])]);
    assert_eq!(encode(&*bolt(), &read, 0), Some(written), "they go on where nothing was changed");
    read.fields.add(b"d", b"e").unwrap();
    let again = frame(&*bolt(), &encode(&*bolt(), &read, 0).unwrap());
    assert_eq!((again.fields.len(), again.fields.get(b"d")), (2, Some(&b"e"[..])));
}

/// A request with these pairs of names and perhaps values.
fn with_block(pairs: &[(&str, Option<&str>)]) -> Frame {
    let mut block = Vec::new();
    for (name, value) in pairs {
        block.put_u32(u32::try_from(name.len()).unwrap());
        block.put_slice(name.as_bytes());
        block.put_u32(value.map_or(ABSENT, |value| u32::try_from(value.len()).unwrap()));
        block.put_slice(value.unwrap_or_default().as_bytes());
    }
    let kind = Kind::Request { timeout: 1000, one_way: false };
    let head = Head { kind, command: REQUEST, ..Head::default() };
    frame(&*bolt(), &compose(head, &[], &block, b"x").unwrap())
}

#[test]
fn a_name_that_stands_twice_is_malformed() {
    let other = ("a", Some("b"));
    for name in ["sofa_head_target_service", "service", "sofa_head_method_name", "x", ":x", ""] {
        for (first, second) in [(Some("1"), Some("2")), (Some("1"), Some("1")), (Some("1"), None)] {
            for pair in
                [[(name, first), other, (name, second)], [(name, second), other, (name, first)]]
            {
                assert_eq!(with_block(&pair).malformed.as_deref(), Some(DOUBLE), "{pair:?}");
            }
        }
        assert_eq!(with_block(&[(name, Some("1")), other]).malformed, None);
    }
    let cases = with_block(&[("x", Some("1")), ("X", Some("2"))]);
    assert_eq!(cases.malformed, None, "they are two for a server, too");
    let response = Head { command: RESPONSE, ..Head::default() };
    let block = b"\0\0\0\x01a\0\0\0\0".repeat(2);
    let response = frame(&*bolt(), &compose(response, &[], &block, &[]).unwrap());
    assert_eq!((response.kind, response.malformed.as_deref()), (FrameKind::Response, Some(DOUBLE)));
}

#[test]
fn names_of_the_protocol_count_in_just_their_case() {
    let named = |names: &[(&str, Option<&str>)]| {
        let read = with_block(names);
        assert_eq!(read.malformed, None);
        (read.service, read.method)
    };
    let other_case = [
        ("SOFA_HEAD_TARGET_SERVICE", Some("decoy")),
        ("Sofa_Head_Method_Name", Some("decoy")),
        ("Service", Some("decoy")),
    ];
    assert_eq!(named(&other_case), ("".into(), "".into()));
    let called = [("service", Some("called")), ("sofa_head_method_name", Some("say"))];
    let both = [&other_case[..], &called].concat();
    assert_eq!(named(&both), ("called".into(), "say".into()));
    let without_value = [("sofa_head_target_service", None), called[0], called[1]];
    assert_eq!(named(&without_value), ("called".into(), "say".into()));
    let target = ("sofa_head_target_service", Some("called"));
    assert_eq!(named(&[target, called[1]]), ("called".into(), "say".into()));
    assert_eq!(named(&[target, called[0]]), ("called".into(), "".into()));
}

#[test]
fn a_request_that_names_two_services_is_malformed() {
    for (target, service) in [("Public", "Admin"), ("Public", ""), ("", "Admin"), ("a", "A")] {
        let pairs = [("sofa_head_target_service", Some(target)), ("service", Some(service))];
        for pairs in [pairs, [pairs[1], pairs[0]]] {
            let read = with_block(&pairs);
            assert_eq!(read.malformed.as_deref(), Some("two services are named"));
            assert_eq!((read.kind, &*read.service), (FrameKind::Request, ""));
        }
    }
}

#[test]
fn a_filter_that_sends_a_request_elsewhere_must_say_so_in_all_fields() {
    let names = [&b"sofa_head_target_service"[..], b"service"];
    let mut read = with_block(&[("sofa_head_target_service", Some("a")), ("service", Some("a"))]);
    for name in names {
        let mut half = read.clone();
        half.fields.replace(name, b"b").unwrap();
        assert_eq!(encode(&*bolt(), &half, 1), None);
        half.fields.remove(name).unwrap();
        assert!(encode(&*bolt(), &half, 1).is_some());
    }
    for name in names {
        read.fields.replace(name, b"b").unwrap();
    }
    assert_eq!(&*frame(&*bolt(), &encode(&*bolt(), &read, 1).unwrap()).service, "b");
}

#[test]
fn a_name_that_a_filter_added_twice_is_written_once() {
    let mut read = frame(&*bolt(), REQUEST_V1);
    read.fields.add(b"a", b"1").unwrap();
    read.fields.add(b"a", b"2").unwrap();
    let again = frame(&*bolt(), &encode(&*bolt(), &read, 1).unwrap());
    assert_eq!(again.malformed, None);
    assert_eq!(again.fields.get_all(b"a").collect::<Vec<_>>(), [b"2"]);
}

#[test]
fn fields_and_content_can_be_changed() {
    for sample in [REQUEST_V1.to_vec(), REQUEST_V2.to_vec(), with_sum(REQUEST_SUM)] {
        let mut read = frame(&*bolt(), &sample);
        read.fields.replace(b"service", b"another").unwrap();
        let again = frame(&*bolt(), &encode(&*bolt(), &read, 7).unwrap());
        assert_eq!((again.id, &*again.service), (7, "another"));
        assert_eq!(again.method, read.method);
        assert_eq!(again.body, read.body);
        assert_eq!(again.timeout, read.timeout);
        let again = frame(&*bolt(), &encode_body(&*bolt(), &read, b"other content").unwrap());
        assert_eq!((again.id, &again.body[..]), (read.id, &b"other content"[..]));
        assert_eq!(again.fields.get(b":class"), read.fields.get(b":class"));
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut read = frame(&*bolt(), REQUEST_V1);
    assert_eq!(encode(&*bolt(), &read, 1 << 32), None, "an id of more than four bytes");
    read.fields.add(b"large", &[b'x'; 0x7f00]).unwrap();
    assert!(encode(&*bolt(), &read, 1).is_some());
    read.fields.add(b"more", &[b'x'; 0x100]).unwrap();
    assert_eq!(encode(&*bolt(), &read, 1), None);
    assert_eq!(encode(&*bolt(), &Frame::default(), 1), None, "a frame that is none of bolt");
}

#[test]
fn heartbeats_are_of_the_version_that_was_seen() {
    let codec = bolt();
    assert_eq!(now(codec.heartbeat(5)).as_deref(), Some(HEARTBEAT_V1));
    frame(&*codec, &with_sum(REQUEST_SUM));
    let beat = now(codec.heartbeat(6)).unwrap();
    assert_eq!(beat[..3], [2, 2, 1]);
    let read = frame(&*bolt(), &beat);
    assert_eq!((read.kind, read.id), (FrameKind::Heartbeat, 6));
    frame(&*codec, RESPONSE_V1);
    assert_eq!(now(codec.heartbeat(5)).as_deref(), Some(HEARTBEAT_V1));
    assert_eq!(now(codec.heartbeat(1 << 32)), None);
}

#[test]
fn a_heartbeat_is_answered_in_its_own_version() {
    let codec = bolt();
    let beat = frame(&*codec, HEARTBEAT_V1);
    assert_eq!(beat.kind, FrameKind::Heartbeat);
    let reply = now(codec.heartbeat_reply(&beat)).unwrap();
    assert_eq!(reply, HEARTBEAT_REPLY_V1);
    assert_eq!(frame(&*codec, &reply).kind, FrameKind::HeartbeatReply);
    let beat = changed(&REQUEST_SUM[..24], 4, 0);
    let beat = with_sum(&changed(&beat, 23, 0));
    let reply = now(codec.heartbeat_reply(&frame(&*codec, &beat))).unwrap();
    let reply = frame(&*bolt(), &reply);
    assert_eq!((reply.kind, reply.id, reply.raw[0]), (FrameKind::HeartbeatReply, 0x2b, 2));
}

#[test]
fn a_refusal_is_a_response_with_a_status_and_a_message() {
    let codec = bolt();
    let cases = [
        (200, 0),
        (302, 3),
        (400, 9),
        (403, 2),
        (404, 6),
        (429, 4),
        (500, 3),
        (502, 6),
        (503, 4),
        (504, 7),
    ];
    for sample in [REQUEST_V1.to_vec(), REQUEST_V2.to_vec(), with_sum(REQUEST_SUM)] {
        let request = frame(&*codec, &sample);
        for (http, status) in cases {
            let response = frame(&*codec, &reject(&*codec, &request, http, "no way"));
            assert_eq!((response.kind, response.id), (FrameKind::Response, request.id));
            assert_eq!((response.status.code, response.raw[0]), (status, request.raw[0]));
            let says = response.body.windows(6).any(|text| text == b"no way");
            assert_eq!(says, status != 0);
            assert_eq!(response.fields.get(b":class").is_some(), says);
        }
    }
}

#[test]
fn a_message_is_an_exception_in_hessian() {
    let request = frame(&*bolt(), REQUEST_V1);
    let response = frame(&*bolt(), &reject(&*bolt(), &request, 403, "no way"));
    let class = b"com.alipay.remoting.rpc.exception.RpcServerException";
    assert_eq!(response.fields.get(b":class"), Some(&class[..]));
    let definition = [b"O\xc8\x34", &class[..], b"\x92\x0ddetailMessage\x0astackTrace"].concat();
    let object = b"o\x90\x06no wayVt\0\x1c[java.lang.StackTraceElementn\0z";
    assert_eq!(response.body, [&definition[..], object].concat());
    let long = frame(&*bolt(), &reject(&*bolt(), &request, 403, &"\u{1f600}".repeat(2000)));
    let shown = "\u{fffd}".repeat(1000);
    let text = [b"S\x03\xe8", shown.as_bytes()].concat();
    assert!(long.body.windows(text.len()).any(|there| there == text));
}

#[test]
fn the_content_of_a_failure_is_always_an_exception() {
    let codec = bolt();
    let request = frame(&*codec, REQUEST_V1);
    let text = b"no such service";
    let response = reject_with(&*codec, &request, 404, text);
    let class = b"com.alipay.remoting.rpc.exception.RpcServerException";
    let content = [
        b"O\xc8\x34",
        &class[..],
        b"\x92\x0ddetailMessage\x0astackTraceo\x90\x0fno such serviceVt\0\x1c",
        b"[java.lang.StackTraceElementn\0z",
    ]
    .concat();
    let head = b"\x01\x00\x00\x02\x01\x00\x00\x00\x2a\x01\x00\x06\x00\x34\x00\x00\x00\x00\x00";
    let length = [u8::try_from(content.len()).unwrap()];
    assert_eq!(response, [&head[..], &length, &class[..], &content].concat());
    for body in [&b"\xff\xfe"[..], b""] {
        let response = reject_with(&*codec, &request, 404, body);
        assert_eq!(response, reject(&*codec, &request, 404, "no way"), "that is no text");
    }
    let direct = frame(&*codec, &reject_with(&*codec, &request, 200, b"\xff\xfe"));
    assert_eq!((direct.body, direct.fields.get(b":class")), (b"\xff\xfe"[..].into(), None));
}

#[test]
fn a_refusal_carries_the_fields_and_the_words_that_were_given() {
    let codec = bolt();
    let request = frame(&*codec, REQUEST_V1);
    let mut fields = FieldList::default();
    fields.add(b"Why", b"because").unwrap();
    let refuse = |request: &Frame, fields: &FieldList| {
        let body = b"content";
        now(codec.reject(Rejection { request, status: 503, message: "no", fields, body }))
    };
    let response = frame(&*codec, &refuse(&request, &fields).unwrap());
    assert_eq!(response.fields.get(b"Why"), Some(&b"because"[..]));
    assert_eq!(response.status.http, 503);
    assert!(response.body.windows(8).any(|there| there == b"\x07content"));
    fields.add(b"large", &[b'x'; 0x8000]).unwrap();
    let response = frame(&*codec, &refuse(&request, &fields).unwrap());
    assert_eq!(response.fields.block().next(), None, "a refusal is rather sent without");
    for other in [changed(REQUEST_V1, 1, 2), RESPONSE_V1.to_vec()] {
        assert_eq!(refuse(&frame(&*codec, &other), &fields), None, "nothing waits for a reply");
    }
    let malformed = frame(&*codec, &changed(REQUEST_V1, 3, 9));
    assert!(refuse(&malformed, &fields).is_some());
}

#[test]
fn go_away_is_sent_where_it_is_said_so_and_always_known() {
    assert_eq!(now(bolt().go_away()), None);
    assert!(!BOLT.factory().codec_profile().go_away);
    assert!(WITH_GO_AWAY.factory().codec_profile().go_away);
    let codec = codec(WITH_GO_AWAY);
    frame(&*codec, REQUEST_V2);
    let go_away = frame(&*codec, &now(codec.go_away()).unwrap());
    assert_eq!((go_away.kind, go_away.raw[0]), (FrameKind::GoAway, 2));
    for raw in [&go_away.raw[..], &changed(REQUEST_V1, 3, 100)] {
        let foreign = frame(&*bolt(), raw);
        assert_eq!((foreign.kind, foreign.malformed), (FrameKind::GoAway, None));
    }
}

#[test]
fn the_first_bytes_tell() {
    use Detection::{Match, NeedMore, No};
    let cases: [(&[u8], Detection); 14] = [
        (b"", NeedMore),
        (&[1], NeedMore),
        (&[1, 1, 0], NeedMore),
        (&[1, 1, 0, 1], Match),
        (&[1, 0, 0, 100], Match),
        (&[1, 3], No),
        (&[1, 1, 1], No),
        (&[1, 1, 0, 7], No),
        (&[2, 1, 1, 0], NeedMore),
        (&[2, 2, 1, 0, 1], Match),
        (&[2, 0], No),
        (&[0, 0, 0, 40], No),
        (b"GET ", No),
        (&[0x16, 3, 1], No),
    ];
    for (first, expect) in cases {
        assert_eq!(detect(&*bolt(), first), expect, "{first:02x?}");
    }
}

fn any_head() -> impl Strategy<Value = Head> {
    let flavour = prop_oneof![
        Just(Flavour::V1),
        (1_u8..=2, any::<u8>()).prop_map(|(version, switch)| Flavour::V2 { version, switch }),
    ];
    let kind = prop_oneof![
        any::<u16>().prop_map(|status| Kind::Response { status }),
        any::<(i32, bool)>().prop_map(|(timeout, one_way)| Kind::Request { timeout, one_way }),
    ];
    (flavour, kind, any::<u32>(), any::<u8>(), any::<u8>()).prop_map(
        |(flavour, kind, id, codec, command_version)| {
            let command = if matches!(kind, Kind::Response { .. }) { RESPONSE } else { REQUEST };
            Head { flavour, kind, command, command_version, id, codec, ..Head::default() }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        heads in prop::collection::vec(any_head(), 1..4),
        class in "[a-zA-Z.]{0,40}",
        pairs in prop::collection::btree_map("[a-zA-Z_:-]{1,20}", ".{0,20}", 0..5),
        content in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut fields = FieldList::default();
        for (name, value) in &pairs {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let mut block = Vec::new();
        write_block(&fields, &mut block).unwrap();
        let frames: Vec<Bytes> = heads
            .iter()
            .map(|head| compose(*head, class.as_bytes(), &block, &content).unwrap())
            .collect();
        check_laws(BOLT, &frames.concat());
        for raw in frames {
            let read = frame(&*bolt(), &raw);
            let there: Vec<_> = read.fields.block().collect();
            let expect: Vec<_> = fields.block().collect();
            prop_assert_eq!(there, expect);
            prop_assert_eq!(&read.body[..], &content[..]);
        }
    }

    #[test]
    fn no_bytes_do_harm(start in 0_u8..4, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&*bolt(), &[&[start], &rest[..]].concat());
    }
}
