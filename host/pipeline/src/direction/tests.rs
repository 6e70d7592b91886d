#![expect(clippy::excessive_nesting, reason = "a case is a loop in a runtime in a loop")]

mod hold;
mod model;
mod route;

use std::{cell::RefCell, rc::Rc};

use host_extension::{FaultKind, LocalReply, OnError, PluginFault, Side, Step, Stream, Verdict};
use host_types::ReplyReason;
use http::{HeaderMap, StatusCode};

use super::{Direction, Event};
use crate::{
    chain::{Chain, Hook, Passed},
    testing::{Fake, Log, Terms, bytes, chain, fields, later, stream, told},
};

const SIDES: [Side; 2] = [Side::Request, Side::Response];

type Answer = dyn Fn() -> Step;

/// One direction with its filters.
struct Bench {
    direction: Direction,
    stream: Rc<Stream>,
    chain: Rc<Chain>,
}

fn bench(side: Side, fakes: &[Fake]) -> Bench {
    bench_holding(side, fakes, 1024)
}

fn bench_holding(side: Side, fakes: &[Fake], held_bytes_max: usize) -> Bench {
    let (stream, chain) = (stream(), chain(fakes));
    let direction = Direction::new(&chain, &stream, side, held_bytes_max);
    Bench { direction, stream, chain }
}

impl Bench {
    /// All that passed: the body's bytes, and the trailers if there are any.
    fn out(&mut self) -> (String, Option<HeaderMap>) {
        let (mut body, mut trailers) = (Vec::new(), None);
        while let Some(event) = self.direction.pop() {
            assert!(trailers.is_none(), "nothing comes behind the trailers");
            match event {
                Event::Data(data) => body.extend_from_slice(&data),
                Event::Trailers(map) => trailers = Some(map),
            }
        }
        (String::from_utf8(body).unwrap(), trailers)
    }
}

fn seen(log: &Log) -> Vec<String> {
    log.take()
}

fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "unreachable")
}

/// `answer` for one hook of a kind, `Continue` for all others.
fn only(
    wanted: &'static str,
    answer: impl Fn() -> Step + 'static,
) -> impl Fn(Side, Hook, &Rc<Stream>) -> Step {
    move |_, hook, _| if kind(hook) == wanted { answer() } else { Step::CONTINUE }
}

fn kind(hook: Hook) -> &'static str {
    match hook {
        Hook::Headers { .. } => "head",
        Hook::Body { .. } => "body",
        Hook::Trailers => "trailers",
    }
}

#[tokio::test]
async fn filters_see_a_request_in_order_and_a_response_reversed() {
    for side in SIDES {
        let log = Log::default();
        let fakes = ["a", "b", "c"].map(|name| Fake::new(&log, name));
        let mut bench = bench(side, &fakes);
        assert_eq!(bench.direction.headers(false).await.unwrap(), Passed::On);
        bench.direction.data(bytes("x"), false).await.unwrap();
        bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
        let (order, arrow) = match side {
            Side::Request => (["a", "b", "c"], '>'),
            Side::Response => (["c", "b", "a"], '<'),
        };
        let hooks = ["head", "body(x)", "trailers"];
        let expect: Vec<String> = hooks
            .iter()
            .flat_map(|hook| order.map(|name| format!("{name}{arrow}{hook}")))
            .collect();
        assert_eq!(seen(&log), expect);
        assert_eq!(bench.out(), ("x".to_owned(), Some(fields(&[("t", "1")]))));
    }
}

#[tokio::test]
async fn the_end_is_told_once_wherever_it_comes() {
    let log = Log::default();
    let mut empty = bench(Side::Request, &[Fake::new(&log, "a")]);
    empty.direction.headers(true).await.unwrap();
    assert_eq!(seen(&log), ["a>head."]);
    assert!(empty.direction.has_ended());
    assert_eq!(empty.direction.ready_bytes(), Some(0));

    let mut last = bench(Side::Request, &[Fake::new(&log, "a")]);
    last.direction.headers(false).await.unwrap();
    last.direction.data(bytes("x"), true).await.unwrap();
    assert_eq!(seen(&log), ["a>head", "a>body(x)."]);

    let mut behind = bench(Side::Request, &[Fake::new(&log, "a")]);
    behind.direction.headers(false).await.unwrap();
    behind.direction.data(bytes("x"), false).await.unwrap();
    behind.direction.data(bytes(""), false).await.unwrap(); // nothing new: nobody is called
    behind.direction.data(bytes(""), true).await.unwrap();
    assert_eq!(seen(&log), ["a>head", "a>body(x)", "a>body()."]);
}

