//! What becomes of a connection when a plugin fails on it or does what it may not.

#![expect(clippy::excessive_nesting, reason = "a table is a loop in a loop")]

use host_extension::{Capability, OnError};

use super::*;
use crate::testing::Terms;

const POLICIES: [OnError; 3] = [OnError::Closed, OnError::Open, OnError::Reload];

/// When a filter fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Making,
    New,
    NewLater,
    Data,
    DataLater,
    Resumed,
    HalfClosed,
}

const MOMENTS: [Moment; 7] = [
    Moment::Making,
    Moment::New,
    Moment::NewLater,
    Moment::Data,
    Moment::DataLater,
    Moment::Resumed,
    Moment::HalfClosed,
];

fn failing(fake: NetworkFake, fault: &PluginFault, moment: Moment) -> NetworkFake {
    let own = fault.clone();
    let failed = move || Verdict::Failed(own.clone());
    match moment {
        Moment::Making => fake.refusing(fault.clone()),
        Moment::New => fake.on_new(move |_| failed().into()),
        Moment::NewLater => fake.on_new(move |_| later(failed())),
        Moment::Data => fake.on_data(move |_, _, _| failed().into()),
        Moment::DataLater => fake.on_data(move |_, _, _| later(failed())),
        Moment::Resumed => fake.on_data(move |_, _, _| {
            let failed = failed();
            Step::HoldUntil(Box::pin(async { failed }))
        }),
        Moment::HalfClosed => fake.failing_at_end(fault.clone()),
    }
}

/// Takes some bytes through the filters, and the end of the other side.
async fn pass(chain: &NetworkChain) -> Result<(), Closed> {
    chain.open().await?;
    let mut down = Passage::new(chain, Downstream);
    down.put("some").await?;
    while (0..chain.len()).any(|place| chain.is_waiting(place, Downstream)) {
        let place = down.resumed().await?;
        down.release(place).await?;
    }
    chain.close_half(Upstream, Peer::Remote);
    if chain.connection().close_reason().is_some() { Err(Closed) } else { Ok(()) }
}

#[test]
fn every_kind_of_failure_at_every_moment_ends_as_its_policy_says() {
    let cases = MOMENTS.into_iter().flat_map(|moment| POLICIES.map(|on_error| (moment, on_error)));
    let cases: Vec<_> = cases
        .flat_map(|(moment, on_error)| [false, true].map(|is| (moment, on_error, is)))
        .collect();
    local(async {
        for kind in FaultKind::ALL {
            let fault = PluginFault::new(kind, "the test says so");
            for (moment, on_error, is_security) in &cases {
                let terms = Terms { is_security: *is_security, ..Terms::default() };
                let fake = NetworkFake::new(&Log::default(), "a").on_error(*on_error).terms(terms);
                let fake = failing(fake, &fault, *moment);
                let chain = chain(std::slice::from_ref(&fake));
                let passed = pass(&chain).await;
                chain.complete();
                let goes_on = *on_error == OnError::Open && !is_security;
                let case = format!("{kind} {moment:?} {on_error:?} {is_security}");
                assert_eq!(passed.is_ok(), goes_on, "{case}");
                let failed = (!goes_on).then(|| ReplyReason::PluginFailed("a".into()));
                assert_eq!(reason(&chain), failed, "{case}");
                assert_eq!(fake.faults.get(), 1, "{case}");
                assert_eq!(fake.metrics.fail_open_total.value(), u64::from(goes_on), "{case}");
            }
        }
    });
}

#[test]
fn a_filter_for_security_runs_or_the_connection_is_closed_whatever_else_fails() {
    local(async {
        for moment in MOMENTS {
            let log = Log::default();
            let open = failing(NetworkFake::new(&log, "a").open(), &fault(), moment);
            let guard = NetworkFake::new(&log, "b").open().terms(Terms::security());
            let through = chain(&[open.clone(), guard.clone()]);
            pass(&through).await.expect("it goes on");
            let seen = log.take();
            for call in ["b new", "b>some", "b closed < Remote"] {
                assert!(seen.iter().any(|seen| seen == call), "{moment:?} {seen:?}");
            }
            for own in MOMENTS {
                let chain = chain(&[open.clone(), failing(guard.clone(), &fault(), own)]);
                assert_eq!(pass(&chain).await, Err(Closed), "{moment:?} {own:?}");
                assert_eq!(reason(&chain), Some(ReplyReason::PluginFailed("b".into())));
            }
        }
    });
}

#[test]
fn a_connection_is_closed_by_those_only_that_may() {
    let respond =
        || Verdict::Respond(Box::new(LocalReply::text(StatusCode::IM_A_TEAPOT, "not heard")));
    let verdicts: [fn() -> Verdict; 2] = [respond, || Verdict::Reset];
    local(async {
        for verdict in verdicts {
            let closing =
                NetworkFake::new(&Log::default(), "a").on_data(move |_, _, _| verdict().into());
            let allowed = closing.clone().terms(Terms::forbidding(Capability::Reply));
            let allowed_chain = chain(&[allowed]);
            assert_eq!(pass(&allowed_chain).await, Err(Closed));
            assert_eq!(reason(&allowed_chain), Some(ReplyReason::Plugin("a".into())));
            for on_error in POLICIES {
                let terms = Terms::forbidding(Capability::Close);
                let fake = closing.clone().terms(terms).on_error(on_error);
                let chain = chain(&[fake]);
                let goes_on = on_error == OnError::Open;
                assert_eq!(pass(&chain).await.is_ok(), goes_on);
                let failed = (!goes_on).then(|| ReplyReason::PluginFailed("a".into()));
                assert_eq!(reason(&chain), failed);
            }
        }
    });
}

#[test]
fn a_plugin_holds_no_more_bytes_than_it_may_itself() {
    local(async {
        let holding = NetworkFake::new(&Log::default(), "a").on_data(until(";"));
        let chain =
            chain(&[NetworkFake::new(&Log::default(), "b"), holding.terms(Terms::holding(4))]);
        let mut down = Passage::new(&chain, Downstream);
        down.put("1234").await.expect("it fits");
        assert_eq!(down.put("5").await, Err(Closed));
        assert_eq!(reason(&chain), Some(ReplyReason::Overload));
    });
}

#[test]
fn a_plugin_makes_no_more_of_bytes_than_it_may_hold_and_the_next_one_is_free_of_that() {
    local(async {
        let (log, tries) = (Log::default(), [5, 4, 6]);
        let writing = |name: &'static str, results: Rc<Cell<[bool; 3]>>| {
            NetworkFake::new(&log, name).on_data(move |connection, flow, _| {
                let calls = crate::testing::calls();
                let write = |length: usize| {
                    let text = "x".repeat(length);
                    host_extension::HostCalls::write_data(
                        &calls,
                        connection,
                        flow,
                        0,
                        usize::MAX,
                        text.as_bytes(),
                    )
                    .is_ok()
                };
                results.set(tries.map(write));
                Step::CONTINUE
            })
        };
        let (small, large) = (Rc::<Cell<[bool; 3]>>::default(), Rc::<Cell<[bool; 3]>>::default());
        let chain = chain(&[
            writing("a", Rc::clone(&small)).terms(Terms::holding(4)),
            writing("b", Rc::clone(&large)),
        ]);
        let mut down = Passage::new(&chain, Downstream);
        down.put("1").await.unwrap();
        assert_eq!((small.get(), large.get()), ([false, true, false], [true; 3]));
    });
}
