use std::time::Duration;

use host_extension::{
    ExtensionPoint, FaultKind, InstanceSpec, PluginFault, Step, Verdict, WorkerScope,
};
use host_types::{Isolation, PluginLimits, VmSettings};

use crate::{
    WasmBackend, WasmSettings, WasmSpec,
    testing::{LOG, Rig, SAY, connection, fault, guest, stream},
};

/// A guest that counts its streams in a global, and traps on the response.
fn rig() -> Rig {
    let rest = r#"
      (import "env" "proxy_done" (func $done (result i32)))"#;
    let hooks = r#"
      (global $streams (mut i32) (i32.const 48))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $say (i32.const 99)) (i32.ne (local.get 1) (i32.const 1)))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (global.set $streams (i32.add (global.get $streams) (i32.const 1)))
        (call $say (global.get $streams)) (i32.const 0))
      (func (export "proxy_on_new_connection") (param i32) (result i32)
        (call $say (i32.const 110)) (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)
      (func (export "proxy_on_done") (param i32) (result i32)
        (call $say (i32.add (i32.const 48) (local.get 0))) (i32.const 0))
      (func (export "proxy_on_delete") (param i32)
        (call $say (i32.const 120)) (call $say (i32.add (i32.const 48) (local.get 0))))"#;
    let vm = VmSettings { isolation: Isolation::PerStream, ..VmSettings::default() };
    Rig::with_vm(&guest(&format!("{LOG} {rest}"), &format!("{SAY} {hooks}")), &vm)
}

#[test]
fn each_stream_has_a_guest_that_goes_with_it() {
    let rig = rig();
    let factory = rig.factory();
    assert_eq!(rig.host.said(), "", "nothing runs before there is a stream");
    assert!(factory.outlives(&PluginFault::new(FaultKind::Trapped, "")));
    for _ in 0..2 {
        let stream = stream();
        let mut filter = factory.stream_filter(&stream).expect("a filter");
        let step = filter.on_request_headers(&stream, true);
        assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
        filter.on_complete(&stream).expect("it ends well");
        drop(filter);
        assert_eq!(rig.host.said(), "c12x21x1", "nobody waits for a root that is alone");
    }
    let connection = connection();
    let mut filter = factory.network_filter(&connection).expect("a filter");
    drop(filter.on_new_connection(&connection));
    assert_eq!(rig.host.said(), "cn");
}

