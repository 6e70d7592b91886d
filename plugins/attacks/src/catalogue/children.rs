//! What the evil child tries.

use crate::attack::{
    Answer::{Broken, Status},
    Attack, Counted, Drive, Form, HeldBy,
};

const ENDED: &[&str] = &["crashed", "instance_lost", "timed_out"];

/// What the kernel refuses, and then the policy.
const BASE: Attack = Attack {
    name: "",
    about: "",
    form: Form::Child(""),
    policy: "",
    settings: "call_timeout_ms: 3000",
    drive: Drive::Report,
    budget_ms: 3000,
    replies: &[Status(200)],
    counted: Counted::Denied("http_call"),
    named: &["is not allowed"],
    held_by: HeldBy::Kernel,
};

/// What takes the child with it.
const LAST: Attack = Attack {
    drive: Drive::Exchange,
    replies: &[Status(503), Broken],
    counted: Counted::Fault(ENDED),
    named: &["ended", "was killed", "in time", "signal"],
    held_by: HeldBy::Supervisor,
    ..BASE
};

pub(super) const ALL: &[Attack] = &[
    Attack {
        name: "child_files",
        about: "writes files outside of its own directory",
        form: Form::Child("files"),
        ..BASE
    },
    Attack {
        name: "child_secrets",
        about: "reads password files, the proxy's environment, configuration and memory",
        form: Form::Child("secrets"),
        ..BASE
    },
    Attack {
        name: "child_sockets",
        about: "opens sockets: TCP, UDP, raw, netlink, Unix",
        form: Form::Child("sockets"),
        ..BASE
    },
    Attack {
        name: "child_ssrf",
        about: "reaches for sixty addresses by itself, then asks the proxy",
        form: Form::Child("ssrf"),
        ..BASE
    },
    Attack {
        name: "child_kill",
        about: "sends signals to the proxy, to its guard and to other children",
        form: Form::Child("kill"),
        ..BASE
    },
    Attack {
        name: "child_trace",
        about: "opens the proxy's memory, takes its open files",
        form: Form::Child("trace"),
        ..BASE
    },
    Attack {
        name: "child_escape",
        about: "leaves its group, its session and its bond to the proxy; gets itself rights",
        form: Form::Child("escape"),
        ..BASE
    },
    Attack {
        name: "child_streams",
        about: "answers, changes and resumes streams that are not its own",
        form: Form::Child("streams"),
        held_by: HeldBy::Policy,
        ..BASE
    },
    Attack {
        name: "child_fields",
        about: "writes fields that frame and route",
        form: Form::Child("fields"),
        counted: Counted::Denied("headers.request.write"),
        held_by: HeldBy::Policy,
        ..BASE
    },
    Attack {
        name: "child_log_flood",
        about: "writes 20,000 lines to the log in two ways",
        form: Form::Child("log_flood"),
        policy: "limits: { log_lines_per_second_max: 100 }",
        counted: Counted::Refused("log"),
        named: &["were dropped"],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "child_huge_answer",
        about: "answers with 14 MiB and a thousand fields",
        form: Form::Child("huge_answer"),
        drive: Drive::Exchange,
        replies: &[Status(200), Status(413), Status(500), Status(502), Status(503), Broken],
        held_by: HeldBy::Quota,
        ..BASE
    },
    Attack {
        name: "child_loop",
        about: "never leaves a callback",
        form: Form::Child("loop"),
        settings: "call_timeout_ms: 200, unresponsive_timeout_ms: 500",
        budget_ms: 200,
        counted: Counted::Fault(&["timed_out", "crashed", "instance_lost"]),
        named: &["in time", "was killed", "ended", "answer"],
        held_by: HeldBy::Budget,
        ..LAST
    },
    Attack {
        name: "child_memory_bomb",
        about: "takes memory without end",
        form: Form::Child("memory_bomb"),
        held_by: HeldBy::Memory,
        ..LAST
    },
    Attack {
        name: "child_forks",
        about: "starts a hundred processes and ends",
        form: Form::Child("forks"),
        ..LAST
    },
    Attack {
        name: "child_exec",
        about: "becomes another program",
        form: Form::Child("exec"),
        ..LAST
    },
    Attack {
        name: "child_abort",
        about: "ends in the middle of a callback",
        form: Form::Child("abort"),
        ..LAST
    },
];
