use mortise_sdk::testing::codec::CodecKit;

use super::*;

/// A frame of the protocol, built by hand.
fn frame(kind: u8, command: u8, id: u8, timeout_or_status: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind, 0, command, 1, 0, 0, 0, id, 1];
    bytes.extend_from_slice(timeout_or_status);
    bytes.extend_from_slice(&[0, 5, 0]);
    bytes.push(u8::try_from(fields.len()).unwrap());
    bytes.extend_from_slice(b"\0\0\0\x05class");
    bytes.extend_from_slice(fields);
    bytes.extend_from_slice(b"hello");
    bytes
}

const FIELDS: &[u8] = b"\0\0\0\x18sofa_head_target_service\0\0\0\x04Echo\
\0\0\0\x15sofa_head_method_name\0\0\0\x03say\0\0\0\x01a\xff\xff\xff\xff";

fn request(id: u8) -> Vec<u8> {
    frame(1, 1, id, &3000_u32.to_be_bytes(), FIELDS)
}

const TARGET: &str = "sofa_head_target_service";

/// A request with these names and perhaps values.
fn with(pairs: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in pairs {
        for text in [Some(*name), *value] {
            let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap());
            block.extend(length.to_be_bytes());
            block.extend(text.unwrap_or_default().as_bytes());
        }
    }
    frame(1, 1, 7, &[0; 4], &block)
}

fn decoded(bytes: &[u8]) -> Frame {
    match BoltCodec.decode(bytes) {
        Decoded::Frame(frame) => *frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_codec_keeps_what_every_codec_must() {
    let response = frame(0, 2, 7, &[0, 0], b"");
    let heartbeats = [BoltCodec.heartbeat(7), BoltCodec.heartbeat_reply(&[], 7)];
    CodecKit::new(Bolt::CODEC, || Box::new(BoltCodec))
        .sample("a request", request(7))
        .sample("requests", [request(7), frame(2, 1, 8, &[0; 4], b""), request(9)].concat())
        .sample("a response", response)
        .sample("heartbeats", heartbeats.map(Option::unwrap).concat())
        .malformed("a name that stands twice", with(&[("a", Some("1")), ("a", None)]))
        .malformed("two services", with(&[("service", Some("a")), (TARGET, Some("b"))]))
        .malformed("a block that lies", frame(1, 1, 7, &[0; 4], b"\0\0\0\x09x"))
        .lost("another version", [&[2][..], &request(7)[1..]].concat())
        .lost("an unknown type", [&[1, 3][..], &request(7)[2..]].concat())
        .lost("an unknown command", frame(1, 9, 7, &[0; 4], b""))
        .assert_sound();
}

#[test]
fn a_request_says_what_it_is_for() {
    let frame = decoded(&request(7));
    assert_eq!((frame.service.as_str(), frame.method.as_str()), ("Echo", "say"));
    assert_eq!((frame.id, frame.timeout_ms), (7, Some(3000)));
    assert_eq!(frame.fields.len(), 2, "one without a value is no field");
}

#[test]
fn either_field_names_the_service_and_both_must_agree() {
    let service = |pairs: &[(&str, Option<&str>)]| decoded(&with(pairs)).service;
    assert_eq!(service(&[("service", Some("a"))]), "a");
    assert_eq!(service(&[(TARGET, None), ("service", Some("a"))]), "a");
    assert_eq!(service(&[("service", Some("a")), (TARGET, Some("a"))]), "a");
    assert_eq!(service(&[("Service", Some("a"))]), "", "case counts");
    for (target, service) in [("a", "b"), ("", "b"), ("a", ""), ("a", "A")] {
        let frame = decoded(&with(&[(TARGET, Some(target)), ("service", Some(service))]));
        assert_eq!(frame.malformed.as_deref(), Some("two services are named"));
        assert_eq!(frame.service, "");
    }
}

#[test]
fn what_filters_made_of_the_fields_is_written_where_it_can_be_read() {
    let raw = with(&[(TARGET, Some("a")), ("service", Some("a"))]);
    let write = |fields: &[(&'static str, &'static str)]| {
        let pairs = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        BoltCodec.encode(&Rewrite {
            raw: &raw,
            kind: FrameKind::Request,
            old_id: 7,
            id: 8,
            fields: pairs.collect(),
            fields_changed: true,
            body: b"x",
            body_changed: true,
        })
    };
    assert_eq!(write(&[(TARGET, "b"), ("service", "a")]), None, "it would call another one");
    assert_eq!(write(&[("x", "1"), ("service", "b"), ("x", "2")]), None, "a name stands twice");
    let written = write(&[(TARGET, "b"), ("x", "2"), ("service", "b")]).unwrap();
    let frame = decoded(&written);
    assert_eq!((frame.malformed, frame.service.as_str()), (None, "b"));
    assert_eq!(frame.fields[1], (b"x".to_vec(), b"2".to_vec()));
    assert_eq!(frame.fields.len(), 3);
}

#[test]
fn a_rejection_has_the_status_of_the_protocol() {
    for (http, status) in [(404, 6), (503, 4), (504, 7), (400, 9), (418, 3)] {
        let request = request(7);
        let rejection = Rejection {
            request: &request,
            id: 7,
            status: http,
            message: "no",
            fields: vec![(b"x", b"y")],
            body: b"",
        };
        let reply = decoded(&BoltCodec.reject(&rejection).unwrap());
        assert_eq!((reply.kind, reply.id, reply.status), (FrameKind::Response, 7, status));
        assert_eq!(reply.fields, [(b"x".to_vec(), b"y".to_vec())]);
    }
}

#[test]
fn a_rejection_is_an_exception_whatever_body_it_has() {
    let request = request(7);
    let reply = |status, body: &[u8]| {
        let message = "no way";
        let fields = Vec::new();
        let rejection = Rejection { request: &request, id: 7, status, message, fields, body };
        BoltCodec.reject(&rejection).unwrap()
    };
    let failed = reply(404, "f\u{fc}r nobody".as_bytes());
    let (head, rest) = failed.split_at(20);
    let sizes = [&[0, 52, 0, 0, 0, 0, 0][..], &[u8::try_from(rest.len() - 52).unwrap()]].concat();
    assert_eq!(head[12..], sizes);
    let (class, content) = rest.split_at(52);
    assert_eq!(class, exception::CLASS.as_bytes());
    let expect = [
        b"O\xc8\x34",
        class,
        b"\x92\x0ddetailMessage\x0astackTraceo\x90S\0\x0a",
        "f\u{fc}r nobody".as_bytes(),
        b"Vt\0\x1c[java.lang.StackTraceElementn\0z",
    ];
    assert_eq!(content, expect.concat());
    assert_eq!(reply(404, b"\xff"), reply(404, b""), "that is no text");
    assert_eq!(reply(404, b""), reply(404, b"no way"));
    let direct = reply(200, b"\xff");
    assert_eq!(decoded(&direct).body, 20..21, "nothing but the content");
}
