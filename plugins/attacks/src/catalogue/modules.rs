//! The other evil Wasm modules.

use crate::attack::{
    Answer::{Broken, Status},
    Attack, Counted, Drive, Form, HeldBy,
};

const FAULT: &[&str] = &["trapped", "timed_out", "out_of_memory", "load_failed"];
/// Enough time for what is much work, also where the machine is busy.
const PATIENT: &str = "limits: { cpu_ms_per_call: 500 }";

const BASE: Attack = Attack {
    name: "",
    about: "",
    form: Form::Module(""),
    policy: PATIENT,
    settings: "",
    drive: Drive::Report,
    budget_ms: 500,
    replies: &[Status(200)],
    counted: Counted::Fault(FAULT),
    named: &["is not allowed"],
    held_by: HeldBy::Policy,
};

const MEMORY: Attack =
    Attack { drive: Drive::Exchange, replies: &[Status(503)], held_by: HeldBy::Memory, ..BASE };

pub(super) const ALL: &[Attack] = &[
    Attack {
        name: "memory_bomb",
        about: "takes memory without end",
        form: Form::Module("memory_bomb"),
        policy: "limits: { cpu_ms_per_call: 1000, memory_mib: 16 }",
        budget_ms: 1000,
        named: &["ran out of memory"],
        ..MEMORY
    },
    Attack {
        name: "memory_declared",
        about: "declares 4 GiB of memory",
        form: Form::Module("memory_declared"),
        named: &["memory"],
        ..MEMORY
    },
    Attack {
        name: "table_bomb",
        about: "makes its table larger without end",
        form: Form::Module("table_bomb"),
        named: &["past its limit"],
        ..MEMORY
    },
    Attack {
        name: "table_declared",
        about: "declares a table of a hundred million elements",
        form: Form::Module("table_declared"),
        named: &["table"],
        ..MEMORY
    },
    Attack {
        name: "recursion",
        about: "calls itself without end",
        form: Form::Module("recursion"),
        named: &["stack", "trapped"],
        ..MEMORY
    },
    Attack {
        name: "log_flood",
        about: "writes 2,000 lines, with control characters in them",
        form: Form::Module("log_flood"),
        policy: "limits: { cpu_ms_per_call: 500, log_lines_per_second_max: 100 }",
        counted: Counted::Refused("log"),
        named: &["were dropped"],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "metric_flood",
        about: "defines 2,000 metrics",
        form: Form::Module("metric_flood"),
        policy: "limits: { cpu_ms_per_call: 500, metrics_max: 50 }",
        counted: Counted::Refused("define_metric"),
        named: &["metrics_max"],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "call_flood",
        about: "makes 200 calls at once",
        form: Form::Module("call_flood"),
        policy: "grants: [\"http_call:allowed\"], preset: default, \
                 limits: { cpu_ms_per_call: 500, calls_max: 8 }",
        counted: Counted::Refused("http_call"),
        named: &["calls_max"],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "header_injection",
        about: "writes fields that would become two, frame the message or route it",
        form: Form::Module("header_injection"),
        counted: Counted::Denied("headers.request.write"),
        ..BASE
    },
    Attack {
        name: "large_fields",
        about: "adds a hundred fields of 60,000 bytes",
        form: Form::Module("large_fields"),
        drive: Drive::Exchange,
        replies: &[Status(200), Status(431), Status(500), Status(502), Status(503), Broken],
        named: &["trapped"],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "wild_pointers",
        about: "gives host calls addresses and lengths outside of its memory",
        form: Form::Module("wild_pointers"),
        named: &["trapped"],
        held_by: HeldBy::Sandbox,
        ..BASE
    },
    Attack {
        name: "others_data",
        about: "reads the shared data and queues of another plugin",
        form: Form::Module("others_data"),
        counted: Counted::Denied("queues"),
        ..BASE
    },
    Attack {
        name: "others_streams",
        about: "resumes, answers and closes streams that are not its own",
        form: Form::Module("others_streams"),
        policy: "preset: default, denials: [reply, close], limits: { cpu_ms_per_call: 500 }",
        counted: Counted::Denied("close"),
        ..BASE
    },
    Attack {
        name: "ssrf",
        about: "calls addresses, URLs and metadata services in place of clusters",
        form: Form::Module("ssrf"),
        policy: "preset: default, grants: [\"http_call:allowed\"], \
                 limits: { cpu_ms_per_call: 500 }",
        counted: Counted::Denied("http_call"),
        ..BASE
    },
    Attack {
        name: "ssrf_granted",
        about: "the same where every cluster is granted",
        form: Form::Module("ssrf"),
        policy: "preset: network, denials: [foreign, \"http_call:169.*\"], \
                 limits: { cpu_ms_per_call: 500 }",
        counted: Counted::Denied("http_call"),
        ..BASE
    },
    Attack {
        name: "properties",
        about: "reads properties that it was not granted",
        form: Form::Module("properties"),
        policy: "preset: default, denials: [properties.read], limits: { cpu_ms_per_call: 500 }",
        counted: Counted::Denied("properties.read"),
        ..BASE
    },
    Attack {
        name: "cookie",
        about: "reads a field that its policy hides, in four ways",
        form: Form::Module("cookie"),
        policy: "preset: default, denials: [\"headers.request.read:cookie\"], \
                 limits: { cpu_ms_per_call: 500 }",
        counted: Counted::Denied("headers.request.read"),
        ..BASE
    },
    Attack {
        name: "foreign_functions",
        about: "calls functions beside the interface",
        form: Form::Module("foreign_functions"),
        counted: Counted::Denied("foreign"),
        ..BASE
    },
    Attack {
        name: "system",
        about: "opens files and sockets through WASI, ends the process",
        form: Form::Module("system"),
        named: &["proc_exit"],
        held_by: HeldBy::Sandbox,
        ..BASE
    },
];
