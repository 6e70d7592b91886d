mod java;
mod target;

use bytes::{Bytes, BytesMut};
use host_types::HeaderError;
use proptest::prelude::*;

use super::*;
use crate::{BuiltinCodec, hessian::write_text, testing};

const REQUEST_FLAGS: u8 = REQUEST | TWO_WAY | head::HESSIAN;

/// A frame with the id 7.
fn wire(flags: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let head = Head { flags, status, ..Head::default() };
    head.with(7, payload).unwrap().to_vec()
}

/// The strings that a payload begins with.
fn strings(texts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        write_text(&mut out, text.as_bytes()).unwrap();
    }
    out
}

/// A call of `say` with a string and a number, and these attachments.
fn call(attachments: &[u8]) -> Vec<u8> {
    let mut payload = strings(&["2.0.2", "com.demo.Echo", "1.0.0", "say", "Ljava/lang/String;I"]);
    payload.extend_from_slice(b"\x02hi\x91");
    payload.extend_from_slice(attachments);
    wire(REQUEST_FLAGS, 0, &payload)
}

fn frame(bytes: &[u8]) -> Frame {
    testing::frame(&*testing::codec(BuiltinCodec::Dubbo), bytes)
}

fn encode(frame: &Frame, body_changed: bool) -> Option<Bytes> {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    testing::now(codec.encode(Rewrite { frame, id: frame.id, body_changed }))
}

fn field<'a>(frame: &'a Frame, name: &str) -> &'a str {
    let value = frame.fields.get(name.as_bytes()).unwrap_or_default();
    std::str::from_utf8(value).unwrap()
}

const ATTACHMENTS: &[u8] =
    b"H\x04path\x0dcom.demo.Echo\x09interface\x0ccom.demo.IfA\x05group\x01g\x07timeout\x041500Z";

