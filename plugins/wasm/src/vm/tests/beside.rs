//! Callbacks that no stream waits for, with a tick for all of them.

use host_extension::{ExtensionPoint, FaultKind, FilterFactory, InstanceSpec, Step, Verdict};
use host_types::VmSettings;

use crate::testing::{LOG, Rig, SAY, fault, guest, poll, stream};

const IMPORTS: &str = r#"
  (import "env" "proxy_set_tick_period_milliseconds" (func $every (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;

/// Says the status of a call.
fn status(call: &str) -> String {
    format!("(call $say (i32.add (i32.const 65) {call}))")
}

const REPLY: &str = "(call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))";

/// A guest whose roots tick, each tick being `tick`, and whose streams wait. The first root is
/// told apart by the length of its configuration.
fn rig(tick: &str, vm: &VmSettings) -> Rig {
    let hooks = format!(
        r#"
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $every (i32.const 5))) (i32.const 1))
      (func (export "proxy_on_tick") (param i32) {tick})
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#
    );
    Rig::with_vm(&guest(&format!("{LOG} {IMPORTS}"), &format!("{SAY} {hooks}")), vm)
}

fn alone(tick: &str) -> (Rig, std::rc::Rc<dyn FilterFactory>) {
    let rig = rig(tick, &VmSettings::default());
    let factory = rig.factory();
    (rig, factory)
}

#[test]
fn a_stream_is_resumed_answered_and_reset_from_a_tick() {
    let tick = [
        status("(call $continue (i32.const 0))"),
        status(REPLY),
        status("(call $close (i32.const 0))"),
        status("(call $effective (i32.const 2))"),
        status("(call $continue (i32.const 2))"),
        status("(call $continue (i32.const 0))"),
        status(REPLY),
        status("(call $close (i32.const 0))"),
        status("(call $effective (i32.const 0))"),
        status("(call $close (i32.const 0))"),
    ];
    let (rig, factory) = alone(&tick.join(" "));
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    let mut step = filter.on_request_headers(&one, true);
    assert!(poll(&mut step).is_none());
    rig.host.timers.ring();
    // The root itself has nothing to go on with (which does no harm), to answer or to close.
    assert_eq!(rig.host.said(), "ACCACAAAAC");
    assert!(matches!(poll(&mut step), Some(Verdict::Continue)));
    assert_eq!((rig.host.replies.take(), rig.host.resets.take()), (vec![403], 1));
    // A stream that is gone is not reached any more.
    drop((step, filter));
    rig.host.timers.ring();
    assert!(rig.host.said().starts_with("ACCC"));
    assert!(rig.host.replies.borrow().is_empty());
}

#[test]
fn a_resume_that_comes_before_its_pause_counts_for_nothing() {
    let tick = "(drop (call $effective (i32.const 2))) (drop (call $continue (i32.const 0)))";
    let (rig, factory) = alone(tick);
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    rig.host.timers.ring();
    let mut step = filter.on_request_headers(&one, true);
    assert!(poll(&mut step).is_none());
    rig.host.timers.ring();
    assert!(matches!(poll(&mut step), Some(Verdict::Continue)));
}

#[test]
fn a_fault_beside_streams_is_told_once_to_each_root_and_wakes_who_waits() {
    let trap = "(if (i32.ne (local.get 0) (i32.const 1)) (then unreachable))";
    let rig = rig(trap, &VmSettings { id: Some("m".into()), ..VmSettings::default() });
    let other = rig.beside(std::sync::Arc::clone(&rig.plugin));
    let first = rig.factory();
    let second = other.factory();
    let (one, two) = (stream(), stream());
    let mut filters = [
        first.stream_filter(&one).expect("a filter"),
        second.stream_filter(&two).expect("a filter"),
    ];
    let mut steps =
        [filters[0].on_request_headers(&one, true), filters[1].on_request_headers(&two, true)];
    assert!(poll(&mut steps[0]).is_none() && poll(&mut steps[1]).is_none());
    other.host.timers.ring();
    let told = other.faults.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, FaultKind::Trapped);
    assert!(told[0].message.contains("`proxy_on_tick`"), "{}", told[0]);
    let told = rig.faults.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, FaultKind::InstanceLost);
    for step in &mut steps {
        let Some(Verdict::Failed(fault)) = poll(step) else { panic!("it waits still") };
        assert_eq!(fault.kind, FaultKind::InstanceLost);
    }
    // Nothing ticks in a lost guest, and nobody is told twice.
    assert!(rig.host.timers.periods().is_empty() && other.host.timers.periods().is_empty());
    assert_eq!(fault(filters[0].on_request_headers(&one, true)).kind, FaultKind::InstanceLost);
    drop((steps, filters, first, second));
    assert!(rig.faults.borrow().is_empty() && other.faults.borrow().is_empty());
}

#[test]
fn an_endless_tick_is_stopped_as_every_callback() {
    let (rig, _factory) = alone("(loop $l (br $l))");
    rig.host.timers.ring();
    assert_eq!(rig.faults.take()[0].kind, FaultKind::TimedOut);
}

#[test]
fn a_local_reply_is_refused_where_no_hook_of_the_stream_asks() {
    let create = format!(
        r#"(func (export "proxy_on_context_create") (param i32 i32) {})
           (func (export "proxy_on_done") (param i32) (result i32) {} (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (i32.const 0))"#,
        status(REPLY),
        status(REPLY)
    );
    let rig = Rig::new(&guest(&format!("{LOG} {IMPORTS}"), &format!("{SAY} {create}")));
    let factory = rig.factory();
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    let step = filter.on_request_headers(&one, true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
    filter.on_complete(&one).expect("it ends well");
    assert_eq!(rig.host.said(), "CCC", "the root, the stream, its end");
    assert!(rig.host.replies.borrow().is_empty());
}

#[test]
fn a_service_needs_no_hook_of_streams() {
    let rig = Rig::new(&guest(
        &format!("{LOG} {IMPORTS}"),
        &format!(
            r#"{SAY}
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
              (drop (call $every (i32.const 5))) (i32.const 1))
            (func (export "proxy_on_tick") (param i32) (call $say (i32.const 116)))"#
        ),
    ));
    let spec = InstanceSpec { point: ExtensionPoint::Service, ..InstanceSpec::default() };
    let service = rig.plugin.start(&rig.scope(), &spec).expect("it starts");
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "t");
    drop(service);
    assert!(rig.host.timers.periods().is_empty());
}
