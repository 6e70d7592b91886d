use proptest::prelude::*;

use super::*;
use crate::{BuiltinCodec, testing::*, wire::FIELDS_MAX};

const TARS: BuiltinCodec = BuiltinCodec::Tars;

/// Version 1, id 42 in one byte, servant `App.Obj`, function `say`, payload `hi`, timeout 3000,
/// context `{who: me}`, no status.
const REQUEST: &[u8] = b"\x00\x00\x00\x2f\x10\x01\x2c\x3c\x40\x2a\x56\x07App.Obj\x66\x03say\
    \x7d\x00\x00\x02hi\x81\x0b\xb8\x98\x00\x01\x06\x03who\x16\x02me\xa8\x0c";
/// Version 1, id 42, return code 0, payload `ok`, no status.
const RESPONSE: &[u8] = b"\x00\x00\x00\x13\x10\x01\x2c\x30\x2a\x4c\x5c\x6d\x00\x00\x02ok\x78\x0c";
/// The same response in the form of TUP.
const TUP_RESPONSE: &[u8] = b"\x00\x00\x00\x2e\x10\x03\x2c\x3c\x40\x2a\x56\x00\x66\x00\x7d\x00\x0c\
    \x8c\x98\x0c\xa8\x00\x01\x06\x12STATUS_RESULT_CODE\x16\x01\x30";

fn changed(frame: &[u8], place: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[place] = byte;
    frame
}

/// A packet of these fields.
fn packet(fields: &[&[u8]]) -> Vec<u8> {
    let mut raw = vec![0; 4];
    raw.extend(fields.concat());
    let length = u8::try_from(raw.len()).unwrap();
    raw[3] = length;
    raw
}

fn request() -> Frame {
    frame(&*codec(TARS), REQUEST)
}

#[test]
fn a_request_says_what_it_is() {
    let request = request();
    assert_eq!((request.kind, request.id, &request.malformed), (FrameKind::Request, 42, &None));
    assert_eq!((&*request.service, &*request.method), ("App.Obj", "say"));
    assert_eq!((request.timeout, &request.body[..]), (Some(Duration::from_secs(3)), &b"hi"[..]));
    assert_eq!(request.fields.get(b"who"), Some(&b"me"[..]));
    assert_eq!(request.fields.get(b":version"), Some(&b"1"[..]));
    assert_eq!(request.id_place, None, "its id has one byte");
    let one_way = packet(&[b"\x10\x01\x20\x01\x3c\x40\x2a", &REQUEST[10..]]);
    assert_eq!(frame(&*codec(TARS), &one_way).kind, FrameKind::OneWay);
}

#[test]
fn a_response_says_how_the_call_ended() {
    let response = frame(&*codec(TARS), RESPONSE);
    assert_eq!((response.kind, response.id), (FrameKind::Response, 42));
    assert_eq!((response.status.code, response.status.http), (0, 200));
    assert_eq!(response.body, &b"ok"[..]);
    let codes = [(-1, 400), (-3, 404), (-6, 503), (-7, 504), (-8, 502), (-99, 500), (7, 500)];
    for (code, http) in codes {
        let raw = packet(&[
            b"\x10\x01\x2c\x30\x2a\x4c\x50",
            &[i8::to_be_bytes(code)[0]],
            b"\x6d\x00\x0c\x78\x00\x01\x06\x01a\x16\x01b\x86\x03why",
        ]);
        let response = frame(&*codec(TARS), &raw);
        assert_eq!(response.status.code, i32::from(code).cast_unsigned());
        assert_eq!(response.status.http, http);
        assert_eq!(response.fields.get(b":status.a"), Some(&b"b"[..]));
        assert_eq!(response.fields.get(b":description"), Some(&b"why"[..]));
    }
}

