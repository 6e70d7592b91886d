use std::fmt::Write;

use abi_manifest::Capability;
use host_types::VmSettings;

use crate::testing::{LOG, Rig, SAY, guest, stream};

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
fn output_is_a_log_line_for_each_newline() {
    let shape = "i32 i32 i32 i32";
    check("fd_write", &[1, 400, 2, 300], shape, "Info: abcd|Info: A");
    check("fd_write", &[2, 400, 2, 300], shape, "Error: abcd|Info: A");
    // What has none waits for it, at most until the callback ends.
    check("fd_write", &[1, 400, 1, 300], shape, "Info: A|Info: abc");
    check("fd_write", &[1, 400, 0, 300], shape, "Info: A");
    check("fd_write", &[3, 400, 2, 300], shape, "Info: I");
    check("fd_write", &[1, 400, 2000, 300], shape, "Info: ]");
    check("fd_write", &[1, -8, 2, 300], shape, "Info: V");
    check("fd_write", &[1, 400, 2, -2], shape, "Info: V");
    check("fd_pwrite", &[1, 400, 2, 7, 300], "i32 i32 i32 i64 i32", "Info: abcd|Info: A");
}

const WRITE: &str = r#"(import "wasi_unstable" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))"#;

/// Runs a hook that writes the bytes at an address to standard output, again and again.
fn write(data: &str, pieces: &[(u32, u32)]) -> (Vec<String>, Rig) {
    let mut body = String::new();
    for (ptr, len) in pieces {
        write!(
            body,
            "(i32.store (i32.const 300) (i32.const {ptr})) (i32.store (i32.const 304) (i32.const {len}))
            (drop (call $write (i32.const 1) (i32.const 300) (i32.const 1) (i32.const 308)))"
        )
        .expect("a string");
    }
    let hook = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)"#;
    let rest = format!(
        "{SAY} (data (i32.const 400) \"{data}\") {hook} {body} (i32.load (i32.const 308)))"
    );
    let rig = Rig::new(&guest(&format!("{LOG} {WRITE}"), &rest));
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    (rig.host.lines.take(), rig)
}

#[test]
fn a_line_that_comes_in_pieces_is_one_line() {
    let (lines, _) = write(r"thread panicked\0aat x\0a\0alast", &[(400, 6), (406, 6), (412, 14)]);
    assert_eq!(lines, ["Info: thread panicked", "Info: at x", "Info: last"]);
}

#[test]
fn a_line_without_end_is_cut_and_takes_no_room() {
    let most = 65_536;
    let (lines, _) = write("x", &[(400, most), (400, most), (400, most)]);
    let [line] = lines.as_slice() else { panic!("one line: {}", lines.len()) };
    assert!(line.contains("bytes cut off") && line.len() < 9000, "{}", line.len());
}

#[test]
fn what_was_written_before_a_trap_is_told() {
    let hook = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store (i32.const 300) (i32.const 400)) (i32.store (i32.const 304) (i32.const 4))
        (drop (call $write (i32.const 2) (i32.const 300) (i32.const 1) (i32.const 308)))
        unreachable)"#;
    let rig = Rig::new(&guest(WRITE, &format!(r#"(data (i32.const 400) "help") {hook}"#)));
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.lines.take(), ["Error: help"]);
}

#[test]
fn the_environment_is_what_the_configuration_names() {
    let imports = r#"
      (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))"#;
    let hook = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.add (i32.const 65) (call $sizes (i32.const 300) (i32.const 304))))
        (call $say (i32.add (i32.const 48) (i32.load (i32.const 300))))
        (call $say (i32.add (i32.const 65) (call $get (i32.const 320) (i32.const 400))))
        (drop (call $log (i32.const 2) (i32.load (i32.const 324))
          (i32.sub (i32.add (i32.const 400) (i32.load (i32.const 304))) (i32.load (i32.const 324)))))
        (call $say (i32.add (i32.const 65) (call $get (i32.const -2) (i32.const 400))))
        (call $say (i32.add (i32.const 65) (call $get (i32.const 320) (i32.const -4))))
        (i32.const 0))"#;
    let bytes = guest(&format!("{LOG} {imports}"), &format!("{SAY} {hook}"));
    let said = |environment| {
        let rig = Rig::with_vm(&bytes, &VmSettings { environment, ..VmSettings::default() });
        let (mut filter, stream) = rig.filter();
        drop(filter.on_request_headers(&stream, true));
        rig.host.said()
    };
    let named = vec![("A".into(), "one".into()), ("B".into(), "zwei ".into())];
    assert_eq!(said(named), "A2AB=zwei \0VV");
    // Nothing of the host's own is there, and nothing is written where there is nothing.
    let none = said(Vec::new());
    assert!(none.starts_with("A0A") && none.ends_with("AA"), "{none}");
}

