use std::rc::Rc;

use bytes::Bytes;
use host_extension::{Codec, Detection, PoolMode};
use host_types::{Frame, FrameKind, IdPlace, IdWidth};

use super::{
    GO_AWAY, HEARTBEAT, HEARTBEAT_REPLY, REQUEST, RESPONSE, alone, decoded, encoded, factory,
    facts, fixture, now, one, rejected, several, tiny,
};
use crate::testing::Rig;

fn codec() -> (Rig, Rc<dyn Codec>) {
    let rig = Rig::new(&fixture("codec_tiny"));
    let codec = factory(&rig).codec().expect("a codec");
    (rig, codec)
}

#[test]
fn the_profile_is_the_one_of_the_guest() {
    let rig = Rig::new(&fixture("codec_tiny"));
    let profile = factory(&rig).codec_profile();
    assert_eq!((profile.pool, profile.id_width), (PoolMode::Multiplexed, IdWidth::Four));
    assert!(profile.heartbeats && profile.go_away);
    assert_eq!(profile.default_timeout, None);
}

#[test]
fn a_frame_is_told_of_with_all_that_the_guest_knows() {
    let (_rig, codec) = codec();
    let bytes = tiny(REQUEST, 7, b"hello");
    let frame = one(&codec, &bytes);
    assert_eq!((frame.kind, frame.id), (FrameKind::Request, 7));
    let place = IdPlace { offset: 4, width: IdWidth::Four, little_endian: true };
    assert_eq!(frame.id_place, Some(place));
    assert_eq!((&*frame.service, &*frame.method), ("tiny", "call"));
    assert_eq!((&frame.raw[..], &frame.body[..]), (&bytes[..], &b"hello"[..]));
    assert_eq!((frame.timeout, frame.malformed.as_deref()), (None, None));
    let odd = one(&codec, &tiny(9, 7, b""));
    assert_eq!((odd.kind, odd.malformed.as_deref()), (FrameKind::Request, Some("odd!")));
    assert_eq!(one(&codec, &tiny(RESPONSE, 7, b"")).status.http, 200);
}

#[test]
fn every_split_of_the_bytes_gives_the_same_frames() {
    let (_rig, codec) = codec();
    let bytes = several();
    let whole = facts(&decoded(&codec, &bytes).frames);
    assert_eq!(whole.len(), 5);
    for split in 0..=bytes.len() {
        let mut first = decoded(&codec, &bytes[..split]);
        assert!(first.needed == 0 || first.needed > first.rest.len(), "split at {split}");
        first.rest.extend_from_slice(&bytes[split..]);
        let second = now(codec.decode(first.rest)).expect("no fault");
        assert_eq!((&second.rest[..], second.needed), (&b""[..], 0), "split at {split}");
        let frames = [first.frames, second.frames].concat();
        assert_eq!(facts(&frames), whole, "split at {split}");
    }
    // Byte by byte.
    let (mut rest, mut frames) = (bytes::BytesMut::new(), Vec::new());
    for byte in &bytes {
        rest.extend_from_slice(&[*byte]);
        let decoded = now(codec.decode(rest)).expect("no fault");
        rest = decoded.rest;
        frames.extend(decoded.frames);
    }
    assert_eq!(facts(&frames), whole);
}

#[test]
fn more_frames_than_one_answer_holds_are_asked_for_again() {
    let (_rig, codec) = codec();
    let frames: Vec<_> = (0..3000).map(|id| tiny(REQUEST, id, b"")).collect();
    let bytes = [frames.concat(), b"T".to_vec()].concat();
    let decoded = decoded(&codec, &bytes);
    assert_eq!((decoded.frames.len(), &decoded.rest[..]), (3000, &b"T"[..]));
    let ids: Vec<_> = decoded.frames.iter().map(|frame| frame.id).collect();
    assert_eq!(ids, (0..3000).collect::<Vec<u64>>());
}

#[test]
fn what_is_behind_lost_bytes_stays_where_it_is() {
    let (_rig, codec) = codec();
    let bytes = [tiny(REQUEST, 1, b"a"), b"GET /".to_vec()].concat();
    let decoded = decoded(&codec, &bytes);
    assert_eq!(facts(&decoded.frames).len(), 1);
    assert_eq!((decoded.lost.as_deref(), &decoded.rest[..]), (Some("no T"), &b"GET /"[..]));
}

