use std::{rc::Rc, sync::Arc};

use host_extension::{FaultKind, FilterFactory, LoadedPlugin, Step, Verdict};
use host_types::{Isolation, PluginLimits, VmSettings};

use super::key;
use crate::{
    WasmSpec,
    testing::{BACKEND, LOG, Rig, SAY, fault, guest, load_as, stream},
};

/// A guest that counts its roots in a global and says the count as each is configured; one
/// whose configuration has one byte is refused, one of two bytes traps. Each stream's request
/// hook says the count.
fn counting() -> Vec<u8> {
    let rest = r#"
      (global $roots (mut i32) (i32.const 48))
      (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (call $say (i32.const 118))
        (i32.or (i32.eqz (local.get 1)) (i32.eq (local.get 0) (i32.const 1))))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (if (i32.eq (local.get 1) (i32.const 2)) (then unreachable))
        (global.set $roots (i32.add (global.get $roots) (i32.const 1)))
        (call $say (global.get $roots))
        (i32.ne (local.get 1) (i32.const 1)))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (global.get $roots)) (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)
      (func (export "proxy_on_done") (param i32) (result i32)
        (call $say (i32.const 100)) (i32.eqz (local.get 0)))
      (func (export "proxy_on_delete") (param i32) (call $say (i32.const 120)))"#;
    guest(LOG, &format!("{SAY} {rest}"))
}

fn named(id: &str) -> VmSettings {
    VmSettings { id: Some(id.into()), ..VmSettings::default() }
}

fn plugin(name: &str, vm: &VmSettings) -> Arc<dyn LoadedPlugin> {
    load_as(name, &counting(), vm)
}

#[test]
fn uses_of_one_machine_share_its_globals_and_one_without_a_name_shares_nothing() {
    let rig = Rig::of(plugin("one", &named("m")));
    let _first = rig.start(b"").expect("it starts");
    assert_eq!(rig.host.said(), "v1");
    let second = rig.start(b"").expect("it starts");
    assert_eq!(rig.host.said(), "v2", "each root is told of the machine's start");
    let mut filter = second.stream_filter(&stream()).expect("a filter");
    assert!(matches!(filter.on_request_headers(&stream(), true), Step::Ready(Verdict::Continue)));
    assert_eq!(rig.host.said(), "2");
    // Another plugin of the same code does, too, and speaks with its own host.
    let other = rig.beside(plugin("two", &named("m")));
    let _third = other.start(b"").expect("it starts");
    assert_eq!((rig.host.said(), other.host.said()), (String::new(), "v3".to_owned()));
    let apart = rig.beside(plugin("one", &VmSettings::default()));
    let _fourth = apart.start(b"").expect("it starts");
    let _fifth = apart.start(b"").expect("it starts");
    assert_eq!(apart.host.said(), "v1v1");
}

#[test]
fn whatever_a_guest_is_made_from_sets_it_apart() {
    let rig = Rig::of(plugin("one", &named("m")));
    let _kept = rig.start(b"").expect("it starts");
    let base = named("m");
    let others = [
        named("n"),
        VmSettings { configuration: b"c"[..].into(), ..base.clone() },
        VmSettings { environment: vec![("A".into(), "1".into())], ..base.clone() },
        VmSettings { environment: vec![("A1".into(), "".into())], ..base.clone() },
    ];
    for vm in others {
        let other = rig.beside(plugin("one", &vm));
        let _held = other.start(b"").expect("it starts");
        assert_eq!(other.host.said(), "v1", "{vm:?}");
    }
    let code = guest(LOG, &format!("{SAY} (func $more)"));
    let other = rig.beside(load_as("one", &code, &base));
    let _held = other.start(b"").expect("it starts");
    let same = rig.beside(plugin("one", &base));
    let _held = same.start(b"").expect("it starts");
    assert_eq!(same.host.said(), "v2");
    let elsewhere = Rig::of(plugin("one", &base));
    let _held = elsewhere.start(b"").expect("it starts");
    assert_eq!(elsewhere.host.said(), "v1", "another worker has its own");
    let alone = VmSettings { isolation: Isolation::PerStream, ..base };
    let alone = rig.beside(plugin("one", &alone));
    let factory = alone.start(b"").expect("it starts");
    let _filter = factory.stream_filter(&stream()).expect("a filter");
    assert_eq!(alone.host.said(), "v1");
}