#[test]
fn a_request_in_hessian_tells_all_that_routes_need() {
    let bytes = call(ATTACHMENTS);
    let frame = frame(&bytes);
    assert_eq!(frame.kind, FrameKind::Request);
    assert_eq!((frame.id, frame.id_place), (7, Some(ID_PLACE)));
    assert_eq!((&*frame.service, &*frame.method), ("com.demo.Echo", "say"));
    assert_eq!(frame.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(frame.malformed, None);
    assert_eq!(&frame.body[..], b"\x02hi\x91");
    for (name, value) in [
        (":serialization", "hessian2"),
        (":dubbo", "2.0.2"),
        (":version", "1.0.0"),
        (":interface", "com.demo.IfA"),
        (":group", "g"),
        ("path", "com.demo.Echo"),
        ("group", "g"),
        ("timeout", "1500"),
    ] {
        assert_eq!(field(&frame, name), value, "{name}");
    }
    assert_eq!(frame.fields.len(), 9);
}

#[test]
fn a_request_without_attachments_has_its_path_as_interface() {
    for attachments in [&b"HZ"[..], b"N", b""] {
        let frame = frame(&call(attachments));
        assert_eq!(frame.malformed, None);
        assert_eq!(field(&frame, ":interface"), "com.demo.Echo");
        assert_eq!(frame.fields.get(b":group"), None);
        assert_eq!(frame.timeout, None);
    }
}

#[test]
fn a_service_version_may_be_null() {
    let payload = [&strings(&["2.0.2", "Echo"])[..], b"N", &strings(&["say"]), b"NHZ"].concat();
    let frame = frame(&wire(REQUEST_FLAGS, 0, &payload));
    assert_eq!((&*frame.method, frame.malformed.as_deref()), ("say", None));
    assert_eq!(frame.fields.get(b":version"), None);
}

#[test]
fn one_way_is_by_its_flag() {
    let mut bytes = call(b"HZ");
    bytes[2] &= !TWO_WAY;
    assert_eq!(frame(&bytes).kind, FrameKind::OneWay);
}

#[test]
fn attachments_can_be_changed_and_all_else_stays() {
    let mut request = frame(&call(b"H\x01a\x01b\x06object\x7a\x90\x91\x01c\x01dZ"));
    request.fields.replace(b"a", b"new").unwrap();
    request.fields.add(b"trace", "\u{1f600}".as_bytes()).unwrap();
    let expect = call(
        b"H\x06object\x7a\x90\x91\x01a\x03new\x01c\x01d\x05trace\x02\xed\xa0\xbd\xed\xb8\x80Z",
    );
    let written = encode(&request, false).unwrap();
    assert_eq!(written, expect);
    assert_eq!(field(&frame(&written), "trace"), "\u{1f600}");
}

#[test]
fn attributes_cannot_be_changed() {
    let mut request = frame(&call(b"HZ"));
    let changed = request.fields.replace(b":version", b"2.0.0");
    assert!(matches!(changed, Err(HeaderError::Pseudo)));
}

#[test]
fn arguments_can_be_changed_to_others_of_the_same_number() {
    let mut request = frame(&call(b"H\x01a\x01bZ"));
    request.body = Bytes::from_static(b"\x05other\x92");
    let again = frame(&encode(&request, true).unwrap());
    assert_eq!(&again.body[..], b"\x05other\x92");
    assert_eq!(field(&again, "a"), "b");
    for other in [&b""[..], b"\x90", b"\x90\x90\x90", b"\xff", b"H\x90"] {
        request.body = Bytes::copy_from_slice(other);
        assert_eq!(encode(&request, true), None, "{other:02x?}");
    }
}

#[test]
fn arguments_that_attachments_refer_to_stay() {
    let mut request = frame(&call(b"H\x01aQ\x90Z"));
    request.body = Bytes::from_static(b"\x01x\x90");
    assert_eq!(encode(&request, true), None);
}

#[test]
fn a_request_that_lies_is_malformed_and_the_next_one_is_found() {
    let good = strings(&["2.0.2", "Echo", "", "say"]);
    let with = |rest: &[u8]| [&good[..], rest].concat();
    for payload in [
        Vec::new(),
        b"\x90".to_vec(),
        strings(&["2.0.2", "Echo"]),
        with(b"\x90"),
        with(b"\x01V"),
        with(b"\x01I"),
        with(b"\x01I\x40HZ"),
        with(b"\x01IX\x7f\xff\xff\xff"),
        with(b"\x00H\x01a"),
        with(b"\x00H\x01a\x01\xffZ"),
        b"\x01\xff".to_vec(),
    ] {
        let bytes = [wire(REQUEST_FLAGS, 0, &payload), call(b"HZ")].concat();
        let decoded = testing::decode(&*testing::codec(BuiltinCodec::Dubbo), &bytes);
        assert_eq!(decoded.lost, None);
        let [bad, next] = &decoded.frames[..] else { panic!("two frames") };
        assert!(bad.malformed.is_some(), "{payload:02x?}");
        assert_eq!((bad.id, bad.kind), (7, FrameKind::Request));
        assert_eq!(next.malformed, None);
    }
}

#[test]
fn responses_tell_their_status() {
    for (status, http) in
        [(20, 200), (30, 504), (31, 504), (40, 400), (50, 502), (60, 404), (70, 500), (80, 500)]
    {
        let response = frame(&wire(head::HESSIAN, status, b"\x91\x02hi"));
        assert_eq!(response.kind, FrameKind::Response);
        assert_eq!(response.status, FrameStatus { code: status.into(), http });
        assert_eq!(response.malformed, None);
    }
    let refused = frame(&wire(head::HESSIAN, 100, b"\x04busy"));
    assert_eq!(refused.status.http, 503);
    assert_eq!(&refused.body[..], b"\x04busy");
}

#[test]
fn the_head_tells_whose_response_a_frame_is() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    assert_eq!(testing::known_from(&*codec, &wire(head::HESSIAN, OK, b"\x91\x02hi")), HEAD_BYTES);
    for flags in [REQUEST_FLAGS, head::HESSIAN | EVENT] {
        let bytes = wire(flags, OK, b"N");
        let told = testing::decode(&*codec, &bytes[..HEAD_BYTES]).response_to;
        assert_eq!(told, ResponseTo::Unknown);
    }
}

