use std::time::Duration;

use host_extension::FaultKind;
use host_types::{PluginLimits, VmSettings};

use crate::testing::{LOG, Rig, SAY, guest, stream};

#[track_caller]
fn does_not_start(bytes: &[u8], limits: &PluginLimits, story: &str) {
    let rig = Rig::with_limits(bytes, limits);
    let fault = rig.start(b"config").expect_err("it does not start");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains(story), "{fault}");
}

fn small() -> PluginLimits {
    PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 100,
        call_budget: Duration::from_millis(10),
        start_budget: Duration::from_millis(50),
        ..PluginLimits::default()
    }
}

const ROOT_HOOKS: &str = r#"
  (func (export "proxy_on_context_create") (param i32 i32)
    (call $say (i32.add (i32.const 48) (local.get 0)))
    (call $say (i32.add (i32.const 48) (local.get 1))))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
    (call $say (i32.const 118)) (i32.eqz (local.get 1)))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $say (i32.const 99)) (call $say (i32.add (i32.const 48) (local.get 1)))
    (i32.const 1))
"#;

#[test]
fn a_reactor_starts_in_the_order_of_the_interface() {
    let start = r#"
      (func $section (call $say (i32.const 115)))
      (start $section)
      (func (export "_initialize") (call $say (i32.const 105)))
      (func (export "_start") (call $say (i32.const 33)))
      (func (export "main") (param i32 i32) (result i32) (call $say (i32.const 109)) i32.const 1)"#;
    let rig = Rig::new(&guest(LOG, &format!("{SAY} {start} {ROOT_HOOKS}")));
    let factory = rig.start(b"seven c").expect("it starts");
    assert_eq!(rig.host.said(), "sim10vc7");
    let _filter = factory.stream_filter(&stream()).expect("a filter");
    assert_eq!(rig.host.said(), "21");
}

#[test]
fn a_command_starts_and_may_end_itself_with_zero_only() {
    let imports =
        format!(r#"{LOG} (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#);
    let start = |code: u32| format!(r#"(func (export "_start") (call $exit (i32.const {code})))"#);
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {} {ROOT_HOOKS}", start(0))));
    assert!(rig.start(b"").is_ok());
    assert_eq!(rig.host.said(), "10vc0");
    let bytes = guest(&imports, &format!("{SAY} {}", start(3)));
    does_not_start(&bytes, &small(), "in `_start`: it called `proc_exit(3)`");
}

#[test]
fn a_guest_that_traps_or_refuses_as_it_starts_does_not_load() {
    let refuse = |name: &str| {
        format!(r#"(func (export "{name}") (param i32 i32) (result i32) i32.const 0)"#)
    };
    does_not_start(&guest("", &refuse("proxy_on_vm_start")), &small(), "refused to start");
    let says_why = format!(
        r#"{SAY} (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say (i32.const 10)) (i32.const 0))"#
    );
    let story = r"refused its configuration; it said: \n";
    does_not_start(&guest(LOG, &says_why), &small(), story);
    does_not_start(
        &guest("", &refuse("proxy_on_configure")),
        &small(),
        "refused its configuration",
    );
    let trap = r#"(func $burst (export "_initialize") unreachable)"#;
    does_not_start(&guest("", trap), &small(), "trapped in `_initialize`: wasm `unreachable`");
    does_not_start(&guest("", trap), &small(), "at burst");
    let section = "(func $section unreachable) (start $section)";
    does_not_start(&guest("", section), &small(), "trapped in `instantiation`");
    let odd = r#"(func (export "proxy_on_log") (param f32))"#;
    does_not_start(&guest("", odd), &small(), "exports `proxy_on_log` with an unexpected type");
}

#[test]
fn the_whole_start_has_one_budget() {
    let endless = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (loop $l (br $l)) unreachable)"#;
    does_not_start(&guest("", endless), &small(), "past its budget in `proxy_on_configure`");
}

#[test]
fn memory_and_tables_past_the_limits_do_not_start() {
    let bytes = wat::parse_str(
        r#"(module (func (export "proxy_abi_version_0_1_0")) (memory (export "memory") 17)
           (func (export "malloc") (param i32) (result i32) i32.const 0))"#,
    )
    .expect("a valid module");
    does_not_start(&bytes, &small(), "memory");
    does_not_start(&guest("", "(table 101 funcref)"), &small(), "table");
}

const BYTES: &str = r#"(import "env" "proxy_get_buffer_bytes"
  (func $get (param i32 i32 i32 i32 i32) (result i32)))"#;

#[test]
fn the_configuration_of_the_machine_is_read_at_any_time_and_that_of_a_plugin_as_it_is_given() {
    let read = r#"
      (func $read (param $buffer i32)
        (call $say (i32.add (i32.const 65) (call $get (local.get $buffer) (i32.const 0)
          (i32.const 100) (i32.const 200) (i32.const 204))))
        (drop (call $log (i32.const 2) (i32.load (i32.const 200)) (i32.load (i32.const 204))))
        (i64.store (i32.const 200) (i64.const 0)))
      (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (call $read (i32.const 6)) (call $read (i32.const 7)) (local.get 1))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $read (i32.const 6)) (call $read (i32.const 7)) (local.get 1))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $read (i32.const 6)) (call $read (i32.const 7)) (i32.const 0))"#;
    let vm = VmSettings { configuration: b"machine"[..].into(), ..VmSettings::default() };
    let rig = Rig::with_vm(&guest(&format!("{LOG} {BYTES}"), &format!("{SAY} {read}")), &vm);
    let factory = rig.start(b"plugin").expect("it starts");
    assert_eq!(rig.host.said(), "AmachineBAmachineAplugin");
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(rig.host.said(), "AmachineB");
}
