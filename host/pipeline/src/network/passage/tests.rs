//! Order, holding, rewriting and endings of one direction, and what a filter's verdict does.

mod model;
mod policy;

use std::{cell::Cell, future::poll_fn, rc::Rc, task::Poll};

use futures_util::FutureExt as _;
use host_extension::{
    Connection, FaultKind, LocalReply, Peer, Phases, PluginFault, Signal, Step, Verdict,
};
use host_telemetry::Clock;
use host_types::ReplyReason;
use http::StatusCode;
use tokio::time::pause;

use super::*;
use crate::testing::{Log, NetworkFake, WAIT_MAX, bytes, connection, in_hand, later, local, never};

use Flow::{Downstream, Upstream};

fn chain(fakes: &[NetworkFake]) -> NetworkChain {
    let entries: Vec<_> = fakes.iter().map(NetworkFake::entry).collect();
    NetworkChain::new(&entries, &connection(), Clock::new(), WAIT_MAX)
}

fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Trapped, "it trapped")
}

fn reason(chain: &NetworkChain) -> Option<ReplyReason> {
    chain.connection().close_reason()
}

impl Passage<'_> {
    async fn put(&mut self, text: &str) -> Result<(), Closed> {
        self.data(bytes(text), false).await
    }

    async fn put_last(&mut self, text: &str) -> Result<(), Closed> {
        self.data(bytes(text), true).await
    }

    /// What has passed since it was asked for.
    async fn passed(&mut self) -> String {
        let mut out = Vec::new();
        self.write_out(&mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// Holds until something is there that ends so.
fn until(mark: &'static str) -> impl Fn(&Rc<Connection>, Flow, bool) -> Step {
    move |connection, flow, _| {
        let there = in_hand(connection, flow).ends_with(mark);
        if there { Verdict::Continue } else { Verdict::Hold }.into()
    }
}

/// Holds until the signal is raised.
fn held_until(signal: &Rc<Signal>, verdict: fn() -> Verdict) -> impl Fn() -> Step + use<> {
    let signal = Rc::clone(signal);
    move || {
        let signal = Rc::clone(&signal);
        Step::HoldUntil(Box::pin(async move {
            signal.wait().await;
            verdict()
        }))
    }
}

#[test]
fn bytes_of_the_client_go_in_order_and_bytes_for_it_in_reverse() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a"), NetworkFake::new(&log, "b")]);
        chain.open().await.unwrap();
        let mut down = Passage::new(&chain, Downstream);
        let mut up = Passage::new(&chain, Upstream);
        down.put("hello").await.unwrap();
        up.put_last("hi").await.unwrap();
        down.put_last("").await.unwrap();
        assert_eq!(
            log.take(),
            ["a new", "b new", "a>hello", "b>hello", "b<hi.", "a<hi.", "a>.", "b>."]
        );
        assert_eq!((down.passed().await, up.passed().await), ("hello".to_owned(), "hi".to_owned()));
        let connection = chain.connection();
        assert_eq!(connection.downstream.bytes_seen.get(), 5);
        assert!(connection.downstream.ended.get() && connection.upstream.ended.get());
        assert!(!connection.downstream.on_duty.get());
        assert_eq!((down.written().get(), up.written().get()), (5, 2));
    });
}

#[test]
fn what_is_held_is_shown_again_with_more_and_the_end_lets_it_go() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a").on_data(until(";"))]);
        let mut down = Passage::new(&chain, Downstream);
        for text in ["on", "e;", "two"] {
            down.put(text).await.unwrap();
        }
        assert_eq!(down.passed().await, "one;");
        down.put_last("").await.unwrap();
        assert_eq!(down.passed().await, "two", "a hold at the end lets go");
        assert_eq!(log.take(), ["a>on", "a>one;", "a>two", "a>two."]);
    });
}

#[test]
fn bytes_can_become_more_or_none_and_nothing_new_is_not_shown() {
    local(async {
        let log = Log::default();
        let chain = chain(&[
            NetworkFake::new(&log, "a").rewriting(Downstream, |text| text.replace('-', "")),
            NetworkFake::new(&log, "b").rewriting(Downstream, |text| text.repeat(2)),
        ]);
        let mut down = Passage::new(&chain, Downstream);
        down.put("--").await.unwrap();
        down.put("x-").await.unwrap();
        down.put_last("-").await.unwrap();
        assert_eq!(down.passed().await, "xx");
        assert_eq!(log.take(), ["a>--", "a>x-", "b>x", "a>-.", "b>."]);
    });
}

