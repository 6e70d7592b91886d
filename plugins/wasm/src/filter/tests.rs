use abi_manifest::Capability;
use bytes::Bytes;
use host_extension::{FaultKind, Phases, Step, Stream, StreamFilter, Verdict};

use crate::testing::{LOG, Rig, SAY, fault, guest, open_response, poll, stream};

const RESUME: &str = r#"
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))"#;

#[track_caller]
fn continues(step: &Step) {
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
}

#[track_caller]
fn holds(step: &Step) {
    assert!(matches!(step, Step::HoldUntil(_)), "{step:?}");
}

/// A guest whose hook `name` of three parameters is `body`.
fn hook(name: &str, body: &str) -> String {
    format!(r#"(func (export "{name}") (param i32 i32 i32) (result i32) {body})"#)
}

#[test]
fn header_hooks_are_called_by_their_type_and_not_by_the_version() {
    let three = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.add (i32.const 48) (local.get 1)))
        (call $say (i32.add (i32.const 48) (local.get 2))) i32.const 0)"#;
    let two = r#"(func (export "proxy_on_response_headers") (param i32 i32) (result i32)
        (call $say (i32.add (i32.const 48) (local.get 1))) i32.const 0)"#;
    let rig = Rig::new(&guest(LOG, &format!("{SAY} {three} {two}")));
    let (mut filter, stream) = rig.filter();
    continues(&filter.on_request_headers(&stream, true));
    open_response(&stream);
    continues(&filter.on_response_headers(&stream, true));
    assert_eq!(rig.host.said(), "611", "6 request fields, the end, 1 response field");
}

#[test]
fn actions_beyond_pause_stop_but_for_continue_and_end() {
    for (action, stops) in [(0, false), (1, true), (2, false), (3, true), (4, true), (99, true)] {
        let action = format!("i32.const {action}");
        let rig = Rig::new(&guest("", &hook("proxy_on_request_headers", &action)));
        let (mut filter, stream) = rig.filter();
        let step = filter.on_request_headers(&stream, true);
        assert_eq!(matches!(step, Step::Later(_)), stops, "{action}");
    }
}

#[test]
fn paused_headers_go_on_when_another_callback_resumes_that_context() {
    // The first context pauses; the hook of any later one resumes the first.
    let body = "(if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 1))))
        (drop (call $effective (i32.const 2)))
        (drop (call $continue (i32.const 0))) (i32.const 0)";
    let rig = Rig::new(&guest(RESUME, &hook("proxy_on_request_headers", body)));
    let factory = rig.factory();
    let (first, second) = (stream(), stream());
    let mut waits = factory.stream_filter(&first).expect("a filter");
    let mut resumes = factory.stream_filter(&second).expect("a filter");
    let mut step = waits.on_request_headers(&first, true);
    assert!(poll(&mut step).is_none());
    continues(&resumes.on_request_headers(&second, true));
    assert!(matches!(poll(&mut step), Some(Verdict::Continue)));
}

#[test]
fn the_sides_of_a_stream_pause_apart_from_each_other() {
    let response = "(drop (call $continue (i32.const 0))) (i32.const 1)";
    let rest = format!(
        "{} {}",
        hook("proxy_on_request_headers", "i32.const 1"),
        hook("proxy_on_response_headers", response)
    );
    let rig = Rig::new(&guest(RESUME, &rest));
    let (mut filter, stream) = rig.filter();
    let mut request = filter.on_request_headers(&stream, true);
    assert!(poll(&mut request).is_none());
    open_response(&stream);
    let mut response = filter.on_response_headers(&stream, true);
    assert!(matches!(poll(&mut request), Some(Verdict::Continue)));
    assert!(poll(&mut response).is_none());
}

#[test]
fn a_guest_that_resumes_and_then_pauses_in_one_callback_goes_on() {
    let body = "(drop (call $continue (i32.const 0))) (i32.const 1)";
    for name in ["proxy_on_request_headers", "proxy_on_request_body"] {
        let rig = Rig::new(&guest(RESUME, &hook(name, body)));
        let (mut filter, stream) = rig.filter();
        continues(&filter.on_request_headers(&stream, false));
        continues(&filter.on_request_body(&stream, false));
        continues(&filter.on_request_body(&stream, true));
    }
}

