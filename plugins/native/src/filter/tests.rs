use std::{rc::Rc, task::Poll, time::Duration};

use abi_manifest::Capability;
use bytes::Bytes;
use host_extension::{
    CallError, FaultKind, FilterFactory, HttpAnswer, OutboundError, Phases, PluginFault, Side,
    Step, Stream, StreamFilter, Verdict,
};
use host_types::Headers;
use http::{HeaderMap, StatusCode};

use crate::testing::{Worker, header, poll, stream};

/// The filter of a stream, by a script.
fn filter(worker: &Worker, script: &str) -> (Rc<dyn FilterFactory>, Box<dyn StreamFilter>) {
    let factory = worker.start("script", script).expect("it starts");
    let filter = factory.stream_filter(&stream()).expect("a filter");
    (factory, filter)
}

fn fault(step: Step) -> PluginFault {
    match step {
        Step::Ready(Verdict::Failed(fault)) => fault,
        other @ (Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_)) => panic!("{other:?}"),
    }
}

fn status(step: Step) -> u16 {
    match step {
        Step::Ready(Verdict::Respond(reply)) => reply.status.as_u16(),
        other @ (Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_)) => panic!("{other:?}"),
    }
}

/// Calls one hook of a filter.
fn call(filter: &mut dyn StreamFilter, callback: &str, stream: &Rc<Stream>) -> Step {
    match callback {
        "request_headers" => filter.on_request_headers(stream, false),
        "request_body" => filter.on_request_body(stream, false),
        "request_trailers" => filter.on_request_trailers(stream),
        "response_headers" => filter.on_response_headers(stream, false),
        "response_body" => filter.on_response_body(stream, false),
        "response_trailers" => filter.on_response_trailers(stream),
        other => panic!("{other}"),
    }
}

const HOOKS: [&str; 6] = [
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
];

#[test]
fn a_filter_reads_and_changes_a_head() {
    let worker = Worker::new();
    let (_factory, mut filter) = filter(&worker, "request_headers:greet");
    let stream = stream();
    // The filter was made for another stream than the one it is shown here.
    let factory = worker.start("script", "request_headers:greet").expect("it starts");
    let mut own = factory.stream_filter(&stream).expect("a filter");
    assert!(matches!(own.on_request_headers(&stream, true), Step::Ready(Verdict::Continue)));
    assert_eq!(header(&stream, Side::Request, "x-greeting").as_deref(), Some("/path"));
    assert!(matches!(filter.on_response_headers(&stream, true), Step::Ready(Verdict::Continue)));
}

#[test]
fn a_filter_rewrites_a_body() {
    let worker = Worker::new();
    let factory = worker.start("script", "request_body:body").expect("it starts");
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    stream.request.body.borrow_mut().set(Bytes::from_static(b"text"));
    assert!(matches!(filter.on_request_body(&stream, true), Step::Ready(Verdict::Continue)));
    assert_eq!(stream.request.body.borrow().as_slice(), b"> TEXT");
}

#[test]
fn a_panic_in_each_hook_is_a_fault_and_the_end_of_the_instance() {
    for callback in HOOKS {
        let worker = Worker::new();
        let (factory, mut one) = filter(&worker, &format!("{callback}:panic"));
        let stream = stream();
        let fault = fault(call(&mut *one, callback, &stream));
        assert_eq!(fault.kind, FaultKind::Trapped, "{callback}");
        let told = &fault.message;
        assert!(
            told.contains(&format!("plugin `p` failed in `{callback}`: panicked at")),
            "{told}"
        );
        assert!(told.contains("plugins.rs") && told.ends_with(&format!("at {callback}")), "{told}");
        let again = factory.stream_filter(&stream).expect_err("it is lost");
        assert_eq!(again.kind, FaultKind::InstanceLost);
        assert!(one.on_complete(&stream).is_ok());
    }
}

#[test]
fn a_panic_of_one_stream_loses_those_that_wait() {
    let worker = Worker::new();
    let script = "request_headers:pause response_headers:panic";
    let (factory, mut waiting) = filter(&worker, script);
    let stream = stream();
    let Step::Later(mut resumed) = waiting.on_request_headers(&stream, false) else {
        panic!("it pauses")
    };
    assert!(poll(&mut resumed).is_pending());
    let mut other = factory.stream_filter(&stream).expect("a filter");
    assert_eq!(fault(other.on_response_headers(&stream, false)).kind, FaultKind::Trapped);
    let Poll::Ready(Verdict::Failed(lost)) = poll(&mut resumed) else { panic!("it is lost") };
    assert_eq!(lost.kind, FaultKind::InstanceLost);
    assert_eq!(worker.faults.borrow().len(), 0, "the stream tells of it");
}

