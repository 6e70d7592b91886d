mod beside;

use std::time::Duration;

use host_extension::{FaultKind, Step, Verdict};
use host_types::PluginLimits;

use crate::testing::{LOG, Rig, SAY, fault, guest, stream};

/// A guest whose request hook runs `body`.
fn hook(imports: &str, rest: &str, body: &str) -> Vec<u8> {
    let export = r#"(export "proxy_on_request_headers")"#;
    let hook = format!("(func $hook {export} (param i32 i32 i32) (result i32) {body} i32.const 0)");
    guest(imports, &format!("{rest} {hook}"))
}

/// The fault that the request hook of a guest ends in.
#[track_caller]
fn fails(bytes: &[u8], limits: &PluginLimits, kind: FaultKind, story: &str) {
    let rig = Rig::with_limits(bytes, limits);
    let (mut filter, stream) = rig.filter();
    let fault = fault(filter.on_request_headers(&stream, true));
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.message.contains(story), "{fault}");
    assert!(fault.message.contains("`guest`"), "{fault}");
    assert!(fault.message.contains("`proxy_on_request_headers`"), "{fault}");
    assert!(!fault.message.contains('\n'), "{fault}");
}

fn small() -> PluginLimits {
    PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 100,
        call_budget: Duration::from_millis(10),
        start_budget: Duration::from_millis(50),
        ..PluginLimits::default()
    }
}

#[test]
fn a_trap_tells_where_it_happened_and_what_was_called_last() {
    let body = "(call $say (i32.const 97)) (call $inner)";
    let rest = format!("{SAY} (func $inner unreachable)");
    let bytes = hook(LOG, &rest, body);
    fails(&bytes, &small(), FaultKind::Trapped, "at inner < hook");
    fails(&bytes, &small(), FaultKind::Trapped, "its last host call was proxy_log = 0");
    let refused = "(drop (call $log (i32.const 9) (i32.const 0) (i32.const 0)))";
    let bytes = hook(LOG, &rest, &format!("{refused} {body}"));
    fails(
        &bytes,
        &small(),
        FaultKind::Trapped,
        "was proxy_log = 0, the last refused one proxy_log = 2",
    );
    let outside = "(drop (i32.load (i32.const -4)))";
    fails(&hook("", "", outside), &small(), FaultKind::Trapped, "out of bounds");
}

#[test]
fn an_endless_loop_is_stopped_by_its_processor_time() {
    let bytes = hook("", "", "(loop $l (br $l))");
    let clock = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let rig = Rig::with_limits(&bytes, &small());
    let (mut filter, stream) = rig.filter();
    let begun = clock();
    let fault = fault(filter.on_request_headers(&stream, true));
    let used = clock() - begun;
    assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
    assert!(used.tv_sec == 0 && used.tv_nsec < 200_000_000, "{used:?}");
    assert!(used.tv_nsec >= 4_000_000, "it had its budget: {used:?}");
}

#[test]
fn deep_recursion_is_a_trap_and_not_the_end_of_the_process() {
    let rest = "(func $deep (param i32) (result i32)
        (i32.add (i32.const 1) (call $deep (local.get 0))))";
    let body = "(drop (call $deep (i32.const 0)))";
    fails(&hook("", rest, body), &small(), FaultKind::Trapped, "call stack exhausted");
}

#[test]
fn a_guest_that_gets_no_more_memory_and_aborts_ran_out_of_memory() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let bytes = hook("", "", &format!("{grow} unreachable"));
    fails(&bytes, &small(), FaultKind::OutOfMemory, "1114112 bytes of memory in all");
    // Who lives on with less has not failed.
    let rig = Rig::with_limits(&hook("", "", grow), &small());
    let (mut filter, stream) = rig.filter();
    let step = filter.on_request_headers(&stream, true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
}

#[test]
fn a_table_grows_up_to_its_limit() {
    let rest = "(table $t 1 funcref)";
    let grow = |by: u32| {
        format!(
            "(if (i32.eq (table.grow $t (ref.null func) (i32.const {by})) (i32.const -1))
            (then unreachable))"
        )
    };
    let past = hook("", rest, &grow(100));
    fails(&past, &small(), FaultKind::Trapped, "a table of 101 elements");
    let rig = Rig::with_limits(&hook("", rest, &grow(99)), &small());
    let (mut filter, stream) = rig.filter();
    let step = filter.on_request_headers(&stream, true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
}

#[test]
fn after_a_fault_nothing_of_that_guest_serves_again() {
    let rig = Rig::new(&hook("", "", "unreachable"));
    let factory = rig.factory();
    let (first, second) = (stream(), stream());
    let mut failing = factory.stream_filter(&first).expect("a filter");
    let mut beside = factory.stream_filter(&second).expect("a filter");
    assert_eq!(fault(failing.on_request_headers(&first, true)).kind, FaultKind::Trapped);
    assert_eq!(fault(beside.on_request_headers(&second, true)).kind, FaultKind::InstanceLost);
    beside.on_complete(&second).expect("this guest has nothing to be told");
    let refused = factory.stream_filter(&first).expect_err("it is lost");
    assert_eq!(refused.kind, FaultKind::InstanceLost);
    drop((failing, beside));
    let mut fresh = rig.factory().stream_filter(&first).expect("a fresh guest serves");
    assert_eq!(fault(fresh.on_request_headers(&first, true)).kind, FaultKind::Trapped);
}

#[test]
fn a_fault_at_the_end_of_a_stream_is_told_at_once() {
    let rig = Rig::new(&guest("", r#"(func (export "proxy_on_log") (param i32) unreachable)"#));
    let factory = rig.factory();
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    let fault = filter.on_complete(&stream).expect_err("it trapped");
    assert_eq!(fault.kind, FaultKind::Trapped);
    assert_eq!(
        factory.stream_filter(&stream).expect_err("it is lost").kind,
        FaultKind::InstanceLost
    );
}

#[test]
fn a_trap_as_a_context_is_made_is_the_fault_of_that_stream() {
    let create = r#"(func (export "proxy_on_context_create") (param i32 i32)
        (if (local.get 1) (then unreachable)))"#;
    let fault = Rig::new(&guest("", create)).factory().stream_filter(&stream());
    assert_eq!(fault.expect_err("it trapped").kind, FaultKind::Trapped);
}

#[test]
fn a_guest_has_as_many_contexts_as_its_limit_says() {
    let limits = PluginLimits { contexts_max: 2, ..PluginLimits::default() };
    let factory = Rig::with_limits(&guest("", ""), &limits).factory();
    let stream = stream();
    let mut open: Vec<_> =
        (0..2).map(|_| factory.stream_filter(&stream).expect("within the limit")).collect();
    let refused = factory.stream_filter(&stream).expect_err("past the limit");
    assert_eq!(refused.kind, FaultKind::Denied);
    open.pop();
    assert!(factory.stream_filter(&stream).is_ok());
}
