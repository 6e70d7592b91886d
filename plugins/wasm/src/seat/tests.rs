use std::{rc::Rc, time::Duration};

use host_extension::{FaultKind, FilterFactory, WorkerScope};
use host_types::{PluginLimits, VmSettings};

use super::{DONE_WAIT_MAX, LINGERING_MAX};
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
    assert_eq!(rig.host.said(), "BAx1B", "this stream was not asked yet, its root was");
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
fn a_module_that_says_its_phases_is_not_asked_whether_it_is_done() {
    let ends = r#"
      (func (export "proxy_on_done") (param i32) (result i32) unreachable)
      (func (export "proxy_on_delete") (param i32) (call $say (i32.const 120)))
      (@custom "mortise.phases" "\01\00")"#;
    let rig = Rig::new(&guest(LOG, &format!("{SAY} {ends}")));
    let factory = rig.factory();
    let one = stream();
    drop(factory.stream_filter(&one).expect("a filter"));
    assert_eq!(rig.host.said(), "x");
    drop(factory);
    assert_eq!(rig.host.said(), "x");
    assert!(rig.host.timers.periods().is_empty());
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

/// A guest whose contexts of streams are not done at once; each request hook says that the
/// first of them is.
fn slow_streams() -> Vec<u8> {
    let rest = r#"
      (func $tell (param $what i32) (param $context i32)
        (call $say (local.get $what))
        (call $say (i32.add (i32.const 48) (local.get $context))))
      (func (export "proxy_on_done") (param i32) (result i32)
        (call $tell (i32.const 100) (local.get 0))
        (i32.eq (local.get 0) (i32.const 1)))
      (func (export "proxy_on_log") (param i32) (call $tell (i32.const 108) (local.get 0)))
      (func (export "proxy_on_delete") (param i32) (call $tell (i32.const 120) (local.get 0)))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.add (i32.const 65) (call $effective (i32.const 2))))
        (call $say (i32.add (i32.const 65) (call $done)))
        (call $say (i32.add (i32.const 65) (call $done)))
        (i32.const 0))"#;
    guest(&format!("{LOG} {DONE}"), &format!("{SAY} {rest}"))
}

#[test]
fn a_stream_that_is_not_done_stays_until_it_says_so() {
    let rig = Rig::new(&slow_streams());
    let factory = rig.factory();
    let (one, two) = (stream(), stream());
    let mut first = factory.stream_filter(&one).expect("a filter");
    first.on_complete(&one).expect("it ends well");
    drop(first);
    assert_eq!(rig.host.said(), "d2");
    assert_eq!(rig.host.timers.periods(), [DONE_WAIT_MAX]);
    let mut second = factory.stream_filter(&two).expect("a filter");
    drop(second.on_request_headers(&two, true));
    assert_eq!(rig.host.said(), "AABl2x2", "once");
    assert!(rig.host.timers.periods().is_empty());
    drop(second.on_request_headers(&two, true));
    assert_eq!(rig.host.said(), "CBB", "it is gone");
}

#[test]
fn a_stream_that_is_never_done_keeps_its_root_for_a_while() {
    let rig = Rig::new(&slow_streams());
    let factory = rig.factory();
    for _ in 0..2 {
        let one = stream();
        let mut filter = factory.stream_filter(&one).expect("a filter");
        filter.on_complete(&one).expect("it ends well");
    }
    drop(factory);
    assert_eq!(rig.host.said(), "d2d3");
    assert_eq!(rig.host.timers.periods().len(), 1);
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "", "it may have ended just now");
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "l2x2l3x3d1x1", "the root goes with the last of them");
    assert!(rig.host.timers.periods().is_empty());
    assert_eq!(Rc::strong_count(&rig.host.timers), 1, "nothing is kept");
}

/// A guest whose contexts of streams are not done at once; the request hook says that 2 is,
/// and each callback `next` that the one after its own is.
fn chained(next: &str) -> Vec<u8> {
    let rest = r#"
      (func $finish (param $context i32)
        (if (i32.eqz (call $effective (local.get $context))) (then (drop (call $done)))))
      (func $tell (param $what i32) (param $context i32)
        (call $say (local.get $what))
        (call $say (i32.add (i32.const 48) (local.get $context))))
      (func (export "proxy_on_done") (param i32) (result i32)
        (i32.eq (local.get 0) (i32.const 1)))
      (func (export "proxy_on_log") (param i32)
        (call $tell (i32.const 108) (local.get 0)) LOG)
      (func (export "proxy_on_delete") (param i32)
        (call $tell (i32.const 120) (local.get 0)) DELETE)
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $finish (i32.const 2)) HOOK (i32.const 1))"#;
    let following = "(call $finish (i32.add (local.get 0) (i32.const 1)))";
    let all = "(call $finish (i32.const 3)) (call $finish (i32.const 4))";
    let rest = match next {
        "log" => rest.replace("LOG", following),
        "hook" => rest.replace("HOOK", all),
        _ => rest.replace("DELETE", "unreachable"),
    };
    let rest = rest.replace("LOG", "").replace("DELETE", "").replace("HOOK", "");
    guest(&format!("{LOG} {DONE}"), &format!("{SAY} {rest}"))
}

/// Lets so many contexts of streams linger, from number 2 on.
fn linger(factory: &dyn FilterFactory, count: usize) {
    for _ in 0..count {
        let one = stream();
        let mut filter = factory.stream_filter(&one).expect("a filter");
        filter.on_complete(&one).expect("it ends well");
    }
}

#[test]
fn contexts_that_end_one_another_end_one_after_the_other() {
    let rig = Rig::new(&chained("log"));
    let factory = rig.factory();
    linger(factory.as_ref(), 3);
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    drop(filter.on_request_headers(&one, true));
    assert_eq!(rig.host.said(), "l2x2l3x3l4x4", "none within the end of another one");
    assert!(rig.host.timers.periods().is_empty());
}

#[test]
fn a_pause_of_a_guest_that_is_lost_behind_it_is_its_fault() {
    let rig = Rig::new(&chained("trap"));
    let factory = rig.factory();
    linger(factory.as_ref(), 1);
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    let fault = fault(filter.on_request_headers(&one, true));
    assert_eq!(fault.kind, FaultKind::InstanceLost, "{fault}");
    assert_eq!(rig.faults.borrow().len(), 1);
}

#[test]
fn what_does_not_fit_into_a_turn_ends_in_the_next_ones() {
    // So short a turn that it is over after one; no call of this guest lasts for a tick.
    let limits = PluginLimits { call_budget: Duration::from_nanos(1), ..PluginLimits::default() };
    let rig = Rig::with_limits(&chained("hook"), &limits);
    let factory = rig.factory();
    linger(factory.as_ref(), 4);
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    drop(filter.on_request_headers(&one, true));
    assert_eq!(rig.host.said(), "l2x2");
    for _ in 0..3 {
        assert_eq!(rig.host.timers.periods().len(), 1);
        rig.host.timers.ring();
        assert_eq!(rig.host.said().len(), 4, "one at a time");
    }
    assert!(rig.host.timers.periods().is_empty(), "all have ended");
}

#[test]
fn few_are_waited_for_at_a_time() {
    let rig = Rig::new(&slow_streams());
    let factory = rig.factory();
    let end_one = || {
        let one = stream();
        let mut filter = factory.stream_filter(&one).expect("a filter");
        filter.on_complete(&one).expect("it ends well");
        rig.host.said().chars().step_by(2).collect::<String>()
    };
    for _ in 0..LINGERING_MAX {
        assert_eq!(end_one(), "d");
    }
    assert_eq!(end_one(), "dlx");
}