#[test]
fn a_panic_where_a_filter_is_made_or_ends_is_a_fault() {
    let worker = Worker::new();
    let factory = worker.start("script", "stream_filter:panic").expect("it starts");
    let fault = factory.stream_filter(&stream()).expect_err("it panics");
    assert!(fault.message.contains("`stream_new`: panicked"), "{fault}");

    let (_factory, mut one) = filter(&worker, "complete:panic");
    let fault = one.on_complete(&stream()).expect_err("it panics");
    assert!(fault.message.contains("`stream_complete`: panicked"), "{fault}");

    let (_factory, one) = filter(&worker, "drop:panic");
    drop(one);
}

#[test]
fn a_plugin_that_refuses_to_start_says_why_in_one_line() {
    let worker = Worker::new();
    let refused = worker.start("script", "start:refuse").expect_err("it refuses");
    assert_eq!(refused.kind, FaultKind::LoadFailed);
    assert_eq!(&*refused.message, "plugin `p` does not start: I do not\\nwant to");
    let panicked = worker.start("script", "start:panic").expect_err("it panics");
    assert_eq!(panicked.kind, FaultKind::LoadFailed);
    assert!(panicked.message.contains("does not start: panicked at"), "{panicked}");
    let unknown = worker.start("several", "").expect_err("none is meant");
    assert!(unknown.message.contains("there is `one`, `two`"), "{unknown}");
}

#[test]
fn a_pause_of_a_head_waits_and_one_of_a_body_holds() {
    let worker = Worker::new();
    for callback in HOOKS {
        let (_factory, mut one) = filter(&worker, &format!("{callback}:pause tick:resume-1"));
        let step = call(&mut *one, callback, &stream());
        let holds = callback.ends_with("body");
        assert_eq!(matches!(step, Step::HoldUntil(_)), holds, "{callback}");
        assert_eq!(matches!(step, Step::Later(_)), !holds, "{callback}");
        assert!(matches!(one.on_request_body(&stream(), true), Step::Ready(_) | Step::Later(_)));
    }
}

#[test]
fn a_paused_stream_goes_on_when_the_plugin_says_so() {
    let worker = Worker::new();
    let script = "start:everything request_headers:pause tick:resume-1";
    let (_factory, mut one) = filter(&worker, script);
    let Step::Later(mut resumed) = one.on_request_headers(&stream(), false) else {
        panic!("it pauses")
    };
    assert!(poll(&mut resumed).is_pending());
    worker.host.ring();
    assert!(matches!(poll(&mut resumed), Poll::Ready(Verdict::Continue)));
}

#[test]
fn who_says_to_go_on_before_it_pauses_does_not_wait() {
    let worker = Worker::new();
    let (_factory, mut one) = filter(&worker, "request_headers:pause-resumed");
    assert!(matches!(one.on_request_headers(&stream(), true), Step::Ready(Verdict::Continue)));
}

#[test]
fn a_client_is_answered_and_a_stream_broken_off() {
    let worker = Worker::new();
    let script = "request_headers:respond request_body:answer-99 response_headers:reset";
    let (_factory, mut one) = filter(&worker, script);
    let stream = stream();
    let Step::Ready(Verdict::Respond(reply)) = one.on_request_headers(&stream, true) else {
        panic!("it answers")
    };
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (403, b"no".as_slice()));
    assert_eq!(reply.headers["x-why"], "so");
    assert_eq!((reply.headers.len(), &*reply.details), (2, "words"), "the bad field is left out");
    assert_eq!(status(one.on_request_body(&stream, true)), 500, "99 is no status");
    assert!(matches!(one.on_response_headers(&stream, true), Step::Ready(Verdict::Reset)));
}

#[test]
fn streams_are_answered_and_broken_off_from_beside() {
    let worker = Worker::new();
    let (_factory, _one) = filter(&worker, "start:everything tick:respond-1");
    worker.host.ring();
    assert_eq!(*worker.host.replies.borrow(), [418]);
    let worker = Worker::new();
    let (_factory, _one) = filter(&worker, "start:everything tick:reset-1");
    worker.host.ring();
    assert_eq!(worker.host.resets.get(), 1);
    // Of contexts that are not there nothing comes.
    let worker = Worker::new();
    let (_factory, _one) = filter(&worker, "start:everything tick:respond-7");
    worker.host.ring();
    assert_eq!(worker.host.lines.borrow().last().expect("a line"), "Info: Err(NotFound)");
    assert_eq!(worker.host.replies.borrow().len(), 0);
    assert_eq!(worker.faults.borrow().len(), 0);
}