#[test]
fn a_response_of_tup_has_the_form_of_a_request() {
    let response = frame(&*codec(TARS), TUP_RESPONSE);
    assert_eq!((response.kind, response.id), (FrameKind::Response, 42));
    assert_eq!((response.status.code, response.status.http), (0, 200));
    let plain = frame(&*codec(TARS), &changed(TUP_RESPONSE, 5, 1));
    assert_eq!(plain.kind, FrameKind::Request, "only TUP does so");
    let odd = frame(&*codec(TARS), &changed(TUP_RESPONSE, TUP_RESPONSE.len() - 1, b'x'));
    assert_eq!(odd.malformed.as_deref(), Some("the return code is no number"));
}

#[test]
fn the_return_code_tells_whose_response_a_frame_is() {
    // The length, four numbers, and the head of the return code.
    assert_eq!(known_from(&*codec(TARS), RESPONSE), 11);
    for payload in [REQUEST, TUP_RESPONSE] {
        let told = |length| decode(&*codec(TARS), &payload[..length]).response_to;
        assert_eq!(told(6), ResponseTo::NeedMore);
        assert_eq!(told(payload.len() - 1), ResponseTo::Unknown);
    }
}

#[test]
fn every_cut_gives_the_same_frames() {
    let wide = encode(&*codec(TARS), &request(), 0x0102_0304).unwrap();
    let stream = [REQUEST, RESPONSE, TUP_RESPONSE, &wide].concat();
    check_laws(TARS, &stream);
    check_damage(TARS, &stream);
}

#[test]
fn an_id_is_written_with_four_bytes_and_then_has_a_place() {
    let wide = encode(&*codec(TARS), &request(), 7).unwrap();
    assert_eq!(wide.len(), REQUEST.len() + 3);
    let read = frame(&*codec(TARS), &wide);
    assert_eq!(read.id, 7);
    let place = read.id_place.unwrap();
    let patched = Frame::patched(wide, place, u64::from(u32::MAX)).unwrap();
    assert_eq!(frame(&*codec(TARS), &patched).id, u64::from(u32::MAX));
    assert_eq!(encode(&*codec(TARS), &request(), 1 << 32), None);
}

#[test]
fn what_is_no_packet_ends_the_connection() {
    let check = |bytes: &[u8], expect: &str| {
        assert_eq!(lost(&*codec(TARS), bytes).as_deref(), Some(expect), "{bytes:02x?}");
    };
    check(&[0xff, 0, 0, 0], "the length of the packet is none");
    check(&[0, 0, 0, 0], "the length of the packet is none");
    check(&[0, 0, 0, 5, 0x10], "the length of the packet is none");
    check(&[0, 0, 0, 9, 0x20], "the packet does not begin with a version");
    check(&[0, 0, 0, 9, 0x16], "the packet does not begin with a version");
    check(b"GET / HTTP/1.1", "the packet does not begin with a version");
    assert_eq!(decode(&*codec(TARS), &[0]).needed, 6);
    assert_eq!(decode(&*codec(TARS), &[0x7f, 0xff, 0xff, 0xff, 0x10]).needed, 0x7fff_ffff);
}

#[test]
fn a_packet_that_is_wrong_inside_is_refused_alone() {
    let check = |raw: &[u8], expect: &str| {
        let decoded = decode(&*codec(TARS), &[raw, REQUEST].concat());
        assert_eq!((decoded.frames.len(), decoded.lost), (2, None));
        assert_eq!(decoded.frames[0].malformed.as_deref(), Some(expect), "{raw:02x?}");
        assert_eq!(decoded.frames[1].malformed, None);
    };
    let damaged = "a field of the packet is damaged";
    check(&changed(REQUEST, 11, 0xf0), damaged);
    check(&changed(REQUEST, 27, 0x7f), damaged);
    check(&changed(REQUEST, 35, 0x7f), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x57\xff\xff\xff\xff"]), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x57\x7f\xff\xff\xff"]), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x56\x00\x7d\x00\x00\xff"]), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x56\x00\x98\x00\xff"]), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x5e"]), damaged);
    check(&packet(&[&REQUEST[4..10], b"\x5b"]), damaged);
    check(&packet(&[&REQUEST[4..10], &[0x5a, 0x0a].repeat(40)]), damaged);
    let disorder = "the fields of the packet are in disorder";
    check(&packet(&[&REQUEST[4..10], b"\x4c"]), disorder);
    check(&packet(&[&REQUEST[4..10], b"\x1c"]), disorder);
    check(&packet(&[b"\x10\x01\x2c\x3c\x56\x00"]), "the packet has no id");
    check(&packet(&[b"\x10\x01\x46\x00\x56\x00"]), "the packet has no id");
    check(&packet(&[b"\x10\x01\x4c\x56\x00\x79\x0c"]), "the payload is no list of bytes");
    check(&packet(&[b"\x10\x01\x4c\x56\x00\x6c"]), "a field that is a text is none");
    let no_texts = "a map is none of texts";
    check(&packet(&[b"\x10\x01\x4c\x56\x00\x96\x00"]), no_texts);
    check(&packet(&[b"\x10\x01\x4c\x56\x00\x98\x00\x01\x0c\x16\x00"]), no_texts);
    check(&packet(&[b"\x10\x01\x4c\x56\x00\xa8\x00\x01\x06\x00\x06\x00"]), no_texts);
}

