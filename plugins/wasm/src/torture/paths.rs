//! Every limit on every way that a guest comes to be: two tables, each limit just not hit and
//! just hit.

use std::{rc::Rc, sync::Arc, time::Duration};

use host_extension::{
    ExtensionPoint, FaultKind, FilterFactory, InstanceSpec, LoadedPlugin, PluginFault, WorkerScope,
};
use host_types::{Isolation, PluginLimits, VmSettings};

use crate::{
    WasmBackend, WasmSettings, WasmSpec,
    testing::{LOG, Rig, SAY, fault, guest, stream},
};

const CONTEXTS_MAX: usize = 3;
const LINES_MAX: u32 = 5;
/// Guests of the pool of these tests.
const PLACES: u32 = 6;

fn limits() -> PluginLimits {
    PluginLimits {
        memory_bytes_max: 1 << 20,
        table_elements_max: 100,
        call_budget: Duration::from_millis(4),
        start_budget: Duration::from_millis(8),
        contexts_max: CONTEXTS_MAX,
        log_lines_per_second_max: LINES_MAX,
        ..PluginLimits::default()
    }
}

/// How a guest comes to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Path {
    /// The first one of its plugin.
    First,
    /// In the place of one that used all that it may.
    Again,
    /// As another root of a machine that runs.
    Shared,
    /// For one stream.
    PerStream,
    /// For one stream, after others.
    PerStreamAgain,
    /// Of a plugin that was loaded anew.
    Reloaded,
    /// In the place of one that trapped.
    Restarted,
    /// To see whether it starts.
    Trial,
    /// For no streams.
    Service,
}

const PATHS: [Path; 9] = [
    Path::First,
    Path::Again,
    Path::Shared,
    Path::PerStream,
    Path::PerStreamAgain,
    Path::Reloaded,
    Path::Restarted,
    Path::Trial,
    Path::Service,
];

/// A guest that never ends its configuration where that has one byte, and its request hook
/// where that is shown the end. Otherwise the hook takes all memory and elements that it may
/// have, and tries one more of each; it says as bits what it got, in a letter, and more lines.
fn glutton() -> Vec<u8> {
    let rest = r#"
      (table $t 1 funcref)
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (loop $l (br_if $l (i32.eq (local.get 1) (i32.const 1)))) (i32.const 1))
      (func $got (param $answer i32) (param $bit i32) (result i32)
        (i32.shl (i32.ne (local.get $answer) (i32.const -1)) (local.get $bit)))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $lines i32)
        (loop $l (br_if $l (local.get 2)))
        (call $say (i32.add (i32.const 65) (i32.or
          (i32.or
            (call $got (memory.grow (i32.const 14)) (i32.const 0))
            (call $got (memory.grow (i32.const 1)) (i32.const 1)))
          (i32.or
            (call $got (table.grow $t (ref.null func) (i32.const 99)) (i32.const 2))
            (call $got (table.grow $t (ref.null func) (i32.const 1)) (i32.const 3))))))
        (local.set $lines (i32.const 20))
        (loop $next
          (call $say (i32.const 120))
          (br_if $next (local.tee $lines (i32.sub (local.get $lines) (i32.const 1)))))
        (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)"#;
    guest(LOG, &format!("{SAY} {rest}"))
}

/// All that it may have of memory and elements, and nothing past it; and so many lines.
const ALL_THAT_IT_MAY_HAVE: &str = "Fxxxx";

/// Where guests are made, and all that is kept of the way to one.
struct Site {
    backend: WasmBackend,
    bytes: Vec<u8>,
}

struct Came {
    rig: Rig,
    factory: Rc<dyn FilterFactory>,
    _kept: Vec<Rc<dyn FilterFactory>>,
}

impl Site {
    fn new() -> Self {
        let settings = WasmSettings {
            instances_max: PLACES,
            stream_instances_max: PLACES,
            ..WasmSettings::default()
        };
        let backend = WasmBackend::new(&settings).expect("an engine");
        Self { backend, bytes: glutton() }
    }

    fn load(&self, path: Path) -> Arc<dyn LoadedPlugin> {
        let is_alone = matches!(path, Path::PerStream | Path::PerStreamAgain);
        let vm = VmSettings {
            id: (path == Path::Shared).then(|| "shared".into()),
            isolation: if is_alone { Isolation::PerStream } else { Isolation::Shared },
            ..VmSettings::default()
        };
        let (name, limits) = (&"guest".into(), &limits());
        let spec = WasmSpec { name, bytes: &self.bytes, limits, phases: None, vm: &vm, grants: "" };
        self.backend.load(spec).expect("it loads")
    }

