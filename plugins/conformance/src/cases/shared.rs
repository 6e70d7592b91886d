//! What outlives a stream: shared data, queues, metrics, foreign functions.

use abi_wasm::MetricType;

use super::{bad, missing, ok, text};
use crate::{
    Phase,
    call::{self, Arg},
    case::{Case, Check, Until, Which},
    exchange::Exchange,
    script::{Answer, Value, first},
    setup,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = data();
    cases.extend(queues());
    cases.extend(metrics());
    cases.extend(foreign());
    cases
}

fn at(subject: &'static str, what: &str) -> Case {
    Case::at(Phase::RequestHeaders, subject, what).drive(Exchange::get("/probe"))
}

fn any() -> Arg {
    Arg::Number(0)
}

fn data() -> Vec<Case> {
    let (get, set) = ("proxy_get_shared_data", "proxy_set_shared_data");
    let version = || call::shared("cas").with(4, Arg::Out(5));
    vec![
        at(get, "missing").call(call::shared("no such key"), missing()),
        at(get, "has a version")
            .prepare(call::set_shared("versioned", "1", any()))
            .call(call::shared("versioned"), Answer::value(Value::AtLeast(2, 1))),
        at(set, "the right version")
            .prepare(call::set_shared("cas", "1", any()))
            .prepare(version())
            .call(call::set_shared("cas", "2", Arg::Value(5)), ok())
            .call(call::shared("cas"), text("2")),
        at(set, "an old version")
            .prepare(call::set_shared("cas", "1", any()))
            .prepare(version())
            .prepare(call::set_shared("cas", "2", any()))
            .call(call::set_shared("cas", "3", Arg::Value(5)), Answer::status(8))
            .call(call::shared("cas"), text("2")),
        at(set, "any version")
            .call(call::set_shared("any", "1", any()), ok())
            .call(call::set_shared("any", "2", any()), ok()),
        at(set, "a version of what is not there")
            .call(call::set_shared("never set before", "1", Arg::Number(7)), ok()),
        at(set, "an empty value")
            .call(call::set_shared("empty", "", any()), ok())
            .call(call::shared("empty"), Answer::value(Value::Empty)),
        at(set, "an empty key")
            .call(call::set_shared("", "of nothing", any()), ok())
            .call(call::shared(""), text("of nothing")),
        at(set, "seen by another stream")
            .call(call::set_shared("between", "here", any()), ok())
            .beside(
                Phase::RequestHeaders,
                vec![first(Phase::RequestHeaders, call::shared("between")).gives(text("here"))],
                Exchange::get("/probe"),
            ),
        Case::at(Phase::Log, set, "seen in a tick")
            .call(call::set_shared("ticked", "yes", any()), ok())
            .step(first(Phase::Log, call::tick_period(5)))
            .step(first(Phase::Tick, call::tick_period(0)))
            .step(first(Phase::Tick, call::shared("ticked")).gives(text("yes")))
            .until(Which::Root, Phase::Tick, 1),
    ]
}

fn queues() -> Vec<Case> {
    let queue = || Arg::Value(6);
    let of = |name: &str| call::register(name).into(6);
    let ready = Until { which: Which::Root, phase: Phase::QueueReady, nth: 1 };
    vec![
        at("proxy_dequeue_shared_queue", "empty")
            .prepare(of("empty"))
            .call(call::dequeue(queue()), Answer::status(7)),
        at("proxy_dequeue_shared_queue", "unknown")
            .call(call::dequeue(Arg::Number(987_654)), missing()),
        at("proxy_enqueue_shared_queue", "unknown")
            .call(call::enqueue(Arg::Number(987_654), "x"), missing()),
        at("proxy_resolve_shared_queue", "unknown")
            .call(call::resolve(setup::VM_ID, "no such queue"), missing()),
        at("proxy_resolve_shared_queue", "another machine's")
            .prepare(of("mine"))
            .call(call::resolve("another machine", "mine"), missing()),
        at("proxy_resolve_shared_queue", "the same one")
            .prepare(of("the same"))
            .prepare(call::enqueue(queue(), "x"))
            .call(call::resolve(setup::VM_ID, "the same").into(7), ok())
            .call(call::dequeue(Arg::Value(7)), text("x")),
        at("proxy_enqueue_shared_queue", "in order")
            .prepare(of("order"))
            .prepare(call::enqueue(queue(), "1"))
            .prepare(call::enqueue(queue(), "2"))
            .call(call::dequeue(queue()), text("1"))
            .call(call::dequeue(queue()), text("2"))
            .call(call::dequeue(queue()), Answer::status(7)),
        at("proxy_enqueue_shared_queue", "an empty item")
            .prepare(of("nothing"))
            .call(call::enqueue(queue(), ""), ok())
            .call(call::dequeue(queue()), Answer::value(Value::Empty)),
        at("proxy_register_shared_queue", "again keeps what is in it")
            .prepare(of("again"))
            .prepare(call::enqueue(queue(), "kept"))
            .call(of("again"), ok())
            .call(call::dequeue(queue()), text("kept")),
        at("proxy_register_shared_queue", "is told of an item")
            .prepare(of("told"))
            .prepare(call::enqueue(queue(), "x"))
            .step(first(Phase::QueueReady, call::dequeue(queue())).gives(text("x")))
            .check(Check::Times(Which::Root, Phase::QueueReady, 1))
            .until(Which::Root, ready.phase, ready.nth),
    ]
}

