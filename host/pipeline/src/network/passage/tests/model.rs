//! Laws that hold whatever the filters do and however the bytes are cut.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;

const CASES: u32 = 1500;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Continue,
    Hold,
    LaterContinue,
    LaterHold,
    HoldUntilContinue,
    HoldUntilHold,
    Shout,
    Fail,
    Reset,
}

#[derive(Clone, Debug)]
struct Script {
    wants: bool,
    open: bool,
    /// What it does, call by call; `Continue` after the last.
    acts: Vec<Act>,
}

#[derive(Clone, Debug)]
struct Case {
    flow: bool,
    scripts: Vec<Script>,
    pieces: Vec<String>,
    /// The end comes with the last piece.
    end_with_last: bool,
    /// After which pieces the resumptions of holds are looked for.
    looks: Vec<bool>,
}

/// What one filter saw: the bytes in hand, and whether they were the last.
type Seen = Rc<RefCell<Vec<(String, bool)>>>;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Continue),
        8 => Just(Act::Hold),
        4 => Just(Act::LaterContinue),
        4 => Just(Act::LaterHold),
        4 => Just(Act::HoldUntilContinue),
        2 => Just(Act::HoldUntilHold),
        4 => Just(Act::Shout),
        1 => Just(Act::Fail),
        1 => Just(Act::Reset),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let acts = prop::collection::vec(act(), 0..8);
    (prop::bool::weighted(0.8), prop::bool::weighted(0.8), acts)
        .prop_map(|(wants, open, acts)| Script { wants, open, acts })
}

fn case() -> impl Strategy<Value = Case> {
    let scripts = prop::collection::vec(script(), 0..5);
    let pieces = prop::collection::vec("[a-z]{0,4}", 0..7);
    let looks = prop::collection::vec(any::<bool>(), 7);
    (any::<bool>(), scripts, pieces, any::<bool>(), looks).prop_map(
        |(flow, scripts, pieces, end_with_last, looks)| Case {
            flow,
            scripts,
            pieces,
            end_with_last,
            looks,
        },
    )
}

fn fake(script: &Script, seen: &Seen, flow: Flow) -> NetworkFake {
    let (acts, seen, turn) = (script.acts.clone(), Rc::clone(seen), Cell::new(0));
    let phase = match flow {
        Downstream => Phases::DOWNSTREAM_DATA,
        Upstream => Phases::UPSTREAM_DATA,
    };
    let fake = NetworkFake::new(&Log::default(), "f")
        .phases(if script.wants { phase } else { Phases::CLOSE })
        .on_data(move |connection, flow, end| {
            let act = acts.get(turn.replace(turn.get() + 1)).copied().unwrap_or(Act::Continue);
            let text = in_hand(connection, flow);
            seen.borrow_mut().push((text.clone(), end));
            match act {
                Act::Continue => Step::CONTINUE,
                Act::Hold => Verdict::Hold.into(),
                Act::LaterContinue => later(Verdict::Continue),
                Act::LaterHold => later(Verdict::Hold),
                Act::HoldUntilContinue => soon(Verdict::Continue),
                Act::HoldUntilHold => soon(Verdict::Hold),
                Act::Shout => {
                    let loud = text.to_uppercase();
                    connection.flow(flow).bytes.borrow_mut().set(loud.into());
                    Step::CONTINUE
                }
                Act::Fail => later(Verdict::Failed(fault())),
                Act::Reset => Verdict::Reset.into(),
            }
        });
    if script.open { fake.open() } else { fake }
}

/// Takes what can be resumed now.
async fn resume(passage: &mut Passage<'_>) -> Result<(), Closed> {
    const LOOKS: usize = 3;
    for _ in 0..LOOKS {
        let found = {
            let mut resumed = std::pin::pin!(passage.resumed());
            poll_fn(|context| Poll::Ready(resumed.as_mut().poll(context))).await
        };
        if let Poll::Ready(place) = found {
            passage.release(place?).await?;
        }
    }
    Ok(())
}

async fn drive(case: &Case, passage: &mut Passage<'_>) -> Result<(), Closed> {
    let last = case.pieces.len().saturating_sub(1);
    for (at, piece) in case.pieces.iter().enumerate() {
        passage.data(bytes(piece), case.end_with_last && at == last).await?;
        if case.looks[at] {
            resume(passage).await?;
        }
    }
    if !passage.has_ended() {
        passage.data(Bytes::new(), true).await?;
    }
    Ok(())
}

async fn run(case: &Case) {
    let flow = if case.flow { Downstream } else { Upstream };
    let seen: Vec<Seen> = case.scripts.iter().map(|_| Seen::default()).collect();
    let fakes: Vec<_> =
        case.scripts.iter().zip(&seen).map(|(script, seen)| fake(script, seen, flow)).collect();
    let chain = chain(&fakes);
    let mut passage = Passage::new(&chain, flow);
    let result = drive(case, &mut passage).await;
    let out = passage.passed().await;
    let sent = case.pieces.concat();
    let calm = out.to_lowercase();
    if result.is_ok() {
        assert_eq!(calm, sent, "nothing is lost, doubled or moved");
        assert!(reason(&chain).is_none());
    } else {
        assert!(sent.starts_with(&calm), "{out} of {sent}");
        assert!(reason(&chain).is_some(), "who ends a connection says why");
    }
    for (script, seen) in case.scripts.iter().zip(&seen) {
        let seen = seen.borrow();
        assert!(script.wants || seen.is_empty());
        let ends = seen.iter().filter(|(_, end)| *end).count();
        let failed = script.acts.iter().take(seen.len()).any(|act| *act == Act::Fail);
        assert!(
            ends <= 1
                && seen.iter().position(|(_, end)| *end).is_none_or(|at| at + 1 == seen.len())
        );
        if result.is_ok() && script.wants && !failed {
            assert_eq!(ends, 1, "the end is told: {seen:?}");
        }
        assert!(seen.iter().all(|(text, end)| *end || !text.is_empty()), "nothing is new");
    }
    assert_eq!(passage.written().get(), out.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn bytes_pass_whole_and_in_order(case in case()) {
        local(run(&case));
    }
}
