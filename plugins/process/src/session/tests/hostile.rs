//! Children that mean no good.

use std::time::Duration;

use abi_process::v1::{self, event, reply};
use bytes::{BufMut, Bytes, BytesMut};
use host_extension::{FaultKind, PluginFault, Verdict};
use host_types::{PluginLimits, ProcessSettings};
use prost::Message;

use super::*;
use crate::session::limits::{CALLS_MAX, MESSAGE_BYTES_MAX};

fn is_head(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Headers(_))
}

#[test]
fn answers_for_nothing_that_is_there_change_nothing() {
    local(async {
        let script = script(|event| {
            let right = answer(event).filter(|_| is_head(event))?;
            let change = |answer: v1::Answer| {
                let changes = vec![set("x-one", "stolen")];
                reply::Kind::Answer(v1::Answer { changes, ..answer })
            };
            let other = |change: fn(&mut v1::Answer)| {
                let mut answer = right.clone();
                change(&mut answer);
                answer
            };
            Some(vec![
                change(other(|answer| answer.context += 1000)),
                change(other(|answer| answer.generation = 0)),
                change(other(|answer| answer.generation = 2)),
                change(other(|answer| answer.exchange = 0)),
                change(other(|answer| answer.exchange += 1)),
                reply::Kind::Pong(v1::Pong { number: 77 }),
                reply::Kind::Configured(v1::Configured { instance: 99, ..Default::default() }),
                reply::Kind::Act(v1::Act { generation: 1, context: 5000, ..Default::default() }),
                reply::Kind::Answer(right.clone()),
                change(right),
            ])
        });
        let (rig, _child, factory) = Rig::serving(script).await;
        for _ in 0..2 {
            let (mut filter, stream) = filter(&factory);
            let passed = verdict(filter.on_request_headers(&stream, true)).await;
            assert!(matches!(passed, Verdict::Continue), "{passed:?}");
            open_response(&stream);
            let _passed = verdict(filter.on_response_headers(&stream, true)).await;
            assert_eq!(field(&stream, "x-one").as_deref(), Some("first"));
        }
        assert!(rig.dog.0.lock().is_empty() && rig.faults.borrow().is_empty());
    });
}

/// The first hook's fault in a session with a child that sends these bytes.
fn against(pieces: Vec<Bytes>, ends: bool, check: fn(&Rig, &PluginFault)) {
    against_with(settings(), pieces, ends, check);
}

fn against_with(
    settings: ProcessSettings,
    pieces: Vec<Bytes>,
    ends: bool,
    check: fn(&Rig, &PluginFault),
) {
    local(async move {
        let rig = Rig::with(settings, PluginLimits::default());
        let path = rig.free_socket();
        let _child = raw_child(&path, pieces, ends);
        rig.ready(1, path);
        let factory = rig.begin("");
        let (mut filter, stream) = filter(&factory);
        let fault = fault(verdict(filter.on_request_headers(&stream, true)).await);
        check(&rig, &fault);
    });
}

fn framed(message: &[u8], length: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(length);
    bytes.extend_from_slice(message);
    bytes.freeze()
}

fn to_host(kinds: Vec<reply::Kind>) -> Bytes {
    let reply = |kind| v1::Reply { kind: Some(kind) };
    let message = v1::ToHost { replies: kinds.into_iter().map(reply).collect() };
    let bytes = message.encode_to_vec();
    framed(&bytes, u32::try_from(bytes.len()).expect("it is short"))
}

fn hello() -> Bytes {
    let hello = v1::HelloBack { version: 1, generation: 1, ..v1::HelloBack::default() };
    to_host(vec![reply::Kind::Hello(hello)])
}

#[test]
fn bytes_that_are_no_message_end_the_session_and_are_told() {
    let four_gib = framed(&[], u32::MAX);
    let too_long = framed(&[], u32::try_from(MESSAGE_BYTES_MAX + 1).expect("it fits"));
    let garbage = framed(b"\xff\xff\xff\xff", 4);
    // A reply that is longer than what is left of its message.
    let beyond = framed(b"\x0a\x7f\x00", 3);
    let twice = hello();
    for bytes in [four_gib, too_long, garbage, beyond, twice] {
        against(vec![hello(), bytes.clone()], false, |rig, fault| {
            assert_eq!(fault.kind, FaultKind::Protocol, "{fault}");
            assert_eq!(*rig.dog.0.lock(), [1]);
        });
    }
    against(
        vec![to_host(vec![reply::Kind::Pong(v1::Pong { number: 1 })])],
        false,
        |_rig, fault| {
            assert_eq!(fault.kind, FaultKind::Protocol, "{fault}");
        },
    );
}

