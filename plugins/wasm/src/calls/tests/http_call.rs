use std::time::Duration;

use bytes::Bytes;
use host_extension::{CallError, HttpAnswer, OutboundError};
use host_types::{Headers, VmSettings};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{
    OUT,
    script::{Act, Hook, configure, request, scripted, scripted_in},
};
use crate::testing::{Rig, stream};

const OUTS: i64 = OUT as i64;

/// To the cluster `up`, with a head, a body, trailers and a time-out; the number goes to 300.
const GOOD: Act<'_> = Act::Call("proxy_http_call", &[178, 2, 400, 67, 110, 5, 140, 16, 250, 300]);

const fn answered<'a>(acts: &'a [Act<'a>]) -> Hook<'a> {
    Hook { name: "proxy_on_http_call_response", params: 5, answer: None, acts }
}

fn answer() -> HttpAnswer {
    let mut fields = HeaderMap::new();
    fields.insert(HeaderName::from_static("x-one"), HeaderValue::from_static("answered"));
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("value"), HeaderValue::from_static("t"));
    HttpAnswer {
        headers: Headers::response(StatusCode::OK, fields),
        body: Bytes::from_static(b"body"),
        trailers: Some(Headers::trailers(trailers)),
    }
}

const BODY: Act<'_> = Act::Call("proxy_get_buffer_bytes", &[4, 1, 2, OUTS, OUTS + 4]);
const BODY_SIZE: Act<'_> = Act::Call("proxy_get_buffer_status", &[4, OUTS, OUTS + 4]);
const FIELD: Act<'_> = Act::Call("proxy_get_header_map_value", &[6, 100, 5, OUTS, OUTS + 4]);
const MISSING: Act<'_> = Act::Call("proxy_get_header_map_value", &[6, 110, 5, OUTS, OUTS + 4]);
const TRAILER: Act<'_> = Act::Call("proxy_get_header_map_value", &[7, 110, 5, OUTS, OUTS + 4]);
const PAIRS: Act<'_> = Act::Call("proxy_get_header_map_pairs", &[7, OUTS, OUTS + 4]);
const SIZE: Act<'_> = Act::Call("proxy_get_header_map_size", &[6, OUTS]);
const STATUS: Act<'_> = Act::Call("proxy_get_status", &[OUTS + 8, OUTS, OUTS + 4]);
const WRITE: Act<'_> = Act::Call("proxy_add_header_map_value", &[6, 100, 5, 110, 5]);
const SET_BODY: Act<'_> = Act::Call("proxy_set_buffer_bytes", &[4, 0, 0, 110, 5]);

#[test]
fn a_call_has_all_that_the_guest_said() {
    let rig = scripted(&[configure(&[GOOD, Act::Number(300), GOOD, Act::Number(300)])]);
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "A4A8", "numbers go up by four");
    let calls = rig.host.beside.http.borrow();
    let call = &calls[0].0;
    assert_eq!(&*call.cluster, "up");
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let head = [pair(":method", "PUT"), pair(":path", "/abc"), pair(":authority", "host")];
    assert_eq!(call.headers, head);
    assert_eq!(call.body, "value");
    assert_eq!(call.trailers, [pair("a", "b")]);
    assert_eq!(call.timeout, Some(Duration::from_millis(250)));
}

#[test]
fn a_call_that_cannot_be_made_is_refused_and_its_number_is_zero() {
    let check = |args: &[i64], expect: &str| {
        let rig = scripted(&[configure(&[Act::Call("proxy_http_call", args), Act::Number(OUT)])]);
        let _factory = rig.factory();
        assert_eq!(rig.host.said(), expect, "{args:?}");
        assert_eq!(rig.host.beside.alive.get(), 0);
    };
    // A cluster that is not there, one that takes no more, and one without a name in text.
    check(&[100, 5, 400, 67, 0, 0, 0, 0, 9, OUTS], "C0");
    check(&[180, 4, 400, 67, 0, 0, 0, 0, 9, OUTS], "K0");
    // Heads without what they need, and bytes that are no head.
    check(&[178, 2, 140, 16, 0, 0, 0, 0, 9, OUTS], "C0");
    check(&[178, 2, 0, 0, 0, 0, 0, 0, 9, OUTS], "C0");
    check(&[178, 2, 400, 66, 0, 0, 0, 0, 9, OUTS], "C0");
    // A negative time.
    check(&[178, 2, 400, 67, 0, 0, 0, 0, -1, OUTS], "C0");
    // Trailers that are none are empty ones, and no time is no limit.
    let rig = scripted(&[configure(&[Act::Call(
        "proxy_http_call",
        &[178, 2, 400, 67, 0, 0, 140, 15, 0, 300],
    )])]);
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "A");
    let calls = rig.host.beside.http.borrow();
    assert!(calls[0].0.trailers.is_empty());
    assert_eq!(calls[0].0.timeout, None);
}

