use std::time::Duration;

use bytes::Bytes;
use host_extension::{CallError, GrpcEvent};
use host_types::Headers;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    OUT,
    script::{Act, Hook, configure, event, request, scripted},
};
use crate::testing::Rig;

const OUTS: i64 = OUT as i64;

const CALL: Act<'_> =
    Act::Call("proxy_grpc_call", &[178, 2, 100, 5, 110, 5, 140, 16, 190, 7, 250, 300]);
const STREAM: Act<'_> = Act::Call("proxy_grpc_stream", &[178, 2, 100, 5, 110, 5, 140, 16, 300]);
const MESSAGE: Act<'_> = Act::Call("proxy_get_buffer_bytes", &[5, 0, 99, OUTS, OUTS + 4]);
const STATUS: Act<'_> = Act::Call("proxy_get_status", &[OUTS + 8, OUTS, OUTS + 4]);

/// All callbacks of gRPC, which say what they read.
fn listening<'a>(first: Hook<'a>) -> Vec<Hook<'a>> {
    let initial = "proxy_on_grpc_receive_initial_metadata";
    let trailing = "proxy_on_grpc_receive_trailing_metadata";
    vec![
        first,
        event(
            initial,
            3,
            &[
                Act::Params,
                Act::Call("proxy_get_header_map_value", &[4, 100, 5, OUTS, OUTS + 4]),
                Act::Bytes(OUT),
                Act::Call("proxy_get_header_map_value", &[5, 100, 5, OUTS, OUTS + 4]),
            ],
        ),
        event("proxy_on_grpc_receive", 3, &[Act::Params, MESSAGE, Act::Bytes(OUT)]),
        event(
            trailing,
            3,
            &[
                Act::Params,
                Act::Call("proxy_get_header_map_value", &[5, 100, 5, OUTS, OUTS + 4]),
                Act::Bytes(OUT),
                Act::Call("proxy_get_header_map_value", &[4, 100, 5, OUTS, OUTS + 4]),
            ],
        ),
        event(
            "proxy_on_grpc_close",
            3,
            &[Act::Params, MESSAGE, STATUS, Act::Number(OUT + 8), Act::Bytes(OUT)],
        ),
    ]
}

fn fields(value: &'static str) -> Headers {
    let mut map = HeaderMap::new();
    map.insert(HeaderName::from_static("x-one"), HeaderValue::from_static(value));
    Headers::trailers(map)
}

fn message(bytes: &'static str) -> GrpcEvent {
    GrpcEvent::Message(Bytes::from_static(bytes.as_bytes()))
}

fn closed(status: u32, message: &str) -> GrpcEvent {
    GrpcEvent::Closed { status, message: message.into() }
}

/// Lets things come of the first stream; each with what the guest says of it.
#[track_caller]
fn check(rig: &Rig, events: Vec<(GrpcEvent, &str)>) {
    rig.host.said();
    for (event, expect) in events {
        let text = format!("{event:?}");
        rig.host.beside.event(0, event);
        assert_eq!(rig.host.said(), expect, "{text}");
    }
}

#[test]
fn a_call_hands_its_answer_over_once_it_ended_well_and_tells_nothing_else() {
    let rig = scripted(&listening(configure(&[CALL, Act::Number(300)])));
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "A5");
    {
        let opened = rig.host.beside.grpc.borrow();
        let method = &opened[0].0;
        assert_eq!((&*method.cluster, &*method.service, &*method.method), ("up", "x-one", "value"));
        assert_eq!(method.metadata, [(b"a".to_vec(), b"b".to_vec())]);
        assert_eq!(method.timeout, Some(Duration::from_millis(250)));
        assert_eq!(*rig.host.beside.sent.borrow(), [(b"reverse".to_vec(), true)]);
    }
    check(
        &rig,
        vec![
            (GrpcEvent::InitialMetadata(fields("i")), ""),
            (message("hi"), ""),
            (GrpcEvent::TrailingMetadata(fields("t")), ""),
            (closed(0, ""), "152Ahi"),
            (closed(0, ""), ""),
        ],
    );
    assert_eq!(rig.host.beside.alive.get(), 0);
}

#[test]
fn a_call_without_a_time_has_that_of_the_host_and_a_negative_one_is_refused() {
    let check = |time: i64, expect: Option<Duration>| {
        let args = [178, 2, 100, 5, 110, 5, 140, 16, 190, 7, time, 300];
        let rig = scripted(&[configure(&[Act::Call("proxy_grpc_call", &args)])]);
        let _factory = rig.factory();
        assert_eq!(rig.host.said(), if expect.is_some() { "A" } else { "E" }, "{time}");
        let opened = rig.host.beside.grpc.borrow();
        assert_eq!(opened.first().and_then(|(method, _)| method.timeout), expect, "{time}");
    };
    let longest = Some(Duration::from_secs(300));
    check(0, longest);
    check(299_999, Some(Duration::from_millis(299_999)));
    check(i32::MAX.into(), longest);
    check(-1, None);
    check(i32::MIN.into(), None);
}

