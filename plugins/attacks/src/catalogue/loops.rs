//! A Wasm module that never leaves one of its callbacks, for each of them.

use crate::attack::{
    Answer::{self, Broken, Status},
    Attack, Counted, Drive, Form, HeldBy,
};

/// The module, what it does, how it is provoked, and what a client gets.
type Row = (&'static str, &'static str, Drive, &'static [Answer]);

const EARLY: &[Answer] = &[Status(503)];
/// The head is on its way already.
const LATE: &[Answer] = &[Status(503), Broken];
/// The stream is over, or its instance is lost in its course.
const BESIDE: &[Answer] = &[Status(200), Status(503), Broken];

const ROWS: [Row; 21] = [
    ("loop_start", "never leaves the start section", Drive::Exchange, EARLY),
    ("loop_initialize", "never leaves _initialize", Drive::Exchange, EARLY),
    ("loop_vm_start", "never leaves proxy_on_vm_start", Drive::Exchange, EARLY),
    ("loop_configure", "never leaves proxy_on_configure", Drive::Exchange, EARLY),
    ("loop_root_create", "never leaves proxy_on_context_create of a root", Drive::Exchange, EARLY),
    ("loop_allocator", "never leaves malloc", Drive::Exchange, EARLY),
    (
        "loop_stream_create",
        "never leaves proxy_on_context_create of a stream",
        Drive::Exchange,
        EARLY,
    ),
    ("loop_request_headers", "never leaves proxy_on_request_headers", Drive::Exchange, EARLY),
    ("loop_request_body", "never leaves proxy_on_request_body", Drive::Exchange, LATE),
    ("loop_request_trailers", "never leaves proxy_on_request_trailers", Drive::Exchange, LATE),
    ("loop_response_headers", "never leaves proxy_on_response_headers", Drive::Exchange, EARLY),
    ("loop_response_body", "never leaves proxy_on_response_body", Drive::Exchange, LATE),
    ("loop_response_trailers", "never leaves proxy_on_response_trailers", Drive::Exchange, LATE),
    ("loop_tick", "never leaves proxy_on_tick", Drive::Exchange, BESIDE),
    ("loop_log", "never leaves proxy_on_log", Drive::Exchange, BESIDE),
    ("loop_done", "never leaves proxy_on_done", Drive::Exchange, BESIDE),
    ("loop_delete", "never leaves proxy_on_delete", Drive::Exchange, BESIDE),
    ("loop_http_answer", "never leaves proxy_on_http_call_response", Drive::Exchange, BESIDE),
    ("loop_queue", "never leaves proxy_on_queue_ready", Drive::Exchange, BESIDE),
    ("loop_new_connection", "never leaves proxy_on_new_connection", Drive::Bytes, &[Broken]),
    ("loop_downstream_data", "never leaves proxy_on_downstream_data", Drive::Bytes, &[Broken]),
];

pub(super) fn all() -> Vec<Attack> {
    ROWS.iter().map(attack).collect()
}

fn attack(&(name, about, drive, replies): &Row) -> Attack {
    Attack {
        name,
        about,
        form: Form::Module(name),
        policy: "preset: network, limits: { cpu_ms_per_call: 10, cpu_ms_start: 100 }",
        settings: "",
        drive,
        budget_ms: 10,
        replies,
        counted: Counted::Fault(&["timed_out", "load_failed"]),
        named: &["ran past its budget"],
        held_by: HeldBy::Budget,
    }
}
