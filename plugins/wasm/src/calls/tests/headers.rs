use super::{DATA, OUT, OUT_LEN, call, caller, check, function, import, run};
use crate::testing::{LOG, PRELUDE, Rig, SAY, guest, open_response};

#[test]
fn header_values_are_read_and_missing_ones_not_found() {
    check("proxy_get_header_map_value", &[0, 100, 5, OUT, OUT_LEN], "Afirst");
    check("proxy_get_header_map_value", &[0, 110, 5, OUT, OUT_LEN], "B");
    check("proxy_get_header_map_value", &[2, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_value", &[6, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_value", &[8, 100, 5, OUT, OUT_LEN], "C");
    check("proxy_get_header_map_size", &[2, OUT], "C");
}

#[test]
fn a_whole_section_that_is_not_there_reads_as_empty() {
    for map in [1, 2, 3, 4, 7] {
        check("proxy_get_header_map_pairs", &[map, OUT, OUT_LEN], "A");
    }
    check("proxy_get_header_map_pairs", &[8, OUT, OUT_LEN], "C");
    let all = run(&caller("proxy_get_header_map_pairs", &[0, OUT, OUT_LEN]));
    assert!(all.starts_with("A\u{6}\0\0\0"), "{all:?}");
    assert!(all.contains(":path\0/path\0x-one\0first\0x-one\0second\0"), "{all:?}");
}

#[test]
fn header_changes_reach_the_stream() {
    let change = |name: &str, args: &[u32]| {
        let rig = caller(name, args);
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, false));
        let status = rig.host.said();
        let headers = stream.request.headers.borrow();
        let map = headers.as_ref().expect("a head").map();
        let fields = map.iter().map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()));
        status + &fields.collect::<String>()
    };
    let one = [0, 100, 5, 110, 5];
    let add = change("proxy_add_header_map_value", &one);
    assert_eq!(add, "A x-one=first x-one=second x-one=value");
    assert_eq!(change("proxy_replace_header_map_value", &one), "A x-one=value");
    assert_eq!(change("proxy_remove_header_map_value", &[0, 100, 5]), "A");
    assert_eq!(change("proxy_set_header_map_pairs", &[0, 140, 16]), "A a=b");
    assert_eq!(change("proxy_set_header_map_pairs", &[0, 0, 0]), "A");
    let unchanged = " x-one=first x-one=second";
    let broken = change("proxy_set_header_map_pairs", &[0, 140, 15]);
    assert_eq!(broken, "A", "bytes that are no map are an empty one");
    let nowhere = change("proxy_add_header_map_value", &[2, 100, 5, 110, 5]);
    assert_eq!(nowhere, format!("C{unchanged}"));
}

#[test]
fn the_root_has_no_stream_to_read() {
    let value = function("proxy_get_header_map_value");
    let imports = format!("{LOG} {}", import("env", value));
    let configure = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) {})) (i32.const 1))"#,
        call(value, &[0, 100, 5, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {DATA} {configure}")));
    assert!(rig.start(b"").is_ok());
    assert_eq!(rig.host.said(), "C");
}

#[test]
fn response_fields_are_read_once_the_response_is_there() {
    let rig = caller("proxy_get_header_map_size", &[2, 300]);
    let (mut filter, stream) = rig.filter();
    open_response(&stream);
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "A");
}

/// A hook that reads a field, and what it says in a guest of a version.
fn reads_missing(hook: &str, version: &str) -> String {
    let value = function("proxy_get_header_map_value");
    let imports = format!("{LOG} {}", import("env", value));
    let (params, result) = match hook {
        "proxy_on_log" => ("i32", ("", "")),
        _ => ("i32 i32 i32", ("(result i32)", "(i32.const 0)")),
    };
    let hook = format!(
        r#"(func (export "{hook}") (param {params}) {}
          (call $say (i32.add (i32.const 65) {})) {})"#,
        result.0,
        call(value, &[if result.0.is_empty() { 2 } else { 0 }, 110, 5, OUT, OUT_LEN]),
        result.1
    );
    let text = format!("(module {imports} {PRELUDE} {SAY} {DATA} {hook})");
    let bytes = wat::parse_str(text.replace("version_0_2_1", version)).expect("a valid module");
    let rig = Rig::new(&bytes);
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    filter.on_complete(&stream).expect("it ends");
    rig.host.said()
}

#[test]
fn a_missing_field_is_empty_for_a_guest_of_the_first_version() {
    assert_eq!(reads_missing("proxy_on_request_headers", "version_0_1_0"), "A");
    assert_eq!(reads_missing("proxy_on_request_headers", "version_0_2_0"), "B");
    assert_eq!(reads_missing("proxy_on_request_headers", "version_0_2_100"), "B");
}

#[test]
fn at_the_end_of_a_stream_a_section_that_never_came_is_not_found() {
    assert_eq!(reads_missing("proxy_on_log", "version_0_2_1"), "B");
}

#[test]
fn names_that_no_field_has_are_refused_and_removing_them_is_nothing() {
    check("proxy_add_header_map_value", &[0, 0, 0, 110, 5], "C");
    check("proxy_replace_header_map_value", &[0, 0, 0, 110, 5], "C");
    check("proxy_remove_header_map_value", &[0, 0, 0], "A");
    check("proxy_get_header_map_value", &[0, 0, 0, OUT, OUT_LEN], "B");
    // A value with a NUL byte.
    check("proxy_add_header_map_value", &[0, 100, 5, 120, 12], "C");
}

#[test]
fn sections_that_came_from_upstreams_are_read_only_and_only_in_their_callbacks() {
    for map in [4, 5, 6, 7] {
        check("proxy_get_header_map_value", &[map, 100, 5, OUT, OUT_LEN], "C");
        check("proxy_get_header_map_size", &[map, 300], "C");
        check("proxy_add_header_map_value", &[map, 100, 5, 110, 5], "C");
        check("proxy_replace_header_map_value", &[map, 100, 5, 110, 5], "C");
        check("proxy_remove_header_map_value", &[map, 100, 5], "C");
        check("proxy_set_header_map_pairs", &[map, 140, 16], "C");
    }
    for name in ["proxy_set_header_map_pairs", "proxy_get_header_map_size"] {
        let args: &[u32] = if name.contains("set") { &[8, 140, 16] } else { &[8, 300] };
        check(name, args, "C");
    }
}