#[test]
fn a_filter_is_called_for_what_it_wants_only() {
    local(async {
        let log = Log::default();
        let fakes = [
            NetworkFake::new(&log, "a").phases(Phases::UPSTREAM_DATA),
            NetworkFake::new(&log, "b").phases(Phases::CLOSE),
            NetworkFake::new(&log, "c").phases(Phases::NEW_CONNECTION),
        ];
        let chain = chain(&fakes);
        chain.open().await.unwrap();
        let mut down = Passage::new(&chain, Downstream);
        let mut up = Passage::new(&chain, Upstream);
        down.put_last("x").await.unwrap();
        up.put_last("y").await.unwrap();
        chain.close(Upstream, Peer::Remote);
        chain.complete();
        let expect = ["c new", "a<y.", "b closed < Remote", "a done", "b done", "c done"];
        assert_eq!(log.take(), expect);
        assert_eq!(fakes[0].metrics.streams_total.value(), 1);
    });
}

#[test]
fn a_filter_may_answer_later() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a")
            .on_new(|_| later(Verdict::Continue))
            .on_data(|_, _, end| later(if end { Verdict::Continue } else { Verdict::Hold }));
        let chain = chain(&[fake]);
        chain.open().await.unwrap();
        let mut up = Passage::new(&chain, Upstream);
        up.put("a").await.unwrap();
        assert_eq!(up.passed().await, "");
        up.put_last("b").await.unwrap();
        assert_eq!(up.passed().await, "ab");
    });
}

#[test]
fn a_filter_that_waits_for_too_long_ends_the_connection() {
    local(async {
        pause();
        let log = Log::default();
        for new in [true, false] {
            let fake = NetworkFake::new(&log, "a");
            let fake = if new { fake.on_new(|_| never()) } else { fake.on_data(|_, _, _| never()) };
            let chain = chain(&[fake]);
            let mut down = Passage::new(&chain, Downstream);
            let opened = chain.open().await;
            assert_eq!(opened.is_err(), new);
            assert!(new || down.put("x").await.is_err());
            assert_eq!(reason(&chain), Some(ReplyReason::PluginFailed("a".into())));
            assert_eq!(chain.details(), "a plugin held the connection too long");
        }
    });
}

#[test]
fn a_wait_ends_when_somebody_closes_the_connection() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a").on_data(|_, _, _| never())]);
        let mut down = Passage::new(&chain, Downstream);
        let mut put = Box::pin(down.put("x"));
        assert!((&mut put).now_or_never().is_none());
        chain.connection().close(ReplyReason::Plugin("b".into()));
        assert_eq!(put.await, Err(Closed));
        assert_eq!(down.passed().await, "", "nobody let it go");
        let state = &chain.connection().downstream;
        assert!(!state.on_duty.get() && state.bytes.borrow().is_empty(), "nobody has it");
    });
}

#[test]
fn a_wait_that_is_given_up_leaves_nothing_in_hand() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a").on_data(|_, _, _| never())]);
        let mut up = Passage::new(&chain, Upstream);
        assert!(up.put("x").now_or_never().is_none());
        let state = &chain.connection().upstream;
        assert!(!state.on_duty.get() && state.bytes.borrow().is_empty());
    });
}

#[test]
fn a_hold_may_be_resumed_without_more() {
    resumed_without_more(|hold| hold);
    resumed_without_more(|hold| match hold {
        Step::HoldUntil(resumed) => later(Verdict::HoldUntil(resumed)),
        Step::Ready(_) | Step::Later(_) => unreachable!(),
    });
}