#[test]
fn a_paused_body_is_held_before_the_end_and_waits_at_the_end() {
    let body = "(call $say (i32.add (i32.const 48) (local.get 1)))
        (call $say (i32.add (i32.const 48) (local.get 2))) (i32.const 1)";
    let rest = format!("{SAY} {}", hook("proxy_on_response_body", body));
    let rig = Rig::new(&guest(LOG, &rest));
    let (mut filter, stream) = rig.filter();
    stream.response.body.borrow_mut().push(&Bytes::from_static(b"123"));
    holds(&filter.on_response_body(&stream, false));
    stream.response.body.borrow_mut().push(&Bytes::from_static(b"45"));
    let mut step = filter.on_response_body(&stream, true);
    assert!(poll(&mut step).is_none());
    assert_eq!(rig.host.said(), "3051");
}

#[test]
fn trailers_pause_as_headers_do() {
    let rest = r#"(func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
        i32.const 1)"#;
    let rig = Rig::new(&guest("", rest));
    let (mut filter, stream) = rig.filter();
    assert!(poll(&mut filter.on_request_trailers(&stream)).is_none());
    continues(&filter.on_response_trailers(&stream));
}

#[test]
fn who_waits_when_the_guest_is_lost_is_told() {
    let body =
        "(if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 1)))) unreachable";
    let rig = Rig::new(&guest("", &hook("proxy_on_request_headers", body)));
    let factory = rig.factory();
    let (first, second) = (stream(), stream());
    let mut waits = factory.stream_filter(&first).expect("a filter");
    let mut step = waits.on_request_headers(&first, true);
    let mut traps = factory.stream_filter(&second).expect("a filter");
    assert_eq!(fault(traps.on_request_headers(&second, true)).kind, FaultKind::Trapped);
    let Some(Verdict::Failed(fault)) = poll(&mut step) else { panic!("it waits still") };
    assert_eq!(fault.kind, FaultKind::InstanceLost);
}

const REPLY: &str = r#"
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))"#;

/// Replies with `status`, the body `no` and the field `a: b`; says the status of the call.
fn reply(status: u32) -> String {
    format!(
        "(call $say (i32.add (i32.const 65) (call $reply (i32.const {status}) (i32.const 900)
           (i32.const 3) (i32.const 903) (i32.const 2) (i32.const 910) (i32.const 16)
           (i32.const -1))))"
    )
}

const REPLY_DATA: &str = r#"
  (data (i32.const 900) "whyno")
  (data (i32.const 910) "\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00")"#;

fn replying(body: &str) -> Rig {
    let hook = hook("proxy_on_request_headers", &format!("{body} i32.const 0"));
    Rig::new(&guest(&format!("{LOG} {REPLY}"), &format!("{SAY} {REPLY_DATA} {hook}")))
}

#[test]
fn a_local_reply_is_the_answer_of_the_hook_and_the_first_one_stands() {
    let rig =
        replying(&format!("{} {} (drop (call $close (i32.const 0)))", reply(403), reply(500)));
    let (mut filter, stream) = rig.filter();
    let step = filter.on_request_headers(&stream, true);
    let Step::Ready(Verdict::Respond(reply)) = step else { panic!("no reply: {step:?}") };
    assert_eq!(reply.status.as_u16(), 403);
    assert_eq!(&*reply.details, "why");
    assert_eq!(reply.body, "no");
    assert_eq!(reply.headers.len(), 1);
    assert_eq!(reply.headers["a"], "b");
    assert_eq!(rig.host.said(), "AA");
}

#[test]
fn a_reply_with_a_status_that_ends_nothing_is_refused() {
    for status in [0, 100, 199, 600, 1000, 65_736] {
        let rig = replying(&reply(status));
        let (mut filter, stream) = rig.filter();
        continues(&filter.on_request_headers(&stream, true));
        assert_eq!(rig.host.said(), "C", "{status}");
    }
}

