//! Connections: pausing, going on, closing, and what each callback is given.

use abi_wasm::{BufferType, StreamType};

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Arg},
    case::{Case, Check, Until, Which},
    exchange::TcpExchange,
    script::{first, on},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = passed();
    cases.extend(held());
    cases.extend(closed());
    cases
}

const PAUSE: u32 = 1;
const DOWN: Phase = Phase::DownstreamData;
const UP: Phase = Phase::UpstreamData;

fn at(phase: Phase, what: &str) -> Case {
    Case::at(phase, "connection", what)
}

fn given(phase: Phase, nth: u32, parameter: usize, number: u64) -> Check {
    Check::Given(Until { which: Which::Armed, phase, nth }, parameter, number)
}

fn passed() -> Vec<Case> {
    let (down, up) = (BufferType::DownstreamData, BufferType::UpstreamData);
    vec![
        at(DOWN, "bytes pass")
            .call(call::whole(down), text("ping"))
            .check(given(DOWN, 1, 0, 4))
            .check(Check::Echoed("ping")),
        at(UP, "bytes pass")
            .call(call::whole(up), text("ping"))
            .check(given(UP, 1, 0, 4))
            .check(Check::Echoed("ping")),
        // It ended its side first; a proxy that closes the rest may say that it did.
        at(Phase::DownstreamClose, "the client closed")
            .prepare(call::log(1, "here"))
            .check(given(Phase::DownstreamClose, 1, 0, 2).here()),
        at(DOWN, "the bytes of the other direction are not at hand")
            .call(call::whole(up), super::missing().or_elsewhere(0).or_elsewhere(2)),
    ]
}

fn held() -> Vec<Case> {
    let (down, up) = (BufferType::DownstreamData, BufferType::UpstreamData);
    let remember = |phase| first(phase, call::keep(4, Arg::Context));
    // The bytes that are held are shown again with the end of what the client sends.
    let ticked = |case: Case, phase, stream| {
        case.step(remember(phase))
            .step(first(phase, call::tick_period(5)))
            .step(on(phase, call::answer(PAUSE)))
            .step(first(Phase::Tick, call::effective(Arg::Value(4))).gives(ok()))
            .step(on(Phase::Tick, call::effective(Arg::Value(4))))
            .step(on(Phase::Tick, call::continue_stream(stream)))
            .step(first(Phase::Log, call::tick_period(0)))
            .check(Check::Echoed("ping"))
    };
    vec![
        at(DOWN, "held until more comes")
            .drive_tcp(TcpExchange { parts: vec!["he", "llo"] })
            .step(on(DOWN, call::answer(PAUSE)).nth(1))
            .step(on(DOWN, call::whole(down)).nth(2).gives(text("hello")))
            .check(Check::Echoed("hello")),
        at(DOWN, "replaced on the way")
            .call(call::set_buffer(down, 0, 4, "pong"), ok())
            .check(Check::Echoed("pong")),
        at(UP, "replaced on the way")
            .call(call::set_buffer(up, 0, 4, "pong"), ok())
            .check(Check::Echoed("pong")),
        ticked(at(DOWN, "paused until a tick"), DOWN, StreamType::Downstream),
        ticked(at(UP, "paused until a tick"), UP, StreamType::Upstream),
        ticked(
            at(Phase::NewConnection, "paused until a tick"),
            Phase::NewConnection,
            StreamType::Downstream,
        ),
    ]
}

fn closed() -> Vec<Case> {
    let close = |phase, stream| {
        Case::at(phase, "proxy_close_stream", &format!("closes: {stream:?}"))
            .call(call::close_stream(stream), ok())
            .prepare(call::answer(PAUSE))
            .check(Check::Closed)
            .check(Check::Times(Which::Armed, Phase::Delete, 1))
    };
    let mut cases = vec![
        close(Phase::NewConnection, StreamType::Downstream),
        close(DOWN, StreamType::Downstream),
        close(DOWN, StreamType::Upstream),
        close(UP, StreamType::Downstream),
    ];
    for phase in [Phase::NewConnection, DOWN, UP] {
        let call = call::continue_stream(StreamType::Request).with(0, 9);
        cases.push(Case::at(phase, "proxy_continue_stream", "unknown stream").call(call, bad()));
        let call = call::close_stream(StreamType::Request).with(0, 9);
        cases.push(Case::at(phase, "proxy_close_stream", "unknown stream").call(call, bad()));
    }
    cases
}
