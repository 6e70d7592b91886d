//! Every limit on every way that a guest comes to be, in two tables: what it does, and where.

use std::{sync::Arc, time::Duration};

use host_extension::{ExtensionPoint, FaultKind, InstanceSpec, LoadedPlugin, PluginFault};
use host_types::{Isolation, PluginLimits, VmSettings};

use crate::{
    WasmSpec,
    testing::{BACKEND, LOG, Rig, fault, guest, stream},
};

fn limits() -> PluginLimits {
    PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 100,
        call_budget: Duration::from_millis(4),
        start_budget: Duration::from_millis(8),
        ..PluginLimits::default()
    }
}

fn load(bytes: &[u8], isolation: Isolation) -> Arc<dyn LoadedPlugin> {
    let vm = VmSettings { isolation, ..VmSettings::default() };
    let name = &"guest".into();
    let spec = WasmSpec { name, bytes, limits: &limits(), phases: None, vm: &vm };
    BACKEND.load(spec).expect("it loads")
}

/// What a guest should not be able to do, and what comes of it.
const DEEDS: &[(&str, FaultKind, &str)] = &[
    ("(loop $l (br $l))", FaultKind::TimedOut, "past its budget"),
    ("(call $deep)", FaultKind::Trapped, "call stack exhausted"),
    (
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
        FaultKind::OutOfMemory,
        "past its limit",
    ),
    (
        "(if (i32.eq (table.grow $t (ref.null func) (i32.const 200)) (i32.const -1)) (then unreachable))",
        FaultKind::Trapped,
        "a table of 201 elements",
    ),
];

/// A guest that does it in its request hook.
fn in_hook(deed: &str) -> Vec<u8> {
    let hook = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)"#;
    guest("", &format!("{HELPERS} {hook} {deed} (i32.const 0))"))
}

/// What deeds need.
const HELPERS: &str = "(table $t 1 funcref) (func $deep (call $deep) (call $deep))";

/// What the first hook of a fresh guest comes to.
fn serve(rig: &Rig) -> PluginFault {
    let stream = stream();
    let factory = rig.factory();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    fault(filter.on_request_headers(&stream, true))
}

#[test]
fn limits_hold_however_a_guest_came_to_be() {
    for (deed, kind, story) in DEEDS {
        let bytes = in_hook(deed);
        let check = |way: &str, rig: &Rig| {
            let fault = serve(rig);
            assert_eq!(fault.kind, *kind, "{way}: {fault}");
            assert!(fault.message.contains(story), "{way}: {fault}");
        };
        let rig = Rig::of(load(&bytes, Isolation::Shared));
        // A guest that lives keeps its place in the pool while the next one is made.
        let _beside = rig.beside(load(&bytes, Isolation::Shared)).factory();
        check("the first guest", &rig);
        check("in the place of one that is lost", &rig);
        check("once more", &rig);
        check("after a reload", &Rig::of(load(&bytes, Isolation::Shared)));
        let alone = Rig::of(load(&bytes, Isolation::PerStream));
        check("of a stream alone", &alone);
        check("of another stream", &alone);
    }
}

/// Where code of a guest runs while it starts.
const STARTS: &[&str] = &[
    "(func $section DEED) (start $section)",
    r#"(func (export "_initialize") DEED)"#,
    r#"(func (export "_start") DEED)"#,
    r#"(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) DEED (i32.const 0))"#,
    r#"(func (export "_initialize")) (func (export "__main_void") (result i32) DEED (i32.const 0))"#,
    r#"(func (export "proxy_on_context_create") (param i32 i32) DEED)"#,
    r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) DEED (i32.const 1))"#,
    r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) DEED (i32.const 1))"#,
];

#[test]
fn limits_hold_in_every_step_of_a_start() {
    for place in STARTS {
        for (deed, _, story) in DEEDS {
            let bytes = guest(LOG, &format!("{HELPERS} {}", place.replace("DEED", deed)));
            let plugin = load(&bytes, Isolation::Shared);
            for _ in 0..2 {
                let fault = Rig::of(Arc::clone(&plugin)).start(b"").expect_err("it fails");
                assert_eq!(fault.kind, FaultKind::LoadFailed, "{place}: {fault}");
                assert!(fault.message.contains(story), "{place}: {fault}");
            }
            // Where each stream has a guest, it is that stream's fault.
            let rig = Rig::of(load(&bytes, Isolation::PerStream));
            let factory = rig.factory();
            let fault = factory.stream_filter(&stream()).expect_err("it fails");
            assert!(fault.message.contains(story), "{place}: {fault}");
        }
    }
}

#[test]
fn limits_hold_in_the_allocator() {
    let imports = r#"(import "env" "proxy_get_property"
        (func $get (param i32 i32 i32 i32) (result i32)))"#;
    for (deed, kind, story) in DEEDS {
        let text = format!(
            r#"(module {imports} {HELPERS} (func (export "proxy_abi_version_0_2_1"))
            (memory (export "memory") 1) (data (i32.const 16) "request\00path")
            (func (export "malloc") (param i32) (result i32) {deed} (i32.const 64))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $get (i32.const 16) (i32.const 12) (i32.const 32) (i32.const 36)))
              (i32.const 0)))"#
        );
        let bytes = wat::parse_str(text).expect("a module");
        let fault = serve(&Rig::of(load(&bytes, Isolation::Shared)));
        assert_eq!(fault.kind, *kind, "{fault}");
        assert!(fault.message.contains(story), "{fault}");
    }
}

#[test]
fn limits_hold_at_the_end_of_a_context() {
    let ends = [
        r#"(func (export "proxy_on_done") (param i32) (result i32) DEED (i32.const 1))"#,
        r#"(func (export "proxy_on_log") (param i32) DEED)"#,
        r#"(func (export "proxy_on_delete") (param i32) DEED)"#,
    ];
    for place in ends {
        for (deed, kind, story) in DEEDS {
            let bytes = guest("", &format!("{HELPERS} {}", place.replace("DEED", deed)));
            let (mut filter, stream) = Rig::of(load(&bytes, Isolation::Shared)).filter();
            let fault = filter.on_complete(&stream).expect_err("it fails");
            assert_eq!(fault.kind, *kind, "{place}: {fault}");
            assert!(fault.message.contains(story), "{place}: {fault}");
        }
    }
}

#[test]
fn a_guest_that_begins_too_large_does_not_start() {
    for (part, story) in [("(table 101 funcref)", "table"), ("(table 1000000 funcref)", "")] {
        let name = &"guest".into();
        let bytes = guest("", part);
        let vm = VmSettings::default();
        let spec = WasmSpec { name, bytes: &bytes, limits: &limits(), phases: None, vm: &vm };
        let fault = match BACKEND.load(spec) {
            Ok(plugin) => Rig::of(plugin).start(b"").expect_err("it is too large"),
            // Past the pool's own size it is refused at once.
            Err(fault) => fault,
        };
        assert_eq!(fault.kind, FaultKind::LoadFailed);
        assert!(fault.message.contains(story), "{fault}");
    }
}

#[test]
fn services_have_the_same_limits() {
    let loops = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (loop $l (br $l)) (i32.const 1))"#;
    let rig = Rig::of(load(&guest("", loops), Isolation::PerStream));
    for point in [ExtensionPoint::Service, ExtensionPoint::Service] {
        let spec = InstanceSpec { point, ..InstanceSpec::default() };
        let fault = rig.plugin.start(&rig.scope(), &spec).expect_err("it never ends");
        assert!(fault.message.contains("past its budget in `proxy_on_configure`"), "{fault}");
    }
}