#[tokio::test(start_paused = true)]
async fn whatever_a_filter_says_but_no_nothing_is_lost() {
    let answers: [fn() -> Step; 4] = [
        || Step::CONTINUE,
        || Verdict::Hold.into(),
        || later(Verdict::Continue),
        || later(Verdict::Hold),
    ];
    for side in SIDES {
        for hook in ["head", "body", "trailers"] {
            for answer in answers {
                let log = Log::default();
                let first = Fake::new(&log, "a").answering(only(hook, answer));
                let mut bench = bench(side, &[first.clone(), Fake::new(&log, "b"), first]);
                bench.direction.headers(false).await.unwrap();
                for piece in ["ab", "c", "def"] {
                    bench.direction.data(bytes(piece), false).await.unwrap();
                }
                bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
                assert!(bench.direction.head_passed(), "{side:?} {hook}");
                let out = bench.out();
                assert_eq!(out, ("abcdef".to_owned(), Some(fields(&[("t", "1")]))), "{hook}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_or_reset_in_any_hook_ends_the_stream_there() {
    let reply = || LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
    let answers: [(Box<Answer>, Option<u16>); 4] = [
        (Box::new(move || Verdict::Respond(Box::new(reply())).into()), Some(418)),
        (Box::new(move || later(Verdict::Respond(Box::new(reply())))), Some(418)),
        (Box::new(|| Verdict::Reset.into()), None),
        (Box::new(|| later(Verdict::Reset)), None),
    ];
    for (answer, status) in answers {
        let answer = Rc::new(answer);
        for side in SIDES {
            for hook in ["head", "body", "trailers"] {
                let (log, answer) = (Log::default(), Rc::clone(&answer));
                let middle = Fake::new(&log, "b").answering(only(hook, move || answer()));
                let fakes = [Fake::new(&log, "a"), middle, Fake::new(&log, "c")];
                let mut bench = bench(side, &fakes);
                let ended = run(&mut bench.direction).await.expect_err("it said no");
                assert_eq!(told(&ended), (ReplyReason::Plugin("b".into()), status));
                let behind = if side == Side::Request { "c>" } else { "a<" };
                let log = seen(&log);
                let called = log.iter().any(|call| call.starts_with(&format!("{behind}{hook}")));
                assert!(!called, "the next filter is not asked: {log:?}");
            }
        }
    }
}

async fn run(direction: &mut Direction) -> Result<(), host_extension::Interrupt> {
    direction.headers(false).await?;
    direction.data(bytes("x"), false).await?;
    direction.trailers(fields(&[("t", "1")])).await
}

#[tokio::test]
async fn a_filter_that_fails_open_loses_nothing_and_is_not_called_again() {
    for side in SIDES {
        for hook in ["head", "body", "trailers"] {
            let log = Log::default();
            let failing = Fake::new(&log, "b")
                .on_error(OnError::Open)
                .answering(only(hook, || Verdict::Failed(fault()).into()));
            let fakes = [Fake::new(&log, "a"), failing.clone(), Fake::new(&log, "c")];
            let mut bench = bench(side, &fakes);
            run(&mut bench.direction).await.unwrap();
            bench.chain.complete(&bench.stream);
            assert_eq!(bench.out(), ("x".to_owned(), Some(fields(&[("t", "1")]))));
            assert_eq!((failing.faults.get(), failing.metrics.fail_open_total.value()), (1, 1));
            let log = seen(&log);
            let last = log.iter().rfind(|call| call.starts_with('b')).unwrap();
            assert!(last.contains(hook), "the last hook is the one that failed: {log:?}");
            assert_eq!(log.iter().filter(|call| call.starts_with('c')).count(), 4, "{log:?}");
        }
    }
}

#[tokio::test]
async fn a_filter_that_fails_closed_ends_the_stream() {
    for on_error in [OnError::Closed, OnError::Reload] {
        for side in SIDES {
            for hook in ["head", "body", "trailers"] {
                let log = Log::default();
                let failing = Fake::new(&log, "a")
                    .on_error(on_error)
                    .answering(only(hook, || later(Verdict::Failed(fault()))));
                let mut bench = bench(side, std::slice::from_ref(&failing));
                let ended = run(&mut bench.direction).await.expect_err("it failed");
                assert_eq!(told(&ended), (ReplyReason::PluginFailed("a".into()), Some(503)));
                assert_eq!((failing.faults.get(), failing.metrics.fail_open_total.value()), (1, 0));
                bench.chain.complete(&bench.stream);
                assert!(!seen(&log).contains(&"a done".to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn what_a_filter_makes_of_a_body_goes_on() {
    let log = Log::default();
    let rewriting = Fake::new(&log, "a").answering(|side, hook, stream| {
        if let Hook::Body { .. } = hook {
            let mut body = stream.message(side).body.borrow_mut();
            let upper = body.as_slice().to_ascii_uppercase();
            body.splice(0, usize::MAX, &upper);
        }
        Step::CONTINUE
    });
    let mut bench = bench(Side::Request, &[rewriting, Fake::new(&log, "b")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    bench.direction.data(bytes("cd"), true).await.unwrap();
    assert_eq!(bench.out().0, "ABCD");
    assert!(seen(&log).contains(&"b>body(CD).".to_owned()));
}

#[tokio::test]
async fn the_body_and_the_end_are_on_duty_only_inside_their_hook() {
    let log = Log::default();
    let duties = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&duties);
    let fake = Fake::new(&log, "a").answering(move |side, _, stream| {
        let message = stream.message(side);
        noted.borrow_mut().push((message.body_on_duty.get(), message.end_on_duty.get()));
        Step::CONTINUE
    });
    let mut bench = bench(Side::Response, &[fake]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("x"), false).await.unwrap();
    bench.direction.data(bytes("y"), true).await.unwrap();
    assert_eq!(duties.take(), [(false, false), (true, false), (true, true)]);
    let message = &bench.stream.response;
    assert!(!message.body_on_duty.get() && !message.end_on_duty.get());
    assert!(message.body.borrow().is_empty() && message.trailers.borrow().is_none());
}
