//! Bombs of memory: what guests may have in all is what the process grows by.

use std::{sync::Arc, time::Duration};

use host_extension::{FaultKind, LoadedPlugin};
use host_types::{Isolation, PluginLimits, VmSettings};

use super::{Run, run::resident_bytes};
use crate::{
    WasmBackend, WasmSettings, WasmSpec,
    testing::{Rig, fault, guest, stream},
};

const LIMIT: usize = 16 << 20;
/// Guests that burst at the same time.
const GUESTS: u64 = 16;
const ROUNDS: u64 = 200;
/// What the process may need beside: pages of the heap, code, tables.
const SLACK: u64 = 24 << 20;
const KEPT: usize = 1 << 20;

/// A guest whose request hook touches every page that it gets, until it gets none, and traps on
/// the end of a message.
fn bomb() -> Vec<u8> {
    let rest = r#"
      (table $t 1 funcref)
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $page i32)
        (loop $more
          (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1))))
        (loop $more
          (local.set $page (memory.grow (i32.const 1)))
          (if (i32.ne (local.get $page) (i32.const -1))
            (then
              (memory.fill (i32.shl (local.get $page) (i32.const 16)) (i32.const 170)
                (i32.const 65536))
              (br $more))))
        (if (local.get 2) (then unreachable))
        (i32.const 0))"#;
    guest("", rest)
}

fn load(backend: &WasmBackend, isolation: Isolation) -> Arc<dyn LoadedPlugin> {
    let limits = PluginLimits {
        memory_bytes_max: LIMIT,
        call_budget: Duration::from_secs(2),
        ..PluginLimits::default()
    };
    let vm = VmSettings { isolation, ..VmSettings::default() };
    let name = &"bomb".into();
    let spec =
        WasmSpec { name, bytes: &bomb(), limits: &limits, phases: None, vm: &vm, grants: "" };
    backend.load(spec).expect("it loads")
}

/// Lets so many burst, and keeps them.
pub(super) fn bombs(run: &mut Run) {
    let places = u32::try_from(GUESTS).expect("few");
    let settings = WasmSettings {
        instances_max: places,
        stream_instances_max: places,
        keep_resident_bytes: KEPT,
        ..WasmSettings::default()
    };
    let backend = WasmBackend::new(&settings).expect("an engine");
    let limit = LIMIT as u64;
    for isolation in [Isolation::Shared, Isolation::PerStream] {
        let rig = Rig::of(load(&backend, isolation));
        let before = resident_bytes();
        let grown = || resident_bytes().saturating_sub(before);
        let mut guests = Vec::new();
        for _ in 0..GUESTS {
            let (factory, one) = (rig.factory(), stream());
            let mut filter = factory.stream_filter(&one).expect("a filter");
            drop(filter.on_request_headers(&one, false));
            guests.push((factory, filter));
        }
        let peak = grown();
        drop(guests);
        let after = grown();
        // One after the other, each in the place of one that failed.
        for _ in 0..ROUNDS {
            let one = stream();
            let factory = rig.factory();
            let mut filter = factory.stream_filter(&one).expect("a filter");
            let fault = fault(filter.on_request_headers(&one, true));
            run.must(fault.kind == FaultKind::OutOfMemory, &fault.message);
        }
        let last = grown();
        let (bombs, kept, rounds) = match isolation {
            Isolation::Shared => {
                ("shared_16_bombs_bytes", "shared_after_bytes", "shared_200_rounds_bytes")
            }
            Isolation::PerStream => (
                "per_stream_16_bombs_bytes",
                "per_stream_after_bytes",
                "per_stream_200_rounds_bytes",
            ),
        };
        run.figure(bombs, peak);
        run.figure(kept, after);
        run.figure(rounds, last);
        run.must(peak >= GUESTS * limit / 2, format!("they did not burst: {peak}"));
        run.must(peak <= GUESTS * limit + SLACK, format!("{peak} bytes for {GUESTS} bombs"));
        let kept_max = GUESTS * (KEPT as u64) * 17 / 16 + SLACK;
        run.must(after <= kept_max, format!("{after} bytes are kept"));
        run.must(last <= kept_max, format!("{last} bytes are kept after all"));
    }
}