#[test]
fn a_child_that_drips_or_says_nothing_is_given_up_in_time() {
    let whole = hello();
    for pieces in [Vec::new(), whole.chunks(1).take(4).map(Bytes::copy_from_slice).collect()] {
        let settings = ProcessSettings { start_timeout: Duration::from_millis(200), ..settings() };
        against_with(settings, pieces, false, |_rig, fault| {
            assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
        });
    }
}

#[test]
fn a_child_that_closes_in_the_middle_of_a_message_has_crashed_or_broken_off() {
    let half = framed(b"\x0a\x7f", 100);
    against(vec![hello(), half], true, |_rig, fault| {
        assert!(matches!(fault.kind, FaultKind::Crashed | FaultKind::Protocol), "{fault}");
    });
    against(vec![hello()], true, |_rig, fault| {
        assert_eq!(fault.kind, FaultKind::Crashed, "{fault}");
    });
}

/// A message that is small as bytes and large once it is decoded.
#[test]
fn a_message_of_countless_parts_is_not_decoded() {
    let changes = [0x22, 0].repeat(1 << 20);
    let mut answer = Vec::new();
    prost::encoding::encode_key(3, prost::encoding::WireType::LengthDelimited, &mut answer);
    prost::encoding::encode_varint(changes.len() as u64, &mut answer);
    answer.extend_from_slice(&changes);
    let mut message = Vec::new();
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut message);
    prost::encoding::encode_varint(answer.len() as u64, &mut message);
    message.extend_from_slice(&answer);
    let length = u32::try_from(message.len()).expect("it is short");
    against(vec![hello(), framed(&message, length)], false, |_rig, fault| {
        assert_eq!(fault.kind, FaultKind::Protocol, "{fault}");
        assert!(fault.message.contains("parts"), "{fault}");
    });
}

#[test]
fn empty_replies_without_number_do_not_hold_the_worker_up() {
    let message = [0x0A, 0].repeat(200_000);
    let length = u32::try_from(message.len()).expect("it is short");
    let flood = framed(&message, length);
    against(vec![hello(), flood], true, |_rig, fault| {
        assert_eq!(fault.kind, FaultKind::Crashed, "{fault}");
    });
}

#[test]
fn a_child_that_calls_without_end_and_reads_nothing_is_given_up() {
    local(async {
        let (rig, child, factory) = Rig::serving(pass()).await;
        child.freeze(true);
        let call = |id| {
            let kind = Some(v1::call::Kind::GetProperty(v1::GetProperty {
                path: "plugin_name".to_owned(),
                ..v1::GetProperty::default()
            }));
            let call = v1::Call { generation: 1, id, instance: 1, kind, ..v1::Call::default() };
            reply::Kind::Call(call)
        };
        let mut id = 0;
        let soon = Duration::from_millis(1);
        while tokio::time::timeout(soon, rig.dog.bites()).await.is_err() {
            child.say((0..1000).map(|_| {
                id += 1;
                call(id)
            }));
            assert!(id < 400 * CALLS_MAX as u64, "it is never given up");
        }
        let refused = factory.stream_filter(&stream()).expect_err("it was given up");
        assert_eq!(refused.kind, FaultKind::Protocol);
        assert!(factory.outlives(&refused), "the next child serves on");
    });
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    local(async {
        let limits = PluginLimits {
            log_lines_per_second_max: 3,
            log_line_bytes_max: 4,
            ..PluginLimits::default()
        };
        let rig = Rig::with(settings(), limits);
        let child = rig.child(1, pass());
        let _factory = rig.start().await;
        let log =
            |line: &str| reply::Kind::Log(v1::Log { level: 3, line: line.into(), instance: 1 });
        child.say((0..10).map(|_| log("häää and more")));
        while rig.host.dropped.get() < 7 {
            tokio::task::yield_now().await;
        }
        let lines = rig.host.lines.borrow();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "Warn: hä [13 bytes cut off]");
    });
}