fn resumed_without_more(say: fn(Step) -> Step) {
    local(async move {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        let hold = held_until(&signal, || Verdict::Continue);
        let fakes = [
            NetworkFake::new(&log, "a").on_data(move |_, _, _| say(hold())),
            NetworkFake::new(&log, "b"),
        ];
        let chain = chain(&fakes);
        let mut down = Passage::new(&chain, Downstream);
        down.put("x").await.unwrap();
        assert!(down.resumed().now_or_never().is_none());
        down.put("y").await.unwrap();
        signal.raise();
        let place = down.resumed().await.unwrap();
        assert_eq!(place, 0);
        down.release(place).await.unwrap();
        assert_eq!(down.passed().await, "xy");
        assert!(down.resumed().now_or_never().is_none(), "once");
        assert_eq!(log.take(), ["a>x", "a>xy", "b>xy"]);
    });
}

#[test]
fn what_waits_in_a_hold_can_be_read_and_changed_from_beside() {
    local(async {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        let hold = held_until(&signal, || Verdict::Continue);
        let fakes = [
            NetworkFake::new(&log, "a").on_data(move |_, _, _| hold()),
            NetworkFake::new(&log, "b"),
        ];
        let chain = chain(&fakes);
        let state = &chain.connection().downstream;
        let mut down = Passage::new(&chain, Downstream);
        down.put("x").await.unwrap();
        assert_eq!(in_hand(chain.connection(), Downstream), "x");
        down.put("y").await.unwrap();
        assert_eq!(in_hand(chain.connection(), Downstream), "xy");
        state.bytes.borrow_mut().set(bytes("changed"));
        signal.raise();
        let place = down.resumed().await.unwrap();
        down.release(place).await.unwrap();
        assert_eq!(down.passed().await, "changed");
        assert!(!state.on_duty.get() && state.bytes.borrow().is_empty());
        assert_eq!(log.take(), ["a>x", "a>xy", "b>changed"]);
        down.put("z").await.unwrap();
        drop(down);
        assert!(!state.on_duty.get(), "nobody holds it any more");
    });
}

#[test]
fn who_waits_with_nothing_in_hand_may_still_put_something_there() {
    local(async {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        let hold = held_until(&signal, || Verdict::Continue);
        let fake = NetworkFake::new(&log, "a").on_data(move |connection, flow, _| {
            connection.flow(flow).bytes.borrow_mut().set(bytes(""));
            hold()
        });
        let chain = chain(&[fake]);
        let mut up = Passage::new(&chain, Upstream);
        up.put("x").await.unwrap();
        assert_eq!(in_hand(chain.connection(), Upstream), "");
        chain.connection().upstream.bytes.borrow_mut().set(bytes("new"));
        signal.raise();
        let place = up.resumed().await.unwrap();
        up.release(place).await.unwrap();
        assert_eq!(up.passed().await, "new");
    });
}

#[test]
fn what_only_more_bytes_let_go_or_what_two_hold_is_not_in_hand() {
    local(async {
        let log = Log::default();
        let holding = chain(&[NetworkFake::new(&log, "a").on_data(|_, _, _| Verdict::Hold.into())]);
        let mut down = Passage::new(&holding, Downstream);
        down.put("x").await.unwrap();
        assert!(!holding.connection().downstream.on_duty.get());
        let signal = Rc::<Signal>::default();
        let hold = held_until(&signal, || Verdict::Continue);
        let first = move |_: &Rc<Connection>, _, _| hold();
        let hold = held_until(&Rc::default(), || Verdict::Continue);
        let fakes = [
            NetworkFake::new(&log, "a").on_data(first),
            NetworkFake::new(&log, "b").on_data(move |_, _, _| hold()),
        ];
        let both = chain(&fakes);
        let mut down = Passage::new(&both, Downstream);
        down.put("x").await.unwrap();
        signal.raise();
        let place = down.resumed().await.unwrap();
        down.release(place).await.unwrap();
        assert!(both.connection().downstream.on_duty.get(), "only the second one holds");
        signal.reset();
        down.put("y").await.unwrap();
        assert!(!both.connection().downstream.on_duty.get(), "both of them do");
    });
}

#[test]
fn a_hold_at_the_end_waits_for_its_resumption() {
    local(async {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        let hold = held_until(&signal, || Verdict::Hold);
        let chain = chain(&[NetworkFake::new(&log, "a").on_data(move |_, _, _| hold())]);
        let mut up = Passage::new(&chain, Upstream);
        let mut put = Box::pin(up.put_last("x"));
        assert!((&mut put).now_or_never().is_none());
        signal.raise();
        put.await.unwrap();
        assert_eq!(up.passed().await, "x");
    });
}