fn metrics() -> Vec<Case> {
    let metric = || Arg::Value(7);
    let of = |kind, name: &str| call::define(kind, name).into(7);
    let (counter, gauge, histogram) =
        (MetricType::Counter, MetricType::Gauge, MetricType::Histogram);
    let is = |number| Answer::value(Value::Number(2, number));
    let (define, get) = ("proxy_define_metric", "proxy_get_metric");
    let (record, increment) = ("proxy_record_metric", "proxy_increment_metric");
    vec![
        at(define, "unknown kind").call(call::define(counter, "kit_unknown").with(0, 3), bad()),
        at(define, "again is the same")
            .prepare(of(counter, "kit_same"))
            .prepare(call::increment(metric(), 3))
            .prepare(of(counter, "kit_same"))
            .call(call::metric(metric()), is(3)),
        at(get, "unknown").call(call::metric(Arg::Number(987_654)), missing()),
        at(record, "unknown").call(call::record(Arg::Number(987_654), 1), missing()),
        at(increment, "unknown").call(call::increment(Arg::Number(987_654), 1), missing()),
        at(get, "a new counter")
            .prepare(of(counter, "kit_new"))
            .call(call::metric(metric()), is(0)),
        at(increment, "a counter")
            .prepare(of(counter, "kit_counter"))
            .call(call::increment(metric(), 5), ok())
            .call(call::increment(metric(), 2), ok())
            .call(call::metric(metric()), is(7)),
        at(increment, "a counter downwards")
            .prepare(of(counter, "kit_down"))
            .call(call::increment(metric(), -1), bad())
            .call(call::metric(metric()), is(0)),
        at(record, "a counter adds")
            .prepare(of(counter, "kit_adds"))
            .prepare(call::record(metric(), 2))
            .call(call::record(metric(), 3), ok())
            .call(call::metric(metric()), is(5)),
        at(record, "a gauge sets")
            .prepare(of(gauge, "kit_sets"))
            .prepare(call::record(metric(), 9))
            .call(call::record(metric(), 4), ok())
            .call(call::metric(metric()), is(4)),
        at(increment, "a gauge both ways")
            .prepare(of(gauge, "kit_gauge"))
            .call(call::increment(metric(), 5), ok())
            .call(call::increment(metric(), -2), ok())
            .call(call::metric(metric()), is(3)),
        at(record, "a histogram")
            .prepare(of(histogram, "kit_times"))
            .call(call::record(metric(), 12), ok()),
        at(increment, "a histogram")
            .prepare(of(histogram, "kit_times"))
            .call(call::increment(metric(), 1), bad()),
        at(get, "a histogram")
            .prepare(of(histogram, "kit_times"))
            .call(call::metric(metric()), bad()),
        at(increment, "shown on the metrics page")
            .prepare(of(counter, "kit_shown"))
            .call(call::increment(metric(), 41), ok())
            .check(Check::Metric("kit_shown".to_owned(), " 41".to_owned()))
            .only_here(),
    ]
}

fn foreign() -> Vec<Case> {
    let subject = "proxy_call_foreign_function";
    let nowhere = |call: call::Call| call.with(4, 0).with(5, 0);
    vec![
        at(subject, "unknown").call(call::foreign("no such function", "x"), missing()),
        at(subject, "unknown, without room for a result")
            .call(nowhere(call::foreign("no such function", "x")), missing()),
        at(subject, "clear_route_cache").call(call::foreign("clear_route_cache", ""), ok()),
        at(subject, "without room for a result")
            .call(nowhere(call::foreign("clear_route_cache", "")), ok()),
    ]
}
