//! What becomes of a stream when a plugin fails on it or does what it may not, whatever the kind
//! of failure and the moment.

#![expect(clippy::excessive_nesting, reason = "a table is a loop in a loop")]

use std::rc::Rc;

use host_extension::{Bounds, CpuBudget};

use super::*;
use crate::testing::Terms;

const BODY: Hook = Hook::Body { end: false };
const POLICIES: [OnError; 3] = [OnError::Closed, OnError::Open, OnError::Reload];

/// When a filter fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// There is none: the plugin did not load, or its instance does not start.
    Making,
    Now(Hook),
    Later(Hook),
    /// A body is held and let go from beside.
    Resumed,
}

const MOMENTS: [Moment; 7] = [
    Moment::Making,
    Moment::Now(HEAD),
    Moment::Later(HEAD),
    Moment::Now(BODY),
    Moment::Later(BODY),
    Moment::Now(Hook::Trailers),
    Moment::Resumed,
];

fn failing(fake: Fake, fault: &PluginFault, moment: Moment) -> Fake {
    let fault = fault.clone();
    match moment {
        Moment::Making => fake.refusing(fault),
        Moment::Now(wanted) => fake.answering(move |_, hook, _| {
            if hook == wanted { Verdict::Failed(fault.clone()).into() } else { Step::CONTINUE }
        }),
        Moment::Later(wanted) => fake.answering(move |_, hook, _| {
            if hook == wanted { later(Verdict::Failed(fault.clone())) } else { Step::CONTINUE }
        }),
        Moment::Resumed => fake.answering(move |_, hook, _| match hook {
            BODY => {
                let fault = fault.clone();
                Step::HoldUntil(Box::pin(async move { Verdict::Failed(fault) }))
            }
            Hook::Headers { .. } | Hook::Body { .. } | Hook::Trailers => Step::CONTINUE,
        }),
    }
}

