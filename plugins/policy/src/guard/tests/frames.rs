//! Fields of RPC frames: those that route a call take `route`.

use host_types::FieldList;

use super::*;
use crate::{RPC_ROUTING, Rule};

const HEAD: HeaderMapKind = HeaderMapKind::RequestHeaders;
const FIELDS: [(&str, &str); 3] = [("service", "a"), ("version", "1"), ("x-a", "1")];
/// All fields may be written, and nothing routed.
const WRITES: [&str; 2] = ["headers.request", "headers.response"];

/// A bench whose host has a request that is a frame with these fields.
fn with_frame(setup: Setup) -> Bench {
    let bench = set_up(Setup { fields: Vec::new(), ..setup });
    bench.host.works.set(true);
    let mut list = FieldList::default();
    for (name, value) in FIELDS {
        list.push(name.as_bytes(), value.as_bytes());
    }
    let head = request(&[]).as_request().unwrap().clone();
    *bench.stream.request.headers.borrow_mut() = Some(Headers::rpc_request(head, list));
    bench
}

fn frame_under(policy: Policy) -> Bench {
    with_frame(Setup { policy, ..Setup::default() })
}

fn stands(bench: &Bench) -> Vec<String> {
    let section = bench.stream.request.headers.borrow();
    let list = section.as_ref().unwrap().list().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    list.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

#[test]
fn a_field_that_routes_a_call_is_not_written_without_the_right_to_route() {
    for name in RPC_ROUTING {
        let upper = name.to_uppercase();
        for name in [name, &upper].map(str::as_bytes) {
            let bench = frame_under(granting(&WRITES));
            let writes = [
                FieldWrite::Add(name, b"b"),
                FieldWrite::Replace(name, b"b"),
                FieldWrite::Remove(name),
            ];
            for write in writes {
                let written = bench.guard.write_header(&bench.stream, HEAD, write);
                assert_eq!(written, Err(CallError::Denied), "{name:?}");
            }
            assert_eq!(denied(&bench), [(Capability::Route, 3)]);
            assert_eq!(stands(&bench), ["service: a", "version: 1", "x-a: 1"]);
        }
    }
    let bench = frame_under(granting(&["headers.request", "route"]));
    let write = FieldWrite::Replace(b"service", b"b");
    assert_eq!(bench.guard.write_header(&bench.stream, HEAD, write), Ok(()));
    assert_eq!(stands(&bench)[0], "service: b");
}

#[test]
fn other_fields_of_frames_and_these_of_http_and_of_responses_are_ordinary() {
    let bench = frame_under(granting(&WRITES));
    let write = FieldWrite::Replace(b"x-a", b"2");
    assert_eq!(bench.guard.write_header(&bench.stream, HEAD, write), Ok(()));
    let http = under(granting(&WRITES));
    http.host.works.set(true);
    for write in [FieldWrite::Add(b"version", b"2"), FieldWrite::SetAll(&[(b"Service", b"b")])] {
        assert_eq!(http.guard.write_header(&http.stream, HEAD, write), Ok(()));
    }
    let rights = Rights::new(&granting(&WRITES), None, "greet");
    let write = |capability| rights.explain(Access::to(capability, b"group").of_frame(true));
    assert_eq!(write(Capability::HeadersRequestWrite), Rule::Routing);
    assert!(write(Capability::HeadersResponseWrite).allows());
    assert!(write(Capability::HeadersRequestRead).allows());
}

/// Writes all fields of a frame.
#[track_caller]
fn check(pairs: &[(&str, &str)], expect: Result<&[&str], CallError>) {
    let bench = frame_under(granting(&WRITES));
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let written = bench.guard.write_header(&bench.stream, HEAD, FieldWrite::SetAll(&pairs));
    assert_eq!(written, expect.map(|_fields| ()));
    assert_eq!(denied(&bench).len(), usize::from(expect.is_err()));
    let before = ["service: a", "version: 1", "x-a: 1"];
    assert_eq!(stands(&bench), *expect.unwrap_or(&before));
}

#[test]
fn a_section_of_a_frame_keeps_what_routes_it() {
    check(&FIELDS, Ok(&["service: a", "version: 1", "x-a: 1"]));
    check(&[("x-a", "2")], Ok(&["x-a: 2", "service: a", "version: 1"]));
    check(&[("service", "a"), ("version", "1")], Ok(&["service: a", "version: 1"]));
    let denied = Err(CallError::Denied);
    check(&[("service", "b"), ("version", "1")], denied);
    check(&[("service", "a"), ("service", "b"), ("version", "1")], denied);
    check(&[("service", "a"), ("group", "b")], denied);
    // Nobody finds the field by this name.
    check(&[("Service", "a"), ("version", "1")], denied);
}

#[test]
fn what_routes_a_frame_is_noted_as_the_right_to_route() {
    let note = |write: FieldWrite<'_>| {
        let policy = permissive(Policy::of(Preset::None));
        let recorder = Some(Arc::new(Recorder::default()));
        let bench = with_frame(Setup { policy, recorder, ..Setup::default() });
        bench.guard.write_header(&bench.stream, HEAD, write).unwrap();
        let grants = bench.recorder.unwrap().grants();
        grants.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(note(FieldWrite::Replace(b"service", b"b")), ["route"]);
    assert_eq!(note(FieldWrite::Replace(b"x-a", b"b")), ["headers.request.write:x-a"]);
    let all = [(&b"service"[..], &b"b"[..]), (b"version", b"1"), (b"x-a", b"2")];
    assert_eq!(note(FieldWrite::SetAll(&all)), ["headers.request.write:x-a", "route"]);
}