/// What Go's runtime asks for before any code of the plugin runs, as its source does.
#[test]
fn a_reactor_of_go_starts() {
    let module = "wasi_snapshot_preview1";
    let two = [
        "args_sizes_get",
        "args_get",
        "environ_sizes_get",
        "environ_get",
        "fd_fdstat_get",
        "fd_prestat_get",
        "random_get",
        "fd_fdstat_set_flags",
    ];
    let mut imports: String = two
        .iter()
        .map(|name| {
            format!(r#"(import "{module}" "{name}" (func ${name} (param i32 i32) (result i32)))"#)
        })
        .collect();
    // Its linker names some functions twice.
    for (name, id) in [("fd_write", "a"), ("fd_write", "b"), ("poll_oneoff", "poll")] {
        write!(
            imports,
            r#"(import "{module}" "{name}" (func ${id} (param i32 i32 i32 i32) (result i32)))"#
        )
        .expect("a string");
    }
    imports += r#"
      (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit_again (param i32)))"#;
    let start = r#"
      (func $must (param $error i32) (if (local.get $error) (then (call $exit (i32.const 2)))))
      (func (export "_initialize")
        (local $fd i32)
        (call $must (call $args_sizes_get (i32.const 300) (i32.const 304)))
        (call $must (call $args_get (i32.const 308) (i32.const 312)))
        (call $must (call $environ_sizes_get (i32.const 300) (i32.const 304)))
        (call $must (call $environ_get (i32.const 308) (i32.const 312)))
        (call $must (call $clock (i32.const 0) (i64.const 1) (i32.const 320)))
        (call $must (call $clock (i32.const 1) (i64.const 1) (i32.const 320)))
        (if (i64.eqz (i64.load (i32.const 320))) (then unreachable))
        (call $must (call $random_get (i32.const 400) (i32.const 16)))
        (call $must (call $poll (i32.const 500) (i32.const 600) (i32.const 1) (i32.const 320)))
        (call $must (call $yield))
        (drop (call $fd_fdstat_get (i32.const 0) (i32.const 700)))
        (drop (call $fd_fdstat_set_flags (i32.const 0) (i32.const 4)))
        ;; Directories are looked for until there is no such descriptor.
        (local.set $fd (i32.const 3))
        (block $done (loop $next
          (br_if $done (i32.eq (call $fd_prestat_get (local.get $fd) (i32.const 300)) (i32.const 8)))
          (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
          (br $next))))"#;
    let rig = Rig::new(&guest(&format!("{LOG} {imports}"), &format!("{SAY} {start}")));
    assert!(rig.factory().stream_filter(&stream()).is_ok());
}

/// A command of the time before the interface had its name, as TinyGo and old SDKs made them.
#[test]
fn an_old_command_starts() {
    let imports = r#"(import "wasi_unstable" "proc_exit" (func $exit (param i32)))
      (import "wasi_unstable" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))"#;
    for end in ["", "(call $exit (i32.const 0))"] {
        let start = format!(
            r#"(func (export "_start") (if (call $sizes (i32.const 300) (i32.const 304))
              (then unreachable)) (call $say (i32.const 97)) {end})"#
        );
        let rig = Rig::new(&guest(&format!("{LOG} {imports}"), &format!("{SAY} {start}")));
        assert!(rig.factory().stream_filter(&stream()).is_ok());
        assert_eq!(rig.host.said(), "a");
    }
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

/// Clocks, one after the other, and eight random bytes twice: what a hook reads, in hexadecimal
/// digits, from a fresh guest.
fn readings(denied: &[Capability]) -> (Vec<u64>, Rig) {
    let imports = r#"
      (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_res_get" (func $res (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
      (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))"#;
    let reads = [
        "(call $clock (i32.const 0) (i64.const 0) (i32.const 300))",
        "(call $clock (i32.const 1) (i64.const 0) (i32.const 300))",
        "(call $clock (i32.const 1) (i64.const 0) (i32.const 300))",
        "(call $now (i32.const 300))",
        "(call $random (i32.const 300) (i32.const 8))",
        "(call $random (i32.const 300) (i32.const 8))",
        "(call $res (i32.const 0) (i32.const 300))",
    ];
    let told: String = reads
        .iter()
        .map(|read| {
            format!(
                "(if {read} (then unreachable))
                (drop (call $define (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 400)))
                (drop (call $record (i32.load (i32.const 400)) (i64.load (i32.const 300))))"
            )
        })
        .collect();
    let hook = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        {told} (i32.const 0))"#
    );
    let rig = Rig::new(&guest(imports, &hook));
    rig.host.deny(denied);
    let (mut filter, stream) = rig.filter();
    drop(filter.on_request_headers(&stream, true));
    let values = rig.host.beside.metrics.borrow().iter().map(|(_, _, value)| *value).collect();
    (values, rig)
}

