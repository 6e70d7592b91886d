//! The end of contexts, the allocator's failures, levels of the log, clocks and the trap.

use abi_wasm::MapType;

use super::{bad, missing, ok, text};
use crate::{
    Phase,
    call::{self, Arg, Call, Function},
    case::{Case, Check, Which},
    exchange::Exchange,
    script::{Answer, Value, first},
    setup,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = logs();
    cases.extend(dropped_later());
    cases.extend(wasi());
    cases.extend(log_phase());
    cases.extend(late_ends());
    cases.extend(allocators());
    cases.extend(ticks());
    cases.extend(traps());
    cases
}

fn at(subject: &'static str, what: &str) -> Case {
    Case::at(Phase::RequestHeaders, subject, what).drive(Exchange::get("/probe"))
}

fn logs() -> Vec<Case> {
    let log = |what: &str, call, answer| at("proxy_log", what).call(call, answer);
    let mut cases: Vec<_> = (0..=5)
        .map(|level| log(&format!("level {level}"), call::log(level, "a line"), ok()))
        .collect();
    cases.push(log("unknown level 6", call::log(6, "a line"), bad()));
    cases.push(log("unknown level", call::log(u32::MAX, "a line"), bad()));
    cases.push(log("an empty line", call::log(1, ""), ok()));
    cases.push(log("control characters", call::log(1, "a\nb\0c\x1b[1m"), ok()));
    cases
}

/// What only 0.1.0 has.
fn dropped_later() -> Vec<Case> {
    let nothing =
        |name| Call { function: Function::Host(name), args: Vec::new(), keeps_value: false };
    let case = |name| at(name, "good").call(nothing(name), ok()).check(Check::Status(200));
    let mut cases: Vec<_> =
        ["proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache"]
            .map(case)
            .into();
    let tick = Phase::Tick;
    cases.push(
        at("proxy_continue_request", "what was paused")
            .step(first(Phase::RequestHeaders, call::keep(4, Arg::Context)))
            .step(first(Phase::RequestHeaders, call::tick_period(5)))
            .step(first(Phase::RequestHeaders, call::answer(1)))
            .step(first(tick, call::tick_period(0)))
            .step(first(tick, call::effective(Arg::Value(4))).gives(ok()))
            .step(first(tick, nothing("proxy_continue_request")).gives(ok()))
            .check(Check::Status(200)),
    );
    cases
}

fn wasi() -> Vec<Case> {
    let line = |text: &str| call::keep(8, Arg::Data(text.as_bytes().to_vec()));
    let write = |what, descriptor, answer| {
        at("fd_write", what).prepare(line("a line\n")).call(call::fd_write(descriptor), answer)
    };
    let written = |length| Answer::value(Value::Number(2, length));
    let environment = format!("{}={}\0", setup::VARIABLE.0, setup::VARIABLE.1);
    vec![
        write("standard output", 1, written(7)),
        write("standard error", 2, written(7)),
        write("standard input", 0, Answer::status(8)),
        write("an unknown file", 77, Answer::status(8)),
        at("clock_time_get", "a clock that only grows")
            .call(call::clock(1), Answer::value(Value::AtLeast(2, 1))),
        at("clock_time_get", "unknown").call(call::clock(9), Answer::status(58).or(28)),
        at("environ_sizes_get", "one variable")
            .call(call::environment_sizes(), Answer::value(Value::Number(2, 1))),
        at("environ_sizes_get", "its length").call(
            call::environment_sizes(),
            Answer::value(Value::Number(3, u64::try_from(environment.len()).unwrap_or_default())),
        ),
        at("environ_get", "good").call(call::environment(), ok()),
        at("args_sizes_get", "none")
            .call(call::argument_sizes(), Answer::value(Value::Number(2, 0))),
        at("args_get", "none").call(call::arguments(), ok()),
        at("random_get", "nothing").call(call::random(Arg::Out(2), 0), ok()),
    ]
}

