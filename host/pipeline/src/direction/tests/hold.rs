use std::cell::Cell;

use futures_util::FutureExt as _;
use host_extension::Phases;
use host_types::Headers;
use tokio::sync::Notify;

use super::*;

/// Holds what comes until the end.
fn holding_body(log: &Log, name: &'static str) -> Fake {
    Fake::new(log, name).answering(only("body", || Verdict::Hold.into()))
}

/// Holds the head until some body came.
fn holding_head(log: &Log, name: &'static str) -> Fake {
    Fake::new(log, name).answering(only("head", || Verdict::Hold.into()))
}

#[tokio::test]
async fn a_head_is_held_until_the_body_came() {
    let log = Log::default();
    let mut bench = bench(Side::Request, &[holding_head(&log, "a"), Fake::new(&log, "b")]);
    assert_eq!(bench.direction.headers(false).await.unwrap(), Passed::Held);
    assert!(!bench.direction.head_passed());
    assert_eq!(seen(&log), ["a>head"]);
    bench.direction.data(bytes("x"), false).await.unwrap();
    assert!(bench.direction.head_passed());
    assert_eq!(seen(&log), ["a>body(x)", "b>head", "b>body(x)"]);
}

#[tokio::test]
async fn a_body_that_is_held_is_not_copied_with_every_piece() {
    let (log, places) = (Log::default(), Rc::new(RefCell::new(Vec::new())));
    let seen = Rc::clone(&places);
    let holding = Fake::new(&log, "a").answering(move |side, hook, stream| {
        if let Hook::Body { .. } = hook {
            seen.borrow_mut().push(stream.message(side).body.borrow().as_slice().as_ptr());
        }
        Verdict::Hold.into()
    });
    let mut bench = bench(Side::Request, &[holding]);
    bench.direction.headers(false).await.unwrap();
    for _ in 0..1000 {
        bench.direction.data(bytes("x"), false).await.unwrap();
    }
    let mut places = places.take();
    places.dedup();
    assert!(places.len() < 30, "it grows by doubling: {}", places.len());
}

#[tokio::test]
async fn a_head_is_held_by_two_filters_one_after_the_other() {
    let log = Log::default();
    let both = |name| {
        Fake::new(&log, name).answering(|_, hook, stream| {
            let body = stream.request.body.borrow();
            let wants_more = match hook {
                Hook::Headers { .. } => true,
                Hook::Body { .. } => body.len() < 4,
                Hook::Trailers => false,
            };
            if wants_more { Verdict::Hold.into() } else { Step::CONTINUE }
        })
    };
    let mut bench = bench(Side::Request, &[both("a"), both("b"), Fake::new(&log, "c")]);
    assert_eq!(bench.direction.headers(false).await.unwrap(), Passed::Held);
    bench.direction.data(bytes("ab"), false).await.unwrap();
    assert_eq!(seen(&log), ["a>head", "a>body(ab)"]);
    bench.direction.data(bytes("cd"), false).await.unwrap();
    let released = ["a>body(abcd)", "b>head", "b>body(abcd)", "c>head", "c>body(abcd)"];
    assert_eq!(seen(&log), released);
    assert!(bench.direction.head_passed());
    bench.direction.data(bytes("e"), false).await.unwrap();
    bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
    assert_eq!(bench.out(), ("abcde".to_owned(), Some(fields(&[("t", "1")]))));
    let tail = ["a>trailers", "b>body(e)", "b>trailers", "c>body(e)", "c>trailers"];
    let log = seen(&log);
    assert_eq!(log.iter().filter(|call| tail.contains(&call.as_str())).count(), 5, "{log:?}");
}

#[tokio::test]
async fn a_held_body_grows_and_goes_on_as_one() {
    let log = Log::default();
    let mut bench = bench(Side::Response, &[Fake::new(&log, "b"), holding_body(&log, "a")]);
    bench.direction.headers(false).await.unwrap();
    for piece in ["he", "ll"] {
        bench.direction.data(bytes(piece), false).await.unwrap();
        assert!(bench.direction.pop().is_none());
    }
    // At the end a hold is as good as a continue.
    bench.direction.data(bytes("o"), true).await.unwrap();
    let expect =
        ["a<head", "b<head", "a<body(he)", "a<body(hell)", "a<body(hello).", "b<body(hello)."];
    assert_eq!(seen(&log), expect);
    assert_eq!(bench.direction.ready_bytes(), Some(5));
    assert_eq!(bench.out(), ("hello".to_owned(), None));
}

