use std::{rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, Detection, FaultKind, PoolMode};
use host_types::{Frame, FrameKind, IdWidth, VmSettings};

use super::{
    HEARTBEAT, HEARTBEAT_REPLY, ONE_WAY, REQUEST, RESPONSE, decoded, encoded, factory, facts,
    fixture, now, one, rejected, several, start, tiny,
};
use crate::testing::Rig;

fn codec() -> (Rig, Rc<dyn Codec>) {
    let rig = Rig::new(&fixture("codec_mosn"));
    let codec = factory(&rig).codec().expect("a codec");
    (rig, codec)
}

#[test]
fn a_message_is_read_with_its_fields() {
    let (_rig, codec) = codec();
    let bytes = tiny(REQUEST, 7, b"hello");
    let frame = one(&codec, &bytes);
    assert_eq!((frame.kind, frame.id, frame.id_place), (FrameKind::Request, 7, None));
    assert_eq!((&*frame.service, &*frame.method), ("tiny", ""));
    assert_eq!(frame.fields.get(b"service"), Some(&b"tiny"[..]));
    assert_eq!((&frame.raw[..], &frame.body[..]), (&bytes[..], &b"hello"[..]));
    assert_eq!(frame.timeout, Some(Duration::from_secs(3)));
    let response = one(&codec, &tiny(RESPONSE, 7, b""));
    assert_eq!((response.timeout, response.status.http, &*response.service), (None, 200, ""));
    assert_eq!(one(&codec, &tiny(ONE_WAY, 7, b"")).kind, FrameKind::OneWay);
    assert_eq!(one(&codec, &tiny(HEARTBEAT, 7, b"")).kind, FrameKind::Heartbeat);
    assert_eq!(one(&codec, &tiny(HEARTBEAT_REPLY, 7, b"")).kind, FrameKind::HeartbeatReply);
}

#[test]
fn every_split_of_the_bytes_gives_the_same_messages() {
    let (_rig, codec) = codec();
    let bytes = several();
    let whole = facts(&decoded(&codec, &bytes).frames);
    assert_eq!(whole.len(), 5);
    for split in 0..=bytes.len() {
        let mut first = decoded(&codec, &bytes[..split]);
        first.rest.extend_from_slice(&bytes[split..]);
        let second = now(codec.decode(first.rest)).expect("no fault");
        assert_eq!(facts(&[first.frames, second.frames].concat()), whole, "split at {split}");
    }
}

#[test]
fn a_message_keeps_its_context_until_it_is_dropped() {
    let (_rig, codec) = codec();
    // The guest has 16 places, and traps without one.
    for _ in 0..20 {
        let frames = decoded(&codec, &tiny(REQUEST, 1, b"a").repeat(15)).frames;
        assert_eq!(frames.len(), 15);
    }
    for _ in 0..40 {
        let frame = one(&codec, &tiny(REQUEST, 1, b"a"));
        assert!(rejected(&codec, &frame, 404, b"").is_some());
        assert!(now(codec.heartbeat(1)).expect("no fault").is_some());
        assert!(decoded(&codec, b"T\0").frames.is_empty());
        assert!(decoded(&codec, b"GET /").lost.is_some());
    }
    // A frame outlives its codec.
    let frame = one(&codec, &tiny(REQUEST, 1, b"a"));
    drop(codec);
    drop(frame);
}

#[test]
fn a_message_is_written_with_another_id_as_often_as_it_is_sent() {
    let (_rig, codec) = codec();
    for kind in [REQUEST, RESPONSE, ONE_WAY] {
        let mut frame = one(&codec, &tiny(kind, 7, b"hello"));
        for id in [9, 9, 10, 7] {
            let wanted = tiny(kind, u32::try_from(id).expect("small"), b"hello");
            assert_eq!(encoded(&codec, &frame, id, false).as_deref(), Some(&wanted[..]));
        }
        frame.body = Bytes::from_static(b"another");
        let wanted = tiny(kind, 9, b"another");
        assert_eq!(encoded(&codec, &frame, 9, true).as_deref(), Some(&wanted[..]));
    }
}

