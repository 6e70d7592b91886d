use super::*;
use crate::{call, script::first};

fn record(status: u32, length: u32, value: &str) -> Record {
    let mut numbers = [u64::from_le_bytes([crate::probe::UNTOUCHED; 8]); 8];
    numbers[1] = numbers[1] & !u64::from(u32::MAX) | u64::from(length);
    let (phase, value) = (Phase::RequestHeaders, value.as_bytes().to_vec());
    Record { phase, nth: 1, entered: false, status, numbers, value }
}

fn entered(phase: Phase, nth: u32) -> Record {
    Record { phase, nth, entered: true, ..record(0, 0, "") }
}

fn step(answer: Answer) -> Step {
    first(Phase::RequestHeaders, call::property("a")).gives(answer)
}

#[test]
fn an_answer_is_right_by_its_status_and_by_what_was_written() {
    let hello = || Answer::value(Value::Bytes(b"hello".to_vec()));
    let wrong = |answer: Answer, record: Record, strict| {
        judge_steps(&[step(answer)], &[Some(&record)], strict)
    };
    assert!(wrong(hello(), record(0, 5, "hello"), true).is_empty());
    assert_eq!(wrong(hello(), record(0, 5, "other"), true).len(), 1);
    assert_eq!(wrong(hello(), record(2, 5, "hello"), true).len(), 1);
    assert!(wrong(hello().or(2), record(2, 0, ""), true).is_empty());
    assert!(wrong(hello().or_elsewhere(2), record(2, 0, ""), false).is_empty());
    assert_eq!(wrong(hello().or_elsewhere(2), record(2, 0, ""), true).len(), 1);
    // A call that failed must not have written anything.
    assert_eq!(wrong(Answer::status(1), record(1, 5, ""), true).len(), 1);
    let unreached = judge_steps(&[step(hello())], &[None], true);
    assert_eq!(unreached, ["proxy_get_property in request_headers: was not reached"]);
}

#[test]
fn steps_find_the_records_of_their_own_callback_and_time() {
    let steps = [
        first(Phase::RequestBody, call::log_level()).nth(2),
        first(Phase::RequestHeaders, call::log_level()),
        first(Phase::RequestHeaders, call::log_level()),
        first(Phase::Tick, call::log_level()),
    ];
    let records = [
        entered(Phase::RequestHeaders, 1),
        record(10, 0, ""),
        record(11, 0, ""),
        entered(Phase::RequestBody, 1),
        entered(Phase::RequestBody, 2),
        record(12, 0, ""),
    ];
    let found = pair(&steps, &records);
    let statuses: Vec<_> = found.iter().map(|record| record.map(|record| record.status)).collect();
    assert_eq!(statuses, [Some(12), Some(10), Some(11), None]);
}

#[test]
fn callbacks_are_counted_and_their_order_is_told() {
    let stream = vec![entered(Phase::RequestHeaders, 1), entered(Phase::Delete, 1)];
    let outcome = Outcome { stream, ..Outcome::default() };
    let wrong = |check: &Check| judge_check(check, &outcome, true);
    let order = |phases: &[Phase]| Check::Order(Which::Stream, phases.to_vec());
    assert_eq!(wrong(&order(&[Phase::RequestHeaders, Phase::Delete])), None);
    let complaint = wrong(&order(&[Phase::Delete])).unwrap();
    assert_eq!(complaint, "callbacks: request_headers, delete");
    assert_eq!(wrong(&Check::Times(Which::Stream, Phase::Delete, 1)), None);
    assert!(wrong(&Check::Times(Which::Stream, Phase::Log, 1)).is_some());
    assert!(wrong(&Check::Status(200)).is_some(), "no reply at all");
    assert_eq!(judge_check(&Check::Status(200).here(), &outcome, false), None);
}
