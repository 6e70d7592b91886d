use bytes::Bytes;
use host_extension::{CallError, Flow};
use host_types::VmSettings;

use super::{
    BAD, OUT, OUT_LEN, call, caller, check, function, import,
    script::{Act, Hook, configure, request, scripted, scripted_in},
};
use crate::testing::{LOG, Rig, connection, guest};

#[test]
fn buffers_are_read_in_parts_and_their_edges_are_no_errors() {
    let get = "proxy_get_buffer_bytes";
    check(get, &[0, 0, u32::MAX, OUT, OUT_LEN], "A0123456789");
    check(get, &[0, 2, 3, OUT, OUT_LEN], "A234");
    check(get, &[0, 11, 3, OUT, OUT_LEN], "A");
    check(get, &[0, u32::MAX, u32::MAX, OUT, OUT_LEN], "A");
    check(get, &[1, 0, 9, OUT, OUT_LEN], "A");
    check(get, &[6, 0, 9, OUT, OUT_LEN], "A");
    for unavailable in [2, 3, 4, 5, 7, 8] {
        check(get, &[unavailable, 0, 9, OUT, OUT_LEN], "B");
    }
    check(get, &[9, 0, 9, OUT, OUT_LEN], "C");
    check("proxy_get_buffer_status", &[2, 300, 304], "B");
    check("proxy_get_buffer_status", &[0, 300, 304], "A");
}

#[test]
fn bodies_are_rewritten_anywhere() {
    let set = |args: &[u32]| {
        let rig = caller("proxy_set_buffer_bytes", args);
        let (mut filter, stream) = rig.filter();
        stream.request.body.borrow_mut().push(&Bytes::from_static(b"0123456789"));
        drop(filter.on_request_headers(&stream, false));
        rig.host.said() + &String::from_utf8_lossy(&stream.request.body.borrow_mut().take())
    };
    assert_eq!(set(&[0, 0, 0, 110, 5]), "Avalue0123456789");
    assert_eq!(set(&[0, 3, 2, 110, 5]), "A012value56789");
    assert_eq!(set(&[0, 10, 0, 110, 5]), "A0123456789value");
    assert_eq!(set(&[0, 0, u32::MAX, 110, 5]), "Avalue");
    assert_eq!(set(&[7, 0, 0, 110, 5]), "B0123456789");
    assert_eq!(set(&[6, 0, 0, 110, 5]), "C0123456789");
    assert_eq!(set(&[99, 0, 0, 110, 5]), "C0123456789");
}

#[test]
fn the_configuration_can_be_read_while_it_is_given() {
    let get = function("proxy_get_buffer_bytes");
    let imports = format!("{LOG} {}", import("env", get));
    let configure = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop {}) (drop (call $log (i32.const 2) (i32.load (i32.const {OUT}))
            (i32.load (i32.const {OUT_LEN})))) (i32.const 1))"#,
        call(get, &[7, 0, 100, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &configure));
    assert!(rig.start(b"the configuration").is_ok());
    assert_eq!(rig.host.said(), "the configuration");
}

#[test]
fn the_configuration_of_the_guest_can_be_read_at_any_time() {
    let get = Act::Call("proxy_get_buffer_bytes", &[6, 1, 3, 200, 204]);
    let bytes = || Act::Bytes(OUT);
    let whole = Act::Call("proxy_get_buffer_bytes", &[6, 0, 9, 200, 204]);
    let (part, whole) = ([get, bytes()], [whole, bytes()]);
    let hooks = [
        Hook { name: "proxy_on_vm_start", ..configure(&[Act::Params]) },
        configure(&part),
        request(&whole),
    ];
    let settings =
        VmSettings { configuration: b"machine".as_slice().into(), ..VmSettings::default() };
    let rig = scripted_in(&hooks, &settings);
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "17AachAmachine");
}

/// A network hook that does something, on a connection with bytes in both directions.
fn on_data(acts: &[Act<'_>]) -> (String, String) {
    let hook = Hook { name: "proxy_on_downstream_data", params: 3, answer: Some(0), acts };
    let rig = scripted(&[hook]);
    let connection = connection();
    let bytes = &connection.flow(Flow::Downstream).bytes;
    bytes.borrow_mut().push(&Bytes::from_static(b"0123456789"));
    let upstream = &connection.flow(Flow::Upstream).bytes;
    upstream.borrow_mut().push(&Bytes::from_static(b"up"));
    let mut filter = rig.factory().network_filter(&connection).expect("a filter");
    drop(filter.on_data(&connection, Flow::Downstream, false));
    let left = String::from_utf8_lossy(&bytes.borrow_mut().take()).into_owned();
    (rig.host.said(), left)
}

#[test]
fn bytes_of_a_connection_are_read_and_rewritten_anywhere() {
    let get = Act::Call("proxy_get_buffer_bytes", &[2, 8, 99, 200, 204]);
    let up = Act::Call("proxy_get_buffer_bytes", &[3, 0, 99, 200, 204]);
    let status = Act::Call("proxy_get_buffer_status", &[2, 200, 204]);
    let acts = [get, Act::Bytes(OUT), up, Act::Bytes(OUT), status, Act::Number(OUT)];
    assert_eq!(on_data(&acts).0, "A89AupA:");
    let set = |args: &'static [i64]| on_data(&[Act::Call("proxy_set_buffer_bytes", args)]);
    let both = |said: &str, left: &str| (said.to_owned(), left.to_owned());
    assert_eq!(set(&[2, 0, 0, 110, 5]), both("A", "value0123456789"));
    assert_eq!(set(&[2, 3, 2, 110, 5]), both("A", "012value56789"));
    assert_eq!(set(&[2, -1, 0, 110, 5]), both("A", "0123456789value"));
    assert_eq!(set(&[2, 0, -1, 0, 0]), both("A", ""));
    assert_eq!(set(&[2, 1, -1, 110, 5]), both("A", "0value"));
    // A connection has no bodies.
    assert_eq!(set(&[0, 0, 0, 110, 5]), both("B", "0123456789"));
    let body = Act::Call("proxy_get_buffer_bytes", &[0, 0, 9, 200, 204]);
    assert_eq!(on_data(&[body]).0, "B");
}

#[test]
fn bytes_that_are_not_in_hand_are_not_found() {
    let acts = [
        Act::Call("proxy_get_buffer_bytes", &[0, 0, 9, 200, 204]),
        Act::Call("proxy_get_buffer_status", &[1, 200, 204]),
        Act::Call("proxy_set_buffer_bytes", &[0, 0, 0, 110, 5]),
    ];
    for (refusal, expect) in [
        (CallError::WrongPhase, "BBB"),
        (CallError::Denied, "BBA"),
        (CallError::LimitReached, "KKK"),
    ] {
        let rig = scripted(&[request(&acts)]);
        rig.host.refuse.replace(Some(refusal));
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, true));
        assert_eq!(rig.host.said(), expect, "{refusal:?}");
    }
}

#[test]
fn bytes_are_looked_at_before_anything_is_changed() {
    check("proxy_set_buffer_bytes", &[0, 0, 0, BAD, 5], "G");
    check("proxy_set_buffer_bytes", &[2, 0, 0, 110, 5], "B");
    check("proxy_set_buffer_bytes", &[4, 0, 0, 110, 5], "B");
    check("proxy_set_buffer_bytes", &[8, 0, 0, 110, 5], "B");
}