#[test]
fn what_policy_denies_is_told_in_a_word_that_sdks_survive() {
    for refusal in [CallError::Denied, CallError::Unsupported, CallError::LimitReached] {
        let rig = scripted(&[request(&[GOOD])]);
        rig.host.refuse.replace(Some(refusal));
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, true));
        assert_eq!(rig.host.said(), "K", "{refusal:?}");
    }
}

#[test]
fn an_answer_is_read_in_its_callback_and_not_after_it() {
    let reads = [
        Act::Params,
        BODY,
        Act::Bytes(OUT),
        BODY_SIZE,
        Act::Number(OUT),
        FIELD,
        Act::Bytes(OUT),
        MISSING,
        TRAILER,
        Act::Bytes(OUT),
        SIZE,
        WRITE,
        SET_BODY,
    ];
    let after = [BODY, BODY_SIZE, FIELD, TRAILER, PAIRS, SIZE];
    let rig = scripted(&[configure(&[GOOD]), answered(&reads), request(&after)]);
    let factory = rig.factory();
    rig.host.said();
    rig.host.beside.answer(0, Ok(answer()));
    // Root, call, two fields, four bytes, one trailer; `:status200` and `x-oneanswered`.
    assert_eq!(rig.host.said(), "14241AodA4AansweredBAtACC");
    assert_eq!(rig.host.beside.alive.get(), 0, "the call is over");
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "BBCCAC");
}

#[test]
fn an_answer_without_trailers_has_none() {
    let rig = scripted(&[configure(&[GOOD]), answered(&[Act::Params, TRAILER, PAIRS])]);
    let _factory = rig.factory();
    rig.host.said();
    rig.host.beside.answer(0, Ok(HttpAnswer { trailers: None, ..answer() }));
    assert_eq!(rig.host.said(), "14240BA");
}

#[test]
fn an_answer_can_be_read_after_a_stream_became_effective() {
    let effective = Act::Call("proxy_set_effective_context", &[2]);
    let own = Act::Call("proxy_get_header_map_value", &[0, 100, 5, OUTS, OUTS + 4]);
    let acts = [
        Act::Call("proxy_get_header_map_value", &[0, 100, 5, OUTS, OUTS + 4]),
        effective,
        own,
        Act::Bytes(OUT),
        FIELD,
        Act::Bytes(OUT),
        Act::Call("proxy_continue_stream", &[0]),
    ];
    let rig = scripted(&[Hook { answer: Some(1), ..request(&[GOOD]) }, answered(&acts)]);
    let (mut filter, stream) = rig.filter();
    let mut step = filter.on_request_headers(&stream, true);
    assert!(crate::testing::poll(&mut step).is_none());
    rig.host.said();
    rig.host.beside.answer(0, Ok(answer()));
    assert_eq!(rig.host.said(), "CAAfirstAansweredA");
    assert!(crate::testing::poll(&mut step).is_some(), "the answer let the request go on");
}

#[test]
fn failures_are_told_as_other_hosts_tell_them() {
    let check = |error: OutboundError, expect: &str| {
        let acts = [Act::Params, FIELD, BODY_SIZE, STATUS, Act::Number(OUT + 8), Act::Bytes(OUT)];
        let rig = scripted(&[configure(&[GOOD]), answered(&acts)]);
        let _factory = rig.factory();
        rig.host.said();
        rig.host.beside.answer(0, Err(error));
        assert_eq!(rig.host.said(), expect, "{error:?}");
    };
    // An answer of the host's own: three fields, and 24 or 22 bytes.
    check(OutboundError::TimedOut, "143H0BAA0");
    check(OutboundError::Unreachable, "143F0BAA0");
    // None at all, and the reason aside.
    check(OutboundError::Reset, "14000BBA;the upstream broke off");
    check(OutboundError::TooLarge, "14000BBA;the answer is too large");
}