#[test]
fn a_response_has_a_value_or_an_exception_and_maybe_attachments() {
    for (payload, body, exception, field_value) in [
        (&b"\x90H\x01mZ"[..], &b"H\x01mZ"[..], true, ""),
        (b"\x91\x02hi", b"\x02hi", false, ""),
        (b"\x92", b"", false, ""),
        (b"\x93\x02noH\x01a\x01bZ", b"\x02no", true, "b"),
        (b"\x94\x02hiH\x01a\x01bZ", b"\x02hi", false, "b"),
        (b"\x95H\x01a\x01bZ", b"", false, "b"),
        (b"I\x00\x00\x00\x05H\x01a\x01bZ", b"", false, "b"),
    ] {
        let response = frame(&wire(head::HESSIAN, OK, payload));
        assert_eq!(response.malformed, None, "{payload:02x?}");
        assert_eq!(&response.body[..], body, "{payload:02x?}");
        assert_eq!(field(&response, ":exception") == "true", exception, "{payload:02x?}");
        assert_eq!(field(&response, "a"), field_value, "{payload:02x?}");
    }
}

#[test]
fn a_response_that_lies_is_malformed() {
    for payload in [&b""[..], b"\x96", b"\x8f", b"\x01a", b"\x94", b"\x94\x60HZ", b"\x95H\x01aZ"] {
        let response = frame(&wire(head::HESSIAN, OK, payload));
        assert!(response.malformed.is_some(), "{payload:02x?}");
        assert_eq!((response.kind, response.id), (FrameKind::Response, 7), "somebody waits for it");
    }
}

#[test]
fn attachments_of_a_response_can_be_changed() {
    let mut response = frame(&wire(head::HESSIAN, OK, b"\x94\x02hiH\x01a\x01bZ"));
    response.fields.add(b"c", b"d").unwrap();
    let expect = wire(head::HESSIAN, OK, b"\x94\x02hiH\x01a\x01b\x01c\x01dZ");
    assert_eq!(encode(&response, false).unwrap(), expect);
}

#[test]
fn a_response_without_attachments_gets_none() {
    for (status, payload) in [(OK, &b"\x91\x02hi"[..]), (OK, b"\x92"), (70, b"\x02no")] {
        let bytes = wire(head::HESSIAN, status, payload);
        let mut response = frame(&bytes);
        response.fields.add(b"a", b"b").unwrap();
        assert_eq!(encode(&response, false).unwrap(), bytes, "{payload:02x?}");
    }
}

#[test]
fn the_value_of_a_response_can_be_changed() {
    for (payload, body, expect) in [
        (&b"\x91\x02hi"[..], &b"\x03you"[..], Some(&b"\x91\x03you"[..])),
        (b"\x91\x02hi", b"", Some(b"\x92")),
        (b"\x92", b"\x90", Some(b"\x91\x90")),
        (b"\x94\x02hiHZ", b"\x90", Some(b"\x94\x90HZ")),
        (b"\x94\x02hiHZ", b"", Some(b"\x95HZ")),
        (b"\x95HZ", b"T", Some(b"\x94THZ")),
        (b"\x93\x02noHZ", b"\x01x", Some(b"\x93\x01xHZ")),
        (b"\x93\x02noHZ", b"", None),
        (b"\x91\x02hi", b"\x90\x90", None),
        (b"\x91\x02hi", b"\xf8", None),
    ] {
        let mut response = frame(&wire(head::HESSIAN, OK, payload));
        response.body = Bytes::copy_from_slice(body);
        let expect = expect.map(|expect| wire(head::HESSIAN, OK, expect));
        assert_eq!(encode(&response, true).as_deref(), expect.as_deref(), "{payload:02x?}");
    }
    let mut error = frame(&wire(head::HESSIAN, 70, b"\x02no"));
    error.body = Bytes::from_static(b"\x03yes");
    assert_eq!(encode(&error, true).unwrap(), wire(head::HESSIAN, 70, b"\x03yes"));
}