#[test]
fn what_the_guest_would_leave_out_is_not_sent() {
    let (_rig, codec) = codec();
    let mut frame = one(&codec, &tiny(REQUEST, 7, b"hello"));
    frame.body = Bytes::new();
    assert_eq!(encoded(&codec, &frame, 9, true), None, "a body cannot become empty");
    let mut frame = one(&codec, &tiny(REQUEST, 7, b"hello"));
    frame.fields.add(b"x-new", b"1").expect("a field");
    assert_eq!(encoded(&codec, &frame, 9, false), None, "a field is not added");
    // What was changed to what it was stands.
    let mut frame = one(&codec, &tiny(REQUEST, 7, b"hello"));
    frame.fields.replace(b"service", b"tiny").expect("a field");
    let wanted = tiny(REQUEST, 9, b"hello");
    assert_eq!(encoded(&codec, &frame, 9, false).as_deref(), Some(&wanted[..]));
    // Who did not come from such a guest is not written by one.
    assert_eq!(encoded(&codec, &Frame::default(), 9, false), None);
}

#[test]
fn frames_that_nobody_sent_are_made_by_the_guest() {
    let (_rig, codec) = codec();
    let beat = now(codec.heartbeat(5)).expect("no fault");
    assert_eq!(beat.as_deref(), Some(&tiny(HEARTBEAT, 5, b"")[..]));
    let heartbeat = one(&codec, &tiny(HEARTBEAT, 6, b""));
    let reply = now(codec.heartbeat_reply(&heartbeat)).expect("no fault");
    assert_eq!(reply.as_deref(), Some(&tiny(HEARTBEAT_REPLY, 6, b"")[..]));
    let request = one(&codec, &tiny(REQUEST, 7, b"hello"));
    for (status, framework) in [(404, 404_u32), (400, 0), (404, 404)] {
        let reply = rejected(&codec, &request, status, b"");
        assert_eq!(reply.as_deref(), Some(&tiny(RESPONSE, 7, &framework.to_le_bytes())[..]));
    }
    let reply = rejected(&codec, &request, 403, b"go away");
    assert_eq!(reply.as_deref(), Some(&tiny(RESPONSE, 7, b"go away")[..]));
    // The request is still what it was.
    let wanted = tiny(REQUEST, 8, b"hello");
    assert_eq!(encoded(&codec, &request, 8, false).as_deref(), Some(&wanted[..]));
    assert_eq!(now(codec.go_away()), Ok(None));
}

#[test]
fn the_first_bytes_tell_the_protocol_by_being_read() {
    let (_rig, codec) = codec();
    let detect = |first: &[u8]| now(codec.detect(first)).expect("no fault");
    assert_eq!(detect(b""), Detection::NeedMore);
    assert_eq!(detect(b"T\0"), Detection::NeedMore);
    assert_eq!(detect(&tiny(REQUEST, 1, b"")), Detection::Match);
    assert_eq!(detect(b"GET / HTTP/1.1"), Detection::No);
    // A first frame that is larger than what is looked at.
    let large = [b"T\0\xFF\xFF", &[0; 4092][..]].concat();
    assert_eq!(detect(&large), Detection::Match);
}

