//! Codecs: what they are asked, and what comes of a child that lies, is late or ends.

use std::{rc::Rc, time::Duration};

use abi_process::v1::{self, codec_answer, event, reply};
use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecProfile, CodecStep, Decoded, Detection, ExtensionPoint, FaultKind, FilterFactory,
    InstanceSpec, PluginFault, PoolMode, Rejection, Rewrite,
};
use host_types::{FieldList, Frame, FrameKind, PluginLimits};
use tokio::time::timeout;

use super::*;
use crate::{child::ChildState, factory};

/// Answers for a protocol whose frames have their length in the first byte, which counts itself,
/// and their id in the next four. The body may be a deed.
fn toy(generation: u32) -> Script {
    script(move |event| {
        let (context, exchange, kind) = match event {
            event::Kind::Configure(it) => return Some(vec![configured(it)]),
            event::Kind::Decode(it) => (it.context, it.exchange, decoded(&it.bytes)?),
            event::Kind::Detect(it) => {
                let found = if it.first.is_empty() { 2 } else { 1 };
                (it.context, it.exchange, codec_answer::Kind::Detection(found))
            }
            event::Kind::Encode(it) => {
                let written = it.body_changed.then(|| [&it.raw[..5], &it.body].concat().into());
                (it.context, it.exchange, written_of(written))
            }
            event::Kind::Heartbeat(it) => (it.context, it.exchange, written_of(beat(it.id))),
            event::Kind::HeartbeatReply(it) => {
                (it.context, it.exchange, written_of(Some(it.heartbeat.clone())))
            }
            event::Kind::Reject(it) => {
                let text = format!("{} {} {}", it.status, it.message, it.fields.len());
                (it.context, it.exchange, written_of(Some(text.into())))
            }
            event::Kind::GoAway(it) => (it.context, it.exchange, written_of(Some(Bytes::new()))),
            _ => return None,
        };
        let kind = Some(kind);
        Some(vec![reply::Kind::Codec(v1::CodecAnswer { generation, context, exchange, kind })])
    })
}

fn configured(configure: &v1::Configure) -> reply::Kind {
    let codec = match &configure.config[..] {
        b"none" => None,
        b"odd" => Some(v1::CodecProfile { id_width: 3, ..v1::CodecProfile::default() }),
        _ => Some(v1::CodecProfile {
            pool: v1::PoolMode::Bound.into(),
            heartbeats: true,
            default_timeout_ms: 9,
            ..v1::CodecProfile::default()
        }),
    };
    let instance = configure.instance;
    reply::Kind::Configured(v1::Configured { instance, codec, ..v1::Configured::default() })
}

fn beat(id: u64) -> Option<Bytes> {
    // A heartbeat that no answer has.
    (id != 404).then(|| frame(u32::try_from(id).expect("small"), b""))
}

fn written_of(bytes: Option<Bytes>) -> codec_answer::Kind {
    codec_answer::Kind::Written(v1::Written { bytes })
}

fn frame(id: u32, body: &[u8]) -> Bytes {
    let length = u8::try_from(5 + body.len()).expect("a short one");
    [&[length][..], &id.to_be_bytes(), body].concat().into()
}

/// All frames but what is behind the third one. `None` is no answer at all.
fn decoded(bytes: &[u8]) -> Option<codec_answer::Kind> {
    let (mut told, mut rest) = (v1::Decoded::default(), bytes);
    while let [length, ..] = rest {
        let length = usize::from(*length);
        if length < 5 {
            told.lost = Some("too short".into());
            break;
        }
        let Some(frame) = rest.get(..length) else {
            told.needed = length as u64;
            break;
        };
        if told.frames.len() == 3 {
            told.more = true;
            break;
        }
        let mut next = one(frame);
        match &frame[5..] {
            b"silent" => return None,
            b"failed" => return Some(codec_answer::Kind::Failed("it is\nenough".to_owned())),
            b"other" => return Some(codec_answer::Kind::Detection(0)),
            b"none" => {
                return Some(codec_answer::Kind::Decoded(v1::Decoded { more: true, ..told }));
            }
            b"many" => told.frames = vec![next.clone(); 2000],
            b"wait" => {
                told.needed = length as u64;
                break;
            }
            b"long" => next.length = 99,
            b"width" => next.id_place = Some(v1::IdPlace { width: 2, ..v1::IdPlace::default() }),
            b"kind" => next.kind = -1,
            b"span" => next.body_length = u64::MAX,
            _ => {}
        }
        told.frames.push(next);
        rest = &rest[length..];
    }
    Some(codec_answer::Kind::Decoded(told))
}

