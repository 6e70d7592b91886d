use std::rc::Rc;

use host_extension::WorkerScope;
use host_types::VmSettings;

use super::DONE_WAIT_MAX;
use crate::testing::{LOG, Rig, SAY, fault, guest, stream};

const DONE: &str = r#"(import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))"#;

/// A guest that says the end of each context, with its number; roots are not done at once.
/// A request hook says that the root which its number of fields names is done.
fn slow_to_end(done: u32) -> Vec<u8> {
    let rest = format!(
        r#"
      (func $tell (param $what i32) (param $context i32)
        (call $say (local.get $what))
        (call $say (i32.add (i32.const 48) (local.get $context))))
      (func (export "proxy_on_done") (param i32) (result i32)
        (call $tell (i32.const 100) (local.get 0))
        (call $say (i32.add (i32.const 65) (call $done)))
        (i32.const {done}))
      (func (export "proxy_on_log") (param i32) (call $tell (i32.const 108) (local.get 0)))
      (func (export "proxy_on_delete") (param i32)
        (call $tell (i32.const 120) (local.get 0))
        (call $say (i32.add (i32.const 65) (call $done))))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.add (i32.const 65) (call $done)))
        (drop (call $effective (i32.const 1)))
        (call $say (i32.add (i32.const 65) (call $done)))
        (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)"#
    );
    guest(&format!("{LOG} {DONE}"), &format!("{SAY} {rest}"))
}

fn named() -> VmSettings {
    VmSettings { id: Some("m".into()), ..VmSettings::default() }
}

#[test]
fn a_root_ends_after_its_last_stream() {
    let rig = Rig::new(&slow_to_end(1));
    let factory = rig.factory();
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    drop(factory);
    assert_eq!(rig.host.said(), "", "its stream runs still");
    filter.on_complete(&stream).expect("it ends well");
    assert_eq!(rig.host.said(), "d2Bl2x2B");
    drop(filter);
    assert_eq!(rig.host.said(), "d1Bx1B", "nothing was pending for `proxy_done`");
    assert!(rig.host.timers.periods().is_empty());
}

#[test]
fn a_root_that_is_not_done_is_deleted_once_it_says_so() {
    let rig = Rig::with_vm(&slow_to_end(0), &named());
    let (first, second) = (rig.factory(), rig.factory());
    drop(first);
    assert_eq!(rig.host.said(), "d1B");
    assert_eq!(rig.host.timers.periods(), [DONE_WAIT_MAX]);
    let one = stream();
    let mut filter = second.stream_filter(&one).expect("a filter");
    drop(filter.on_request_headers(&one, true));
    assert_eq!(rig.host.said(), "BAx1B", "a stream's context is never pending, its root is");
    assert!(rig.host.timers.periods().is_empty());
    // Then there is no such context any more.
    drop(filter.on_request_headers(&one, true));
    assert_eq!(rig.host.said(), "BB");
}

#[test]
fn a_root_that_is_never_done_is_deleted_after_a_while() {
    let rig = Rig::new(&slow_to_end(0));
    drop(rig.factory());
    assert_eq!(rig.host.said(), "d1B");
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "x1B");
    assert!(rig.host.timers.periods().is_empty());
    assert_eq!(Rc::strong_count(&rig.host.timers), 1, "nothing is kept");
}

#[test]
fn a_trial_is_not_waited_for() {
    let rig = Rig::new(&slow_to_end(0));
    let scope = WorkerScope { worker: None, ..rig.scope() };
    drop(rig.plugin.start(&scope, &host_extension::InstanceSpec::default()).expect("it starts"));
    assert_eq!(rig.host.said(), "d1Bx1B");
    assert!(rig.host.timers.periods().is_empty());
}

#[test]
fn a_root_that_waits_goes_with_its_guest() {
    let rig = Rig::with_vm(&slow_to_end(0), &named());
    let (first, second) = (rig.factory(), rig.factory());
    drop(first);
    let one = stream();
    let mut filter = second.stream_filter(&one).expect("a filter");
    fault(filter.on_response_headers(&one, true));
    assert!(rig.host.timers.periods().is_empty());
    rig.host.said();
    drop((second, filter));
    assert_eq!(rig.host.said(), "", "nothing is called in a lost guest");
}

#[test]
fn a_fault_of_the_end_is_told() {
    let done = r#"(func (export "proxy_on_done") (param i32) (result i32) unreachable)"#;
    let rig = Rig::new(&guest("", done));
    drop(rig.factory());
    assert_eq!(rig.faults.borrow().len(), 1);
    assert!(rig.faults.borrow()[0].message.contains("`proxy_on_done`"));
}