#[test]
fn a_reply_goes_without_fields_that_no_message_can_carry() {
    let fields = |data: &str, len: u32| {
        let body = format!(
            "(drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 1000) (i32.const {len}) (i32.const -1))) i32.const 0"
        );
        let data = format!("(data (i32.const 1000) \"{data}\")");
        let hook = hook("proxy_on_request_headers", &body);
        let rig = Rig::new(&guest(REPLY, &format!("{data} {hook}")));
        let (mut filter, stream) = rig.filter();
        let step = filter.on_request_headers(&stream, true);
        let Step::Ready(Verdict::Respond(reply)) = step else { panic!("no reply: {step:?}") };
        reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    let two = r"\02\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00";
    assert_eq!(fields(&format!(r"{two}a\00\0a\00c\00d\00"), 28), ["c"]);
    assert_eq!(fields(&format!(r"{two}:\00x\00c\00d\00"), 28), ["c"]);
    assert_eq!(fields(&format!(r"{two}a\00b\00c\00d\00"), 27), [""; 0]);
}

#[test]
fn another_stream_is_answered_and_closed_through_the_host() {
    let body = format!(
        "(drop (call $effective (i32.const 2))) {} (drop (call $close (i32.const 0)))",
        reply(429)
    );
    let rig = replying(&body);
    let factory = rig.factory();
    let (first, second) = (stream(), stream());
    let _first = factory.stream_filter(&first).expect("a filter");
    let mut filter = factory.stream_filter(&second).expect("a filter");
    continues(&filter.on_request_headers(&second, true));
    assert_eq!(*rig.host.replies.borrow(), [429]);
    assert_eq!(*rig.host.resets.borrow(), 1);
}

#[test]
fn closing_its_own_stream_resets_it() {
    let rig = replying("(drop (call $close (i32.const 0)))");
    let (mut filter, stream) = rig.filter();
    let step = filter.on_request_headers(&stream, true);
    assert!(matches!(step, Step::Ready(Verdict::Reset)), "{step:?}");
}

#[test]
fn a_reply_that_is_denied_reads_as_done_and_the_stream_goes_on() {
    let rig = replying(&reply(403));
    rig.host.deny(&[Capability::Reply]);
    let (mut filter, stream) = rig.filter();
    continues(&filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "A");
    assert_eq!(*rig.host.asked.borrow(), [Capability::Reply]);
}

#[test]
fn a_close_that_is_denied_reads_as_done_and_the_stream_goes_on() {
    let rig = replying("(call $say (i32.add (i32.const 65) (call $close (i32.const 0))))");
    rig.host.deny(&[Capability::Close]);
    let (mut filter, stream) = rig.filter();
    continues(&filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "A");
    assert_eq!(*rig.host.asked.borrow(), [Capability::Close]);
}

/// What SDKs do: they answer or break off, and pause.
#[test]
fn a_pause_behind_a_denied_end_is_a_fault_that_the_guest_survives() {
    for (end, capability) in [
        (reply(403), Capability::Reply),
        ("(drop (call $close (i32.const 0)))".to_owned(), Capability::Close),
    ] {
        for hook_name in ["proxy_on_request_headers", "proxy_on_request_body"] {
            let hook = hook(hook_name, &format!("{end} (i32.const 1)"));
            let bytes = guest(&format!("{LOG} {REPLY}"), &format!("{SAY} {REPLY_DATA} {hook}"));
            let rig = Rig::new(&bytes);
            rig.host.deny(&[capability]);
            let factory = rig.factory();
            for _ in 0..2 {
                let stream = stream();
                let mut filter = factory.stream_filter(&stream).expect("the guest is well");
                // The hook that it does not have lets everything pass.
                let steps = [
                    filter.on_request_headers(&stream, true),
                    filter.on_request_body(&stream, false),
                ];
                let stops = |step: &Step| !matches!(step, Step::Ready(Verdict::Continue));
                let fault = fault(steps.into_iter().find(stops).expect("one of them stops"));
                assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
                assert!(fault.message.contains("`guest`"), "{fault}");
                filter.on_complete(&stream).expect("it ends well");
            }
        }
    }
}

#[test]
fn a_denied_reply_from_beside_ends_the_pause_of_its_stream() {
    // The first stream waits; the second one's hook answers it, which is denied.
    for (then, goes_on) in [("", false), ("(drop (call $continue (i32.const 0)))", true)] {
        let body = format!(
            "(if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 1))))
            (drop (call $effective (i32.const 2))) {} {then} (i32.const 0)",
            reply(429)
        );
        let hook = hook("proxy_on_request_headers", &body);
        let go_on = r#"(import "env" "proxy_continue_stream"
            (func $continue (param i32) (result i32)))"#;
        let imports = format!("{LOG} {REPLY} {go_on}");
        let rig = Rig::new(&guest(&imports, &format!("{SAY} {REPLY_DATA} {hook}")));
        rig.host.deny(&[Capability::Reply]);
        let factory = rig.factory();
        let (first, second) = (stream(), stream());
        let mut waits = factory.stream_filter(&first).expect("a filter");
        let mut step = waits.on_request_headers(&first, true);
        assert!(poll(&mut step).is_none());
        let mut other = factory.stream_filter(&second).expect("a filter");
        continues(&other.on_request_headers(&second, true));
        assert_eq!(rig.host.said(), "A");
        match poll(&mut step) {
            Some(Verdict::Continue) => assert!(goes_on),
            Some(Verdict::Failed(fault)) => {
                assert!(!goes_on);
                assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
            }
            other => panic!("{other:?}"),
        }
        assert!(factory.stream_filter(&first).is_ok(), "the guest is well");
    }
}

