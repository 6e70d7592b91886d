//! Every deed that a guest should not be able to do, in every callback that it has.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use bytes::Bytes;
use host_extension::{
    FaultKind, Flow, GrpcEvent, HttpAnswer, Peer, PluginFault, Step, StreamFilter,
};
use host_types::{Headers, PluginLimits};
use http::{HeaderMap, StatusCode};

use super::{Run, run::processor_time};
use crate::testing::{PRELUDE, Rig, connection, fault, open_response, stream};

/// What a guest does, and what comes of it.
struct Deed {
    name: &'static str,
    text: &'static str,
    kind: FaultKind,
    story: &'static str,
}

const fn endless(name: &'static str, text: &'static str) -> Deed {
    Deed { name, text, kind: FaultKind::TimedOut, story: "past its budget" }
}

const DEEDS: &[Deed] = &[
    endless("a loop", "(loop $l (br $l))"),
    endless("recursion that returns", "(loop $l (drop (call $wide (i32.const 30))) (br $l))"),
    endless(
        "calls of the host",
        "(loop $l (drop (call $log (i32.const 2) (i32.const 0) (i32.const 9))) (br $l))",
    ),
    endless(
        "refused calls of the host",
        "(loop $l (drop (call $log (i32.const 9) (i32.const -1) (i32.const -1))) (br $l))",
    ),
    endless(
        "fills of its memory",
        "(drop (memory.grow (i32.const 14))) (loop $l
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 1048576)) (br $l))",
    ),
    endless(
        "copies of its memory",
        "(drop (memory.grow (i32.const 14))) (loop $l
        (memory.copy (i32.const 0) (i32.const 524288) (i32.const 524288)) (br $l))",
    ),
    endless(
        "refused growth of its memory",
        "(loop $l (drop (memory.grow (i32.const 60000))) (br $l))",
    ),
    endless(
        "refused growth of its table",
        "(loop $l (drop (table.grow $t (ref.null func) (i32.const -1))) (br $l))",
    ),
    endless(
        "fills of its table",
        "(drop (table.grow $t (ref.null func) (i32.const 99))) (loop $l
        (table.fill $t (i32.const 0) (ref.null func) (i32.const 100)) (br $l))",
    ),
    Deed {
        name: "deep recursion",
        text: "(call $deep)",
        kind: FaultKind::Trapped,
        story: "call stack exhausted",
    },
    Deed {
        name: "a bomb of memory",
        text: "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
        kind: FaultKind::OutOfMemory,
        story: "past its limit",
    },
    Deed {
        name: "a bomb of elements",
        text: "(if (i32.eq (table.grow $t (ref.null func) (i32.const 200)) (i32.const -1)) (then unreachable))",
        kind: FaultKind::Trapped,
        story: "a table of 201 elements",
    },
];

const IMPORTS: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $http
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream" (func $grpc
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))"#;

/// What deeds need, and what they are done with.
const HELPERS: &str = r#"
  (table $t 1 funcref)
  (func $deep (call $deep) (call $deep))
  (func $wide (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (i32.add (call $wide (i32.sub (local.get 0) (i32.const 1)))
      (call $wide (i32.sub (local.get 0) (i32.const 1)))))
  (data (i32.const 16) "up") (data (i32.const 20) "request\00path")
  (data (i32.const 400) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\04\00\00\00:method\00PUT\00:path\00/abc\00:authority\00host\00")"#;

/// Has something come to the root later.
const ASK: &str = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
  (drop (call $tick (i32.const 100)))
  (drop (call $queue (i32.const 16) (i32.const 2) (i32.const 200)))
  (drop (call $http (i32.const 16) (i32.const 2) (i32.const 400) (i32.const 67) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 204)))
  (drop (call $grpc (i32.const 16) (i32.const 2) (i32.const 16) (i32.const 2) (i32.const 16)
    (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 208)))
  (i32.const 1))"#;

/// Has the allocator called.
const HAND_OVER: &str = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
  (drop (call $property (i32.const 20) (i32.const 12) (i32.const 200) (i32.const 204)))
  (i32.const 0))"#;

/// A callback: its text, which does `DEED`, and how the host comes to call it.
type Place = (&'static str, &'static str, Reach);

