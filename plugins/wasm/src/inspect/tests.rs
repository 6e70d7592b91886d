use abi_wasm::AbiVersion;
use host_extension::Phases;

use super::inspect;
use crate::testing::guest;

#[track_caller]
fn refused(wat: &str, expect: &str) {
    let bytes = wat::parse_str(wat).expect("a valid module");
    refused_bytes(&bytes, expect);
}

#[track_caller]
fn refused_bytes(bytes: &[u8], expect: &str) {
    let why = inspect(bytes, None).expect_err("it is refused");
    assert!(why.contains(expect), "{why}");
}

#[test]
fn what_is_no_module_is_refused_with_what_to_do() {
    refused_bytes(b"", "empty file");
    refused_bytes(b"\x7fELF....", "is no Wasm module");
    refused_bytes(b"  (module)", "is Wasm text");
    refused_bytes(b"\0asm\x0d\0\x01\0", "is a Wasm component");
    refused_bytes(b"\0asm\x01\0\0\0\x07\xff", "is no valid Wasm module");
}

#[test]
fn a_module_without_a_version_that_we_speak_is_refused() {
    refused("(module)", "no Proxy-Wasm plugin");
    refused(r#"(module (func (export "proxy_abi_version_0_3_0")))"#, "Proxy-Wasm 0.3.0");
    // A global of that name marks nothing.
    refused(
        r#"(module (global (export "proxy_abi_version_0_2_1") i32 (i32.const 0)))"#,
        "no Proxy-Wasm",
    );
}

#[test]
fn imports_that_no_host_offers_are_named_with_their_modules() {
    let why = inspect(
        &guest(
            r#"(import "env" "proxy_fly" (func))
               (import "wasi_snapshot_preview2" "fd_write" (func))
               (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
               (import "env" "proxy_done" (global i32))"#,
            "",
        ),
        None,
    )
    .expect_err("it is refused");
    assert!(why.contains("`env.proxy_done`, `env.proxy_fly`"), "{why}");
    assert!(why.contains("`wasi_snapshot_preview2.fd_write`"), "{why}");
    assert!(!why.contains("proxy_log"), "{why}");

    let many: String =
        (0..20).map(|number| format!(r#"(import "env" "f{number}" (func))"#)).collect();
    let why = inspect(&guest(&many, ""), None).expect_err("it is refused");
    assert!(why.contains("and 8 more"), "{why}");
}

#[test]
fn a_module_whose_memory_a_host_cannot_share_is_refused() {
    let marker = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    refused(&format!("(module {marker} (memory 1 1 shared))"), "uses shared memory");
    refused(&format!("(module {marker} (memory i64 1))"), "64-bit memory");
    refused(&format!("(module {marker})"), "exports no `memory`");
    refused(&format!(r#"(module {marker} (memory (export "memory") 1))"#), "exports neither");
}

#[test]
fn phases_are_the_hooks_that_are_there_and_wanted() {
    let hooks = r#"
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
      (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) i32.const 0)"#;
    let facts = inspect(&guest("", hooks), None).expect("it can be loaded");
    assert_eq!(facts.version, AbiVersion::V0_2_1);
    assert_eq!(facts.phases, Phases::REQUEST_HEADERS | Phases::RESPONSE_BODY);
    let facts = inspect(&guest("", hooks), Some(Phases::RESPONSE_BODY)).expect("it can be loaded");
    assert_eq!(facts.phases, Phases::RESPONSE_BODY);
}

#[test]
fn the_hooks_of_connections_are_phases_and_either_close_is_one() {
    let of = |hook: &str, params: &str| {
        let hooks = format!(r#"(func (export "proxy_on_{hook}") (param {params}))"#);
        inspect(&guest("", &hooks), None).expect("it can be loaded").phases
    };
    assert_eq!(of("new_connection", "i32"), Phases::NEW_CONNECTION);
    assert_eq!(of("downstream_data", "i32 i32 i32"), Phases::DOWNSTREAM_DATA);
    assert_eq!(of("upstream_data", "i32 i32 i32"), Phases::UPSTREAM_DATA);
    assert_eq!(of("downstream_connection_close", "i32 i32"), Phases::CLOSE);
    assert_eq!(of("upstream_connection_close", "i32 i32"), Phases::CLOSE);
    assert_eq!(of("close", "i32 i32"), Phases::NONE);
}

#[test]
fn the_end_of_the_stream_is_a_phase_like_others() {
    let hooks = r#"
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
      (func (export "proxy_on_log") (param i32))"#;
    let bytes = guest("", hooks);
    let of = |wanted| inspect(&bytes, wanted).expect("it can be loaded").phases;
    assert_eq!(of(None), Phases::REQUEST_HEADERS | Phases::LOG);
    assert_eq!(of(Some(Phases::REQUEST_HEADERS)), Phases::REQUEST_HEADERS);
    assert_eq!(of(Some(Phases::LOG)), Phases::LOG);
}

/// A module with all hooks of a request's head and body, and these sections.
fn with_sections(sections: &str) -> Result<Phases, String> {
    let hooks = format!(
        r#"
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
      (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) i32.const 0)
      (func (export "proxy_on_log") (param i32))
      {sections}"#
    );
    inspect(&guest("", &hooks), None).map(|facts| facts.phases)
}

#[test]
fn a_section_says_which_of_the_hooks_that_are_there_are_wanted() {
    let of = |section: &str| with_sections(section).expect("it can be loaded");
    let all = Phases::REQUEST_HEADERS | Phases::REQUEST_BODY | Phases::LOG;
    assert_eq!(of(""), all);
    assert_eq!(of(r#"(@custom "mortise.other" "\00")"#), all);
    assert_eq!(of(r#"(@custom "mortise.phases" "\01\00")"#), Phases::REQUEST_HEADERS);
    assert_eq!(of(r#"(@custom "mortise.phases" "\ff\07")"#), all);
    assert_eq!(of(r#"(@custom "mortise.phases" "\00\00")"#), Phases::NONE);
    // A hook that is asked for and not there is not called.
    assert_eq!(of(r#"(@custom "mortise.phases" "\48\00")"#), Phases::LOG);
}

#[test]
fn the_configuration_wants_less_than_the_section() {
    let hooks = r#"
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
      (func (export "proxy_on_log") (param i32))
      (@custom "mortise.phases" "\41\00")"#;
    let facts = inspect(&guest("", hooks), Some(Phases::LOG | Phases::REQUEST_BODY));
    assert_eq!(facts.expect("it can be loaded").phases, Phases::LOG);
}

#[test]
fn a_section_of_phases_that_cannot_be_read_is_refused() {
    for (section, expect) in [
        (r#"(@custom "mortise.phases" "")"#, "of 0 bytes"),
        (r#"(@custom "mortise.phases" "\01")"#, "of 1 bytes"),
        (r#"(@custom "mortise.phases" "\01\00\00")"#, "of 3 bytes"),
        (r#"(@custom "mortise.phases" "\01\08")"#, "(section `mortise.phases` is 0x0801)"),
        (
            r#"(@custom "mortise.phases" "\01\00") (@custom "mortise.phases" "\01\00")"#,
            "has 2 sections",
        ),
    ] {
        let why = with_sections(section).expect_err("it is refused");
        assert!(why.contains(expect), "{why}");
    }
}

#[test]
fn only_functions_can_be_imported() {
    let marker = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    for (import, name) in [
        (r#"(import "env" "memory" (memory 1))"#, "`env.memory`"),
        (r#"(import "env" "table" (table 1 funcref))"#, "`env.table`"),
        (r#"(import "env" "__stack_pointer" (global (mut i32)))"#, "`env.__stack_pointer`"),
        // A function's name with something else behind it.
        (r#"(import "wasi_unstable" "fd_write" (global i32))"#, "`wasi_unstable.fd_write`"),
    ] {
        refused(&format!("(module {import} {marker})"), name);
    }
}