#[test]
fn a_call_that_failed_hands_no_answer_over() {
    let rig = scripted(&listening(configure(&[CALL])));
    let _factory = rig.factory();
    check(&rig, vec![(message("hi"), ""), (closed(7, "no"), "157BA7no")]);
    let rig = scripted(&listening(configure(&[CALL])));
    let _factory = rig.factory();
    check(&rig, vec![(closed(0, ""), "15=BA=no answer")]);
    let rig = scripted(&listening(configure(&[CALL])));
    let _factory = rig.factory();
    let twice = "15=BA=more than one answer";
    check(&rig, vec![(message("a"), ""), (message("b"), ""), (closed(0, ""), twice)]);
}

#[test]
fn a_stream_tells_of_everything_that_comes() {
    let rig = scripted(&listening(configure(&[STREAM, Act::Number(300)])));
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "A6");
    assert_eq!(rig.host.beside.grpc.borrow()[0].0.timeout, None);
    check(
        &rig,
        vec![
            (GrpcEvent::InitialMetadata(fields("i")), "161AiC"),
            (message("one"), "163Aone"),
            (message(""), "160A"),
            (GrpcEvent::TrailingMetadata(fields("t")), "161AtC"),
            (closed(5, "gone"), "165BA5gone"),
        ],
    );
}

#[test]
fn messages_are_sent_until_the_last_one() {
    let send = |args: &'static [i64]| Act::Call("proxy_grpc_send", args);
    let rig = scripted(&[configure(&[
        STREAM,
        send(&[6, 110, 5, 0]),
        send(&[6, 0, 0, 1]),
        send(&[6, 110, 5, 0]),
        // Not a stream's number, nobody's, and bytes from nowhere.
        send(&[4, 110, 5, 0]),
        send(&[5, 110, 5, 0]),
        send(&[7, 110, 5, 0]),
        send(&[10, 110, 5, 0]),
        send(&[6, -16, 5, 0]),
    ])]);
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "AAACCCCBG");
    let sent = rig.host.beside.sent.borrow();
    assert_eq!(*sent, [(b"value".to_vec(), false), (Vec::new(), true)]);
}

#[test]
fn what_is_cancelled_is_never_heard_of_again() {
    let cancel = |id: &'static [i64]| Act::Call("proxy_grpc_cancel", id);
    let acts = [STREAM, CALL, cancel(&[6]), cancel(&[5]), cancel(&[6]), cancel(&[4]), cancel(&[7])];
    let rig = scripted(&listening(configure(&acts)));
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "AAAABCC");
    assert_eq!(rig.host.beside.alive.get(), 0);
    check(&rig, vec![(message("late"), ""), (closed(1, ""), "")]);
}

#[test]
fn closing_ends_our_side_of_a_stream_and_cancels_a_call() {
    let close = |id: &'static [i64]| Act::Call("proxy_grpc_close", id);
    let acts = [STREAM, CALL, close(&[6]), close(&[5]), close(&[5]), close(&[0]), close(&[99])];
    let rig = scripted(&listening(configure(&acts)));
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "AAAABCC");
    assert_eq!(rig.host.beside.alive.get(), 1, "the stream waits for the other side");
    assert_eq!(rig.host.beside.sent.borrow().last(), Some(&(Vec::new(), true)));
    check(&rig, vec![(message("late"), "164Alate"), (closed(0, ""), "160BA0")]);
}

#[test]
fn a_call_that_cannot_be_opened_is_refused_and_nothing_is_written() {
    let check = |act: Act<'_>, expect: &str| {
        let rig = scripted(&[configure(&[act, Act::Number(OUT)])]);
        let _factory = rig.factory();
        assert_eq!(rig.host.said(), expect);
        assert_eq!(rig.host.beside.alive.get(), 0);
    };
    let name = "proxy_grpc_stream";
    // Clusters that are not there, that take no more, that have no name in text.
    check(Act::Call(name, &[100, 5, 100, 5, 110, 5, 0, 0, OUTS]), "E\u{FFFD}");
    check(Act::Call(name, &[180, 4, 100, 5, 110, 5, 0, 0, OUTS]), "K\u{FFFD}");
    check(Act::Call(name, &[200, 2, 100, 5, 110, 5, 0, 0, OUTS]), "E\u{FFFD}");
    let name = "proxy_grpc_call";
    check(Act::Call(name, &[100, 5, 100, 5, 110, 5, 0, 0, 0, 0, 0, OUTS]), "E\u{FFFD}");
    for refusal in [CallError::Denied, CallError::LimitReached, CallError::Unsupported] {
        let rig = scripted(&[request(&[CALL, STREAM])]);
        rig.host.refuse.replace(Some(refusal));
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, true));
        assert_eq!(rig.host.said(), "KK", "{refusal:?}");
    }
}

#[test]
fn streams_end_with_their_root() {
    let rig = scripted(&listening(configure(&[STREAM, CALL])));
    let factory = rig.factory();
    assert_eq!(rig.host.beside.alive.get(), 2);
    drop(factory);
    assert_eq!(rig.host.beside.alive.get(), 0);
    check(&rig, vec![(message("late"), ""), (closed(0, ""), "")]);
}

#[test]
fn the_callback_that_one_sdk_misspells_is_called_too() {
    let trailing = event("proxy_on_grpc_trailing_metadata", 3, &[Act::Params]);
    let rig = scripted(&[configure(&[STREAM]), trailing]);
    let _factory = rig.factory();
    check(&rig, vec![(GrpcEvent::TrailingMetadata(fields("t")), "161")]);
}
