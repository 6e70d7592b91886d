//! Lives of contexts in any order: a guest that keeps book of what it is told, and traps loudly
//! on what cannot be: a callback before the beginning or behind the end, an end that comes twice
//! or not at all.
//!
//! The events are those of a pipeline, which never calls a filter after its end, and never a
//! direction that waits. Each epoch is a world of its own that a seed makes.

use std::{
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use host_extension::{
    Connection, FaultKind, FilterFactory, Flow, HttpAnswer, NetworkFilter, Peer, PluginFault, Step,
    Stream, StreamFilter, Verdict,
};
use host_types::{Headers, Isolation, PluginLimits, VmSettings};
use http::{HeaderMap, StatusCode};

use super::Run;
use crate::{
    WasmSpec,
    fuzz::Dice,
    testing::{BACKEND, Rig, connection, open_response, stream},
};

/// Events of one epoch.
const EPOCH: u64 = 1000;
const SEED: u64 = 0x6c69_7665_7300;

/// State of a context by its number at 65536: 0 unknown, 1 there, 2 done, 3 logged, 4 gone, with
/// 16 for roots. Its root at 131072, of a root how many contexts it has.
const BOOK: &str = r#"
  (global $pending (mut i32) (i32.const 0))
  (global $slow (mut i32) (i32.const 0))
  (func $bad (param $what i32)
    (i32.store8 (i32.const 0) (local.get $what))
    (drop (call $log (i32.const 4) (i32.const 0) (i32.const 1))) unreachable)
  (func $state (param $id i32) (result i32)
    (if (i32.gt_u (local.get $id) (i32.const 65000)) (then (call $bad (i32.const 110))))
    (i32.load8_u offset=65536 (local.get $id)))
  (func $set (param $id i32) (param $state i32)
    (i32.store8 offset=65536 (local.get $id) (local.get $state)))
  (func $of (param $id i32) (result i32)
    (i32.load offset=131072 (i32.shl (local.get $id) (i32.const 2))))
  (func $set_of (param $id i32) (param $value i32)
    (i32.store offset=131072 (i32.shl (local.get $id) (i32.const 2)) (local.get $value)))
  (func $must (param $id i32) (param $state i32) (param $else i32)
    (if (i32.ne (call $state (local.get $id)) (local.get $state))
      (then (call $bad (local.get $else)))))
  (func $root (param $id i32) (param $else i32)
    (if (i32.and (i32.ne (call $state (local.get $id)) (i32.const 17))
        (i32.ne (call $state (local.get $id)) (i32.const 18)))
      (then (call $bad (local.get $else)))))
  (func $finish
    (if (global.get $pending) (then
      (if (i32.eqz (call $effective (global.get $pending))) (then (drop (call $done))))
      (global.set $pending (i32.const 0)))))
  ;; Does what the number of bytes says.
  (func $do (param $id i32) (param $bytes i32) (result i32)
    (local $what i32)
    (call $must (local.get $id) (i32.const 1) (i32.const 104))
    (call $root (call $of (local.get $id)) (i32.const 114))
    (local.set $what (i32.and (local.get $bytes) (i32.const 15)))
    (if (i32.eq (local.get $what) (i32.const 8)) (then
      (drop (call $continue (i32.const 0))) (drop (call $continue (i32.const 1)))
      (drop (call $continue (i32.const 2))) (drop (call $continue (i32.const 3)))))
    (if (i32.eq (local.get $what) (i32.const 9)) (then
      (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const -1))) (return (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 10)) (then
      (drop (call $close (i32.const 0))) (drop (call $close (i32.const 2)))
      (return (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 11)) (then
      (drop (call $http (i32.const 16) (i32.const 2) (i32.const 400) (i32.const 67) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 200)))))
    (if (i32.eq (local.get $what) (i32.const 12)) (then (drop (call $tick (i32.const 10)))))
    (if (i32.eq (local.get $what) (i32.const 13)) (then
      (if (i32.eqz (call $done)) (then (call $bad (i32.const 100))))))
    (if (i32.eq (local.get $what) (i32.const 14)) (then (call $finish)))
    (if (i32.eq (local.get $what) (i32.const 15)) (then unreachable))
    (i32.and (i32.ge_u (local.get $what) (i32.const 6)) (i32.le_u (local.get $what) (i32.const 7))))
  (func (export "proxy_on_context_create") (param $id i32) (param $root i32)
    (call $must (local.get $id) (i32.const 0) (i32.const 99))
    (if (local.get $root)
      (then
        (call $must (local.get $root) (i32.const 17) (i32.const 112))
        (call $set (local.get $id) (i32.const 1))
        (call $set_of (local.get $id) (local.get $root))
        (call $set_of (local.get $root)
          (i32.add (call $of (local.get $root)) (i32.const 1))))
      (else (call $set (local.get $id) (i32.const 17)))))
  (func (export "proxy_on_vm_start") (param $id i32) (param i32) (result i32)
    (call $root (local.get $id) (i32.const 118)) (i32.const 1))
  (func (export "proxy_on_configure") (param $id i32) (param $bytes i32) (result i32)
    (call $root (local.get $id) (i32.const 102))
    (global.set $slow (i32.eq (local.get $bytes) (i32.const 2)))
    (i32.store8 (i32.const 0) (i32.const 43))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
    (i32.const 1))
  (func (export "proxy_on_done") (param $id i32) (result i32)
    (local $is_root i32)
    (local.set $is_root (i32.and (call $state (local.get $id)) (i32.const 16)))
    (call $must (local.get $id) (i32.or (local.get $is_root) (i32.const 1)) (i32.const 68))
    (call $set (local.get $id) (i32.or (local.get $is_root) (i32.const 2)))
    (if (select (global.get $slow) (i32.eqz (i32.and (local.get $id) (i32.const 3)))
        (local.get $is_root))
      (then (global.set $pending (local.get $id)) (return (i32.const 0))))
    (i32.const 1))
  (func (export "proxy_on_log") (param $id i32)
    (call $must (local.get $id) (i32.const 2) (i32.const 76))
    (call $set (local.get $id) (i32.const 3)))
  (func (export "proxy_on_delete") (param $id i32)
    (local $root i32)
    (if (i32.and (call $state (local.get $id)) (i32.const 16))
      (then
        (call $must (local.get $id) (i32.const 18) (i32.const 88))
        (if (call $of (local.get $id)) (then (call $bad (i32.const 98))))
        (call $set (local.get $id) (i32.const 20))
        (i32.store8 (i32.const 0) (i32.const 45))
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
      (else
        (call $must (local.get $id) (i32.const 3) (i32.const 120))
        (call $set (local.get $id) (i32.const 4))
        (local.set $root (call $of (local.get $id)))
        (call $root (local.get $root) (i32.const 122))
        (call $set_of (local.get $root)
          (i32.sub (call $of (local.get $root)) (i32.const 1))))))
  (func (export "proxy_on_tick") (param $id i32)
    (call $root (local.get $id) (i32.const 116)) (call $finish))
  (func (export "proxy_on_http_call_response") (param $id i32) (param i32 i32 i32 i32)
    (call $root (local.get $id) (i32.const 97)) (call $finish))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (i32.shl (local.get 2) (i32.const 3))))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (local.get 1)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (i32.const 6)))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (local.get 1)))
  (func (export "proxy_on_new_connection") (param i32) (result i32)
    (call $do (local.get 0) (i32.const 0)))
  (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (local.get 1)))
  (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
    (call $do (local.get 0) (local.get 1)))
  (func (export "proxy_on_downstream_connection_close") (param i32 i32)
    (drop (call $do (local.get 0) (i32.const 0))))
  (data (i32.const 16) "up")
  (data (i32.const 400) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\04\00\00\00:method\00PUT\00:path\00/abc\00:authority\00host\00")"#;

const IMPORTS: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $http
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;

fn bookkeeper() -> Vec<u8> {
    let frame = r#"(func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 8)
      (func (export "malloc") (param i32) (result i32) (i32.const 1024))"#;
    wat::parse_str(format!("(module {IMPORTS} {frame} {BOOK})")).expect("a module")
}

fn rig(isolation: Isolation, id: Option<&str>) -> Rig {
    let limits = PluginLimits {
        call_budget: Duration::from_secs(1),
        contexts_max: 12,
        log_lines_per_second_max: u32::MAX,
        ..PluginLimits::default()
    };
    let vm = VmSettings { id: id.map(Into::into), isolation, ..VmSettings::default() };
    let (name, bytes) = (&"guest".into(), &bookkeeper());
    let spec = WasmSpec { name, bytes, limits: &limits, phases: None, vm: &vm, grants: "" };
    Rig::of(BACKEND.load(spec).expect("it loads"))
}

/// Something that is open, with what each of its directions waits for.
struct Open<F, M> {
    filter: F,
    of: Rc<M>,
    waits: [Option<Step>; 2],
    holds: [bool; 2],
}

type OpenStream = Open<Box<dyn StreamFilter>, Stream>;
type OpenConnection = Open<Box<dyn NetworkFilter>, Connection>;

impl<F, M> Open<F, M> {
    fn new(filter: F, of: &Rc<M>) -> Self {
        Self { filter, of: Rc::clone(of), waits: [None, None], holds: [false; 2] }
    }

    /// True where this direction may be called.
    fn is_free(&mut self, way: usize) -> Result<bool, PluginFault> {
        let Some(step) = &mut self.waits[way] else { return Ok(true) };
        let (Step::Later(future) | Step::HoldUntil(future)) = step else { return Ok(true) };
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Pending => Ok(self.holds[way]),
            std::task::Poll::Ready(Verdict::Failed(fault)) => Err(fault),
            std::task::Poll::Ready(_) => {
                self.waits[way] = None;
                Ok(true)
            }
        }
    }

    /// What a hook came to; false where that is the end.
    fn settle(&mut self, way: usize, step: Step) -> Result<bool, PluginFault> {
        match step {
            Step::Ready(Verdict::Failed(fault)) => Err(fault),
            Step::Ready(Verdict::Continue | Verdict::Hold) => {
                self.waits[way] = None;
                Ok(true)
            }
            Step::Ready(_) => Ok(false),
            step @ (Step::Later(_) | Step::HoldUntil(_)) => {
                self.holds[way] = matches!(step, Step::HoldUntil(_));
                self.waits[way] = Some(step);
                Ok(true)
            }
        }
    }
}