const END_HOOKS: &str = r#"
  (func (export "proxy_on_done") (param i32) (result i32) (call $say (i32.const 100)) i32.const 1)
  (func (export "proxy_on_log") (param i32) (call $say (i32.const 108)))
  (func (export "proxy_on_delete") (param i32) (call $say (i32.const 120)))"#;

#[test]
fn a_context_ends_once_with_done_log_and_delete() {
    let rig = Rig::new(&guest(LOG, &format!("{SAY} {END_HOOKS}")));
    let factory = rig.factory();
    let (one, two) = (stream(), stream());
    let mut filter = factory.stream_filter(&one).expect("a filter");
    filter.on_complete(&one).expect("it ends well");
    assert_eq!(rig.host.said(), "dlx");
    drop(filter);
    assert_eq!(rig.host.said(), "");
    // A stream that was dropped without an end leaves no context behind either.
    drop(factory.stream_filter(&two).expect("a filter"));
    assert_eq!(rig.host.said(), "dlx");
}

#[test]
fn nothing_is_called_after_the_end() {
    let hooks = format!(
        "{} {}",
        hook("proxy_on_request_headers", "(call $say (i32.const 104)) (i32.const 1)"),
        hook("proxy_on_response_body", "(call $say (i32.const 98)) (i32.const 0)"),
    );
    let rig = Rig::new(&guest(LOG, &format!("{SAY} {END_HOOKS} {hooks}")));
    let factory = rig.factory();
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    filter.on_complete(&stream).expect("it ends well");
    rig.host.said();
    continues(&filter.on_request_headers(&stream, true));
    continues(&filter.on_response_body(&stream, true));
    filter.on_complete(&stream).expect("it ended well");
    assert_eq!(rig.host.said(), "");
}

#[test]
fn a_reply_after_the_last_hook_is_refused() {
    let log = format!(r#"(func (export "proxy_on_log") (param i32) {})"#, reply(403));
    let rig = Rig::new(&guest(&format!("{LOG} {REPLY}"), &format!("{SAY} {REPLY_DATA} {log}")));
    let (mut filter, stream) = rig.filter();
    filter.on_complete(&stream).expect("it ends well");
    assert_eq!(rig.host.said(), "C");
}

#[test]
fn hooks_that_a_guest_does_not_have_let_everything_pass() {
    let rig = Rig::new(&guest("", ""));
    assert_eq!(rig.factory().phases(), Phases::NONE);
    let (mut filter, stream): (Box<dyn StreamFilter>, std::rc::Rc<Stream>) = rig.filter();
    continues(&filter.on_request_headers(&stream, false));
    continues(&filter.on_request_body(&stream, true));
    continues(&filter.on_response_headers(&stream, false));
    continues(&filter.on_response_body(&stream, true));
    filter.on_complete(&stream).expect("it ends well");
}