#[test]
fn of_fastjson_the_first_lines_are_read() {
    let payload =
        b"\"2.0.2\"\n\"com.demo.Echo\"\n\"1.0.0\"\n\"say\"\n\"Ljava/lang/String;\"\n\"hi\"\n{}\n";
    let bytes = wire(REQUEST | TWO_WAY | head::FASTJSON, 0, payload);
    let mut request = frame(&bytes);
    assert_eq!((&*request.service, &*request.method), ("com.demo.Echo", "say"));
    for (name, value) in [
        (":serialization", "fastjson"),
        (":dubbo", "2.0.2"),
        (":version", "1.0.0"),
        (":interface", "com.demo.Echo"),
    ] {
        assert_eq!(field(&request, name), value);
    }
    assert_eq!(&request.body[..], payload);
    assert_eq!(encode(&request, false).unwrap(), bytes);
    request.fields.add(b"a", b"b").unwrap();
    assert_eq!(encode(&request, false), None, "nobody could read it");
}

#[test]
fn other_serializations_go_on_unread() {
    for (number, payload) in
        [(8, &b"\x80\x81"[..]), (head::FASTJSON, b"\"a\\u0062\"\n"), (head::FASTJSON, b"")]
    {
        let bytes = wire(REQUEST | TWO_WAY | number, 0, payload);
        let mut request = frame(&bytes);
        assert_eq!((&*request.service, request.malformed.as_deref()), ("", None));
        assert_eq!(encode(&request, false).unwrap(), bytes);
        request.body = Bytes::from_static(b"other");
        let expect = wire(REQUEST | TWO_WAY | number, 0, b"other");
        assert_eq!(encode(&request, true).unwrap(), expect);
    }
    let response = frame(&wire(8, OK, b"\x01\x02"));
    assert_eq!((field(&response, ":serialization"), response.status.http), ("8", 200));
}

#[test]
fn heartbeats_are_known_in_both_directions() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let heartbeat = testing::now(codec.heartbeat(7)).unwrap();
    assert_eq!(heartbeat, b"\xda\xbb\xe2\0\0\0\0\0\0\0\0\x07\0\0\0\x01N"[..]);
    let heartbeat = frame(&heartbeat);
    assert_eq!(heartbeat.kind, FrameKind::Heartbeat);
    let reply = testing::now(codec.heartbeat_reply(&heartbeat)).unwrap();
    assert_eq!(reply, b"\xda\xbb\x22\x14\0\0\0\0\0\0\0\x07\0\0\0\x01N"[..]);
    assert_eq!(frame(&reply).kind, FrameKind::HeartbeatReply);
}

#[test]
fn a_heartbeat_is_answered_as_it_is_serialized() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let reply = |flags: u8, payload: &[u8]| {
        let heartbeat = frame(&wire(flags, 0, payload));
        assert_eq!(heartbeat.kind, FrameKind::Heartbeat);
        testing::now(codec.heartbeat_reply(&heartbeat)).unwrap()
    };
    let flags = REQUEST | TWO_WAY | EVENT;
    assert_eq!(reply(flags | head::FASTJSON, b"null\n"), wire(EVENT | 6, OK, b"null\n"));
    assert_eq!(reply(flags | 8, b"\x00"), wire(EVENT | 8, OK, b"\x00"));
    assert_eq!(reply(flags | head::HESSIAN, b"NN"), wire(EVENT | 2, OK, b"N"));
    assert_eq!(reply(flags | 8, &[0; 65]), wire(EVENT | 8, OK, b"N"), "nobody grows large");
}