#[test]
fn nobody_is_answered_after_the_last_hook() {
    let worker = Worker::new();
    let (_factory, mut one) = filter(&worker, "complete:respond-1");
    one.on_complete(&stream()).expect("it survives");
    assert_eq!(*worker.host.lines.borrow(), ["Info: Err(BadArgument)"]);
}

#[test]
fn calls_beside_streams_reach_the_host() {
    let worker = Worker::new();
    let _factory = worker.start("script", "start:everything").expect("it starts");
    let lines = worker.host.lines.borrow();
    let [first, second] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(first, "Warn: Some(-2) Some(Some(\"p\")) None");
    assert_eq!(second, "Critical: Err(Conflict) Err(NotFound) Ok(2) Ok(4) 1.000000007s");
    let periods: Vec<_> = worker.host.ticks.borrow().values().map(|(period, _)| *period).collect();
    assert_eq!(periods, [Duration::from_millis(2)], "rounded up");
}

#[test]
fn items_of_queues_come_to_the_plugin() {
    let worker = Worker::new();
    let _factory = worker.start("script", "start:everything").expect("it starts");
    worker.host.lines.borrow_mut().clear();
    worker.host.notify();
    assert_eq!(*worker.host.lines.borrow(), ["Info: Ok(Some([105, 116, 101, 109]))"]);
}

fn answered(body: &'static str) -> HttpAnswer {
    let headers = Headers::response(StatusCode::CREATED, HeaderMap::new());
    HttpAnswer { headers, body: Bytes::from_static(body.as_bytes()), trailers: None }
}

#[test]
fn answers_of_clusters_come_to_the_instance() {
    let cases: [(Result<HttpAnswer, OutboundError>, &str); 4] = [
        (Ok(answered("hello")), "Ok((201, \"hello\", 0))"),
        (Err(OutboundError::TimedOut), "Ok((504, \"upstream request timeout\", 0))"),
        (Err(OutboundError::Unreachable), "Ok((503, \"upstream connect error\", 0))"),
        (Err(OutboundError::Reset), "Err(CallFailure)"),
    ];
    for (answer, told) in cases {
        let worker = Worker::new();
        let _factory = worker.start("script", "start:call").expect("it starts");
        let (call, on_answer) = worker.host.calls.borrow_mut().pop().expect("a call");
        assert_eq!(&*call.cluster, "app");
        assert_eq!(call.headers[0], (b":method".to_vec(), b"GET".to_vec()));
        assert_eq!(call.headers[3], (b"x".to_vec(), b"y".to_vec()));
        on_answer(answer);
        assert_eq!(*worker.host.lines.borrow(), [format!("Info: {told}")]);
    }
}

#[test]
fn an_answer_to_a_stream_lets_it_go_on_and_none_comes_to_one_that_is_over() {
    let worker = Worker::new();
    let script = "request_headers:call-context";
    let (_factory, mut one) = filter(&worker, script);
    let Step::Later(mut resumed) = one.on_request_headers(&stream(), true) else {
        panic!("it waits")
    };
    assert_eq!(*worker.host.lines.borrow(), ["Info: Err(NotFound)"]);
    let (_call, on_answer) = worker.host.calls.borrow_mut().pop().expect("a call");
    on_answer(Ok(answered("yes")));
    assert!(matches!(poll(&mut resumed), Poll::Ready(Verdict::Continue)));

    let (_factory, mut one) = filter(&worker, script);
    let _waits = one.on_request_headers(&stream(), true);
    let (_call, on_answer) = worker.host.calls.borrow_mut().pop().expect("a call");
    drop(one);
    worker.host.lines.borrow_mut().clear();
    on_answer(Ok(answered("late")));
    assert_eq!(worker.host.lines.borrow().len(), 0);
}

#[test]
fn a_panic_beside_streams_is_told_to_the_slot() {
    for (script, tell) in [
        ("start:everything tick:panic", "tick"),
        ("start:everything queue:panic", "queue_ready"),
        ("start:call answer:panic", "http_answer"),
        ("request_headers:call-context stream_answer:panic", "stream_http_answer"),
    ] {
        let worker = Worker::new();
        let (_factory, mut one) = filter(&worker, script);
        let _step = one.on_request_headers(&stream(), true);
        worker.host.ring();
        worker.host.notify();
        let calls: Vec<_> = worker.host.calls.borrow_mut().drain(..).collect();
        for (_call, on_answer) in calls {
            on_answer(Ok(answered("")));
        }
        let faults = worker.faults.borrow();
        let [fault] = faults.as_slice() else { panic!("{script}: {faults:?}") };
        assert!(fault.message.contains(&format!("`{tell}`: panicked")), "{fault}");
        assert_eq!(worker.host.ticks.borrow().len(), 0, "its timer ended with it");
    }
}