#[test]
fn the_answer_in_the_place_of_a_late_one_is_a_504() {
    let status = Act::Call("proxy_get_header_map_pairs", &[6, OUTS, OUTS + 4]);
    let body = Act::Call("proxy_get_buffer_bytes", &[4, 0, 99, OUTS, OUTS + 4]);
    let acts = [status, Act::Bytes(OUT), body, Act::Bytes(OUT)];
    let rig = scripted(&[configure(&[GOOD]), answered(&acts)]);
    let _factory = rig.factory();
    rig.host.said();
    rig.host.beside.answer(0, Err(OutboundError::TimedOut));
    let said = rig.host.said();
    assert!(said.contains(":status\x00504\x00content-length\x0024\x00"), "{said:?}");
    assert!(said.ends_with("Aupstream request timeout"), "{said:?}");
}

#[test]
fn an_answer_goes_to_the_root_when_the_stream_is_gone() {
    let effective = Act::Call("proxy_set_effective_context", &[2]);
    let resume = Act::Call("proxy_continue_stream", &[0]);
    let rig = scripted(&[request(&[GOOD]), answered(&[Act::Params, effective, FIELD, resume])]);
    let factory = rig.factory();
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    drop(filter.on_request_headers(&stream, true));
    drop(filter);
    drop(stream);
    rig.host.said();
    rig.host.beside.answer(0, Ok(answer()));
    assert_eq!(rig.host.said(), "14241CAA", "the stream is unknown, the answer is there");
}

#[test]
fn calls_end_with_their_root() {
    let rig = scripted(&[configure(&[GOOD, GOOD]), answered(&[Act::Params])]);
    let factory = rig.factory();
    assert_eq!(rig.host.beside.alive.get(), 2);
    drop(factory);
    assert_eq!(rig.host.beside.alive.get(), 0);
    rig.host.said();
    rig.host.beside.answer(0, Ok(answer()));
    assert_eq!(rig.host.said(), "");
}

#[test]
fn a_callback_may_call_again() {
    let rig = scripted(&[configure(&[GOOD]), answered(&[GOOD, Act::Number(300)])]);
    let _factory = rig.factory();
    rig.host.said();
    for (call, number) in [(0, "A8"), (1, "A<")] {
        rig.host.beside.answer(call, Ok(answer()));
        assert_eq!(rig.host.said(), number);
        assert_eq!(rig.host.beside.alive.get(), 1);
    }
}

/// A guest whose configuration makes the same call again and again, and says how often it
/// could.
fn greedy(times: u32, body: &str) -> Rig {
    let imports = format!(
        r#"{} (import "env" "proxy_http_call" (func $f
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#,
        crate::testing::LOG
    );
    let configure = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (local $at i32) (local $made i32)
        (loop $again
          (if (i32.eqz (call $f (i32.const 178) (i32.const 2) (i32.const 400) (i32.const 67)
            (i32.const 0) (i32.const {body}) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 300)))
            (then (local.set $made (i32.add (local.get $made) (i32.const 1)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $at) (i32.const {times}))))
        (i32.store (i32.const 0) (local.get $made))
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 4)))
        (i32.const 1))"#
    );
    Rig::new(&crate::testing::guest(&imports, &format!("{} {configure}", super::DATA)))
}

#[test]
fn calls_under_way_have_a_limit_in_number_and_in_bytes() {
    let made = |rig: &Rig| {
        let _factory = rig.factory();
        let said = rig.host.said();
        u32::from(said.as_bytes()[0]) + 256 * said.as_bytes().get(1).map_or(0, |b| u32::from(*b))
    };
    assert_eq!(made(&greedy(1100, "0")), 1024);
    // Two pages each, and a little: 127 of them are 16 MiB.
    assert_eq!(made(&greedy(300, "131072")), 127);
}

#[test]
fn roots_of_one_machine_have_calls_of_their_own_with_numbers_that_differ() {
    let settings = VmSettings { id: Some("machine".into()), ..VmSettings::default() };
    let acts = [Act::Params, STATUS, Act::Number(OUT + 8)];
    let hooks = [configure(&[GOOD, Act::Number(300)]), answered(&acts)];
    let rig = scripted_in(&hooks, &settings);
    let first = rig.factory();
    let _second = rig.factory();
    assert_eq!(rig.host.said(), "A4A8");
    rig.host.beside.answer(1, Err(OutboundError::Reset));
    assert_eq!(rig.host.said(), "28000A;");
    rig.host.beside.answer(0, Ok(answer()));
    assert_eq!(rig.host.said(), "14241A0", "the status of one root is not that of another");
    drop(first);
}