fn one(frame: &[u8]) -> v1::Frame {
    let field = |name: &'static str, value: &'static str| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    v1::Frame {
        length: frame.len() as u64,
        id: u32::from_be_bytes(frame[1..5].try_into().expect("four")).into(),
        id_place: Some(v1::IdPlace { offset: 1, width: 4, little_endian: false }),
        service: vec![b'S', 0xFF].into(),
        method: "say".into(),
        timeout_ms: Some(3),
        fields: vec![field("Key", "value")],
        attributes: vec![field(":version", "1")],
        body_start: 5,
        body_length: frame.len() as u64 - 5,
        ..v1::Frame::default()
    }
}

fn spec(config: &'static str) -> InstanceSpec {
    let config = config.as_bytes().into();
    InstanceSpec { point: ExtensionPoint::Codec, root_id: "".into(), config }
}

fn begin(rig: &Rig, config: &'static str) -> Rc<dyn FilterFactory> {
    factory::start(&rig.scope(Some(3)), &spec(config), &rig.link)
}

fn serving() -> (Rig, FakeChild, Rc<dyn FilterFactory>) {
    let rig = Rig::new();
    let child = rig.child(1, toy(1));
    let factory = begin(&rig, "");
    (rig, child, factory)
}

fn decode(
    codec: &dyn Codec,
    bytes: &[u8],
) -> impl Future<Output = Result<Decoded, PluginFault>> + use<> {
    codec.decode(BytesMut::from(bytes)).answer()
}