    /// Brings a guest up on its way, with a configuration for it alone.
    fn come(&self, path: Path, config: &'static [u8]) -> Result<Came, PluginFault> {
        let rig = Rig::of(self.load(path));
        let mut kept = Vec::new();
        let rig = match path {
            Path::First | Path::PerStream | Path::Trial | Path::Service => rig,
            Path::Again | Path::PerStreamAgain => {
                use_all(&rig);
                rig
            }
            Path::Shared => {
                kept.push(rig.factory());
                rig
            }
            Path::Reloaded => {
                kept.push(rig.factory());
                Rig::of(self.load(path))
            }
            Path::Restarted => {
                let factory = rig.factory();
                let mut filter = factory.stream_filter(&stream()).expect("a filter");
                fault(filter.on_response_headers(&stream(), false));
                kept.push(factory);
                rig
            }
        };
        let point = if path == Path::Service {
            ExtensionPoint::Service
        } else {
            ExtensionPoint::StreamFilter
        };
        let spec = InstanceSpec { point, root_id: "".into(), config: config.into() };
        let worker = (path != Path::Trial).then_some(0);
        let factory = rig.plugin.start(&WorkerScope { worker, ..rig.scope() }, &spec)?;
        Ok(Came { rig, factory, _kept: kept })
    }
}

/// Has as many guests as there are places take all that they may.
fn use_all(rig: &Rig) {
    let mut guests = Vec::new();
    for _ in 0..PLACES {
        let factory = rig.factory();
        let Ok(mut filter) = factory.stream_filter(&stream()) else { break };
        drop(filter.on_request_headers(&stream(), false));
        guests.push((factory, filter));
    }
    assert!(guests.len() >= CONTEXTS_MAX);
    rig.host.said();
}

#[test]
fn memory_elements_and_lines_are_limited_on_every_path() {
    let site = Site::new();
    for path in PATHS {
        let came = site.come(path, b"").expect("it starts");
        let one = stream();
        let mut filter = came.factory.stream_filter(&one).expect("a filter");
        drop(filter.on_request_headers(&one, false));
        assert_eq!(came.rig.host.said(), ALL_THAT_IT_MAY_HAVE, "{path:?}");
    }
}

#[test]
fn a_call_is_limited_on_every_path() {
    let site = Site::new();
    for path in PATHS {
        let came = site.come(path, b"").expect("it starts");
        let one = stream();
        let mut filter = came.factory.stream_filter(&one).expect("a filter");
        let fault = fault(filter.on_request_headers(&one, true));
        assert_eq!(fault.kind, FaultKind::TimedOut, "{path:?}: {fault}");
    }
}

#[test]
fn a_start_is_limited_on_every_path() {
    let site = Site::new();
    for path in PATHS {
        let come = site.come(path, b"1");
        // Where each stream has a guest, that is where it starts.
        let fault = come.map(|came| came.factory.stream_filter(&stream()).map(drop));
        let fault = fault.and_then(|start| start).expect_err("it never ends");
        assert_eq!(fault.kind, FaultKind::LoadFailed, "{path:?}: {fault}");
        assert!(fault.message.contains("past its budget in `proxy_on_configure`"), "{fault}");
    }
}

#[test]
fn contexts_are_limited_on_every_path() {
    let site = Site::new();
    for path in PATHS {
        let came = site.come(path, b"").expect("it starts");
        let mut open: Vec<_> = (0..CONTEXTS_MAX)
            .map(|_| came.factory.stream_filter(&stream()).expect("within the limit"))
            .collect();
        let refused = came.factory.stream_filter(&stream()).expect_err("past the limit");
        assert_eq!(refused.kind, FaultKind::Denied, "{path:?}: {refused}");
        open.pop();
        assert!(came.factory.stream_filter(&stream()).is_ok(), "{path:?}");
    }
}

/// Recursion and the sizes that a module begins with are limited by the engine.
#[test]
fn what_begins_too_large_does_not_start_on_any_path() {
    let site = Site::new();
    let large_memory = wat::parse_str(
        r#"(module (func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 17)
        (func (export "malloc") (param i32) (result i32) i32.const 0))"#,
    );
    let large_memory = large_memory.expect("a module");
    for (bytes, story) in [(guest("", "(table 101 funcref)"), "table"), (large_memory, "memory")] {
        let site =
            Site { backend: WasmBackend::new(&WasmSettings::default()).expect("an engine"), bytes };
        for path in [Path::First, Path::PerStream, Path::Trial, Path::Service] {
            let come = site.come(path, b"");
            let fault = come.map(|came| came.factory.stream_filter(&stream()).map(drop));
            let fault = fault.and_then(|start| start).expect_err("it is too large");
            assert_eq!(fault.kind, FaultKind::LoadFailed, "{path:?}: {fault}");
            assert!(fault.message.contains(story), "{path:?}: {fault}");
        }
    }
    // Past the size of the pool's tables it is not even loaded.
    let name = &"guest".into();
    let bytes = guest("", "(table 1000000 funcref)");
    let (limits, vm) = (limits(), VmSettings::default());
    let spec = WasmSpec { name, bytes: &bytes, limits: &limits, phases: None, vm: &vm, grants: "" };
    assert!(site.backend.load(spec).is_err());
}