#[tokio::test]
async fn trailers_let_go_what_is_held() {
    let log = Log::default();
    let fakes = [holding_body(&log, "a"), holding_head(&log, "b"), holding_body(&log, "c")];
    let mut bench = bench(Side::Request, &fakes);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("xy"), false).await.unwrap();
    bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
    assert!(bench.direction.head_passed());
    let expect = [
        "a>head",
        "b>head",
        "a>body(xy)",
        "a>trailers",
        "b>body(xy)",
        "c>head",
        "c>body(xy)",
        "b>trailers",
        "c>trailers",
    ];
    assert_eq!(seen(&log), expect);
    // HTTP/1 has no room for trailers behind an announced length.
    assert_eq!(bench.direction.ready_bytes(), None);
    assert_eq!(bench.out(), ("xy".to_owned(), Some(fields(&[("t", "1")]))));
}

#[tokio::test]
async fn a_head_that_is_held_goes_on_with_trailers_alone() {
    let log = Log::default();
    let mut bench = bench(Side::Request, &[holding_head(&log, "a"), Fake::new(&log, "b")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
    assert!(bench.direction.head_passed());
    assert_eq!(seen(&log), ["a>head", "a>trailers", "b>head", "b>trailers"]);
}

#[tokio::test]
async fn who_never_sees_the_body_cannot_hold_the_head_for_it() {
    let log = Log::default();
    let fake = holding_head(&log, "a").phases(Phases::REQUEST_HEADERS);
    let mut bench = bench(Side::Request, &[fake]);
    assert_eq!(bench.direction.headers(false).await.unwrap(), Passed::On);
    let mut ended = super::bench(Side::Request, &[holding_head(&log, "a")]);
    assert_eq!(ended.direction.headers(true).await.unwrap(), Passed::On);
}

#[tokio::test]
async fn a_hold_past_the_limit_ends_the_stream() {
    for (side, status) in [(Side::Request, 413), (Side::Response, 502)] {
        let log = Log::default();
        let mut bench = bench_holding(side, &[holding_body(&log, "a")], 4);
        bench.direction.headers(false).await.unwrap();
        bench.direction.data(bytes("abcd"), false).await.unwrap();
        let ended = bench.direction.data(bytes("e"), false).await.expect_err("over the limit");
        assert_eq!(told(&ended), (ReplyReason::Overload, Some(status)));
    }
}

#[tokio::test]
async fn what_was_held_by_a_filter_that_fails_open_goes_on() {
    let log = Log::default();
    let failing =
        Fake::new(&log, "a").on_error(OnError::Open).answering(|_, hook, stream| match hook {
            Hook::Body { .. } if stream.request.body.borrow().len() > 3 => {
                Verdict::Failed(fault()).into()
            }
            Hook::Headers { .. } | Hook::Body { .. } | Hook::Trailers => Verdict::Hold.into(),
        });
    let mut bench = bench(Side::Request, &[failing, Fake::new(&log, "b")]);
    assert_eq!(bench.direction.headers(false).await.unwrap(), Passed::Held);
    bench.direction.data(bytes("ab"), false).await.unwrap();
    bench.direction.data(bytes("cd"), false).await.unwrap();
    bench.direction.data(bytes("e"), true).await.unwrap();
    assert_eq!(bench.out().0, "abcde");
    let expect = ["a>head", "a>body(ab)", "a>body(abcd)", "b>head", "b>body(abcd)", "b>body(e)."];
    assert_eq!(seen(&log), expect);
}

#[tokio::test]
async fn what_was_held_by_a_filter_that_failed_on_the_other_side_goes_on() {
    let log = Log::default();
    let fake = Fake::new(&log, "a").on_error(OnError::Open).answering(|side, _, _| match side {
        Side::Request => Verdict::Hold.into(),
        Side::Response => Verdict::Failed(fault()).into(),
    });
    let mut bench = bench(Side::Request, &[fake]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    let mut response = Direction::new(&bench.chain, &bench.stream, Side::Response, 4);
    response.headers(false).await.unwrap();
    bench.direction.trailers(HeaderMap::new()).await.unwrap();
    assert!(bench.direction.head_passed());
    assert_eq!(bench.out(), ("ab".to_owned(), Some(HeaderMap::new())));
}

#[tokio::test]
async fn trailers_that_a_filter_adds_at_the_end_pass_the_filters_behind_it() {
    let log = Log::default();
    let adding = Fake::new(&log, "a").answering(|side, hook, stream| {
        if hook == (Hook::Body { end: true }) {
            let trailers = Headers::trailers(fields(&[("sum", "1")]));
            stream.message(side).trailers.replace(Some(trailers));
        }
        Step::CONTINUE
    });
    let mut bench = bench(Side::Request, &[adding, holding_body(&log, "b")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("x"), false).await.unwrap();
    bench.direction.data(bytes("y"), true).await.unwrap();
    assert_eq!(bench.out(), ("xy".to_owned(), Some(fields(&[("sum", "1")]))));
    let expect =
        ["a>head", "b>head", "a>body(x)", "b>body(x)", "a>body(y).", "b>body(xy)", "b>trailers"];
    assert_eq!(seen(&log), expect);
}

/// As [`holding_until`], but takes a while to say that it holds.
fn holding_later_until(log: &Log, name: &'static str, go: &Rc<Notify>) -> Fake {
    let go = Rc::clone(go);
    Fake::new(log, name).answering(move |_, hook, _| match hook {
        Hook::Body { end: false } => {
            let go = Rc::clone(&go);
            Step::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                Verdict::HoldUntil(Box::pin(async move {
                    go.notified().await;
                    Verdict::Continue
                }))
            }))
        }
        Hook::Headers { .. } | Hook::Body { end: true } | Hook::Trailers => Step::CONTINUE,
    })
}

/// Holds the body and lets it go when it is told to.
fn holding_until(log: &Log, name: &'static str, go: &Rc<Notify>) -> Fake {
    let go = Rc::clone(go);
    Fake::new(log, name).answering(move |_, hook, _| match hook {
        Hook::Body { end: false } => {
            let go = Rc::clone(&go);
            Step::HoldUntil(Box::pin(async move {
                go.notified().await;
                Verdict::Continue
            }))
        }
        Hook::Headers { .. } | Hook::Body { end: true } | Hook::Trailers => Step::CONTINUE,
    })
}

#[tokio::test]
async fn who_holds_a_body_may_change_it_from_beside() {
    let ways = [holding_until, holding_later_until];
    for (side, holding) in SIDES.into_iter().flat_map(|side| ways.map(|way| (side, way))) {
        let (log, go) = (Log::default(), Rc::new(Notify::new()));
        let mut bench = bench(side, &[holding(&log, "a", &go)]);
        bench.direction.headers(false).await.unwrap();
        bench.direction.data(bytes("ab"), false).await.unwrap();
        let message = bench.stream.message(side);
        assert!(message.body_on_duty.get());
        assert_eq!(message.body.borrow().as_slice(), b"ab");
        message.body.borrow_mut().splice(0, 1, b"A");
        let _again = bench.direction.data(bytes("cd"), false).await;
        assert_eq!(bench.stream.message(side).body.borrow().as_slice(), b"Abcd");
        bench.stream.message(side).body.borrow_mut().push(&bytes("!"));
        go.notify_one();
        let place = bench.direction.resumed().await.unwrap();
        bench.direction.release(place).await.unwrap();
        assert!(!bench.stream.message(side).body_on_duty.get(), "it went on");
        bench.direction.data(bytes("e"), true).await.unwrap();
        assert_eq!(bench.out().0, "Abcd!e");
        let marks = if side == Side::Request { '>' } else { '<' };
        let expect = ["head", "body(ab)", "body(Abcd)", "body(e)."];
        assert_eq!(seen(&log), expect.map(|call| format!("a{marks}{call}")));
    }
}

#[tokio::test]
async fn who_waits_with_nothing_in_hand_may_still_put_something_there() {
    for side in SIDES {
        let (log, go) = (Log::default(), Rc::new(Notify::new()));
        let goes = Rc::clone(&go);
        let fake = Fake::new(&log, "a").answering(move |side, hook, stream| {
            let Hook::Body { end: false } = hook else { return Step::CONTINUE };
            stream.message(side).body.borrow_mut().set(bytes(""));
            let go = Rc::clone(&goes);
            Step::HoldUntil(Box::pin(async move {
                go.notified().await;
                Verdict::Continue
            }))
        });
        let mut bench = bench(side, &[fake]);
        bench.direction.headers(false).await.unwrap();
        bench.direction.data(bytes("ab"), false).await.unwrap();
        assert!(bench.stream.message(side).body_on_duty.get());
        bench.stream.message(side).body.borrow_mut().set(bytes("new"));
        go.notify_one();
        let place = bench.direction.resumed().await.unwrap();
        bench.direction.release(place).await.unwrap();
        assert_eq!(bench.out().0, "new");
    }
}

#[tokio::test]
async fn what_is_held_is_in_nobodys_hand_once_its_direction_is_gone() {
    for side in SIDES {
        let (log, go) = (Log::default(), Rc::new(Notify::new()));
        let mut bench = bench(side, &[holding_until(&log, "a", &go)]);
        bench.direction.headers(false).await.unwrap();
        bench.direction.data(bytes("ab"), false).await.unwrap();
        assert!(bench.stream.message(side).body_on_duty.get());
        drop(bench.direction);
        let message = bench.stream.message(side);
        assert!(!message.body_on_duty.get() && message.body.borrow().is_empty());
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_nothing_in_hand() {
    for hook in ["body", "trailers"] {
        let waiting = || Step::Later(Box::pin(std::future::pending()));
        let fake = Fake::new(&Log::default(), "a").answering(only(hook, waiting));
        let mut bench = bench(Side::Request, &[fake]);
        let message = &bench.stream.request;
        let mut run = Box::pin(run(&mut bench.direction));
        assert!((&mut run).now_or_never().is_none());
        assert!(message.body_on_duty.get());
        drop(run);
        assert!(!message.body_on_duty.get() && !message.end_on_duty.get());
        assert!(message.body.borrow().is_empty());
    }
}

#[tokio::test]
async fn what_is_held_of_a_replay_is_in_hand() {
    let (log, go) = (Log::default(), Rc::new(Notify::new()));
    let mut bench = bench(Side::Request, &[Fake::new(&log, "a")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    bench.chain.extend(&[holding_until(&log, "b", &go).entry()]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.replay(1).await.unwrap();
    assert!(bench.stream.request.body_on_duty.get());
    assert_eq!(bench.stream.request.body.borrow().as_slice(), b"ab");
    // What was laid out before a replay is there after it, too.
    bench.direction.replay(2).await.unwrap();
    assert!(bench.stream.request.body_on_duty.get());
    go.notify_one();
    let place = bench.direction.resumed().await.unwrap();
    bench.direction.release(place).await.unwrap();
    assert_eq!(bench.out().0, "ab");
}

#[tokio::test]
async fn trailers_that_must_not_go_on_are_not_announced() {
    let log = Log::default();
    let fake = Fake::new(&log, "a").answering(|side, hook, stream| {
        if hook == (Hook::Body { end: true }) {
            let made = fields(&[("content-length", "5"), ("sum", "1")]);
            stream.message(side).trailers.replace(Some(Headers::trailers(made)));
        }
        Step::CONTINUE
    });
    let mut bench = bench(Side::Response, &[fake]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("x"), true).await.unwrap();
    let names: Vec<_> = bench.direction.ready_trailers().map(|name| name.as_str()).collect();
    assert_eq!(names, ["sum"]);
    assert_eq!(bench.out(), ("x".to_owned(), Some(fields(&[("sum", "1")]))));
}

#[tokio::test]
async fn bytes_that_two_filters_hold_are_on_nobodys_duty() {
    let (log, go) = (Log::default(), Rc::new(Notify::new()));
    let (holding, open) = (holding_until(&log, "a", &go), Rc::new(Cell::new(true)));
    let opened = Rc::clone(&open);
    let first = Fake::new(&log, "p").answering(move |_, _, _| {
        let waiting = Step::HoldUntil(Box::pin(std::future::pending()));
        if opened.get() { Step::CONTINUE } else { waiting }
    });
    let mut bench = bench(Side::Request, &[first, holding]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    assert!(bench.stream.request.body_on_duty.get());
    open.set(false);
    bench.direction.data(bytes("cd"), false).await.unwrap();
    assert!(!bench.stream.request.body_on_duty.get());
    go.notify_one();
    let place = bench.direction.resumed().await.unwrap();
    bench.direction.release(place).await.unwrap();
    assert_eq!(bench.out().0, "ab");
    assert_eq!(bench.stream.request.body.borrow().as_slice(), b"cd", "only one holds now");
}

#[tokio::test]
async fn who_holds_a_body_sees_it_with_the_trailers() {
    let log = Log::default();
    let fake = Fake::new(&log, "a").answering(|_, hook, stream| {
        if hook == Hook::Trailers {
            assert!(stream.request.body_on_duty.get());
            let mut body = stream.request.body.borrow_mut();
            assert_eq!(body.as_slice(), b"abcd");
            body.splice(0, 2, b"");
        }
        Verdict::Hold.into()
    });
    let mut bench = bench(Side::Request, &[fake, Fake::new(&log, "b")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    bench.direction.data(bytes("cd"), false).await.unwrap();
    bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
    assert_eq!(bench.out(), ("cd".to_owned(), Some(fields(&[("t", "1")]))));
    assert!(!bench.stream.request.body_on_duty.get());
    let log = seen(&log);
    assert_eq!(log[3..], ["a>trailers", "b>head", "b>body(cd)", "b>trailers"], "{log:?}");
}

#[tokio::test]
async fn a_plugin_holds_no_more_of_a_body_than_it_may_itself() {
    for side in SIDES {
        let log = Log::default();
        let small = holding_body(&log, "a").terms(Terms::holding(4));
        let mut bench = bench(side, &[Fake::new(&log, "b"), small]);
        bench.direction.headers(false).await.unwrap();
        bench.direction.data(bytes("1234"), false).await.expect("it fits");
        let ended = bench.direction.data(bytes("5"), false).await.expect_err("too much");
        let status = if side == Side::Request { 413 } else { 502 };
        assert_eq!(told(&ended), (ReplyReason::Overload, Some(status)));
    }
}

#[tokio::test]
async fn the_listeners_limit_holds_for_a_plugin_that_may_hold_more() {
    let log = Log::default();
    let large = holding_body(&log, "a").terms(Terms::holding(100));
    let mut bench = bench_holding(Side::Request, &[large], 4);
    bench.direction.headers(false).await.unwrap();
    let ended = bench.direction.data(bytes("12345"), false).await.expect_err("too much");
    assert_eq!(told(&ended), (ReplyReason::Overload, Some(413)));
}

/// Whether a body of each of these lengths can be written by the filter that has it in hand.
fn writes(results: &Rc<RefCell<Vec<bool>>>) -> impl Fn(Side, Hook, &Rc<Stream>) -> Step + use<> {
    let results = Rc::clone(results);
    move |side, hook, stream| {
        if kind(hook) == "head" {
            return Step::CONTINUE;
        }
        let calls = crate::testing::calls();
        for length in [5, 4, 6] {
            let text = "x".repeat(length);
            let written = host_extension::HostCalls::write_body(
                &calls,
                stream,
                side,
                0,
                usize::MAX,
                text.as_bytes(),
            );
            results.borrow_mut().push(written.is_ok());
        }
        Step::CONTINUE
    }
}

#[tokio::test]
async fn a_plugin_makes_no_more_of_a_body_than_it_may_hold_and_the_next_one_is_free_of_that() {
    let (log, small, large) = (Log::default(), Rc::default(), Rc::default());
    let first = Fake::new(&log, "a").terms(Terms::holding(4)).answering(writes(&small));
    let second = Fake::new(&log, "b").answering(writes(&large));
    let mut bench = bench(Side::Request, &[first, second]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("1"), false).await.unwrap();
    assert_eq!((small.take(), large.take()), (vec![false, true, false], vec![true; 3]));
}
