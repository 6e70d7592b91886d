//! How much of what is allowed: every limit hit, and just not hit.

use bytes::Bytes;
use host_extension::{GrpcEvent, GrpcStream, HttpAnswer, OutboundError, Subscription};
use proptest::{collection, prelude::*};

use super::*;

fn limited(limits: PluginLimits) -> Bench {
    let policy = Policy::of(Preset::Trusted);
    let bench = set_up(Setup { policy, limits, ..Setup::default() });
    bench.host.works.set(true);
    bench
}

fn two_calls() -> Bench {
    limited(PluginLimits { calls_max: 2, ..PluginLimits::default() })
}

fn call(bench: &Bench) -> Result<Subscription, CallError> {
    bench.guard.http_call(http_call(), Box::new(|_answer| {}))
}

fn open(bench: &Bench) -> Result<Box<dyn GrpcStream>, CallError> {
    bench.guard.grpc_stream(grpc_method(), Rc::new(|_event| {}))
}

/// Answers the oldest call that waits.
fn answer(bench: &Bench) {
    let (_call, on_answer) = bench.host.http.borrow_mut().remove(0);
    let headers = Headers::trailers(http::HeaderMap::new());
    on_answer(Ok(HttpAnswer { headers, body: Bytes::new(), trailers: None }));
}

#[test]
fn calls_under_way_are_limited_over_both_kinds() {
    let bench = two_calls();
    let (_one, _two) = (call(&bench).unwrap(), open(&bench).unwrap());
    assert_eq!(call(&bench).err(), Some(CallError::LimitReached));
    assert_eq!(open(&bench).err(), Some(CallError::LimitReached));
    assert_eq!(counted(&bench, HostCall::HttpCall), (2, 1));
    assert_eq!(counted(&bench, HostCall::GrpcStream), (2, 1));
    assert!(denied(&bench).is_empty(), "a limit is no denial");
    assert_eq!(*bench.host.seen.borrow(), ["http_call app", "grpc_stream app"]);
}

#[test]
fn an_answer_gives_the_place_back_before_it_is_told() {
    let bench = Rc::new(limited(PluginLimits { calls_max: 1, ..PluginLimits::default() }));
    let (again, done) = (Rc::clone(&bench), Rc::new(RefCell::new(None)));
    let next = Rc::clone(&done);
    let on_answer = Box::new(move |_answer| *next.borrow_mut() = Some(call(&again)));
    let first = bench.guard.http_call(http_call(), on_answer).unwrap();
    answer(&bench);
    let second = done.take().unwrap().unwrap();
    assert_eq!(call(&bench).err(), Some(CallError::LimitReached));
    // The first one gave its place back already.
    drop(first);
    assert_eq!(call(&bench).err(), Some(CallError::LimitReached));
    drop(second);
    assert!(call(&bench).is_ok());
}

#[test]
fn a_call_that_is_let_go_gives_the_place_back_once() {
    let bench = two_calls();
    let (one, _two) = (call(&bench).unwrap(), call(&bench).unwrap());
    drop(one);
    // Its answer comes all the same, and gives nothing back again.
    let _three = call(&bench).unwrap();
    answer(&bench);
    assert_eq!(call(&bench).err(), Some(CallError::LimitReached));
    // The host forgets the others.
    bench.host.http.borrow_mut().clear();
    assert!(call(&bench).is_ok());
}

#[test]
fn a_call_that_the_host_refuses_or_forgets_takes_no_place() {
    let bench = two_calls();
    bench.host.works.set(false);
    for _again in 0..10 {
        assert_eq!(call(&bench).err(), Some(CallError::NotFound));
    }
    bench.host.works.set(true);
    let (_one, _two) = (call(&bench).unwrap(), call(&bench).unwrap());
}

#[test]
fn a_failed_call_gives_the_place_back_too() {
    let bench = limited(PluginLimits { calls_max: 1, ..PluginLimits::default() });
    let _call = call(&bench).unwrap();
    let (_request, on_answer) = bench.host.http.borrow_mut().remove(0);
    on_answer(Err(OutboundError::TimedOut));
    assert!(call(&bench).is_ok());
}

#[test]
fn a_grpc_stream_gives_the_place_back_when_it_is_closed_or_let_go() {
    let bench = limited(PluginLimits { calls_max: 1, ..PluginLimits::default() });
    let stream = open(&bench).unwrap();
    stream.close();
    assert_eq!(open(&bench).err(), Some(CallError::LimitReached), "messages may still come");
    let on_event = Rc::clone(&bench.host.grpc.borrow()[0].1);
    on_event(GrpcEvent::Message(Bytes::new()));
    assert_eq!(open(&bench).err(), Some(CallError::LimitReached));
    on_event(GrpcEvent::Closed { status: 0, message: "".into() });
    let second = open(&bench).unwrap();
    drop(stream);
    assert_eq!(open(&bench).err(), Some(CallError::LimitReached), "not twice");
    drop(second);
    assert!(open(&bench).is_ok());
}