/// A packet with a field more: some head, a size and as many parts.
fn with_parts(head: u8, size: usize, part: impl Fn(usize) -> Vec<u8>) -> Frame {
    let mut more = vec![head];
    value::put_int(&mut more, 0, i32::try_from(size).unwrap());
    more.extend((0..size).flat_map(part));
    let before = if head == 0x98 { &REQUEST[4..33] } else { &REQUEST[4..] };
    let raw = [&[0; 4], before, &more].concat();
    let mut length = raw.clone();
    length[..4].copy_from_slice(&u32::try_from(raw.len()).unwrap().to_be_bytes());
    frame(&*codec(TARS), &length)
}

#[test]
fn there_may_be_so_many_values_and_no_more() {
    let pair = |number: usize| {
        let mut pair = Vec::new();
        value::put_text(&mut pair, 0, number.to_string().as_bytes()).unwrap();
        value::put_text(&mut pair, 1, b"").unwrap();
        pair
    };
    assert_eq!(with_parts(0x98, FIELDS_MAX, pair).malformed, None);
    let much = with_parts(0x98, FIELDS_MAX + 1, pair).malformed;
    assert_eq!(much.as_deref(), Some("a map has too many texts"));
    assert_eq!(with_parts(0xb9, 16_000, |_number| vec![0x0c]).malformed, None);
    let much = with_parts(0xb9, 16_384, |_number| vec![0x0c]).malformed;
    assert_eq!(much.as_deref(), Some("a field of the packet is damaged"));
}

#[test]
fn a_name_that_stands_twice_is_malformed() {
    let doubled = |name: &str| {
        let pair = [&b"\x06\x01"[..], name.as_bytes(), b"\x16\x01b"].concat();
        [&b"\x00\x03"[..], &pair, b"\x06\x03who\x16\x02me", &pair].concat()
    };
    for name in ["a", ":", "A"] {
        let context = packet(&[&REQUEST[4..33], b"\x98", &doubled(name), b"\xa8\x0c"]);
        assert_eq!(frame(&*codec(TARS), &context).malformed.as_deref(), Some(DOUBLE), "{name}");
    }
    let status = packet(&[&REQUEST[4..33], b"\xa8", &doubled("a")]);
    assert_eq!(frame(&*codec(TARS), &status).malformed.as_deref(), Some(DOUBLE));
    let cases = b"\x98\x00\x02\x06\x01a\x16\x00\x06\x01A\x16\x00";
    let cases = packet(&[&REQUEST[4..33], cases]);
    assert_eq!(frame(&*codec(TARS), &cases).malformed, None);
    let result = b"\x06\x12STATUS_RESULT_CODE\x16\x01\x30";
    let tup = packet(&[&TUP_RESPONSE[4..20], b"\xa8\x00\x02", result, result]);
    let tup = frame(&*codec(TARS), &tup);
    assert_eq!((tup.kind, tup.malformed.as_deref()), (FrameKind::Response, Some(DOUBLE)));
}

