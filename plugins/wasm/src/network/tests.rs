use bytes::Bytes;
use host_extension::{Connection, FaultKind, Flow, Peer, Step, Verdict};

use crate::testing::{LOG, Rig, SAY, connection, fault, guest, poll, stream};

const STREAMS: &str = r#"
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))"#;

/// A guest with `hooks`, and `$tell`, which says two numbers of one digit.
fn rig(hooks: &str) -> Rig {
    let tell = "(func $tell (param i32 i32) (call $say (local.get 0))
        (call $say (i32.add (i32.const 48) (local.get 1))))";
    Rig::new(&guest(&format!("{LOG} {STREAMS}"), &format!("{SAY} {tell} {hooks}")))
}

fn put(connection: &Connection, flow: Flow, bytes: &'static [u8]) {
    connection.flow(flow).bytes.borrow_mut().push(&Bytes::from_static(bytes));
}

#[track_caller]
fn continues(step: &Step) {
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
}

#[track_caller]
fn resumed(step: &mut Step) -> bool {
    if let Step::HoldUntil(future) = step {
        let future = std::mem::replace(future, Box::pin(std::future::pending()));
        *step = Step::Later(future);
    }
    matches!(poll(step), Some(Verdict::Continue))
}

#[test]
fn a_connection_is_shown_in_the_order_of_the_interface() {
    let rig = rig(r#"
      (func (export "proxy_on_context_create") (param i32 i32)
        (call $tell (i32.const 99) (local.get 0)) (call $tell (i32.const 112) (local.get 1)))
      (func (export "proxy_on_new_connection") (param i32) (result i32)
        (call $tell (i32.const 110) (local.get 0)) (i32.const 0))
      (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
        (call $tell (i32.const 62) (local.get 1)) (call $tell (i32.const 101) (local.get 2))
        (i32.const 0))
      (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
        (call $tell (i32.const 60) (local.get 1)) (call $tell (i32.const 101) (local.get 2))
        (i32.const 0))
      (func (export "proxy_on_upstream_connection_close") (param i32 i32)
        (call $tell (i32.const 117) (local.get 1)))
      (func (export "proxy_on_downstream_connection_close") (param i32 i32)
        (call $tell (i32.const 119) (local.get 1)))
      (func (export "proxy_on_done") (param i32) (result i32)
        (call $tell (i32.const 100) (local.get 0)) (i32.const 1))
      (func (export "proxy_on_log") (param i32) (call $tell (i32.const 108) (local.get 0)))
      (func (export "proxy_on_delete") (param i32) (call $tell (i32.const 120) (local.get 0)))"#);
    let (mut filter, connection) = rig.network_filter();
    assert_eq!(rig.host.said(), "c1p0c2p1");
    continues(&filter.on_new_connection(&connection));
    put(&connection, Flow::Downstream, b"12345");
    continues(&filter.on_data(&connection, Flow::Downstream, false));
    put(&connection, Flow::Upstream, b"123");
    continues(&filter.on_data(&connection, Flow::Upstream, true));
    assert_eq!(rig.host.said(), "n2>5e0<3e1");
    for (flow, by) in [(Flow::Upstream, Peer::Remote), (Flow::Downstream, Peer::Local)] {
        filter.on_close(&connection, flow, by).expect("it is well");
    }
    filter.on_close(&connection, Flow::Downstream, Peer::Unknown).expect("it is well");
    filter.on_complete(&connection).expect("it ends well");
    assert_eq!(rig.host.said(), "u2w1w0d2l2x2");
    drop(filter);
    assert_eq!(rig.host.said(), "d1x1", "the root went, and nothing came twice");
}

#[test]
fn a_new_connection_waits_for_its_resume() {
    let rig = rig(r#"
      (func (export "proxy_on_new_connection") (param i32) (result i32)
        (if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 1))))
        (drop (call $effective (i32.const 2)))
        (call $tell (i32.const 99) (call $continue (i32.const 2))) (i32.const 0))"#);
    let factory = rig.factory();
    let (one, two) = (connection(), connection());
    let mut first = factory.network_filter(&one).expect("a filter");
    let mut second = factory.network_filter(&two).expect("a filter");
    let mut step = first.on_new_connection(&one);
    assert!(poll(&mut step).is_none());
    continues(&second.on_new_connection(&two));
    assert!(resumed(&mut step));
}

