//! Buffers where they are at hand: reading from anywhere, and every way to change a body.

use abi_wasm::BufferType;

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Call},
    case::{Case, Check},
    exchange::{Exchange, TcpExchange},
    script::{Answer, Value},
};

/// A buffer with `hello` in it, and its callback.
const BUFFERS: [(BufferType, Phase); 4] = [
    (BufferType::RequestBody, Phase::RequestBody),
    (BufferType::ResponseBody, Phase::ResponseBody),
    (BufferType::DownstreamData, Phase::DownstreamData),
    (BufferType::UpstreamData, Phase::UpstreamData),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, phase) in BUFFERS {
        cases.extend(reads(kind, phase));
        cases.extend(changes(kind, phase));
    }
    cases.extend(unknown());
    cases.extend(repaired_lengths());
    cases
}

fn at(phase: Phase, subject: &'static str, what: &str) -> Case {
    let case = Case::at(phase, subject, what);
    if is_of_connection(phase) { case.drive_tcp(TcpExchange::of("hello")) } else { case }
}

fn is_of_connection(phase: Phase) -> bool {
    matches!(phase, Phase::DownstreamData | Phase::UpstreamData)
}

fn reads(kind: BufferType, phase: Phase) -> Vec<Case> {
    let get = |what, call: Call, answer| at(phase, GET, what).call(call, answer);
    vec![
        get("whole", call::whole(kind), text("hello")),
        get("from the middle", call::buffer(kind, 2, 2), text("ll")),
        get("more than there is", call::buffer(kind, 3, 100), text("lo")),
        get("the most there can be", call::buffer(kind, 1, u32::MAX), text("ello")),
        get("none", call::buffer(kind, 0, 0), Answer::value(Value::Empty)),
        get("from the end", call::buffer(kind, 5, 1), Answer::value(Value::Empty)),
        get("from behind the end", call::buffer(kind, 99, 1), Answer::value(Value::Any).or(2)),
        at(phase, STATUS, "good")
            .call(call::buffer_status(kind), Answer::value(Value::Number(2, 5))),
    ]
}

/// Start, length, text, and what comes of `hello`.
const CHANGES: [(&str, u32, u32, &str, &str); 9] = [
    ("replace all", 0, 5, "bye", "bye"),
    ("replace more than all", 0, u32::MAX, "good bye", "good bye"),
    ("prepend", 0, 0, "oh ", "oh hello"),
    ("append", 5, 0, " you", "hello you"),
    ("append at the end of all", u32::MAX, 0, " you", "hello you"),
    ("insert", 2, 0, "-", "he-llo"),
    ("replace in the middle", 1, 3, "i", "hio"),
    ("replace to beyond the end", 3, 99, "p", "help"),
    ("empty", 0, 5, "", ""),
];

fn changes(kind: BufferType, phase: Phase) -> Vec<Case> {
    let of_connection = is_of_connection(phase);
    let check = |now: &'static str| {
        if of_connection { Check::Echoed(now) } else { Check::Body(now.to_owned()) }
    };
    let case = |(what, start, length, with, now): (&str, u32, u32, &str, &'static str)| {
        let case = at(phase, SET, what)
            .call(call::set_buffer(kind, start, length, with), ok())
            .call(call::whole(kind), text(now));
        case.check(check(now))
    };
    CHANGES.into_iter().map(case).collect()
}

fn unknown() -> Vec<Case> {
    let kind = BufferType::RequestBody;
    let calls: [(&'static str, Call); 3] = [
        (GET, call::whole(kind)),
        (STATUS, call::buffer_status(kind)),
        (SET, call::set_buffer(kind, 0, 0, "x")),
    ];
    let case = |number: u32| {
        move |(subject, call): (&'static str, Call)| {
            let what = format!("unknown buffer {number}");
            Case::at(Phase::RequestBody, subject, &what).call(call.with(0, number), bad())
        }
    };
    let far = calls.clone().into_iter().map(case(u32::MAX));
    calls.into_iter().map(case(99)).chain(far).collect()
}

/// A body that changes while its head is held: the length in the head goes with it.
fn repaired_lengths() -> Vec<Case> {
    let with = |phase: Phase, kind, what, now: &'static str| {
        let sized = Exchange::post(&["hello"]).field("content-length", "5");
        let of_response = phase == Phase::ResponseBody;
        let sized = if of_response { sized.field("x-reply-length", "5") } else { sized };
        Case::at(phase, SET, what)
            .drive(sized)
            .call(call::set_buffer(kind, 0, 5, now), ok())
            .check(Check::Status(200))
            .check(Check::Body(now.to_owned()))
            .only_here()
    };
    let longer = |phase, kind| with(phase, kind, "a longer body than said", "longer than before");
    let shorter = |phase, kind| with(phase, kind, "a shorter body than said", "bye");
    let (request, response) = (Phase::RequestBody, Phase::ResponseBody);
    vec![
        longer(request, BufferType::RequestBody),
        shorter(request, BufferType::RequestBody),
        longer(response, BufferType::ResponseBody),
        shorter(response, BufferType::ResponseBody),
    ]
}

const GET: &str = "proxy_get_buffer_bytes";
const STATUS: &str = "proxy_get_buffer_status";
const SET: &str = "proxy_set_buffer_bytes";