#[test]
fn configurations_are_maps_of_texts() {
    let bytes = fixture("codec_mosn");
    let vm = VmSettings { configuration: br#"{"Path":"x.wasm"}"#[..].into(), ..Default::default() };
    let rig = Rig::with_vm(&bytes, &vm);
    start(&rig, br#"{"protocol":"tiny","pool_mode":"ping-pong","n":1}"#).expect("it starts");
    let lines = rig.host.said();
    assert!(lines.contains("Engine\0wasmtime\0Path\0x.wasm\0"), "{lines}");
    assert!(lines.contains("pool_mode\0ping-pong\0protocol\0tiny\0"), "{lines}");
    assert!(!lines.contains("\0n\0"), "{lines}");
}

#[test]
fn the_pool_mode_is_said_in_mosns_words() {
    let rig = Rig::new(&fixture("codec_mosn"));
    let profile = |config: &str| start(&rig, config.as_bytes()).map(|it| it.codec_profile());
    for (config, pool) in [
        ("", PoolMode::Multiplexed),
        (r#"{"pool_mode":"multiplex"}"#, PoolMode::Multiplexed),
        (r#"{"pool_mode":"ping-pong"}"#, PoolMode::PingPong),
        (r#"{"pool_mode":"tcp"}"#, PoolMode::Bound),
    ] {
        let profile = profile(config).expect("it starts");
        assert_eq!((profile.pool, profile.id_width), (pool, IdWidth::Four));
        assert!(profile.heartbeats && !profile.go_away);
    }
    for (config, told) in [(r#"{"pool_mode":"http"}"#, "`pool_mode` `http`"), ("[]", "is a map")] {
        let fault = profile(config).expect_err("refused");
        assert_eq!(fault.kind, FaultKind::LoadFailed);
        assert!(fault.message.contains(told), "{fault}");
    }
}

#[test]
fn a_message_without_a_place_is_the_guests_trap() {
    let (rig, codec) = codec();
    let fault = now(codec.decode(BytesMut::from(&tiny(REQUEST, 1, b"a").repeat(17)[..])));
    let fault = fault.expect_err("it has 16 places");
    assert_eq!(fault.kind, FaultKind::Trapped);
    assert!(fault.message.contains("proxy_on_context_create"), "{fault}");
    let lost = now(codec.heartbeat(1)).expect_err("lost");
    assert_eq!(lost.kind, FaultKind::InstanceLost);
    assert!(rig.faults.borrow().is_empty());
}

/// The fixture with a change of its text.
fn changed(from: &str, to: &str) -> (Rig, Rc<dyn Codec>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/wat/codec_mosn.wat");
    let text = std::fs::read_to_string(path).expect("the fixture");
    assert!(text.contains(from), "{from}");
    let bytes = wat::parse_str(text.replace(from, to)).expect("a module");
    let rig = Rig::new(&bytes);
    let codec = factory(&rig).codec().expect("a codec");
    (rig, codec)
}

#[track_caller]
fn lies(from: &str, to: &str, told: &str) {
    let (_rig, codec) = changed(from, to);
    let decoded = now(codec.decode(BytesMut::from(&tiny(REQUEST, 1, b"hello")[..])));
    let fault = decoded.and_then(|decoded| {
        let frame = &decoded.frames[0];
        now(codec.encode(host_extension::Rewrite { frame, id: 2, body_changed: false }))
    });
    let fault = fault.expect_err("it lies");
    assert_eq!(fault.kind, FaultKind::Protocol);
    assert!(fault.message.contains(told), "{fault}");
}

#[test]
fn a_guest_that_lies_is_at_fault() {
    lies("(call $set_buffer (i32.const 13))", "", "did not set the buffer 13");
    lies("(call $set_buffer (i32.const 14))", "", "did not set the buffer 14");
    lies("(call $set_buffer (i32.const 13))", "(call $set_buffer (i32.const 14))", "buffer 13");
    let more = "(call $put (i32.add (local.get $length) (i32.const 9)))";
    let length = "(call $put (i32.add (local.get $length) (i32.const 8)))\n    (call $put (local";
    lies(length, &format!("{more}\n    (call $put (local"), "longer than its bytes");
    lies("(call $put (i32.const 19))", "(call $put (i32.const 9000))", "half a record");
    lies("(call $put (i32.const 7))", "(call $put (i32.const 70))", "half a record");
    lies(
        "(i32.const 0x8000)) (else (i32.const 0x20000))",
        "(i32.const 0x8000)) (else (i32.const -9))",
        "not in its memory",
    );
    lies(
        "(i32.const 0x8000)) (else (i32.const 0x20000))",
        "(i32.const 0x8000)) (else (i32.const 0))",
        "no memory for its input",
    );
}

#[test]
fn what_the_sdk_calls_fatal_is_in_the_log() {
    let (rig, _codec) = changed("(call $log (i32.const 2)", "(call $log (i32.const 7)");
    let lines = rig.host.lines.take();
    assert!(lines.iter().any(|line| line.starts_with("Critical: ")), "{lines:?}");
}

#[test]
fn the_buffers_of_messages_are_only_there_for_such_modules() {
    let import = r#"(import "env" "proxy_set_buffer_bytes"
        (func $set (param i32 i32 i32 i32 i32) (result i32)))"#;
    let hook = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (i32.eq (call $set (i32.const 13) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))
            (i32.const 2)))"#;
    let rig = Rig::new(&crate::testing::guest(import, hook));
    rig.start(b"").expect("the buffer is unknown to it");
}

/// A request of bolt, with one field.
fn bolt(id: u32) -> Vec<u8> {
    let mut frame = vec![1, 1, 0, 1, 1];
    frame.extend_from_slice(&id.to_be_bytes());
    // Hessian, three seconds, a class of 5 bytes, fields of 22, a content of 5.
    frame.extend_from_slice(b"\x01\0\0\x0b\xb8\0\x05\0\x16\0\0\0\x05class");
    frame.extend_from_slice(b"\0\0\0\x07service\0\0\0\x07testSvchello");
    frame
}

/// MOSN's own module, unmodified: `etc/wasm/bolt-go.wasm` of its repository, where
/// `cargo xtask setup` could fetch it.
#[test]
fn the_bolt_codec_that_comes_with_mosn_runs_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins/mosn-bolt-codec.wasm");
    let Ok(bytes) = std::fs::read(path) else {
        println!("SKIPPED: MOSN's module for bolt is not there: run `cargo xtask setup`");
        return;
    };
    let rig = Rig::new(&bytes);
    let config = br#"{"protocol":"x-bolt"}"#;
    let codec = start(&rig, config).expect("it starts").codec().expect("a codec");
    let whole = bolt(7);
    let partial = decoded(&codec, &whole[..30]);
    assert_eq!((partial.frames.len(), &partial.rest[..], partial.lost), (0, &whole[..30], None));
    let frame = one(&codec, &whole);
    assert_eq!((frame.kind, frame.id, &*frame.service), (FrameKind::Request, 7, "testSvc"));
    assert_eq!((&frame.raw[..], &frame.body[..]), (&whole[..], &b"hello"[..]));
    assert_eq!(frame.timeout, Some(Duration::from_secs(3)));
    assert_eq!(encoded(&codec, &frame, 9, false).as_deref(), Some(&bolt(9)[..]));
    assert_eq!(encoded(&codec, &frame, 10, false).as_deref(), Some(&bolt(10)[..]));
    let reply = rejected(&codec, &frame, 404, b"").expect("a response");
    let response = one(&codec, &reply);
    assert_eq!((response.kind, response.id), (FrameKind::Response, 7));
    let beat = now(codec.heartbeat(5)).expect("no fault").expect("a heartbeat");
    let beat = one(&codec, &beat);
    assert_eq!((beat.kind, beat.id), (FrameKind::Heartbeat, 5));
    let reply = now(codec.heartbeat_reply(&beat)).expect("no fault").expect("a reply");
    let reply = one(&codec, &reply);
    assert_eq!((reply.kind, reply.id), (FrameKind::HeartbeatReply, 5));
    let unknown = [&[1, 9][..], &whole[2..]].concat();
    assert!(decoded(&codec, &unknown).lost.is_some());
    drop((frame, beat, reply, response));
    assert!(rig.faults.borrow().is_empty());
}