/// Everything can be read as the stream is logged.
fn log_phase() -> Vec<Case> {
    let log = |map, name, value| {
        Case::at(Phase::Log, "proxy_get_header_map_value", &format!("good: {map:?}"))
            .call(call::value(map, name), text(value))
    };
    let pairs = |map, name, value| {
        Case::at(Phase::Log, "proxy_get_header_map_pairs", &format!("good: {map:?}"))
            .call(call::pairs(map), Answer::value(Value::Pair(name, value)))
    };
    vec![
        log(MapType::RequestHeaders, ":path", "/probe"),
        log(MapType::RequestTrailers, "x-req-trailer", "one"),
        log(MapType::ResponseHeaders, "x-up", "yes"),
        log(MapType::ResponseHeaders, ":status", "200"),
        log(MapType::ResponseTrailers, "x-resp-trailer", "two"),
        pairs(MapType::RequestHeaders, ":method", "POST"),
        pairs(MapType::RequestTrailers, "x-req-trailer", "one"),
        pairs(MapType::ResponseHeaders, "x-up", "yes"),
        pairs(MapType::ResponseTrailers, "x-resp-trailer", "two"),
        Case::at(Phase::Log, "proxy_get_header_map_value", "missing")
            .call(call::value(MapType::RequestHeaders, "x-none"), missing()),
    ]
}

/// A context that is still needed is not deleted before the plugin says so. Some hosts keep
/// that for roots.
fn late_ends() -> Vec<Case> {
    let head = Phase::RequestHeaders;
    let kept = |what| {
        Case::at(Phase::Done, "proxy_done", what)
            .step(first(Phase::Done, call::keep(4, Arg::Context)))
            .step(first(Phase::Done, call::answer(0)))
            .check(Check::Times(Which::Stream, Phase::Log, 1))
            .check(Check::Times(Which::Stream, Phase::Delete, 1))
            .only_here()
    };
    let end = vec![
        first(head, call::effective(Arg::Value(4))).gives(ok()),
        first(head, call::done()).gives(ok()),
    ];
    vec![
        kept("of a stream, by another one").beside(Phase::Done, end, Exchange::get("/probe")),
        kept("of a stream, by a tick")
            .step(first(Phase::Done, call::tick_period(5)))
            .step(first(Phase::Tick, call::tick_period(0)))
            .step(first(Phase::Tick, call::effective(Arg::Value(4))).gives(ok()))
            .step(first(Phase::Tick, call::done()).gives(ok()))
            .until(Which::Root, Phase::Tick, 1),
    ]
}

/// An allocator that fails must not bring the host down, nor the stream.
fn allocators() -> Vec<Case> {
    let path = || call::value(MapType::RequestHeaders, ":path");
    let refused = || Answer::status(6).or(10);
    let with = |what, behaviour, answer| {
        at("proxy_on_memory_allocate", what)
            .prepare(call::allocator(behaviour))
            .call(path(), answer)
            .prepare(call::allocator(0))
            .call(path(), text("/probe"))
            .check(Check::Status(200))
    };
    vec![
        with("has nothing", 1, refused()),
        with("answers with nonsense", 2, refused()),
        with("logs", 3, text("/probe")),
    ]
}

fn ticks() -> Vec<Case> {
    let subject = "proxy_set_tick_period_milliseconds";
    let (head, tick) = (Phase::RequestHeaders, Phase::Tick);
    vec![
        Case::at(head, subject, "again and again")
            .call(call::tick_period(5), ok())
            .step(first(tick, call::tick_period(0)).nth(3).gives(ok()))
            .until(Which::Root, tick, 3),
        Case::at(tick, subject, "no more after 0")
            .prepare(call::log(1, "here"))
            .check(Check::Times(Which::Root, tick, 1)),
        Case::at(tick, subject, "another period")
            .call(call::tick_period(7), ok())
            .step(first(tick, call::tick_period(0)).nth(2).gives(ok()))
            .until(Which::Root, tick, 2),
    ]
}

/// A guest that traps takes its stream with it, and the next one finds a fresh guest.
fn traps() -> Vec<Case> {
    let trapped = at("trap", "in a request's head")
        .prepare(call::trap())
        .clear_until()
        .check(Check::Status(503))
        .only_here();
    vec![
        trapped,
        at("trap", "the next stream is served")
            .call(call::value(MapType::RequestHeaders, ":path"), text("/probe"))
            .check(Check::Status(200))
            .only_here(),
    ]
}