#[test]
fn a_clock_that_is_denied_stands_still_and_random_numbers_are_a_fixed_row() {
    let (allowed, rig) = readings(&[]);
    assert_eq!((allowed[0], allowed[3]), (1_000_000_007, 1_000_000_007));
    assert!(allowed[1] > 1 && allowed[2] >= allowed[1]);
    let asked = rig.host.asked.take();
    let clock = asked.iter().filter(|one| **one == Capability::Clock).count();
    assert_eq!((asked.len(), clock), (6, 4), "what a clock resolves to tells nothing: {asked:?}");

    let (denied, _rig) = readings(&[Capability::Clock, Capability::Random]);
    assert_eq!(denied[..4], [0, 1, 1, 0]);
    assert_ne!(denied[4], denied[5], "who waits for another number gets one");
    let (again, _rig) = readings(&[Capability::Random]);
    assert_eq!(again[4..6], denied[4..6]);
    assert_ne!(allowed[4..6], denied[4..6]);
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

/// What each function answers that refuses or does nothing, for descriptor 3 and for standard
/// output, as a letter: `A` is success.
const REFUSALS: &[(&str, &str, char, char)] = &[
    ("fd_advise", "i32 i64 i64 i32", 'I', 'A'),
    ("fd_allocate", "i32 i64 i64", 'I', 'A'),
    ("fd_close", "i32", 'A', 'A'),
    ("fd_datasync", "i32", 'I', 'A'),
    ("fd_fdstat_get", "i32 i32", 'I', 'A'),
    ("fd_fdstat_set_flags", "i32 i32", 'u', 'u'),
    ("fd_fdstat_set_rights", "i32 i64 i64", 'I', 'A'),
    ("fd_filestat_get", "i32 i32", 'I', 'I'),
    ("fd_filestat_set_size", "i32 i64", 'I', 'A'),
    ("fd_filestat_set_times", "i32 i64 i64 i32", 'I', 'A'),
    ("fd_pread", "i32 i32 i32 i64 i32", 'u', 'u'),
    ("fd_prestat_get", "i32 i32", 'I', 'I'),
    ("fd_prestat_dir_name", "i32 i32 i32", 'u', 'u'),
    ("fd_read", "i32 i32 i32 i32", 'u', 'u'),
    ("fd_readdir", "i32 i32 i32 i64 i32", 'I', 'I'),
    ("fd_renumber", "i32 i32", 'I', 'I'),
    ("fd_seek", "i32 i64 i32 i32", 'A', 'A'),
    ("fd_sync", "i32", 'I', 'A'),
    ("fd_tell", "i32 i32", 'I', 'A'),
    ("path_create_directory", "i32 i32 i32", '{', '{'),
    ("path_filestat_get", "i32 i32 i32 i32 i32", 'm', 'm'),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32", '{', '{'),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32", '{', '{'),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", 'm', 'm'),
    ("path_readlink", "i32 i32 i32 i32 i32 i32", 'm', 'm'),
    ("path_remove_directory", "i32 i32 i32", '{', '{'),
    ("path_rename", "i32 i32 i32 i32 i32 i32", '{', '{'),
    ("path_symlink", "i32 i32 i32 i32 i32", '{', '{'),
    ("path_unlink_file", "i32 i32 i32", '{', '{'),
    ("proc_raise", "i32", 'u', 'u'),
    ("sock_accept", "i32 i32 i32", '{', '{'),
    ("sock_recv", "i32 i32 i32 i32 i32 i32", '{', '{'),
    ("sock_send", "i32 i32 i32 i32 i32", '{', '{'),
    ("sock_shutdown", "i32 i32", '{', '{'),
];

#[test]
fn every_other_function_refuses_or_does_nothing() {
    for (name, shape, other, output) in REFUSALS {
        for (fd, letter) in [(3, other), (1, output)] {
            let mut args = vec![300; shape.split(' ').count()];
            args[0] = fd;
            check(name, &args, shape, &format!("Info: {letter}"));
        }
    }
    let told = [
        "args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get",
        "fd_write fd_pwrite poll_oneoff proc_exit random_get sched_yield",
    ]
    .join(" ");
    for function in abi_wasm::preview1::FUNCTIONS {
        let name = function.name;
        let elsewhere = told.split(' ').any(|other| other == name);
        let known = elsewhere || REFUSALS.iter().any(|(refused, ..)| *refused == name);
        assert!(known, "{name} is in no table of these tests");
    }
}