#[test]
fn a_name_that_a_filter_added_twice_is_written_once() {
    let mut read = request();
    read.fields.add(b"who", b"you").unwrap();
    let again = frame(&*codec(TARS), &encode(&*codec(TARS), &read, 42).unwrap());
    assert_eq!(again.malformed, None);
    assert_eq!(again.fields.get_all(b"who").collect::<Vec<_>>(), [b"you"]);
}

#[test]
fn a_response_that_is_wrong_inside_is_one() {
    for end in 11..RESPONSE.len() {
        let cut = packet(&[&RESPONSE[4..end]]);
        let response = frame(&*codec(TARS), &cut);
        assert_eq!((response.kind, response.id), (FrameKind::Response, 42), "{end}");
    }
    let no_code = packet(&[&RESPONSE[4..10], b"\x50"]);
    let response = frame(&*codec(TARS), &no_code);
    assert_eq!((response.kind, response.id), (FrameKind::Response, 42));
    assert!(response.malformed.is_some());
    let no_text = packet(&[&REQUEST[4..10], b"\x56\x07App"]);
    let request = frame(&*codec(TARS), &no_text);
    assert_eq!((request.kind, request.id), (FrameKind::Request, 42));
    assert!(request.malformed.is_some());
}

#[test]
fn unknown_fields_go_on() {
    let more =
        [0xd0, 1, 0xea, 0x06, 1, b'x', 0x0b, 0xf9, 200, 0, 2, 0x03, 0, 0, 0, 0, 0, 0, 0, 1, 0x0c];
    let raw = packet(&[&REQUEST[4..], &more]);
    let mut read = frame(&*codec(TARS), &raw);
    assert_eq!(read.malformed, None);
    read.fields.replace(b"who", b"you").unwrap();
    let written = encode(&*codec(TARS), &read, 42).unwrap();
    assert!(written.ends_with(&more));
    check_laws(TARS, &raw);
}

#[test]
fn context_and_payload_can_be_changed() {
    let codec = codec(TARS);
    for sample in [REQUEST, RESPONSE, TUP_RESPONSE] {
        let mut read = frame(&*codec, sample);
        let again = frame(&*codec, &encode_body(&*codec, &read, &[b'x'; 300]).unwrap());
        assert_eq!((again.kind, again.id, &again.body[..]), (read.kind, 42, &[b'x'; 300][..]));
        assert_eq!(again.status, read.status);
        let long = [b'y'; 256];
        read.fields.add(b"long", &long).unwrap();
        let again = frame(&*codec, &encode(&*codec, &read, 43).unwrap());
        assert_eq!((again.id, again.fields.get(b"long")), (43, Some(&long[..])));
        assert_eq!(again.fields.get(b"who"), read.fields.get(b"who"));
        assert_eq!(again.fields.len(), read.fields.len());
        assert_eq!((again.body, again.service), (read.body, read.service));
    }
    assert_eq!(encode(&*codec, &Frame::default(), 1), None);
}

#[test]
fn a_refusal_is_a_response_with_a_return_code() {
    let codec = codec(TARS);
    let tup = changed(REQUEST, 5, 3);
    for (sample, said) in [(REQUEST, ":description"), (&tup[..], ":status.STATUS_RESULT_DESC")] {
        let request = frame(&*codec, sample);
        let cases = [(200, 0), (400, -1), (403, -99), (404, -4), (502, -8), (503, -9), (504, -7)];
        for (http, code) in cases {
            let response = frame(&*codec, &reject(&*codec, &request, http, "no way"));
            assert_eq!((response.kind, response.id), (FrameKind::Response, 42));
            assert_eq!(response.status.code, i32::cast_unsigned(code));
            assert_eq!(response.fields.get(said.as_bytes()), Some(&b"no way"[..]));
            assert_eq!(response.malformed, None);
        }
    }
}

