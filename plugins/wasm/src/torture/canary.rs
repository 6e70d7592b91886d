//! A place in the pool that is used again holds nothing of who had it before: one guest fills
//! all of its memory and its table, the next one in that place looks for it.

use std::{rc::Rc, sync::Arc, time::Duration};

use host_extension::{FilterFactory, LoadedPlugin, Step, Verdict};
use host_types::{Isolation, PluginLimits, VmSettings};

use super::Run;
use crate::{
    WasmBackend, WasmSettings, WasmSpec,
    testing::{Rig, guest, stream},
};

/// More than stays mapped of a place, so that both ways of emptying one are gone.
const LIMIT: usize = 2 << 20;
const KEPT: usize = 1 << 20;

/// A guest whose request hook takes all memory and elements that it may have; then it counts
/// what is not nothing in all that it was not given itself, and fills it where it is shown the
/// end of the message, and counts once more. What it finds at first and in the end it records as
/// metrics 0 and 1; 2 is what it looked at in all.
///
/// Its first page is its own, and `size` of it: the image of a module that another one does not
/// have.
fn sniffer(size: usize) -> Vec<u8> {
    let image = "\\5a".repeat(size);
    let imports = r#"
      (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))"#;
    let rest = format!(
        r#"
      (data (i32.const 8192) "{image}")
      (data (i32.const 16) "012")
      (table $t 2 funcref)
      (elem (i32.const 0) func $nothing)
      (elem declare func $nothing)
      (func $nothing)
      (global $canary (mut i64) (i64.const 0))
      (func $tell (param $name i32) (param $value i64)
        (drop (call $define (i32.const 1) (i32.add (i32.const 16) (local.get $name)) (i32.const 1)
          (i32.const 32)))
        (drop (call $record (i32.load (i32.const 32)) (local.get $value))))
      ;; Counts the bytes and elements that hold something, behind the first page and element.
      (func $count (result i64)
        (local $at i32) (local $end i32) (local $found i64)
        (local.set $end (i32.shl (memory.size) (i32.const 16)))
        (local.set $at (i32.const 65536))
        (loop $next
          (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
            (then (local.set $found (i64.add (local.get $found) (i64.const 8)))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $at (i32.const 1))
        (loop $next
          (if (i32.eqz (ref.is_null (table.get $t (local.get $at))))
            (then (local.set $found (i64.add (local.get $found) (i64.const 8)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $at) (table.size $t))))
        (if (i64.ne (global.get $canary) (i64.const 0))
          (then (local.set $found (i64.add (local.get $found) (i64.const 8)))))
        (local.get $found))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (loop $more
          (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 10)) (i32.const -1))))
        (call $tell (i32.const 0) (call $count))
        (call $tell (i32.const 2) (i64.extend_i32_u (i32.add
          (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536))
          (i32.shl (i32.sub (table.size $t) (i32.const 1)) (i32.const 3)))))
        (if (local.get 2) (then
          (memory.fill (i32.const 65536) (i32.const 0xC5)
            (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))
          (table.fill $t (i32.const 1) (ref.func $nothing)
            (i32.sub (table.size $t) (i32.const 1)))
          (global.set $canary (i64.const 0xC5))
          (call $tell (i32.const 1) (call $count))))
        (i32.const 0))"#
    );
    guest(imports, &rest)
}

fn load(backend: &WasmBackend, size: usize, isolation: Isolation) -> Arc<dyn LoadedPlugin> {
    let limits = PluginLimits {
        memory_bytes_max: LIMIT,
        table_elements_max: 1000,
        call_budget: Duration::from_secs(2),
        ..PluginLimits::default()
    };
    let vm = VmSettings { isolation, ..VmSettings::default() };
    let bytes = sniffer(size);
    let spec = WasmSpec {
        name: &"guest".into(),
        bytes: &bytes,
        limits: &limits,
        phases: None,
        vm: &vm,
        grants: "",
    };
    backend.load(spec).expect("it loads")
}

/// What one guest found at first, what it left behind, and how much it looked at.
fn sniff(rig: &Rig, factory: &dyn FilterFactory) -> [u64; 3] {
    let one = stream();
    let mut filter = factory.stream_filter(&one).expect("a filter");
    let step = filter.on_request_headers(&one, true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
    filter.on_complete(&one).expect("it ends well");
    let mut told = [0; 3];
    for (_kind, name, value) in rig.host.beside.metrics.take() {
        let place = name.bytes().last().map_or(0, |digit| usize::from(digit - b'0'));
        told[place] = value;
    }
    told
}

/// Guests one after the other in the only place that there is: of two modules, and of both ways
/// to live.
pub(super) fn canary(run: &mut Run, cycles: u64) {
    let settings = WasmSettings {
        instances_max: 1,
        stream_instances_max: 1,
        keep_resident_bytes: KEPT,
        ..WasmSettings::default()
    };
    let backend = WasmBackend::new(&settings).expect("an engine");
    let rigs: Vec<Rig> =
        [(40_000, Isolation::Shared), (9, Isolation::PerStream), (9, Isolation::Shared)]
            .into_iter()
            .map(|(size, isolation)| Rig::of(load(&backend, size, isolation)))
            .collect();
    let (mut found, mut looked_at, mut filled) = (0, 0, 0);
    for cycle in 0..cycles {
        let rig = &rigs[usize::try_from(cycle).expect("few") % rigs.len()];
        let factory: Rc<dyn FilterFactory> = rig.factory();
        let [at_first, left, all] = sniff(rig, factory.as_ref());
        drop(factory);
        found += at_first;
        filled += left;
        looked_at += all;
        if at_first > 0 {
            run.must(false, format!("{at_first} bytes in cycle {cycle}"));
            break;
        }
        // The table's first element behind its own, all of the memory, and the global.
        run.must(left >= all, format!("it filled {left} of {all} bytes"));
    }
    run.figure("cycles", cycles);
    run.figure("bytes_looked_at", looked_at);
    run.figure("bytes_filled", filled);
    run.figure("bytes_found", found);
}

#[test]
fn who_comes_next_finds_nothing() {
    let mut run = Run::new("canary");
    canary(&mut run, 60);
    run.finish();
}