#[test]
fn the_bytes_of_a_call_are_limited() {
    let bench = limited(PluginLimits { call_bytes_max: 10, ..PluginLimits::default() });
    let sized = |field: usize, body: usize, trailer: usize| {
        let call = HttpCall {
            headers: vec![(vec![b'n'; field], Vec::new())],
            body: vec![0; body].into(),
            trailers: vec![(Vec::new(), vec![b'v'; trailer])],
            ..http_call()
        };
        bench.guard.http_call(call, Box::new(|_answer| {})).map(drop)
    };
    assert_eq!(sized(3, 3, 4), Ok(()));
    assert_eq!(sized(3, 4, 4), Err(CallError::LimitReached));
    let metadata = |bytes: usize| {
        let metadata = vec![(vec![b'n'; bytes], Vec::new())];
        let method = GrpcMethod { metadata, ..grpc_method() };
        bench.guard.grpc_stream(method, Rc::new(|_event| {})).map(drop)
    };
    assert_eq!((metadata(8), metadata(9)), (Ok(()), Err(CallError::LimitReached)));
    let stream = open(&bench).unwrap();
    assert_eq!(stream.send(&[0; 10], false), Err(CallError::NotFound), "the host's answer");
    assert_eq!(stream.send(&[0; 11], false), Err(CallError::LimitReached));
    assert_eq!(counted(&bench, HostCall::GrpcSend), (2, 1));
    let told = bench.told.take();
    assert_eq!(told.len(), 3);
    assert!(told[0].starts_with("`http_call:app` reached `call_bytes_max`"), "{told:?}");
    assert!(told[2].starts_with("`grpc_call:app` reached `call_bytes_max`"), "{told:?}");
}

#[test]
fn waits_for_calls_are_cut() {
    let second = Duration::from_secs(1);
    let bench = limited(PluginLimits { call_timeout_max: second, ..PluginLimits::default() });
    let half = second / 2;
    for (asked, got) in [(None, second), (Some(half), half), (Some(2 * second), second)] {
        let call = HttpCall { timeout: asked, ..http_call() };
        let _call = bench.guard.http_call(call, Box::new(|_answer| {})).unwrap();
        assert_eq!(bench.host.http.take()[0].0.timeout, Some(got));
    }
    let third = |asked| {
        let method = GrpcMethod { timeout: asked, ..grpc_method() };
        let _stream = bench.guard.grpc_stream(method, Rc::new(|_event| {})).unwrap();
        bench.host.grpc.take()[0].0.timeout
    };
    assert_eq!(third(None), None, "a stream that may stay open still may");
    assert_eq!((third(Some(half)), third(Some(2 * second))), (Some(half), Some(second)));
}

#[test]
fn short_periods_are_raised() {
    let bench = limited(PluginLimits {
        tick_period_min: Duration::from_millis(100),
        ..PluginLimits::default()
    });
    for millis in [0, 1, 99, 100, 101] {
        let _timer = bench.guard.every(Duration::from_millis(millis), Rc::new(|| {}));
    }
    assert_eq!(
        *bench.host.seen.borrow(),
        ["every 0ns", "every 100ms", "every 100ms", "every 100ms", "every 101ms"]
    );
}

#[test]
fn metrics_are_limited_by_their_names() {
    let bench = limited(PluginLimits { metrics_max: 2, ..PluginLimits::default() });
    let define = |name: &str| bench.guard.define_metric("greet", MetricKind::Counter, name);
    assert_eq!((define("a"), define("b"), define("a")), (Ok(1), Ok(1), Ok(1)));
    assert_eq!(define("c"), Err(CallError::LimitReached));
    assert_eq!(define("b"), Ok(1));
    assert_eq!(counted(&bench, HostCall::DefineMetric), (5, 1));
    bench.host.works.set(false);
    let refused = limited(PluginLimits { metrics_max: 1, ..PluginLimits::default() });
    refused.host.works.set(false);
    for name in ["a", "b"] {
        let defined = refused.guard.define_metric("greet", MetricKind::Gauge, name);
        assert_eq!(defined, Err(CallError::NotFound), "what the host refused counts for nothing");
    }
}