/// All that is there in one epoch.
struct World {
    rig: Rig,
    factories: Vec<Rc<dyn FilterFactory>>,
    streams: Vec<OpenStream>,
    connections: Vec<OpenConnection>,
    /// Guests may trap in this one.
    with_traps: bool,
    faults: u64,
    opened: u64,
    roots: [u64; 2],
    wrong: Option<String>,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let rig = match dice.below(4) {
            0 => rig(Isolation::PerStream, None),
            1 => rig(Isolation::Shared, None),
            _ => rig(Isolation::Shared, Some("m")),
        };
        Self {
            rig,
            factories: Vec::new(),
            streams: Vec::new(),
            connections: Vec::new(),
            with_traps: dice.below(3) == 0,
            faults: 0,
            opened: 0,
            roots: [0; 2],
            wrong: None,
        }
    }

    fn event(&mut self, dice: &mut Dice) {
        match dice.below(32) {
            0 => self.start(dice),
            1 => drop(pick(dice, &self.factories).map(|at| self.factories.swap_remove(at))),
            2..=5 => self.open_stream(dice),
            6..=8 => self.open_connection(dice),
            9..=16 => self.hook(dice),
            17..=22 => self.data(dice),
            23..=25 => self.end_stream(dice),
            26..=27 => self.end_connection(dice),
            28 => self.rig.host.timers.ring(),
            _ => self.answer(dice),
        }
        self.listen();
    }

    fn start(&mut self, dice: &mut Dice) {
        if self.factories.len() < 4 {
            let config: &[u8] = if dice.below(3) == 0 { b"sl" } else { b"" };
            match self.rig.start(config) {
                Ok(factory) => self.factories.push(factory),
                Err(fault) => self.wrong = Some(fault.to_string()),
            }
        }
    }

    /// A fault must be one that can be: after a trap, or of too many streams.
    fn failed(&mut self, fault: &PluginFault) {
        if fault.kind == FaultKind::Denied {
            return;
        }
        self.faults += 1;
        if !self.with_traps {
            self.wrong = Some(fault.to_string());
        }
        // As a slot would: what is lost is replaced.
        self.factories.clear();
    }

    fn open_stream(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.factories) else { return self.start(dice) };
        let one = stream();
        match self.factories[at].stream_filter(&one) {
            Ok(filter) => {
                self.opened += 1;
                self.streams.push(Open::new(filter, &one));
            }
            Err(fault) => self.failed(&fault),
        }
    }

    fn open_connection(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.factories) else { return self.start(dice) };
        let one = connection();
        match self.factories[at].network_filter(&one) {
            Ok(filter) => {
                self.opened += 1;
                let mut open = Open::new(filter, &one);
                let step = open.filter.on_new_connection(&one);
                let settled = open.settle(0, step);
                if self.outcome(settled) {
                    self.connections.push(open);
                }
            }
            Err(fault) => self.failed(&fault),
        }
    }

    /// False where that is the end.
    fn outcome(&mut self, outcome: Result<bool, PluginFault>) -> bool {
        outcome.unwrap_or_else(|fault| {
            self.failed(&fault);
            false
        })
    }

    /// A number of bytes, which tells the guest what to do.
    fn bytes(&self, dice: &mut Dice) -> Bytes {
        let most = if self.with_traps && dice.below(60) == 0 { 16 } else { 15 };
        Bytes::from(vec![b'x'; dice.below(most) as usize])
    }

    fn hook(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.streams) else { return };
        let bytes = self.bytes(dice);
        let mut open = self.streams.swap_remove(at);
        let way = dice.below(2) as usize;
        let free = open.is_free(way);
        let goes_on = match free {
            Ok(false) => true,
            Err(fault) => self.outcome(Err(fault)),
            Ok(true) => {
                let is_body = dice.below(3) > 0;
                let (one, end) = (Rc::clone(&open.of), dice.below(4) == 0);
                let message = if way == 0 { &one.request } else { &one.response };
                message.body.borrow_mut().set(bytes);
                let step = match (way, is_body) {
                    (0, false) => open.filter.on_request_headers(&one, end),
                    (0, true) => open.filter.on_request_body(&one, end),
                    (_, false) => {
                        open_response(&one);
                        open.filter.on_response_headers(&one, end)
                    }
                    (_, true) => open.filter.on_response_body(&one, end),
                };
                let settled = open.settle(way, step);
                self.outcome(settled)
            }
        };
        if goes_on {
            self.streams.push(open);
        }
    }

    fn data(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.connections) else { return };
        let bytes = self.bytes(dice);
        let mut open = self.connections.swap_remove(at);
        let way = dice.below(2) as usize;
        let flow = if way == 0 { Flow::Downstream } else { Flow::Upstream };
        let free = open.is_free(way);
        let goes_on = match free {
            Ok(false) => true,
            Err(fault) => self.outcome(Err(fault)),
            Ok(true) => {
                let one = Rc::clone(&open.of);
                one.flow(flow).bytes.borrow_mut().set(bytes);
                let step = open.filter.on_data(&one, flow, dice.below(8) == 0);
                let settled = open.settle(way, step);
                self.outcome(settled)
            }
        };
        if goes_on {
            self.connections.push(open);
        }
    }

    /// Ends a stream: as it should be, twice, or without a word.
    fn end_stream(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.streams) else { return };
        let mut open = self.streams.swap_remove(at);
        for _ in 0..dice.below(3) {
            let one = Rc::clone(&open.of);
            if let Err(fault) = open.filter.on_complete(&one) {
                self.failed(&fault);
            }
        }
    }

    fn end_connection(&mut self, dice: &mut Dice) {
        let Some(at) = pick(dice, &self.connections) else { return };
        let mut open = self.connections.swap_remove(at);
        let one = Rc::clone(&open.of);
        if dice.below(2) == 0
            && let Err(fault) = open.filter.on_close(&one, Flow::Downstream, Peer::Remote)
        {
            return self.failed(&fault);
        }
        for _ in 0..dice.below(3) {
            if let Err(fault) = open.filter.on_complete(&one) {
                self.failed(&fault);
            }
        }
    }

    /// Answers a call, also one that nobody waits for any more.
    fn answer(&mut self, dice: &mut Dice) {
        let call = self.rig.host.beside.take_call(dice.any());
        let headers = Headers::response(StatusCode::OK, HeaderMap::new());
        let answer = HttpAnswer { headers, body: Bytes::new(), trailers: None };
        if let Some(on_answer) = call {
            on_answer(Ok(answer));
        }
    }

    /// Hears what guests say: that a root is there, that it is gone, or what is wrong.
    fn listen(&mut self) {
        for line in self.rig.host.lines.take() {
            match line.as_str() {
                "Info: +" => self.roots[0] += 1,
                "Info: -" => self.roots[1] += 1,
                wrong => self.wrong = Some(wrong.to_owned()),
            }
        }
        let told: Vec<_> = self.rig.faults.borrow_mut().drain(..).collect();
        for fault in told {
            self.failed(&fault);
        }
    }

    /// Ends all that is open, in any order; what lingers has its time.
    fn end(&mut self, dice: &mut Dice) {
        while !(self.streams.is_empty() && self.connections.is_empty() && self.factories.is_empty())
        {
            match dice.below(3) {
                0 => self.end_stream(dice),
                1 => self.end_connection(dice),
                _ => drop(pick(dice, &self.factories).map(|at| self.factories.swap_remove(at))),
            }
            self.listen();
        }
        for _ in 0..4 {
            self.rig.host.timers.ring();
        }
        self.listen();
        let [come, gone] = self.roots;
        if self.faults == 0 && come != gone {
            self.wrong = Some(format!("of {come} roots {gone} ended"));
        }
        let host = &self.rig.host;
        if !host.timers.periods().is_empty() || host.beside.alive.get() > 0 {
            self.wrong = Some("something goes on behind the end".to_owned());
        }
    }
}