#[test]
fn a_side_says_that_it_takes_no_more_requests() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let bytes = testing::now(codec.go_away()).unwrap();
    assert_eq!(bytes, b"\xda\xbb\xa2\0\0\0\0\0\0\0\0\0\0\0\0\x02\x01R"[..]);
    assert_eq!(frame(&bytes).kind, FrameKind::GoAway);
    for (flags, payload, kind) in [
        (REQUEST | EVENT | TWO_WAY | head::HESSIAN, &b"\x01R"[..], FrameKind::GoAway),
        (REQUEST | EVENT | head::FASTJSON, b"\"R\"\n", FrameKind::GoAway),
        // That it takes some again, what nobody knows, and a heartbeat that wants no answer.
        (REQUEST | EVENT | head::HESSIAN, b"\x01W", FrameKind::HeartbeatReply),
        (REQUEST | EVENT | 8, b"R", FrameKind::HeartbeatReply),
        (REQUEST | EVENT | head::HESSIAN, b"N", FrameKind::HeartbeatReply),
    ] {
        assert_eq!(frame(&wire(flags, 0, payload)).kind, kind, "{payload:02x?}");
    }
}

#[test]
fn a_refusal_is_a_status_and_a_string() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let request = frame(&call(b"HZ"));
    for (http, status) in [
        (302, 80),
        (400, 40),
        (401, 70),
        (403, 70),
        (404, 60),
        (429, 100),
        (500, 80),
        (502, 80),
        (503, 100),
        (504, 31),
    ] {
        let bytes = testing::reject(&*codec, &request, http, "no \u{1f600}");
        assert_eq!(bytes, wire(head::HESSIAN, status, b"\x05no \xed\xa0\xbd\xed\xb8\x80"));
        assert_eq!(frame(&bytes).malformed, None);
    }
    let malformed = frame(&wire(REQUEST_FLAGS, 0, b"\x90"));
    let bytes = testing::reject(&*codec, &malformed, 400, "no");
    assert_eq!(bytes, wire(head::HESSIAN, 40, b"\x02no"));
    let json = frame(&wire(REQUEST | TWO_WAY | head::FASTJSON, 0, b"\"2.0.2\"\n"));
    let bytes = testing::reject(&*codec, &json, 503, "a\"b\\\n");
    assert_eq!(bytes, wire(head::FASTJSON, 100, b"\"a\\\"b\\\\\\u000a\"\n"));
    let other = frame(&wire(REQUEST | TWO_WAY | 8, 0, b"\x00"));
    let bytes = testing::reject(&*codec, &other, 503, "no");
    assert_eq!(bytes, wire(head::HESSIAN, 100, b"\x02no"), "which all read");
}

#[test]
fn a_reply_of_a_route_is_a_value() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let mut fields = FieldList::default();
    fields.add(b"a", b"b").unwrap();
    let reply = |request: &Frame, status: u16, body: &[u8]| {
        let rejection = Rejection { request, status, message: "said", fields: &fields, body };
        testing::now(codec.reject(rejection)).unwrap()
    };
    let request = frame(&call(b"HZ"));
    assert_eq!(reply(&request, 200, b"pong"), wire(2, OK, b"\x94\x04pongH\x01a\x01bZ"));
    assert_eq!(reply(&request, 204, b""), wire(2, OK, b"\x95H\x01a\x01bZ"));
    assert_eq!(reply(&request, 403, b"denied"), wire(2, 70, b"\x06denied"));
    let mut routed = request.clone();
    routed.fields = FieldList::default();
    let expect = wire(2, OK, b"\x95H\x01a\x01bZ");
    assert_eq!(reply(&routed, 200, b""), expect, "the proxy has the fields elsewhere");
    let json = wire(REQUEST | TWO_WAY | head::FASTJSON, 0, b"\"2.0.2\"\n");
    assert_eq!(reply(&frame(&json), 200, b""), expect);
    let other = wire(REQUEST | TWO_WAY | 8, 0, b"\x052.0.2");
    assert_eq!(reply(&frame(&other), 200, b""), wire(2, OK, b"\x92"));
    let old = strings(&["2.6.2", "Echo", "", "say", ""]);
    let old = frame(&wire(REQUEST_FLAGS, 0, &[&old[..], b"HZ"].concat()));
    assert_eq!(reply(&old, 200, b"pong"), wire(2, OK, b"\x91\x04pong"));
    assert_eq!(reply(&old, 200, b""), wire(2, OK, b"\x92"));
}

