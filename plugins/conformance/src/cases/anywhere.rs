//! Functions that can be called in every callback, each in each.

use abi_wasm::{BufferType, MetricType, StreamType};

use super::{missing, ok, text};
use crate::{
    Phase,
    call::{self, Arg, Call},
    case::Case,
    script::{Answer, Value},
    setup,
};

/// Every callback but those of gRPC, which [`super::grpc`] has, and that of a foreign call,
/// which no function of ours brings about.
const EVERYWHERE: [Phase; 20] = [
    Phase::ContextCreate,
    Phase::VmStart,
    Phase::Configure,
    Phase::Tick,
    Phase::NewConnection,
    Phase::DownstreamData,
    Phase::UpstreamData,
    Phase::DownstreamClose,
    Phase::UpstreamClose,
    Phase::RequestHeaders,
    Phase::RequestBody,
    Phase::RequestTrailers,
    Phase::ResponseHeaders,
    Phase::ResponseBody,
    Phase::ResponseTrailers,
    Phase::HttpCallResponse,
    Phase::QueueReady,
    Phase::Done,
    Phase::Log,
    Phase::Delete,
];

/// Where a plugin can call out: not before it is started, and not on behalf of what is gone.
const CALLING: [Phase; 12] = [
    Phase::Tick,
    Phase::NewConnection,
    Phase::DownstreamData,
    Phase::UpstreamData,
    Phase::RequestHeaders,
    Phase::RequestBody,
    Phase::RequestTrailers,
    Phase::ResponseHeaders,
    Phase::ResponseBody,
    Phase::ResponseTrailers,
    Phase::HttpCallResponse,
    Phase::QueueReady,
];

/// The year 2023: a clock that stands before it is none.
const PAST: u64 = 1_700_000_000_000_000_000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for phase in EVERYWHERE {
        cases.extend(rows(phase).into_iter().map(|row| row.case(phase)));
    }
    for phase in CALLING {
        let row = Row::new("proxy_http_call", call::good_http_call(), ok());
        cases.push(row.case(phase));
    }
    // The making of the root is another thing than that of a stream.
    let root = rows(Phase::ContextCreate).into_iter();
    cases.extend(root.map(|row| row.case(Phase::ContextCreate).of_root_start()));
    cases
}

struct Row {
    subject: &'static str,
    prepare: Vec<Call>,
    call: Call,
    answer: Answer,
}

impl Row {
    fn new(subject: &'static str, call: Call, answer: Answer) -> Self {
        Self { subject, prepare: Vec::new(), call, answer }
    }

    fn after(mut self, call: Call) -> Self {
        self.prepare.push(call);
        self
    }

    fn case(self, phase: Phase) -> Case {
        let case = Case::at(phase, self.subject, "good");
        let prepared = self.prepare.into_iter().fold(case, Case::prepare);
        prepared.call(self.call, self.answer)
    }
}

fn rows(phase: Phase) -> Vec<Row> {
    let name = format!("anywhere.{}", phase.label());
    let queue = || call::register(&name).into(6);
    let metric = || call::define(MetricType::Counter, &name).into(7);
    let key = name.as_str();
    let any = Arg::Number(0);
    vec![
        Row::new("proxy_log", call::log(2, "a line"), ok()),
        Row::new("proxy_get_log_level", call::log_level(), Answer::value(Value::AtLeast(2, 0))),
        Row::new(
            "proxy_get_current_time_nanoseconds",
            call::time(),
            Answer::value(Value::AtLeast(2, PAST)),
        ),
        Row::new("proxy_set_tick_period_milliseconds", call::tick_period(0), ok()),
        Row::new("proxy_set_effective_context", call::effective(Arg::Context), ok()),
        Row::new("proxy_done", call::done(), missing()),
        Row::new("proxy_get_status", call::status(), ok()),
        Row::new("proxy_get_property", call::property("plugin_root_id"), text(setup::ROOT_ID)),
        Row::new("proxy_set_shared_data", call::set_shared(key, "value", any.clone()), ok()),
        Row::new("proxy_get_shared_data", call::shared(key), text("value"))
            .after(call::set_shared(key, "value", any)),
        Row::new("proxy_register_shared_queue", queue(), ok()),
        Row::new("proxy_resolve_shared_queue", call::resolve(setup::VM_ID, key), ok())
            .after(queue()),
        Row::new("proxy_enqueue_shared_queue", call::enqueue(Arg::Value(6), "item"), ok())
            .after(queue()),
        Row::new("proxy_dequeue_shared_queue", call::dequeue(Arg::Value(6)), text("item"))
            .after(queue())
            .after(call::enqueue(Arg::Value(6), "item")),
        Row::new("proxy_define_metric", metric(), ok()),
        Row::new("proxy_record_metric", call::record(Arg::Value(7), 1), ok()).after(metric()),
        Row::new("proxy_increment_metric", call::increment(Arg::Value(7), 2), ok()).after(metric()),
        Row::new(
            "proxy_get_metric",
            call::metric(Arg::Value(7)),
            Answer::value(Value::AtLeast(2, 2)),
        )
        .after(metric())
        .after(call::increment(Arg::Value(7), 2)),
        Row::new("proxy_call_foreign_function", call::foreign("no such function", ""), missing()),
        Row::new("proxy_continue_stream", call::continue_stream(StreamType::Request), ok())
            .only_in(phase, is_of_http),
        Row::new("fd_write", call::fd_write(1), ok())
            .after(call::keep(8, Arg::Data(b"out\n".to_vec()))),
        Row::new("clock_time_get", call::clock(0), Answer::value(Value::AtLeast(2, PAST))),
        Row::new("random_get", call::random(Arg::Out(2), 8), ok()),
        Row::new(
            "proxy_get_buffer_bytes",
            call::whole(BufferType::VmConfiguration),
            text(setup::VM_CONFIGURATION),
        )
        .only_in(phase, |phase| phase == Phase::VmStart),
    ]
    .into_iter()
    .filter(|row| !row.subject.is_empty())
    .collect()
}

impl Row {
    /// Nothing where the callback is not one of these.
    fn only_in(self, phase: Phase, wanted: fn(Phase) -> bool) -> Self {
        if wanted(phase) { self } else { Self { subject: "", ..self } }
    }
}

fn is_of_http(phase: Phase) -> bool {
    (Phase::RequestHeaders..=Phase::ResponseTrailers).contains(&phase)
}