#[test]
fn plugins_with_other_grants_live_in_other_machines() {
    let (bytes, limits, vm) = (counting(), PluginLimits::default(), named("m"));
    let granted = |grants: &str| {
        let name = &"one".into();
        let spec = WasmSpec { name, bytes: &bytes, limits: &limits, phases: None, vm: &vm, grants };
        key(&BACKEND.compile(spec).expect("it compiles")).expect("its machine has a name")
    };
    assert_eq!(granted(""), granted(""));
    assert_ne!(granted(""), granted("http_call"));
}

#[test]
fn a_use_that_is_refused_leaves_the_others_in_peace() {
    let rig = Rig::of(plugin("one", &named("m")));
    let first = rig.start(b"").expect("it starts");
    rig.host.said();
    let refused = rig.start(b"1").expect_err("it is refused");
    assert_eq!(refused.kind, FaultKind::LoadFailed);
    assert!(refused.message.contains("refused its configuration; it said: 2"), "{refused}");
    assert_eq!(rig.host.said(), "v2dx", "its root is told, and deleted");
    assert!(rig.faults.borrow().is_empty());
    let mut filter = first.stream_filter(&stream()).expect("a filter");
    drop(filter.on_request_headers(&stream(), true));
    assert_eq!(rig.host.said(), "2");
}

#[test]
fn a_use_that_does_not_start_in_a_machine_leaves_the_others_in_peace() {
    // Past its first root this guest starts without a configuration only.
    let vm = VmSettings { configuration: b"c"[..].into(), ..named("m") };
    let rig = Rig::of(plugin("one", &vm));
    let first = rig.start(b"").expect("it starts");
    rig.host.said();
    let refused = rig.start(b"").expect_err("it is refused");
    assert!(refused.message.contains("refused to start; it said: v"), "{refused}");
    assert_eq!(rig.host.said(), "vdx");
    assert!(first.stream_filter(&stream()).is_ok());
}

#[test]
fn a_fault_of_one_use_tells_both_and_the_next_start_is_a_fresh_machine() {
    let rig = Rig::of(plugin("one", &named("m")));
    let other = rig.beside(plugin("two", &named("m")));
    let first = rig.start(b"").expect("it starts");
    let second = other.start(b"").expect("it starts");
    let (one, two) = (stream(), stream());
    let mut fails = first.stream_filter(&one).expect("a filter");
    let mut beside = second.stream_filter(&two).expect("a filter");
    assert_eq!(fault(fails.on_response_headers(&one, true)).kind, FaultKind::Trapped);
    assert!(rig.faults.borrow().is_empty(), "its stream heard of it");
    let told = other.faults.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, FaultKind::InstanceLost);
    assert!(told[0].message.contains("`two`"), "{}", told[0]);
    assert_eq!(fault(beside.on_request_headers(&two, true)), told[0]);
    rig.host.said();
    let _fresh: Rc<dyn FilterFactory> = rig.start(b"").expect("it starts");
    assert_eq!(rig.host.said(), "v1");
}

#[test]
fn a_use_that_traps_as_it_is_configured_takes_the_machine_with_it() {
    let rig = Rig::of(plugin("one", &named("m")));
    let other = rig.beside(plugin("two", &named("m")));
    let _first = rig.start(b"").expect("it starts");
    let trapped = other.start(b"22").expect_err("it traps");
    assert_eq!(trapped.kind, FaultKind::LoadFailed);
    assert!(trapped.message.contains("plugin `two` trapped"), "{trapped}");
    assert_eq!(rig.faults.borrow().len(), 1);
    assert!(other.faults.borrow().is_empty(), "who started it heard of it");
}

#[test]
fn the_root_id_is_what_a_guest_reads() {
    let read = r#"
      (import "env" "proxy_get_property"
        (func $get (param i32 i32 i32 i32) (result i32)))"#;
    let configure = r#"
      (data (i32.const 100) "plugin_root_id")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $get (i32.const 100) (i32.const 14) (i32.const 200) (i32.const 204)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 200)) (i32.load (i32.const 204))))
        (i32.const 1))"#;
    let bytes = guest(&format!("{LOG} {read}"), configure);
    let rig = Rig::with_vm(&bytes, &named("m"));
    let _one = rig.start_as("auth", b"").expect("it starts");
    let _two = rig.start_as("log", b"").expect("it starts");
    assert_eq!(*rig.host.lines.borrow(), ["Info: auth", "Info: log"]);
}
