//! Laws that hold whatever the filters do and however a message is cut.

use std::cell::Cell;

use host_extension::Phases;
use proptest::prelude::*;

use super::*;
use crate::testing::never;

const CASES: u32 = 2000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Continue,
    Hold,
    LaterContinue,
    LaterHold,
    Fail,
    Respond,
    TooLong,
}

#[derive(Clone, Debug)]
struct Script {
    /// Wants head, body, trailers.
    wants: [bool; 3],
    open: bool,
    /// What it does, hook by hook; `Continue` after the last.
    acts: Vec<Act>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    WithLast,
    Behind,
    Trailers,
}

#[derive(Clone, Debug)]
struct Case {
    side: Side,
    scripts: Vec<Script>,
    /// How many of the filters are those of the listener; the others come with the route.
    of_listener: usize,
    pieces: Vec<String>,
    end: End,
}

/// One hook as a filter saw it.
#[derive(Clone, Debug)]
struct Seen {
    hook: Hook,
    content: String,
    act: Act,
}

type Record = Rc<RefCell<Vec<Seen>>>;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Continue),
        8 => Just(Act::Hold),
        4 => Just(Act::LaterContinue),
        4 => Just(Act::LaterHold),
        2 => Just(Act::Fail),
        1 => Just(Act::Respond),
        1 => Just(Act::TooLong),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let acts = prop::collection::vec(act(), 0..8);
    (prop::array::uniform3(prop::bool::weighted(0.8)), prop::bool::weighted(0.8), acts)
        .prop_map(|(wants, open, acts)| Script { wants, open, acts })
}

fn case() -> impl Strategy<Value = Case> {
    let end = prop_oneof![Just(End::WithLast), Just(End::Behind), Just(End::Trailers)];
    let scripts = prop::collection::vec(script(), 0..5);
    let pieces = prop::collection::vec("[a-z]{0,4}", 0..6);
    (any::<bool>(), scripts, 0_usize..5, pieces, end).prop_map(
        |(request, scripts, of_listener, pieces, end)| Case {
            side: if request { Side::Request } else { Side::Response },
            of_listener: if request { of_listener.min(scripts.len()) } else { scripts.len() },
            scripts,
            pieces,
            end,
        },
    )
}

fn phases(side: Side, wants: [bool; 3]) -> Phases {
    let all = match side {
        Side::Request => [Phases::REQUEST_HEADERS, Phases::REQUEST_BODY, Phases::REQUEST_TRAILERS],
        Side::Response => {
            [Phases::RESPONSE_HEADERS, Phases::RESPONSE_BODY, Phases::RESPONSE_TRAILERS]
        }
    };
    let wanted = all.into_iter().zip(wants).filter(|(_, wanted)| *wanted);
    wanted.fold(Phases::NONE, |sum, (phase, _)| sum | phase)
}

fn fake(side: Side, script: &Script, log: &Log, record: &Record) -> Fake {
    let (acts, record, turn) = (script.acts.clone(), Rc::clone(record), Cell::new(0));
    Fake::new(log, "f")
        .phases(phases(side, script.wants))
        .on_error(if script.open { OnError::Open } else { OnError::Closed })
        .answering(move |side, hook, stream| {
            let act = acts.get(turn.replace(turn.get() + 1)).copied().unwrap_or(Act::Continue);
            let body = stream.message(side).body.borrow();
            let content = String::from_utf8(body.as_slice().to_vec()).unwrap();
            let content = if kind(hook) == "body" { content } else { String::new() };
            record.borrow_mut().push(Seen { hook, content, act });
            match act {
                Act::Continue => Step::CONTINUE,
                Act::Hold => Verdict::Hold.into(),
                Act::LaterContinue => later(Verdict::Continue),
                Act::LaterHold => later(Verdict::Hold),
                Act::Fail => later(Verdict::Failed(fault())),
                Act::Respond => {
                    Verdict::Respond(Box::new(LocalReply::text(StatusCode::OK, "r"))).into()
                }
                Act::TooLong => never(),
            }
        })
}