/// Takes a stream through the filters, hook by hook.
async fn pass(chain: &Chain, side: Side, stream: &Rc<Stream>) -> Result<(), Interrupt> {
    for hook in [HEAD, BODY, Hook::Trailers] {
        for place in 0..chain.len() {
            if !chain.wants_at(place, hook.phase(side)) {
                continue;
            }
            if chain.call(place, side, hook, stream).await? == Passed::Held {
                chain.resumed(side).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_failure_at_every_moment_ends_as_its_policy_says() {
    for kind in FaultKind::ALL {
        let fault = PluginFault::new(kind, "the test says so");
        for (moment, side) in MOMENTS
            .into_iter()
            .flat_map(|moment| [Side::Request, Side::Response].map(|side| (moment, side)))
        {
            for (on_error, is_security) in POLICIES
                .into_iter()
                .flat_map(|on_error| [false, true].map(|is_security| (on_error, is_security)))
            {
                let terms = Terms { is_security, ..Terms::default() };
                let fake = Fake::new(&Log::default(), "a").on_error(on_error).terms(terms);
                let fake = failing(fake, &fault, moment);
                let (chain, stream) = (chain(std::slice::from_ref(&fake)), stream());
                let passed = pass(&chain, side, &stream).await;
                chain.complete(&stream);
                let goes_on = on_error == OnError::Open && !is_security;
                let case = format!("{kind} {moment:?} {side:?} {on_error:?} {is_security}");
                let told = passed.err().map(|ended| told(&ended));
                let ended = (ReplyReason::PluginFailed("a".into()), Some(503));
                assert_eq!(told, (!goes_on).then_some(ended), "{case}");
                assert_eq!(fake.faults.get(), 1, "{case}");
                assert_eq!(fake.metrics.fail_open_total.value(), u64::from(goes_on), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_filter_that_fails_open_leaves_those_for_security_in_place() {
    for moment in MOMENTS {
        for security_first in [false, true] {
            let log = Log::default();
            let open = Fake::new(&log, "a").on_error(OnError::Open);
            let open = failing(open, &fault(), moment);
            let guard = Fake::new(&log, "b").terms(Terms::security());
            let fakes = if security_first { [guard, open] } else { [open, guard] };
            let (chain, stream) = (chain(&fakes), stream());
            pass(&chain, Side::Request, &stream).await.expect("it goes on");
            let seen = log.take();
            for hook in ["b>head", "b>body()", "b>trailers"] {
                assert!(seen.iter().any(|call| call == hook), "{moment:?} {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_filter_for_security_runs_or_the_stream_is_refused_whatever_else_fails() {
    for (other, own) in MOMENTS.into_iter().flat_map(|other| MOMENTS.map(|own| (other, own))) {
        let log = Log::default();
        let open = failing(Fake::new(&log, "a").on_error(OnError::Open), &fault(), other);
        let guard = Fake::new(&log, "b").on_error(OnError::Open).terms(Terms::security());
        let (chain, stream) = (chain(&[open, failing(guard, &fault(), own)]), stream());
        let ended = pass(&chain, Side::Request, &stream).await.expect_err("without it nothing");
        let reason = ReplyReason::PluginFailed("b".into());
        assert_eq!(told(&ended), (reason, Some(503)), "{other:?} {own:?}");
    }
}

type Give = fn() -> Verdict;

fn respond() -> Verdict {
    Verdict::Respond(Box::new(LocalReply::text(StatusCode::IM_A_TEAPOT, "no")))
}

/// A verdict as a filter gives it: at once, later, or from beside a hold.
fn given(how: u8, verdict: Verdict) -> Step {
    match how {
        0 => verdict.into(),
        1 => later(verdict),
        _ => Step::HoldUntil(Box::pin(async { verdict })),
    }
}

#[tokio::test]
async fn a_verdict_that_the_plugin_may_not_give_is_a_fault() {
    let verdicts: [(Capability, Give); 2] =
        [(Capability::Reply, respond), (Capability::Close, || Verdict::Reset)];
    for ((what, verdict), how) in
        verdicts.into_iter().flat_map(|one| [0, 1, 2].map(|how| (one, how)))
    {
        for on_error in POLICIES {
            let fake = Fake::new(&Log::default(), "a")
                .on_error(on_error)
                .terms(Terms::forbidding(what))
                .answering(
                    move |_, hook, _| {
                        if hook == BODY { given(how, verdict()) } else { Step::CONTINUE }
                    },
                );
            let (chain, stream) = (chain(std::slice::from_ref(&fake)), stream());
            let passed = pass(&chain, Side::Request, &stream).await;
            let failed = (ReplyReason::PluginFailed("a".into()), Some(503));
            let expect = (on_error != OnError::Open).then_some(failed);
            let told = passed.err().map(|ended| told(&ended));
            assert_eq!(told, expect, "{what:?} {how} {on_error:?}");
            assert_eq!(fake.faults.get(), 1);
        }
    }
}

#[tokio::test]
async fn a_verdict_that_the_plugin_may_give_is_carried_out() {
    let verdicts: [(Capability, Give, Option<u16>); 2] =
        [(Capability::Close, respond, Some(418)), (Capability::Reply, || Verdict::Reset, None)];
    for (other, verdict, status) in verdicts {
        let fake = Fake::new(&Log::default(), "a")
            .terms(Terms::forbidding(other))
            .answering(move |_, _, _| verdict().into());
        let (chain, stream) = (chain(std::slice::from_ref(&fake)), stream());
        let ended = pass(&chain, Side::Request, &stream).await.expect_err("it ended the stream");
        assert_eq!(told(&ended), (ReplyReason::Plugin("a".into()), status));
        assert_eq!(fake.faults.get(), 0);
    }
}

/// Runs `look` within one second of the clock, which the budget begins anew with.
async fn within_a_second(clock: &Clock, mut look: impl AsyncFnMut() -> bool) {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let before = clock.reading(clock.tick()).as_secs();
        let seen = look().await;
        if clock.reading(clock.tick()).as_secs() == before {
            assert!(seen);
            return;
        }
    }
    panic!("no try fits into a second");
}

#[tokio::test]
async fn a_plugin_that_took_its_time_of_a_second_gets_no_further_hook_in_it() {
    let clock = Clock::new();
    for on_error in POLICIES {
        let look = async || {
            let budget = Rc::new(CpuBudget::new(Duration::from_nanos(1)));
            let bounds = Bounds { cpu: Some(Rc::clone(&budget)), ..Bounds::default() };
            let log = Log::default();
            let fake = Fake::new(&log, "a").on_error(on_error);
            let fake = fake.terms(Terms { bounds, ..Terms::default() });
            let (chain, stream) = (chain(std::slice::from_ref(&fake)), stream());
            chain.call(0, Side::Request, HEAD, &stream).await.expect("nothing was taken yet");
            let next = chain.call(0, Side::Request, BODY, &stream).await;
            let failed = (ReplyReason::PluginFailed("a".into()), Some(503));
            let expect = (on_error != OnError::Open).then_some(failed);
            let told = next.err().map(|ended| told(&ended));
            told == expect && log.take() == ["a>head"] && fake.faults.get() == 1
        };
        within_a_second(&clock, look).await;
    }
}

#[tokio::test]
async fn time_that_was_taken_in_another_second_does_not_count() {
    let budget = Rc::new(CpuBudget::new(Duration::from_mins(1)));
    let bounds = Bounds { cpu: Some(Rc::clone(&budget)), ..Bounds::default() };
    let fake = Fake::new(&Log::default(), "a").terms(Terms { bounds, ..Terms::default() });
    // Long before this test, by the same clock.
    budget.take(Duration::from_secs(1), Duration::from_hours(1));
    let (chain, stream) = (chain(&[fake]), stream());
    pass(&chain, Side::Request, &stream).await.expect("the time is there again");
}

#[tokio::test]
async fn the_time_of_the_last_hook_is_taken_as_well() {
    let clock = Clock::new();
    let look = async || {
        let budget = Rc::new(CpuBudget::new(Duration::from_millis(1)));
        let bounds = Bounds { cpu: Some(Rc::clone(&budget)), ..Bounds::default() };
        let busy = Clock::new();
        let fake = Fake::new(&Log::default(), "a").at_end(move |_| {
            let start = busy.tick();
            while busy.since(start) < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        });
        let fake = fake.terms(Terms { bounds, ..Terms::default() });
        let first = chain(std::slice::from_ref(&fake));
        first.call(0, Side::Request, HEAD, &stream()).await.expect("nothing was taken yet");
        first.complete(&stream());
        let next = chain(std::slice::from_ref(&fake));
        next.call(0, Side::Request, HEAD, &stream()).await.is_err()
    };
    within_a_second(&clock, look).await;
}