#[test]
fn a_refusal_carries_the_fields_and_the_words_that_were_given() {
    let codec = codec(TARS);
    let mut fields = FieldList::default();
    fields.add(b"Why", b"because").unwrap();
    let refuse = |raw: &[u8]| {
        let request = &decode(&*codec, raw).frames.remove(0);
        let body = b"words";
        now(codec.reject(Rejection { request, status: 503, message: "no", fields: &fields, body }))
    };
    for raw in [REQUEST, &changed(REQUEST, 5, 3), &changed(REQUEST, 27, 0x7f)] {
        let response = frame(&*codec, &refuse(raw).unwrap());
        assert_eq!(response.fields.get(b"Why"), Some(&b"because"[..]));
        let said = [&b":description"[..], b":status.STATUS_RESULT_DESC"];
        let said = said.iter().find_map(|name| response.fields.get(name));
        assert_eq!((response.id, said), (42, Some(&b"words"[..])));
        assert!(!response.body.windows(5).any(|there| there == b"words"), "nobody reads it");
    }
    let request = frame(&*codec, REQUEST);
    let failed = reject_with(&*codec, &request, 404, b"none");
    let expect = b"\0\0\0\x1b\x10\x01\x2c\x30\x2a\x4c\x50\xfc\x6d\x00\x0c\x78\x0c\x86\x04none";
    assert_eq!(failed[4..], expect[4..]);
    let binary = frame(&*codec, &reject_with(&*codec, &request, 404, b"\xff"));
    assert_eq!(binary.fields.get(b":description"), Some(&b"no way"[..]));
    let direct = frame(&*codec, &reject_with(&*codec, &request, 200, b"payload"));
    assert_eq!(&direct.body[..], b"payload");
    let one_way = packet(&[b"\x10\x01\x20\x01\x3c\x40\x2a", &REQUEST[10..]]);
    for raw in [RESPONSE, TUP_RESPONSE, &one_way, &packet(&[b"\x10\x01\x2c\x3c\x56\x00"])] {
        assert_eq!(refuse(raw), None, "nothing waits for a reply, or nobody knows what");
    }
}

#[test]
fn the_first_bytes_tell() {
    use Detection::{Match, NeedMore, No};
    let cases: [(&[u8], Detection); 8] = [
        (b"", NeedMore),
        (&REQUEST[..5], NeedMore),
        (&REQUEST[..6], Match),
        (&changed(REQUEST, 5, 3), Match),
        (&changed(REQUEST, 5, 4), No),
        (&[0, 0, 0, 40, 0xda, 0xbc], No),
        (b"GET /index", No),
        (&[0xda], No),
    ];
    for (first, expect) in cases {
        assert_eq!(detect(&*codec(TARS), first), expect, "{first:02x?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        id in any::<i32>(),
        version in prop_oneof![Just(1), Just(2), Just(3), Just(5)],
        numbers in any::<(i32, i32)>(),
        servant in ".{0,90}",
        payload in prop::collection::vec(any::<u8>(), 0..80),
        pairs in prop::collection::btree_map("[a-zA-Z_:-]{0,20}", ".{0,20}", 0..5),
    ) {
        let mut fields = FieldList::default();
        for (name, value) in &pairs {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let mut raw = vec![0; 4];
        value::put_int(&mut raw, VERSION, version);
        value::put_int(&mut raw, 3, numbers.0);
        value::put_int(&mut raw, 4, id);
        value::put_text(&mut raw, SERVANT, servant.as_bytes()).unwrap();
        value::put_bytes(&mut raw, 7, &payload).unwrap();
        value::put_int(&mut raw, TIMEOUT, numbers.1);
        value::put_map(&mut raw, CONTEXT, &fields).unwrap();
        let raw = packet::edited(&raw, &[]).unwrap();
        check_laws(TARS, &raw);
        let read = frame(&*codec(TARS), &raw);
        prop_assert_eq!((read.id, &*read.service), (u64::from(id.cast_unsigned()), &*servant));
        prop_assert_eq!(&read.body[..], &payload[..]);
        let there: Vec<_> = read.fields.block().collect();
        let expect: Vec<_> = fields.block().collect();
        prop_assert_eq!(there, expect);
    }

    #[test]
    fn no_bytes_do_harm(rest in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&*codec(TARS), &packet(&[b"\x10\x01\x2c\x3c\x40\x2a", &rest]));
    }
}