#[test]
fn data_is_held_until_the_guest_resumes_that_direction() {
    // Holds both directions; the end of the client's bytes resumes the upstream's.
    let rig = rig(r#"
      (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
        (if (local.get 2) (then (drop (call $continue (i32.const 3))))) (i32.const 1))
      (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32) (i32.const 1))"#);
    let (mut filter, connection) = rig.network_filter();
    let mut upstream = filter.on_data(&connection, Flow::Upstream, false);
    assert!(matches!(upstream, Step::HoldUntil(_)), "{upstream:?}");
    assert!(!resumed(&mut upstream));
    let downstream = filter.on_data(&connection, Flow::Downstream, false);
    assert!(matches!(downstream, Step::HoldUntil(_)), "{downstream:?}");
    let mut last = filter.on_data(&connection, Flow::Downstream, true);
    assert!(matches!(last, Step::Later(_)), "past the end nothing calls again: {last:?}");
    assert!(resumed(&mut upstream) && !resumed(&mut last));
}

#[test]
fn a_connection_can_be_closed_by_its_hook_and_from_elsewhere() {
    let rig = rig(r#"
      (func (export "proxy_on_new_connection") (param i32) (result i32)
        (drop (call $effective (i32.const 2)))
        (call $tell (i32.const 99) (call $close (i32.const 3))) (i32.const 0))"#);
    let factory = rig.factory();
    let (one, two) = (connection(), connection());
    let mut first = factory.network_filter(&one).expect("a filter");
    let mut second = factory.network_filter(&two).expect("a filter");
    let step = first.on_new_connection(&one);
    assert!(matches!(step, Step::Ready(Verdict::Reset)), "{step:?}");
    continues(&second.on_new_connection(&two));
    assert_eq!((*rig.host.closes.borrow(), rig.host.said().as_str()), (1, "c0c0"));
}

#[test]
fn directions_of_the_other_kind_are_bad_arguments() {
    let hook = r#"
        (call $tell (i32.const 99) (call $continue (i32.const 0)))
        (call $tell (i32.const 99) (call $continue (i32.const 1)))
        (call $tell (i32.const 99) (call $continue (i32.const 2)))
        (call $tell (i32.const 99) (call $continue (i32.const 3)))
        (call $tell (i32.const 99) (call $close (i32.const 1)))
        (call $tell (i32.const 99) (call $close (i32.const 2)))
        (call $tell (i32.const 99) (call $close (i32.const 4)))"#;
    let rig = rig(&format!(
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32)
             {hook} (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             {hook} (i32.const 0))"#
    ));
    let (mut filter, connection) = rig.network_filter();
    drop(filter.on_new_connection(&connection));
    assert_eq!(rig.host.said(), "c2c2c0c0c2c0c2");
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "c0c0c2c2c0c2c2");
}

#[test]
fn a_connection_cannot_be_answered_with_a_response() {
    let rig = rig(r#"
      (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
        (call $tell (i32.const 114) (call $reply (i32.const 403) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 0))"#);
    let (mut filter, connection) = rig.network_filter();
    continues(&filter.on_data(&connection, Flow::Downstream, false));
    assert_eq!(rig.host.said(), "r2");
}

#[test]
fn a_trap_is_the_fault_of_its_connection_and_the_others_lose_their_guest() {
    let rig = rig(r#"
      (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) unreachable)
      (func (export "proxy_on_upstream_connection_close") (param i32 i32) unreachable)"#);
    let factory = rig.factory();
    let (one, two) = (connection(), connection());
    let mut first = factory.network_filter(&one).expect("a filter");
    let mut second = factory.network_filter(&two).expect("a filter");
    let trapped = fault(first.on_data(&one, Flow::Downstream, false));
    assert_eq!(trapped.kind, FaultKind::Trapped);
    let lost = second.on_close(&two, Flow::Upstream, Peer::Local).expect_err("it is lost");
    assert_eq!(lost.kind, FaultKind::InstanceLost);
    assert!(factory.stream_filter(&stream()).is_err());
}

#[test]
fn a_guest_without_hooks_for_connections_lets_all_pass() {
    let (mut filter, connection) = rig("").network_filter();
    continues(&filter.on_new_connection(&connection));
    continues(&filter.on_data(&connection, Flow::Downstream, true));
    filter.on_close(&connection, Flow::Upstream, Peer::Local).expect("it is well");
    filter.on_complete(&connection).expect("it ends well");
}
