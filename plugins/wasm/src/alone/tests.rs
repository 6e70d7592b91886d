use host_extension::{ExtensionPoint, FaultKind, InstanceSpec, Step, Verdict, WorkerScope};
use host_types::{Isolation, VmSettings};

use crate::testing::{LOG, Rig, SAY, connection, fault, guest, stream};

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
    assert!(factory.outlives_faults());
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