#[test]
fn limits_hold_under_a_permissive_policy_too() {
    let policy = permissive(Policy::of(Preset::None));
    let limits = PluginLimits { calls_max: 0, metrics_max: 0, ..PluginLimits::default() };
    let bench = set_up(Setup { policy, limits, ..Setup::default() });
    bench.host.works.set(true);
    assert_eq!(call(&bench).err(), Some(CallError::LimitReached));
    let defined = bench.guard.define_metric("greet", MetricKind::Gauge, "a");
    assert_eq!(defined, Err(CallError::LimitReached));
}

#[test]
fn a_queue_that_is_not_there_was_not_refused() {
    let bench = under(granting(&["queues:space-3"]));
    assert_eq!(bench.guard.enqueue(10, b"a"), Err(CallError::NotFound));
    assert_eq!(bench.guard.dequeue(10, &mut |_| {}), Err(CallError::NotFound));
    assert_eq!(counted(&bench, HostCall::Enqueue), (1, 0));
    assert_eq!(counted(&bench, HostCall::Dequeue), (1, 0));
    assert!(denied(&bench).is_empty());
    assert_eq!(bench.guard.enqueue(4, b"a"), Err(CallError::Denied));
    assert_eq!(counted(&bench, HostCall::Enqueue), (2, 1));
}

#[test]
fn a_queue_that_was_given_is_not_asked_for_again() {
    let bench = under(granting(&["queues:space-3"]));
    bench.host.works.set(true);
    let _answer = bench.guard.enqueue(3, b"a");
    let _answer = bench.guard.enqueue(3, b"b");
    assert_eq!(bench.guard.enqueue(4, b"c"), Err(CallError::Denied));
    assert_eq!(*bench.host.seen.borrow(), ["enqueue 3 a", "enqueue 3 b"]);
}

/// One step of a plugin or of its host.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call,
    Open,
    /// The host refuses what comes next.
    Refused,
    /// The host answers or closes the one at this place, where it still waits.
    End(usize),
    /// The plugin lets go of the one at this place.
    LetGo(usize),
}

/// What a plugin holds: a call or a stream, and how the host ends it.
struct Held {
    _own: Box<dyn std::any::Any>,
    end: Option<Box<dyn FnOnce()>>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = 0_usize..8;
    let step = prop_oneof![
        3 => Just(Step::Call),
        3 => Just(Step::Open),
        1 => Just(Step::Refused),
        2 => place.clone().prop_map(Step::End),
        2 => place.prop_map(Step::LetGo),
    ];
    collection::vec(step, 0..80)
}

/// Starts one more; `None` where a limit was reached.
fn start(bench: &Bench, is_call: bool) -> Option<Held> {
    if is_call {
        let own = call(bench).ok()?;
        let (_call, on_answer) = bench.host.http.borrow_mut().pop().unwrap();
        let end = Box::new(move || on_answer(Err(OutboundError::Reset)));
        return Some(Held { _own: Box::new(own), end: Some(end) });
    }
    let own = open(bench).ok()?;
    let (_method, on_event) = bench.host.grpc.borrow_mut().pop().unwrap();
    let end = Box::new(move || on_event(GrpcEvent::Closed { status: 0, message: "".into() }));
    Some(Held { _own: Box::new(own), end: Some(end) })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_more_calls_are_under_way_than_may_be_and_no_place_is_lost(
        max in 0_usize..5, steps in steps(),
    ) {
        let bench = limited(PluginLimits { calls_max: max, ..PluginLimits::default() });
        let mut held: Vec<Held> = Vec::new();
        for step in steps {
            // What the host has ended is under way no more, though the plugin still holds it.
            let under_way = held.iter().filter(|one| one.end.is_some()).count();
            prop_assert!(under_way <= max);
            match step {
                Step::Call | Step::Open => {
                    let started = start(&bench, matches!(step, Step::Call));
                    prop_assert_eq!(started.is_some(), under_way < max);
                    held.extend(started);
                }
                Step::Refused => {
                    bench.host.works.set(false);
                    prop_assert!(call(&bench).is_err());
                    bench.host.works.set(true);
                }
                Step::End(place) => {
                    if let Some(end) = held.get_mut(place).and_then(|one| one.end.take()) {
                        end();
                    }
                }
                Step::LetGo(place) if place < held.len() => drop(held.remove(place)),
                Step::LetGo(_nothing) => {}
            }
        }
        drop(held);
        let all: Vec<_> = (0..=max).map(|_one| start(&bench, true)).collect();
        prop_assert_eq!(all.iter().flatten().count(), max, "all places are free again");
    }
}