/// Shows the filters the message as the pipeline does.
async fn drive(
    case: &Case,
    bench: &mut Bench,
    route: &[Fake],
) -> Result<(), host_extension::Interrupt> {
    let bodiless = case.pieces.is_empty() && case.end == End::WithLast;
    let mut pieces = case.pieces.iter().enumerate();
    let mut rest = true;
    bench.direction.headers(bodiless).await?;
    let mut added = false;
    loop {
        if bench.direction.head_passed() && !added {
            added = true;
            let at = bench.chain.len();
            let entries: Vec<_> = route.iter().map(Fake::entry).collect();
            bench.chain.extend(&entries);
            bench.direction.headers(bodiless).await?;
            bench.direction.replay(at).await?;
        }
        if bodiless || !rest {
            return Ok(());
        }
        match pieces.next() {
            Some((index, piece)) => {
                let last = index + 1 == case.pieces.len() && case.end == End::WithLast;
                rest = !last;
                bench.direction.data(bytes(piece), last).await?;
            }
            None if case.end == End::Trailers => {
                rest = false;
                bench.direction.trailers(fields(&[("t", "1")])).await?;
            }
            None => {
                rest = false;
                bench.direction.data(bytes(""), true).await?;
            }
        }
    }
}

/// What one filter saw is one message, in order, and nothing after its end.
fn check_filter(script: &Script, seen: &[Seen], whole: &str, passed: bool) {
    let mut told_end = false;
    let mut released = String::new();
    let mut held = String::new();
    for (index, seen_now) in seen.iter().enumerate() {
        assert!(!told_end, "a hook after the end: {seen:?}");
        assert!(index == 0 || !ends(seen[index - 1].act), "a hook after it ended: {seen:?}");
        match seen_now.hook {
            Hook::Headers { end } => {
                assert_eq!(index, 0, "one head, and first: {seen:?}");
                told_end = end;
            }
            Hook::Body { end } => {
                let new = seen_now.content.strip_prefix(held.as_str()).expect("what it held");
                assert!(end || !new.is_empty(), "a hook without news: {seen:?}");
                held.clear();
                if matches!(seen_now.act, Act::Hold | Act::LaterHold) && !end {
                    held.clone_from(&seen_now.content);
                } else {
                    released.push_str(&seen_now.content);
                }
                told_end = end;
            }
            Hook::Trailers => {
                released.push_str(&std::mem::take(&mut held));
                told_end = true;
            }
        }
    }
    if seen.iter().any(|seen| kind(seen.hook) == "body") && script.wants[0] {
        assert_eq!(kind(seen[0].hook), "head", "the head comes first: {seen:?}");
    }
    let so_far = released + &held;
    assert!(whole.starts_with(&so_far), "in order: {so_far:?} of {whole:?}");
    let lasted = !seen.iter().any(|seen| ends(seen.act));
    if passed && lasted && script.wants[1] {
        assert_eq!(so_far, whole, "all of it");
    }
}

fn ends(act: Act) -> bool {
    matches!(act, Act::Fail | Act::Respond | Act::TooLong)
}

async fn check(case: Case) {
    let records: Vec<Record> = case.scripts.iter().map(|_| Record::default()).collect();
    let logs: Vec<Log> = case.scripts.iter().map(|_| Log::default()).collect();
    let fakes: Vec<Fake> = case
        .scripts
        .iter()
        .zip(logs.iter().zip(&records))
        .map(|(script, (log, record))| fake(case.side, script, log, record))
        .collect();
    let (listener, route) = fakes.split_at(case.of_listener);
    let mut bench = bench(case.side, listener);
    let passed = drive(&case, &mut bench, route).await.is_ok();
    bench.chain.complete(&bench.stream);
    bench.chain.complete(&bench.stream);

    let whole = case.pieces.concat();
    let complete = bench.direction.has_ended();
    let (out, trailers) = bench.out();
    assert!(whole.starts_with(&out));
    if passed {
        assert!(complete && bench.direction.head_passed());
        assert_eq!(out, whole);
        assert_eq!(trailers.is_some(), case.end == End::Trailers);
    }
    for ((script, record), log) in case.scripts.iter().zip(&records).zip(&logs) {
        let seen = record.take();
        check_filter(script, &seen, &whole, passed);
        let failed = seen.iter().any(|seen| seen.act == Act::Fail);
        let done = log.borrow().iter().filter(|call| call.ends_with("done")).count();
        // One that wants later phases only is made, too, and may have been shown nothing.
        let wanted =
            if seen.is_empty() { 0..=1 } else { usize::from(!failed)..=usize::from(!failed) };
        assert!(wanted.contains(&done), "{done} of {seen:?}");
    }
}

#[test]
fn filters_see_whole_messages_in_order_and_lose_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) };
    proptest!(config, |(case in case())| {
        runtime.block_on(check(case));
    });
}
