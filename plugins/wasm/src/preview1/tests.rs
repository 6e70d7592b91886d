use crate::testing::{LOG, Rig, SAY, guest};

/// Runs one call of preview 1 in a hook and tells what was said: the error as a letter (`A`
/// is success), and the bytes at 300 up to the first zero.
fn run(function: &str, shape: &str, args: &str) -> String {
    let imports = format!(
        r#"{LOG} (import "wasi_snapshot_preview1" "{function}"
          (func $f (param {shape}) (result i32)))"#
    );
    let hook = format!(
        r#"(data (i32.const 400) "\b0\01\00\00\03\00\00\00\b4\01\00\00\02\00\00\00")
        (data (i32.const 432) "abc") (data (i32.const 436) "d\0a")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) (call $f {args}))) (i32.const 0))"#
    );
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {hook}")));
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    rig.host.lines.take().join("|")
}

#[track_caller]
fn check(function: &str, args: &[i64], shape: &str, expect: &str) {
    let constants: String = args
        .iter()
        .zip(shape.split(' '))
        .map(|(arg, kind)| format!("({kind}.const {arg})"))
        .collect();
    assert_eq!(run(function, shape, &constants), expect, "{function} {args:?}");
}

#[test]
fn output_is_one_log_line_a_write_without_its_newline() {
    let shape = "i32 i32 i32 i32";
    check("fd_write", &[1, 400, 2, 300], shape, "Info: abcd|Info: A");
    check("fd_write", &[2, 400, 2, 300], shape, "Error: abcd|Info: A");
    check("fd_write", &[1, 400, 0, 300], shape, "Info: A");
    check("fd_write", &[3, 400, 2, 300], shape, "Info: I");
    check("fd_write", &[1, 400, 2000, 300], shape, "Info: ]");
    check("fd_write", &[1, -8, 2, 300], shape, "Info: V");
    check("fd_write", &[1, 400, 2, -2], shape, "Info: V");
}

#[test]
fn clocks_and_randomness_are_the_hosts() {
    check("clock_time_get", &[0, 0, 300], "i32 i64 i32", "Info: A");
    check("clock_time_get", &[1, 0, 300], "i32 i64 i32", "Info: A");
    check("clock_time_get", &[2, 0, 300], "i32 i64 i32", "Info: {");
    check("clock_time_get", &[0, 0, -4], "i32 i64 i32", "Info: V");
    check("clock_res_get", &[1, 300], "i32 i32", "Info: A");
    check("random_get", &[300, 16], "i32 i32", "Info: A");
    check("random_get", &[0, 65_537], "i32 i32", "Info: ]");
    check("random_get", &[-4, 16], "i32 i32", "Info: V");
}

#[test]
fn there_is_no_argument_no_environment_and_no_file() {
    check("args_sizes_get", &[300, 304], "i32 i32", "Info: A");
    check("environ_sizes_get", &[300, -1], "i32 i32", "Info: V");
    check("args_get", &[300, 304], "i32 i32", "Info: A");
    check("fd_prestat_get", &[3, 300], "i32 i32", "Info: I");
    check("fd_fdstat_get", &[1, 300], "i32 i32", "Info: A");
    check("fd_fdstat_get", &[0, 300], "i32 i32", "Info: I");
    check("fd_sync", &[2], "i32", "Info: A");
    check("fd_sync", &[5], "i32", "Info: I");
    check("poll_oneoff", &[300, 300, 1, 304], "i32 i32 i32 i32", "Info: A");
}