#[test]
fn a_fault_reaches_its_own_stream_only() {
    let rig = rig();
    let factory = rig.factory();
    let (one, two) = (stream(), stream());
    let mut fails = factory.stream_filter(&one).expect("a filter");
    let mut beside = factory.stream_filter(&two).expect("a filter");
    assert_eq!(fault(fails.on_response_headers(&one, true)).kind, FaultKind::Trapped);
    let step = beside.on_request_headers(&two, true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
    assert!(rig.faults.borrow().is_empty());
    assert!(factory.stream_filter(&one).is_ok(), "the next stream is served");
    // Who asks a lost guest hears what happened, since nobody else did.
    assert_eq!(fails.on_complete(&one).expect_err("it is lost").kind, FaultKind::Trapped);
}

#[test]
fn a_start_that_fails_is_the_fault_of_its_stream() {
    let rig = rig();
    let factory = rig.start(b"1").expect("it starts nothing yet");
    let refused = factory.stream_filter(&stream()).expect_err("it is refused");
    assert_eq!(refused.kind, FaultKind::LoadFailed);
}

#[test]
fn trials_and_services_have_one_guest() {
    let rig = rig();
    let trial = WorkerScope { worker: None, ..rig.scope() };
    let refused = InstanceSpec { config: b"1"[..].into(), ..InstanceSpec::default() };
    assert!(rig.plugin.start(&trial, &refused).is_err());
    rig.host.said();
    let service = InstanceSpec { point: ExtensionPoint::Service, ..InstanceSpec::default() };
    let held = rig.plugin.start(&rig.scope(), &service).expect("it starts");
    assert_eq!(rig.host.said(), "c");
    drop(held);
}

/// A use of a guest for each stream, of a backend of its own.
fn limited(instances_max: u32, limits: &PluginLimits, imports: &str, hooks: &str) -> Rig {
    let settings = WasmSettings {
        instances_max,
        stream_instances_max: instances_max - 1,
        ..WasmSettings::default()
    };
    let backend = WasmBackend::new(&settings).expect("an engine");
    let vm = VmSettings { isolation: Isolation::PerStream, ..VmSettings::default() };
    let bytes = guest(imports, hooks);
    let spec = WasmSpec {
        name: &"guest".into(),
        bytes: &bytes,
        limits,
        phases: None,
        vm: &vm,
        grants: "",
    };
    Rig::of(backend.load(spec).expect("it loads"))
}

#[test]
fn streams_leave_room_for_guests_that_are_shared() {
    let rig = limited(4, &PluginLimits::default(), "", "");
    let factory = rig.factory();
    let mut open: Vec<_> =
        (0..3).map(|_| factory.stream_filter(&stream()).expect("there is room")).collect();
    let refused = factory.stream_filter(&stream()).expect_err("the rest is for others");
    assert_eq!(refused.kind, FaultKind::Denied);
    assert!(refused.message.contains("has 3 guests of streams"), "{refused}");
    let service = InstanceSpec { point: ExtensionPoint::Service, ..InstanceSpec::default() };
    assert!(rig.plugin.start(&rig.scope(), &service).is_ok());
    open.pop();
    assert!(factory.stream_filter(&stream()).is_ok());
}

#[test]
fn the_guests_of_a_use_have_the_limits_of_one_instance() {
    let limits = PluginLimits {
        contexts_max: 2,
        log_lines_per_second_max: 3,
        call_budget: Duration::from_secs(1),
        ..PluginLimits::default()
    };
    let talk = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.const 97)) (call $say (i32.const 98)) (i32.const 0))"#;
    let rig = limited(8, &limits, LOG, &format!("{SAY} {talk}"));
    let factory = rig.factory();
    let one = stream();
    let mut open: Vec<_> =
        (0..2).map(|_| factory.stream_filter(&one).expect("within the limit")).collect();
    let refused = factory.stream_filter(&one).expect_err("past the limit");
    assert_eq!(refused.kind, FaultKind::Denied);
    assert!(refused.message.contains("has 2 streams open, its limit"), "{refused}");
    for filter in &mut open {
        drop(filter.on_request_headers(&one, true));
    }
    assert_eq!(rig.host.said(), "aba", "one line too many");
    open.pop();
    assert!(factory.stream_filter(&one).is_ok());
}

#[test]
fn the_guests_of_a_use_call_clusters_as_one_instance_may() {
    let call = r#"
      (import "env" "proxy_grpc_stream"
        (func $open (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    // Opens 200 streams and says how the last one was answered.
    let hook = r#"
      (data (i32.const 100) "up")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $left i32) (local $status i32)
        (local.set $left (i32.const 200))
        (loop $next
          (local.set $status (call $open (i32.const 100) (i32.const 2) (i32.const 100) (i32.const 2)
            (i32.const 100) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 200)))
          (br_if $next
            (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $say (i32.add (i32.const 65) (local.get $status)))
        (i32.const 0))"#;
    let limits = PluginLimits { call_budget: Duration::from_secs(1), ..PluginLimits::default() };
    let rig = limited(8, &limits, &format!("{LOG} {call}"), &format!("{SAY} {hook}"));
    let factory = rig.factory();
    let one = stream();
    let run = || {
        let mut filter = factory.stream_filter(&one).expect("a filter");
        drop(filter.on_request_headers(&one, true));
        filter
    };
    let held = run();
    drop(run());
    assert_eq!(rig.host.said(), "AK", "both together have too many");
    drop(held);
    drop(run());
    assert_eq!(rig.host.said(), "A", "they ended with their streams");
}