#[test]
fn a_resumed_hold_may_hold_on_or_end_the_connection() {
    local(async {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        signal.raise();
        let hold = held_until(&signal, || Verdict::Hold);
        let holding = chain(&[NetworkFake::new(&log, "a").on_data(move |_, _, _| hold())]);
        let mut down = Passage::new(&holding, Downstream);
        down.put("x").await.unwrap();
        assert!(down.resumed().now_or_never().is_none(), "it holds on");
        let hold = held_until(&signal, || Verdict::Reset);
        let ending = chain(&[NetworkFake::new(&log, "a").on_data(move |_, _, _| hold())]);
        let mut down = Passage::new(&ending, Downstream);
        down.put("x").await.unwrap();
        assert_eq!(down.resumed().await, Err(Closed));
        assert_eq!(reason(&ending), Some(ReplyReason::Plugin("a".into())));
    });
}

#[test]
fn a_hold_over_the_limit_ends_the_connection() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a").on_data(|_, _, _| Verdict::Hold.into())]);
        chain.connection().held_bytes_max.set(3);
        let mut down = Passage::new(&chain, Downstream);
        down.put("ab").await.unwrap();
        down.put("c").await.unwrap();
        assert_eq!(down.put("d").await, Err(Closed));
        assert_eq!(reason(&chain), Some(ReplyReason::Overload));
        assert_eq!(chain.details(), "more bytes than a plugin may hold");
    });
}

#[test]
fn answers_and_resets_close_the_connection() {
    let respond = || Verdict::Respond(Box::new(LocalReply::text(StatusCode::OK, "no")));
    for verdict in [respond as fn() -> Verdict, || Verdict::Reset] {
        local(async {
            let log = Log::default();
            let fakes = [
                NetworkFake::new(&log, "a").on_data(move |_, _, _| verdict().into()),
                NetworkFake::new(&log, "b"),
            ];
            let chain = chain(&fakes);
            let mut down = Passage::new(&chain, Downstream);
            assert_eq!(down.put("x").await, Err(Closed));
            assert_eq!(reason(&chain), Some(ReplyReason::Plugin("a".into())));
            assert_eq!(log.take(), ["a>x"]);
            assert_eq!(down.passed().await, "");
        });
    }
}

#[test]
fn a_hook_that_closes_the_connection_keeps_what_it_has_in_hand() {
    local(async {
        let log = Log::default();
        let close = |connection: &Rc<Connection>| {
            connection.close(ReplyReason::Plugin("a".into()));
            Step::CONTINUE
        };
        let fakes = [
            NetworkFake::new(&log, "a").on_data(move |connection, _, _| close(connection)),
            NetworkFake::new(&log, "b"),
        ];
        let both = chain(&fakes);
        let mut down = Passage::new(&both, Downstream);
        assert_eq!(down.put("x").await, Err(Closed));
        assert_eq!(down.passed().await, "");
        let fakes = [NetworkFake::new(&log, "a").on_new(close), NetworkFake::new(&log, "b")];
        let both = chain(&fakes);
        assert_eq!(both.open().await, Err(Closed));
        assert_eq!(log.take(), ["a>x", "a new"]);
    });
}

#[test]
fn a_fault_closes_the_connection_or_leaves_the_filter_out() {
    local(async {
        let log = Log::default();
        let failing = || {
            NetworkFake::new(&log, "a").on_data(|connection, flow, _| {
                match in_hand(connection, flow).contains('!') {
                    true => later(Verdict::Failed(fault())),
                    false => Verdict::Hold.into(),
                }
            })
        };
        let closed = failing();
        let strict = chain(std::slice::from_ref(&closed));
        let mut down = Passage::new(&strict, Downstream);
        down.put("x").await.unwrap();
        assert_eq!(down.put("!").await, Err(Closed));
        assert_eq!(reason(&strict), Some(ReplyReason::PluginFailed("a".into())));
        assert_eq!((strict.details(), closed.faults.get()), ("trapped", 1));
        let open = failing().open();
        let lax = chain(std::slice::from_ref(&open));
        let mut down = Passage::new(&lax, Downstream);
        down.put("x").await.unwrap();
        down.put("!").await.unwrap();
        down.put("y").await.unwrap();
        assert_eq!(down.passed().await, "x!y");
        assert_eq!((reason(&lax), open.faults.get()), (None, 1));
        assert_eq!(open.metrics.fail_open_total.value(), 1);
        lax.complete();
        assert_eq!(log.take(), ["a>x", "a>x!", "a>x", "a>x!"], "never again, not even at the end");
    });
}