#[test]
fn what_are_no_frames_ends_the_connection() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xda\xbc", b"\xdb", b"\x00"] {
        assert!(testing::lost(&*codec, bytes).is_some(), "{bytes:02x?}");
        assert_eq!(testing::detect(&*codec, bytes), Detection::No);
    }
    let mut negative = wire(REQUEST_FLAGS, 0, b"");
    negative[12] = 0x80;
    assert!(testing::lost(&*codec, &negative).is_some());
    let mut behind = call(b"HZ");
    behind.extend_from_slice(b"quit\r\n");
    let decoded = testing::decode(&*codec, &behind);
    assert_eq!((decoded.frames.len(), decoded.lost.is_some()), (1, true));
}

#[test]
fn a_connection_is_known_by_two_bytes() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    assert_eq!(testing::detect(&*codec, b""), Detection::NeedMore);
    assert_eq!(testing::detect(&*codec, b"\xda"), Detection::NeedMore);
    assert_eq!(testing::detect(&*codec, b"\xda\xbb"), Detection::Match);
}

#[test]
fn a_frame_says_how_long_it_is_before_it_is_there() {
    let codec = testing::codec(BuiltinCodec::Dubbo);
    let mut bytes = wire(REQUEST_FLAGS, 0, b"");
    bytes[12..16].copy_from_slice(&i32::MAX.to_be_bytes());
    let decoded = testing::decode(&*codec, &bytes);
    assert_eq!(decoded.needed, 0x7fff_ffff + HEAD_BYTES);
    assert_eq!(testing::decode(&*codec, &bytes[..15]).needed, 0);
}

/// One frame of every kind.
fn stream() -> Vec<u8> {
    let exception = b"\x93C\x01e\x91\x01m\x60\x02noH\x01a\x01bZ";
    [
        call(ATTACHMENTS),
        wire(REQUEST | head::HESSIAN, 0, &call(b"H\x01a\x01b\x01n\x91Z")[16..]),
        wire(head::HESSIAN, OK, b"\x94\x02hiH\x01a\x01bZ"),
        wire(head::HESSIAN, OK, exception),
        wire(head::HESSIAN, 70, b"\x02no"),
        wire(REQUEST | TWO_WAY | EVENT | head::HESSIAN, 0, b"N"),
        wire(EVENT | head::HESSIAN, OK, b"N"),
        wire(REQUEST | EVENT | head::HESSIAN, 0, b"\x01R"),
        wire(REQUEST | TWO_WAY | head::FASTJSON, 0, b"\"2.0.2\"\n\"a\"\n\"b\"\n\"c\"\n"),
        wire(REQUEST | TWO_WAY | 8, 0, b"\x01\x02\x03"),
    ]
    .concat()
}

#[test]
fn laws_of_codecs_hold() {
    testing::check_laws(BuiltinCodec::Dubbo, &stream());
}

#[test]
fn damage_is_survived() {
    testing::check_damage(BuiltinCodec::Dubbo, &stream());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        pairs in proptest::collection::btree_map("[a-z]{1,8}", "\\PC{0,40}", 0..8),
        id: u64,
        names in proptest::array::uniform4("\\PC{0,40}"),
    ) {
        let mut payload = strings(&names.each_ref().map(String::as_str));
        payload.extend_from_slice(b"\x00N");
        let mut request = frame(&wire(REQUEST_FLAGS, 0, &payload));
        for (name, value) in &pairs {
            request.fields.add(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let codec = testing::codec(BuiltinCodec::Dubbo);
        let written = testing::encode(&*codec, &request, id).unwrap();
        let decoded = testing::now(codec.decode(BytesMut::from(&written[..])));
        let again = &decoded.frames[0];
        prop_assert_eq!(&again.malformed, &None);
        prop_assert_eq!(again.id, id);
        prop_assert_eq!(&*again.service, &names[1]);
        prop_assert_eq!(&*again.method, &names[3]);
        for (name, value) in &pairs {
            prop_assert_eq!(again.fields.get(name.as_bytes()), Some(value.as_bytes()));
        }
    }
}