#[derive(Clone, Copy, Debug)]
enum Reach {
    Start,
    Stream(fn(&mut dyn StreamFilter) -> Step),
    NewConnection,
    Data(Flow),
    Close(Flow),
    End,
    EndOfRoot,
    Tick,
    Queue,
    Answer,
    Grpc(fn() -> GrpcEvent),
}

fn headers() -> Headers {
    Headers::response(StatusCode::OK, HeaderMap::new())
}

fn request_headers(filter: &mut dyn StreamFilter) -> Step {
    filter.on_request_headers(&stream(), false)
}

const PLACES: &[Place] = &[
    ("the start section", "(func $section DEED) (start $section)", Reach::Start),
    ("_initialize", r#"(func (export "_initialize") DEED)"#, Reach::Start),
    ("_start", r#"(func (export "_start") DEED)"#, Reach::Start),
    (
        "main",
        r#"(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Start,
    ),
    (
        "__main_void",
        r#"(func (export "_initialize")) (func (export "__main_void") (result i32) DEED (i32.const 0))"#,
        Reach::Start,
    ),
    (
        "context_create",
        r#"(func (export "proxy_on_context_create") (param i32 i32) DEED)"#,
        Reach::Start,
    ),
    (
        "vm_start",
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) DEED (i32.const 1))"#,
        Reach::Start,
    ),
    (
        "configure",
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) DEED (i32.const 1))"#,
        Reach::Start,
    ),
    ("malloc", HAND_OVER, Reach::Stream(request_headers)),
    (
        "request_headers",
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(request_headers),
    ),
    (
        "request_body",
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(|it| it.on_request_body(&stream(), false)),
    ),
    (
        "request_trailers",
        r#"(func (export "proxy_on_request_trailers") (param i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(|it| it.on_request_trailers(&stream())),
    ),
    (
        "response_headers",
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(|it| {
            let stream = stream();
            open_response(&stream);
            it.on_response_headers(&stream, false)
        }),
    ),
    (
        "response_body",
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(|it| it.on_response_body(&stream(), true)),
    ),
    (
        "response_trailers",
        r#"(func (export "proxy_on_response_trailers") (param i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Stream(|it| it.on_response_trailers(&stream())),
    ),
    (
        "new_connection",
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32) DEED (i32.const 0))"#,
        Reach::NewConnection,
    ),
    (
        "downstream_data",
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Data(Flow::Downstream),
    ),
    (
        "upstream_data",
        r#"(func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32) DEED (i32.const 0))"#,
        Reach::Data(Flow::Upstream),
    ),
    (
        "downstream_connection_close",
        r#"(func (export "proxy_on_downstream_connection_close") (param i32 i32) DEED)"#,
        Reach::Close(Flow::Downstream),
    ),
    (
        "upstream_connection_close",
        r#"(func (export "proxy_on_upstream_connection_close") (param i32 i32) DEED)"#,
        Reach::Close(Flow::Upstream),
    ),
    (
        "done",
        r#"(func (export "proxy_on_done") (param i32) (result i32) DEED (i32.const 1))"#,
        Reach::End,
    ),
    ("log", r#"(func (export "proxy_on_log") (param i32) DEED)"#, Reach::End),
    ("delete", r#"(func (export "proxy_on_delete") (param i32) DEED)"#, Reach::End),
    (
        "done of a root",
        r#"(func (export "proxy_on_done") (param i32) (result i32) DEED (i32.const 1))"#,
        Reach::EndOfRoot,
    ),
    ("delete of a root", r#"(func (export "proxy_on_delete") (param i32) DEED)"#, Reach::EndOfRoot),
    ("tick", r#"(func (export "proxy_on_tick") (param i32) DEED)"#, Reach::Tick),
    ("queue_ready", r#"(func (export "proxy_on_queue_ready") (param i32 i32) DEED)"#, Reach::Queue),
    (
        "http_call_response",
        r#"(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) DEED)"#,
        Reach::Answer,
    ),
    (
        "grpc_receive_initial_metadata",
        r#"(func (export "proxy_on_grpc_receive_initial_metadata") (param i32 i32 i32) DEED)"#,
        Reach::Grpc(|| GrpcEvent::InitialMetadata(headers())),
    ),
    (
        "grpc_receive",
        r#"(func (export "proxy_on_grpc_receive") (param i32 i32 i32) DEED)"#,
        Reach::Grpc(|| GrpcEvent::Message(Bytes::from_static(b"m"))),
    ),
    (
        "grpc_receive_trailing_metadata",
        r#"(func (export "proxy_on_grpc_receive_trailing_metadata") (param i32 i32 i32) DEED)"#,
        Reach::Grpc(|| GrpcEvent::TrailingMetadata(headers())),
    ),
    (
        "grpc_close",
        r#"(func (export "proxy_on_grpc_close") (param i32 i32 i32) DEED)"#,
        Reach::Grpc(|| GrpcEvent::Closed { status: 2, message: "m".into() }),
    ),
];

fn module((name, place, reach): &Place, deed: &Deed) -> Vec<u8> {
    let place = place.replace("DEED", deed.text);
    let comes_later = matches!(reach, Reach::Tick | Reach::Queue | Reach::Answer | Reach::Grpc(_));
    let ask = if comes_later { ASK } else { "" };
    let prelude = if *name == "malloc" {
        let malloc = format!(
            r#"(func (export "malloc") (param i32) (result i32) {} (i32.const 64))"#,
            deed.text
        );
        format!(
            r#"(func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 2) {malloc}"#
        )
    } else {
        PRELUDE.to_owned()
    };
    wat::parse_str(format!("(module {IMPORTS} {prelude} {HELPERS} {ask} {place})"))
        .unwrap_or_else(|error| panic!("{name}, {}: {error}", deed.name))
}

fn limits(budget: Duration) -> PluginLimits {
    PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 100,
        call_budget: budget,
        start_budget: budget,
        ..PluginLimits::default()
    }
}

/// Has the host call a place of a guest that starts well, unless it is of the start itself;
/// answers with the fault that it ends in, and the microseconds of processor time.
fn reach(rig: &Rig, reach: Reach) -> (PluginFault, u64) {
    let timed = |call: &mut dyn FnMut() -> Option<PluginFault>| {
        let begun = processor_time();
        let fault = call();
        let used = processor_time() - begun;
        let fault = fault.or_else(|| rig.faults.borrow_mut().pop());
        (fault.expect("it fails"), used)
    };
    if matches!(reach, Reach::Start) {
        return timed(&mut || rig.start(b"c").err());
    }
    let factory = rig.start(b"c").expect("it starts");
    let beside = &rig.host.beside;
    match reach {
        Reach::Start => unreachable!("above"),
        Reach::Stream(call) => {
            let mut filter = factory.stream_filter(&stream()).expect("a filter");
            timed(&mut || Some(fault(call(filter.as_mut()))))
        }
        Reach::NewConnection => {
            let at = connection();
            let mut filter = factory.network_filter(&at).expect("a filter");
            timed(&mut || Some(fault(filter.on_new_connection(&at))))
        }
        Reach::Data(flow) => {
            let at = connection();
            let mut filter = factory.network_filter(&at).expect("a filter");
            timed(&mut || Some(fault(filter.on_data(&at, flow, false))))
        }
        Reach::Close(flow) => {
            let at = connection();
            let mut filter = factory.network_filter(&at).expect("a filter");
            timed(&mut || filter.on_close(&at, flow, Peer::Remote).err())
        }
        Reach::End => {
            let one = stream();
            let mut filter = factory.stream_filter(&one).expect("a filter");
            timed(&mut || filter.on_complete(&one).err())
        }
        Reach::EndOfRoot => {
            let mut factory = Some(factory);
            timed(&mut || {
                factory.take();
                None
            })
        }
        Reach::Tick => timed(&mut || {
            rig.host.timers.ring();
            None
        }),
        Reach::Queue => timed(&mut || {
            beside.queue_ready(1);
            None
        }),
        Reach::Answer => {
            let answer = HttpAnswer { headers: headers(), body: Bytes::new(), trailers: None };
            let mut answer = Some(answer);
            timed(&mut || {
                beside.answer(0, Ok(answer.take()?));
                None
            })
        }
        Reach::Grpc(event) => timed(&mut || {
            beside.event(0, event());
            None
        }),
    }
}

#[test]
fn every_deed_is_ended_in_every_callback() {
    for place in PLACES {
        for deed in DEEDS {
            let limits = limits(Duration::from_millis(4));
            let rig = Rig::with_limits(&module(place, deed), &limits);
            let (fault, used) = reach(&rig, place.2);
            let told = format!("{} in {}: {fault}", deed.name, place.0);
            let kind =
                if matches!(place.2, Reach::Start) { FaultKind::LoadFailed } else { deed.kind };
            assert_eq!(fault.kind, kind, "{told}");
            assert!(fault.message.contains(deed.story), "{told}");
            assert!(used < 500_000, "{told}: {used} microseconds");
        }
    }
}

#[test]
fn every_callback_of_the_interface_is_a_place() {
    let places: BTreeSet<_> = PLACES
        .iter()
        .flat_map(|(_name, text, _reach)| text.split('"').skip(1).step_by(2))
        .collect();
    for (name, ..) in crate::fuzz::CALLBACKS {
        // This one no host calls.
        assert!(places.contains(name) || *name == "proxy_on_foreign_function", "{name}");
    }
}

/// A guest that calls one function of the host for ever, with arguments that are good for
/// something, is stopped all the same.
#[test]
fn a_storm_of_calls_of_each_function_is_ended() {
    use abi_wasm::{ParamType, host_functions, preview1};
    let wasi = preview1::FUNCTIONS.iter().map(|one| ("wasi_snapshot_preview1", one));
    let mut tried = 0;
    for (module, function) in host_functions().map(|one| ("env", one)).chain(wasi) {
        if function.name == "proc_exit" {
            continue;
        }
        let kinds: Vec<_> = function
            .params()
            .map(|param| if param == ParamType::I64 { "i64" } else { "i32" })
            .collect();
        let result = if function.answers() { "(result i32)" } else { "" };
        let drop = if function.answers() { "drop" } else { "nop" };
        let args: String = kinds.iter().map(|kind| format!("({kind}.const 16)")).collect();
        let text = format!(
            r#"(module (import "{module}" "{}" (func $f (param {}) {result})) {PRELUDE}
              (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (loop $l (call $f {args}) {drop} (br $l)) (i32.const 0)))"#,
            function.name,
            kinds.join(" "),
        );
        let bytes = wat::parse_str(text).expect("a module");
        let rig = Rig::with_limits(&bytes, &limits(Duration::from_millis(2)));
        let (fault, used) = reach(&rig, Reach::Stream(request_headers));
        // The allocator never frees.
        let ended = matches!(fault.kind, FaultKind::TimedOut | FaultKind::OutOfMemory);
        assert!(ended, "{}: {fault}", function.name);
        assert!(used < 500_000, "{}: {used} microseconds", function.name);
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
}

/// How long one goes on beyond its budget, in figures: endless deeds in each callback.
pub(super) fn loops(run: &mut Run) {
    const BUDGET: Duration = Duration::from_millis(10);
    const ROUNDS: usize = 4;
    const INTERRUPTED_MAX: u64 = 50_000;
    let budget = u64::try_from(BUDGET.as_micros()).expect("few");
    let mut used = Vec::new();
    for place in PLACES {
        for deed in DEEDS.iter().filter(|deed| deed.kind == FaultKind::TimedOut) {
            let module = module(place, deed);
            let plugin = Rc::new(Rig::with_limits(&module, &limits(BUDGET)));
            for _ in 0..ROUNDS {
                let rig = Rig::of(std::sync::Arc::clone(&plugin.plugin));
                let (fault, microseconds) = reach(&rig, place.2);
                run.must(fault.message.contains(deed.story), &fault.message);
                let told = format!("{} in {}: {microseconds} us", deed.name, place.0);
                run.must(microseconds <= INTERRUPTED_MAX, told);
                used.push(microseconds);
            }
        }
    }
    used.sort_unstable();
    let at = |share: usize| used[(used.len() - 1) * share / 1000];
    run.figure("calls", used.len() as u64);
    run.figure("budget_us", budget);
    run.figure("used_p50_us", at(500));
    run.figure("used_p99_us", at(990));
    run.figure("used_max_us", at(1000));
    run.must(at(500) <= budget + 2000, format!("half of them ran for {} us", at(500)));
}