#[test]
fn a_filter_that_is_left_out_lets_go_what_it_held_of_the_other_direction() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").open().on_data(|_, flow, _| match flow {
            Downstream => Verdict::Failed(fault()).into(),
            Upstream => Verdict::Hold.into(),
        });
        let chain = chain(&[fake]);
        let mut up = Passage::new(&chain, Upstream);
        let mut down = Passage::new(&chain, Downstream);
        up.put("held").await.unwrap();
        let resumed = async {
            let place = up.resumed().await.unwrap();
            up.release(place).await.unwrap();
            up.passed().await
        };
        let failing = async { down.put("x").await.unwrap() };
        // The one that waits first is woken by the other one.
        let (released, ()) = futures_util::future::join(resumed, failing).await;
        assert_eq!(released, "held");
    });
}

#[test]
fn a_filter_that_cannot_be_made_is_left_out_or_closes_the_connection() {
    local(async {
        let log = Log::default();
        let refusing = |open: bool| {
            let fake = NetworkFake::new(&log, "a").refusing(fault());
            if open { fake.open() } else { fake }
        };
        let lax = chain(&[refusing(true), NetworkFake::new(&log, "b")]);
        lax.open().await.unwrap();
        lax.complete();
        assert_eq!(log.take(), ["b new", "b done"]);
        let strict = chain(&[NetworkFake::new(&log, "b"), refusing(false)]);
        assert_eq!(strict.open().await, Err(Closed));
        assert_eq!(reason(&strict), Some(ReplyReason::PluginFailed("a".into())));
        strict.close(Downstream, Peer::Local);
        strict.complete();
        assert_eq!(log.take(), ["b done"], "it never met the connection");
        assert_eq!(strict.times().len(), 1);
    });
}

#[test]
fn each_end_is_told_once_and_the_last_word_comes_once() {
    local(async {
        let log = Log::default();
        let failing = NetworkFake::new(&log, "b").failing_at_end(fault());
        let chain = chain(&[NetworkFake::new(&log, "a"), failing.clone()]);
        chain.open().await.unwrap();
        log.take();
        for by in [Peer::Remote, Peer::Local] {
            chain.close(Upstream, by);
            chain.close(Downstream, by);
        }
        chain.complete();
        chain.complete();
        let expect = ["a closed < Remote", "b closed < Remote", "a closed > Remote", "a done"];
        assert_eq!(log.take(), expect, "after a fault no hook is called");
        assert_eq!(failing.faults.get(), 1);
        let names: Vec<_> = chain.times().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a".into(), "b".into()]);
    });
}

#[test]
fn what_a_writer_did_not_take_stays() {
    local(async {
        let log = Log::default();
        let chain = chain(&[NetworkFake::new(&log, "a")]);
        let mut down = Passage::new(&chain, Downstream);
        down.put("hello").await.unwrap();
        let (mut near, mut far) = tokio::io::duplex(2);
        assert!(down.write_out(&mut near).now_or_never().is_none(), "two bytes fit");
        assert_eq!(down.written().get(), 2);
        let mut read = [0; 5];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut far, &mut read);
        let (wrote, _) = futures_util::future::join(down.write_out(&mut near), reading).await;
        wrote.unwrap();
        assert_eq!((&read, down.written().get()), (b"hello", 5));
    });
}

/// A step that is done at the second look.
fn soon(verdict: Verdict) -> Step {
    let mut verdict = Some(verdict);
    let looked = Cell::new(false);
    Step::HoldUntil(Box::pin(poll_fn(move |context| {
        if !looked.replace(true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        verdict.take().map_or(Poll::Pending, Poll::Ready)
    })))
}
