use host_extension::FaultKind;
use host_types::PluginLimits;

use super::lines::tests::with_lines;
use crate::testing::{LOG, Rig, SAY, fault, guest};

const TRAP: &str = r#"(func $inner unreachable)
  (func $hook (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say (i32.const 97)) (call $inner) (i32.const 0))"#;

#[track_caller]
fn story(bytes: &[u8]) -> String {
    let (mut filter, stream) = Rig::new(bytes).filter();
    let fault = fault(filter.on_request_headers(&stream, true));
    assert_eq!(fault.kind, FaultKind::Trapped);
    fault.message.into()
}

#[test]
fn a_trap_tells_all_that_is_known_of_it() {
    let bytes = guest(LOG, &format!("{SAY} {TRAP}"));
    assert_eq!(
        story(&bytes),
        "plugin `guest` trapped in `proxy_on_request_headers`: wasm `unreachable` instruction \
         executed; in context 2 (stream 1); at inner < hook; its last host call was proxy_log = \
         0; it had 128 KiB of memory"
    );
}

#[test]
fn where_a_module_has_lines_a_trap_tells_them() {
    let bytes = with_lines(&guest(LOG, &format!("{SAY} {TRAP}")), "_ZN6filter5guardE", 42);
    let story = story(&bytes);
    let at = "at filter::guard (src/lib.rs:42) < filter::guard (src/lib.rs:42); its last";
    assert!(story.contains(at), "{story}");
}

#[test]
fn a_panic_is_told_from_the_code_that_began_it() {
    let panics = r#"(func $abort unreachable)
      (func $"std::panicking::begin_panic" (call $abort))
      (func $"core::panicking::panic_fmt" (call $"std::panicking::begin_panic"))
      (func $"filter::std::guard" (call $"core::panicking::panic_fmt"))
      (func $hook (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $"filter::std::guard") (i32.const 0))"#;
    let told = story(&guest("", panics));
    assert!(told.contains("; at filter::std::guard < hook; it had"), "{told}");
    let only = r#"(func $abort (export "proxy_on_request_headers") (param i32 i32 i32)
      (result i32) unreachable)"#;
    let told = story(&guest("", only));
    assert!(told.contains("; at abort; it had"), "{told}");
}

#[test]
fn the_start_has_no_stream_to_tell_of() {
    let trap = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) unreachable)"#;
    let fault = Rig::new(&guest("", trap)).start(b"").expect_err("it does not start");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains("in context 1 (root); at "), "{fault}");
}

#[test]
fn memory_that_grew_is_told_and_memory_that_was_refused_is_not() {
    let grow = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (memory.grow (i32.const 3))) (drop (memory.grow (i32.const 9999))) unreachable)"#;
    let limits = PluginLimits { memory_bytes_max: 1 << 20, ..PluginLimits::default() };
    let (mut filter, stream) = Rig::with_limits(&guest("", grow), &limits).filter();
    let fault = fault(filter.on_request_headers(&stream, true));
    assert_eq!(fault.kind, FaultKind::OutOfMemory);
    assert!(fault.message.ends_with("; it had 320 KiB of memory"), "{fault}");
}

#[test]
fn what_a_guest_is_named_stays_one_line() {
    let text = r#"(func $"a\0ab\1b[31m" (export "proxy_on_request_headers")
        (param i32 i32 i32) (result i32) unreachable)"#;
    let story = story(&guest("", text));
    assert!(story.contains(r"at a\nb\u{1b}[31m"), "{story}");
}