fn pick<T>(dice: &mut Dice, of: &[T]) -> Option<usize> {
    let count = u32::try_from(of.len()).ok().filter(|count| *count > 0)?;
    Some(dice.below(count) as usize)
}

/// So many events, in epochs.
pub(super) fn events(run: &mut Run, count: u64) {
    let (mut faults, mut opened, mut roots) = (0, 0, 0);
    for epoch in 0..count / EPOCH {
        let seed = SEED + epoch;
        let mut dice = Dice::of_seed(seed);
        let mut world = World::new(&mut dice);
        for number in 0..EPOCH {
            world.event(&mut dice);
            if let Some(wrong) = world.wrong.take() {
                run.must(false, format!("seed {seed:#x}, event {number}: {wrong}"));
                return;
            }
        }
        world.end(&mut dice);
        if let Some(wrong) = world.wrong.take() {
            run.must(false, format!("seed {seed:#x}, at its end: {wrong}"));
            return;
        }
        faults += world.faults;
        opened += world.opened;
        roots += world.roots[0];
    }
    run.figure("events", count);
    run.figure("contexts", opened);
    run.figure("roots", roots);
    run.figure("faults", faults);
    run.must(opened > count / 10 && roots > count / 100 && faults > 0, "nothing much happened");
}

#[test]
fn contexts_live_and_end_in_order_whatever_happens() {
    let mut run = Run::new("lifecycles");
    events(&mut run, 20_000);
    run.finish();
}