#[test]
fn a_filter_that_panics_as_it_is_dropped_is_told_of() {
    let worker = Worker::new();
    let factory = worker.start("script", "stream_drop:panic").expect("it starts");
    for _stream in 0..2 {
        let mut one = factory.stream_filter(&stream()).expect("the instance goes on");
        assert!(one.on_complete(&stream()).is_ok());
        let lines = worker.host.lines.take();
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(line.starts_with("Error: panicked at "), "{line}");
        assert!(line.ends_with(": at the drop, as it was dropped"), "{line}");
    }
    assert_eq!(worker.faults.borrow().len(), 0);
}

#[test]
fn a_plugin_is_called_in_the_phases_that_it_wants() {
    let worker = Worker::new();
    let factory = worker.start("absent", "").expect("it starts");
    assert_eq!(factory.phases(), Phases::REQUEST_HEADERS);
    // It serves no streams: they go on without it.
    let mut one = factory.stream_filter(&stream()).expect("a filter");
    assert!(matches!(one.on_request_headers(&stream(), true), Step::Ready(Verdict::Continue)));
    assert!(one.on_complete(&stream()).is_ok());
}

#[test]
fn an_instance_has_so_many_streams() {
    let worker = Worker::new();
    let factory = worker.start("script", "").expect("it starts");
    let mut open: Vec<_> = (0..4).map(|_| factory.stream_filter(&stream())).collect();
    let denied = factory.stream_filter(&stream()).expect_err("the limit is four");
    assert_eq!(denied.kind, FaultKind::Denied);
    open.pop();
    assert!(factory.stream_filter(&stream()).is_ok());
}

#[test]
fn what_cannot_be_read_says_why() {
    let worker = Worker::new();
    let (_factory, mut one) = filter(&worker, "request_headers:read");
    for refusal in [CallError::WrongPhase, CallError::Denied] {
        worker.host.refuses.set(Some(refusal));
        drop(one.on_request_headers(&stream(), true));
        let told = worker.host.lines.borrow_mut().pop().expect("a line");
        let expected = format!("Info: [Err(WrongPhase), Ok(None)] Err({refusal:?})");
        assert_eq!(told, expected, "{refusal:?}");
    }
    worker.host.refuses.set(Some(CallError::BadArgument));
    drop(one.on_request_headers(&stream(), true));
    let told = worker.host.lines.borrow_mut().pop().expect("a line");
    assert_eq!(told, "Info: [Err(BadArgument), Err(BadArgument)] Err(BadArgument)");
}

#[test]
fn an_end_that_is_denied_is_a_fault_that_the_instance_survives() {
    for (deed, capability) in [("respond", Capability::Reply), ("reset", Capability::Close)] {
        for callback in HOOKS {
            let worker = Worker::new();
            worker.host.denied.replace(vec![capability]);
            let (factory, mut one) = filter(&worker, &format!("{callback}:{deed}"));
            let stream = stream();
            let fault = fault(call(&mut *one, callback, &stream));
            assert_eq!(fault.kind, FaultKind::Denied, "{callback} {deed}: {fault}");
            assert!(fault.message.contains("`p`") && fault.message.contains("denied"), "{fault}");
            assert_eq!(*worker.host.asked.borrow(), [capability], "{callback} {deed}");
            one.on_complete(&stream).expect("it ends well");
            assert!(factory.stream_filter(&stream).is_ok(), "the instance is well");
            assert!(worker.faults.borrow().is_empty());
        }
    }
}

#[test]
fn an_end_that_is_allowed_is_asked_for_once() {
    for (deed, capability) in [("respond", Capability::Reply), ("reset", Capability::Close)] {
        let worker = Worker::new();
        let (_factory, mut one) = filter(&worker, &format!("request_headers:{deed}"));
        let step = one.on_request_headers(&stream(), false);
        assert!(matches!(step, Step::Ready(Verdict::Respond(_) | Verdict::Reset)), "{step:?}");
        assert_eq!(*worker.host.asked.borrow(), [capability]);
    }
}