#[test]
fn large_frames_and_small_ones_share_a_buffer_that_grows_and_shrinks() {
    let (_rig, codec) = codec();
    let large: Vec<_> = (0..12).map(|id| tiny(REQUEST, id, &[1; 60_000])).collect();
    for _ in 0..3 {
        assert_eq!(decoded(&codec, &large.concat()).frames.len(), 12);
        assert_eq!(one(&codec, &tiny(REQUEST, 1, b"small")).body, "small");
    }
    // The guest has no buffer for more than a mebibyte.
    let fault = now(codec.decode(vec![b'T'; (1 << 20) + 1][..].into())).expect_err("no buffer");
    assert!(fault.to_string().contains("gave no buffer"), "{fault}");
    assert_eq!(one(&codec, &tiny(REQUEST, 1, b"small")).body, "small");
}

#[test]
fn a_frame_is_written_with_what_changed() {
    let (_rig, codec) = codec();
    let mut frame = one(&codec, &tiny(REQUEST, 7, b"hello"));
    assert_eq!(encoded(&codec, &frame, 9, false).as_deref(), Some(&tiny(REQUEST, 9, b"hello")[..]));
    frame.body = Bytes::from_static(b"another");
    assert_eq!(
        encoded(&codec, &frame, 9, true).as_deref(),
        Some(&tiny(REQUEST, 9, b"another")[..])
    );
    frame.body = Bytes::new();
    assert_eq!(encoded(&codec, &frame, 9, true).as_deref(), Some(&tiny(REQUEST, 9, b"")[..]));
    // A body that cannot stand in the protocol.
    frame.body = vec![0; 65_528].into();
    assert_eq!(encoded(&codec, &frame, 9, true), None);
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
    let reply = rejected(&codec, &request, 404, b"");
    assert_eq!(reply.as_deref(), Some(&tiny(RESPONSE, 7, &404_u16.to_le_bytes())[..]));
    let away = now(codec.go_away()).expect("no fault");
    assert_eq!(away.as_deref(), Some(&tiny(GO_AWAY, 0, b"")[..]));
}

#[test]
fn the_first_bytes_tell_the_protocol() {
    let (_rig, codec) = codec();
    let detect = |first: &[u8]| now(codec.detect(first)).expect("no fault");
    assert_eq!(detect(b""), Detection::NeedMore);
    assert_eq!(detect(b"T\0"), Detection::Match);
    assert_eq!(detect(b"GET / HTTP/1.1"), Detection::No);
}

/// How many codecs the guest knows: as many as there are.
fn contexts(rig: &Rig, codecs: usize) {
    let factory = factory(rig);
    let made: Vec<_> = (0..codecs).map(|_| factory.codec().expect("a codec")).collect();
    let frames: Vec<Frame> =
        made.iter().flat_map(|codec| decoded(codec, &several()).frames).collect();
    assert_eq!(frames.len(), 5 * codecs);
}

#[test]
fn a_codec_ends_with_its_connection() {
    let mut rig = Rig::new(&fixture("codec_tiny"));
    contexts(&rig, 40);
    // No more than so many at a time; who is gone leaves its place.
    let limits = host_types::PluginLimits { contexts_max: 3, ..Default::default() };
    rig = Rig::with_limits(&fixture("codec_tiny"), &limits);
    let factory = factory(&rig);
    for _ in 0..10 {
        let codecs: Vec<_> = (0..3).map(|_| factory.codec().expect("a codec")).collect();
        let fault = factory.codec().expect_err("full");
        assert!(fault.to_string().contains("its limit"), "{fault}");
        drop(codecs);
    }
}

#[test]
fn each_connection_may_have_a_machine_of_its_own() {
    let rig = Rig::with_vm(&fixture("codec_tiny"), &alone());
    let factory = factory(&rig);
    assert!(factory.codec_profile().heartbeats);
    let (first, second) = (factory.codec().expect("one"), factory.codec().expect("two"));
    for codec in [&first, &second] {
        assert_eq!(facts(&decoded(codec, &several()).frames).len(), 5);
    }
    drop(first);
    assert_eq!(one(&second, &tiny(REQUEST, 1, b"a")).body, "a");
}