#[test]
fn frames_are_cut_out_of_the_hosts_own_bytes_however_many_answers_it_takes() {
    local(async {
        let (_rig, child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        let mut bytes = BytesMut::new();
        for id in 0..7 {
            bytes.extend_from_slice(&frame(id, b"body"));
        }
        bytes.extend_from_slice(&[20, 0]);
        let found = decode(&*codec, &bytes).await.expect("frames");
        let ids: Vec<_> = found.frames.iter().map(|frame| frame.id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!((&found.rest[..], found.needed), (&[20, 0][..], 20));
        let first = &found.frames[0];
        assert_eq!((&first.raw[..], &first.body[..]), (&frame(0, b"body")[..], &b"body"[..]));
        assert_eq!((&*first.service, &*first.method), ("S\u{FFFD}", "say"));
        assert_eq!(first.timeout, Some(Duration::from_millis(3)));
        assert_eq!(first.fields.get(b"key"), Some(&b"value"[..]));
        assert_eq!(first.fields.get(b":version"), Some(&b"1"[..]));
        let asked = |event: &&event::Kind| matches!(event, event::Kind::Decode(_));
        assert_eq!(child.seen().iter().filter(asked).count(), 3);
        let lost = decode(&*codec, &[1, 2]).await.expect("an answer");
        assert_eq!((lost.lost.as_deref(), &lost.rest[..]), (Some("too short"), &[1, 2][..]));
        assert_eq!(decode(&*codec, b"").await.expect("nothing").frames.len(), 0);
    });
}

#[test]
fn frames_are_written_by_the_child() {
    local(async {
        let (_rig, _child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        let mut decoded = decode(&*codec, &frame(7, b"body")).await.expect("a frame");
        let mut frame_of = decoded.frames.remove(0);
        frame_of.body = Bytes::from_static(b"other");
        let encode = |body_changed| Rewrite { frame: &frame_of, id: 8, body_changed };
        let written = codec.encode(encode(true)).answer().await.expect("an answer");
        assert_eq!(written.as_deref(), Some(&b"\x09\x00\x00\x00\x07other"[..]));
        assert_eq!(codec.encode(encode(false)).answer().await, Ok(None));
        assert_eq!(codec.heartbeat(9).answer().await, Ok(Some(frame(9, b""))));
        assert_eq!(codec.heartbeat(404).answer().await, Ok(None));
        let replied = codec.heartbeat_reply(&frame_of).answer().await;
        assert_eq!(replied, Ok(Some(frame(7, b"body"))));
        let mut fields = FieldList::default();
        fields.add(b"a", b"b").expect("a field");
        let (request, fields) = (&frame_of, &fields);
        let rejection = Rejection { request, status: 503, message: "busy", fields, body: b"" };
        let rejected = codec.reject(rejection).answer().await;
        assert_eq!(rejected, Ok(Some(Bytes::from_static(b"503 busy 1"))));
        assert_eq!(codec.detect(b"x").answer().await, Ok(Detection::Match));
        assert_eq!(codec.detect(b"").answer().await, Ok(Detection::NeedMore));
        let fault = codec.go_away().answer().await.expect_err("a frame of nothing");
        assert_eq!(fault.kind, FaultKind::Protocol);
    });
}

#[test]
fn frames_are_written_while_others_are_decoded() {
    local(async {
        let (_rig, child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        decode(&*codec, &frame(1, b"")).await.expect("it is ready");
        let silent = frame(1, b"silent");
        let late = decode(&*codec, &silent);
        tokio::pin!(late);
        assert!(timeout(Duration::from_millis(1), &mut late).await.is_err());
        let steps: Vec<_> = (0..50).map(|id| codec.heartbeat(id)).collect();
        let beats = futures_util::future::join_all(steps.into_iter().map(CodecStep::answer)).await;
        for (id, beat) in (0_u32..).zip(beats) {
            assert_eq!(beat, Ok(Some(frame(id, b""))));
        }
        let fault = late.await.expect_err("it is never answered");
        assert_eq!(fault.kind, FaultKind::TimedOut);
        assert!(fault.message.contains("`decode`"), "{fault}");
        assert!(factory.outlives(&fault), "the child is looked after elsewhere");
        drop(codec);
        child.until(|event| matches!(event, event::Kind::Complete(_))).await;
    });
}

#[test]
fn a_codec_waits_for_a_child_that_is_about_to_be_there() {
    local(async {
        let rig = Rig::new();
        let factory = begin(&rig, "");
        let codec = factory.codec().expect("it will serve");
        let bytes = frame(1, b"");
        let waiting = decode(&*codec, &bytes);
        tokio::pin!(waiting);
        assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        let _child = rig.child(1, toy(1));
        assert_eq!(waiting.await.expect("frames").frames.len(), 1);
    });
}

/// What a child fails at, and how the codec of another connection is afterwards.
#[track_caller]
fn fails(deed: &'static [u8], kind: FaultKind, told: &'static str) {
    let lost = (kind != FaultKind::Protocol).then_some(FaultKind::InstanceLost);
    local(async move {
        let (rig, child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        let other = factory.codec().expect("it serves");
        decode(&*other, &frame(1, b"")).await.expect("it is ready");
        let fault = decode(&*codec, &frame(1, deed)).await.expect_err("it fails");
        assert!(fault.kind == kind && fault.message.contains(told), "{fault}");
        assert!(!factory.outlives(&fault), "a fresh one is started");
        let after = decode(&*other, &frame(1, b"")).await;
        assert_eq!(after.err().map(|fault| fault.kind), lost);
        assert_eq!(other.is_lost(), lost.is_some());
        drop((codec, other, factory));
        child.until(|event| matches!(event, event::Kind::Release(_))).await;
        // The child serves others.
        let other = begin(&rig, "").codec().expect("it serves");
        assert_eq!(decode(&*other, &frame(1, b"")).await.expect("a frame").frames.len(), 1);
    });
}

#[test]
fn what_a_child_says_that_cannot_be_is_a_fault_that_other_connections_do_not_feel() {
    fails(b"long", FaultKind::Protocol, "longer than its bytes");
    fails(b"width", FaultKind::Protocol, "neither 4 bytes nor 8");
    fails(b"wait", FaultKind::Protocol, "waits for bytes that are there");
    fails(b"kind", FaultKind::Protocol, "no known kind");
    fails(b"span", FaultKind::Protocol, "a body that is not inside");
    fails(b"other", FaultKind::Protocol, "was not asked");
    fails(b"none", FaultKind::Protocol, "told of nothing");
    fails(b"many", FaultKind::Protocol, "more frames");
}

#[test]
fn an_instance_that_fails_is_told_in_its_own_words() {
    fails(b"failed", FaultKind::Trapped, "it is\\nenough");
}

#[test]
fn a_crash_fails_what_is_under_way_and_the_next_child_serves() {
    local(async {
        let (rig, mut child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        decode(&*codec, &frame(1, b"")).await.expect("it is ready");
        let silent = frame(1, b"silent");
        let under_way = decode(&*codec, &silent);
        tokio::pin!(under_way);
        assert!(timeout(Duration::from_millis(1), &mut under_way).await.is_err());
        rig.states.send_replace(ChildState::Starting);
        child.crash();
        let fault = under_way.await.expect_err("its child is gone");
        assert_eq!(fault.kind, FaultKind::Crashed);
        assert!(codec.is_lost());
        let fault = decode(&*codec, &frame(1, b"")).await.expect_err("what it knew is gone");
        assert_eq!(fault.kind, FaultKind::Crashed);
        drop(codec);
        let _next = rig.child(2, toy(2));
        loop {
            // Until the session is with the next child, none is made.
            if let Ok(codec) = factory.codec() {
                assert_eq!(decode(&*codec, &frame(1, b"")).await.expect("one").frames.len(), 1);
                break;
            }
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_codec_that_is_over_asks_nothing() {
    local(async {
        let (_rig, child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        decode(&*codec, &frame(1, b"")).await.expect("it is ready");
        let bytes = frame(2, b"");
        let later = decode(&*codec, &bytes);
        drop(codec);
        child.until(|event| matches!(event, event::Kind::Complete(_))).await;
        let fault = later.await.expect_err("it is over");
        assert_eq!(fault.kind, FaultKind::InstanceLost);
        let last = child.seen().pop();
        assert!(matches!(last, Some(event::Kind::Complete(_))), "{last:?}");
    });
}

#[test]
fn profiles_are_remembered_up_to_a_limit() {
    let rig = Rig::new();
    let of = |number: usize| {
        let config = number.to_string().into_bytes().into();
        InstanceSpec { point: ExtensionPoint::Codec, root_id: "".into(), config }
    };
    let bound = CodecProfile { pool: PoolMode::Bound, ..CodecProfile::default() };
    for number in 0..2000 {
        rig.link.note_profile(&of(number), CodecProfile::default());
        rig.link.note_profile(&of(number), bound);
    }
    assert_eq!(rig.link.profile(&of(1999)), bound);
    assert_eq!(rig.link.profile(&of(0)), CodecProfile::default(), "an old one is forgotten");
    assert_eq!(rig.link.profiles.lock().len(), 1024);
}

#[test]
fn codecs_are_bounded_as_streams_are() {
    local(async {
        let limits = PluginLimits { contexts_max: 2, ..PluginLimits::default() };
        let rig = Rig::with(settings(), limits);
        let _child = rig.child(1, toy(1));
        let factory = begin(&rig, "");
        for _ in 0..3 {
            let codecs: Vec<_> = (0..2).map(|_| factory.codec().expect("one of two")).collect();
            decode(&*codecs[0], &frame(1, b"")).await.expect("a frame");
            assert_eq!(factory.codec().expect_err("a third one").kind, FaultKind::Denied);
        }
    });
}

#[test]
fn bytes_that_no_message_carries_are_refused() {
    local(async {
        let (_rig, _child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        decode(&*codec, &frame(1, b"")).await.expect("it is ready");
        let fault = decode(&*codec, &vec![9; 17 << 20]).await.expect_err("too many");
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.message.contains("more than one message may carry"), "{fault}");
        assert_eq!(decode(&*codec, &frame(1, b"")).await.expect("a frame").frames.len(), 1);
    });
}

#[test]
fn answers_for_nothing_that_is_there_change_nothing() {
    local(async {
        let (_rig, child, factory) = serving();
        let codec = factory.codec().expect("it serves");
        let bytes = frame(1, b"silent");
        let waiting = decode(&*codec, &bytes);
        tokio::pin!(waiting);
        assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        let asked = child.seen().into_iter().find_map(|event| match event {
            event::Kind::Decode(it) => Some((it.context, it.exchange)),
            _ => None,
        });
        let (context, exchange) = asked.expect("it was asked");
        let answer = |generation, context, exchange| {
            let kind = Some(codec_answer::Kind::Decoded(v1::Decoded::default()));
            reply::Kind::Codec(v1::CodecAnswer { generation, context, exchange, kind })
        };
        child.say([
            answer(2, context, exchange),
            answer(1, context + 1000, exchange),
            answer(1, context, exchange + 1000),
            reply::Kind::Answer(v1::Answer {
                generation: 1,
                context,
                exchange,
                ..Default::default()
            }),
        ]);
        assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        child.say([answer(1, context, exchange)]);
        assert_eq!(waiting.await.expect("an answer").rest.len(), bytes.len());
    });
}

#[test]
fn a_trial_tells_what_holds_of_a_protocol_and_workers_know_it_from_then_on() {
    let run = |config: &'static str| {
        let rig = Rig::new();
        let _child = rig.child(1, toy(1));
        let tried = starts::try_spec(&rig, &spec(config));
        let profile = begin_outside(&rig, config);
        (tried.map(|tried| (tried.codec().is_ok(), tried.codec_profile())), profile)
    };
    let (tried, known) = run("");
    let (makes_codecs, profile) = tried.expect("it serves");
    assert!(makes_codecs && profile.heartbeats && !profile.go_away);
    assert_eq!(
        (profile.pool, profile.default_timeout),
        (PoolMode::Bound, Some(Duration::from_millis(9)))
    );
    assert_eq!(known, profile);
    for (config, told) in [("none", "serves no protocol"), ("odd", "not 3")] {
        let fault = run(config).0.expect_err("it is refused");
        assert_eq!(fault.kind, FaultKind::LoadFailed);
        assert!(fault.message.contains(told), "{fault}");
    }
}

/// What a worker says of the protocol before it has heard anything of its child.
fn begin_outside(rig: &Rig, config: &'static str) -> CodecProfile {
    let mut known = CodecProfile::default();
    local(async { known = begin(rig, config).codec_profile() });
    known
}

#[test]
fn a_use_that_serves_no_protocol_is_lost_on_a_worker_too() {
    local(async {
        let rig = Rig::new();
        let _child = rig.child(1, toy(1));
        let codec = begin(&rig, "none").codec().expect("nobody knows yet");
        let fault = decode(&*codec, &frame(1, b"")).await.expect_err("it serves none");
        assert_eq!(fault.kind, FaultKind::InstanceLost);
        let faults = rig.faults.borrow();
        assert!(faults[0].message.contains("serves no protocol"), "{}", faults[0]);
    });
}

#[test]
fn kinds_of_frames_are_those_of_the_host() {
    for (told, expected) in [
        (v1::FrameKind::FrameRequest, FrameKind::Request),
        (v1::FrameKind::FrameOneWay, FrameKind::OneWay),
        (v1::FrameKind::FrameResponse, FrameKind::Response),
        (v1::FrameKind::FrameHeartbeat, FrameKind::Heartbeat),
        (v1::FrameKind::FrameHeartbeatReply, FrameKind::HeartbeatReply),
        (v1::FrameKind::FrameGoAway, FrameKind::GoAway),
    ] {
        let number = host_extension::frame_kind_number(expected);
        assert_eq!(i32::try_from(number), Ok(told.into()));
    }
    assert_eq!(Frame::default().kind, FrameKind::Request);
}
