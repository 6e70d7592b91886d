//! The scripted guest, its scripts, and the dice that make them.

use std::fmt::Write;

use abi_wasm::{HostFunction, MOSN_ALIASES, ParamType, host_functions, preview1};

use super::codec::EXPORTS as CODEC;

/// Where numbers come from: given bytes first, and an endless row that a seed begins after
/// them. A fuzzer turns the bytes, a test the seed.
#[derive(Debug)]
pub struct Dice {
    bytes: Vec<u8>,
    at: usize,
    state: u64,
}

/// A callback of every kind that the host knows, with its parameters and whether it answers.
pub(crate) const CALLBACKS: &[(&str, usize, bool)] = &[
    ("proxy_on_context_create", 2, false),
    ("proxy_on_tick", 1, false),
    ("proxy_on_new_connection", 1, true),
    ("proxy_on_downstream_data", 3, true),
    ("proxy_on_upstream_data", 3, true),
    ("proxy_on_downstream_connection_close", 2, false),
    ("proxy_on_upstream_connection_close", 2, false),
    ("proxy_on_request_headers", 3, true),
    ("proxy_on_request_body", 3, true),
    ("proxy_on_request_trailers", 2, true),
    ("proxy_on_response_headers", 3, true),
    ("proxy_on_response_body", 3, true),
    ("proxy_on_response_trailers", 2, true),
    ("proxy_on_http_call_response", 5, false),
    ("proxy_on_grpc_receive_initial_metadata", 3, false),
    ("proxy_on_grpc_receive", 3, false),
    ("proxy_on_grpc_receive_trailing_metadata", 3, false),
    ("proxy_on_grpc_close", 3, false),
    ("proxy_on_queue_ready", 2, false),
    ("proxy_on_foreign_function", 3, false),
    ("proxy_on_done", 1, true),
    ("proxy_on_log", 1, false),
    ("proxy_on_delete", 1, false),
];

/// Ends a callback, with its answer behind it.
const END: u16 = 0xFFFF;
/// How the allocator behaves from here on is behind it.
const ALLOCATOR: u16 = 0xFFFE;
/// Ways of the allocator to behave; see [`ALLOCATE`].
const ALLOCATOR_WAYS: u32 = 8;
/// What stands in the guest's memory, and where.
const DATA: &str = r#"
  (data (i32.const 16) "x-one") (data (i32.const 32) ":path") (data (i32.const 48) "/a?b")
  (data (i32.const 64) "request\00path") (data (i32.const 96) "cluster")
  (data (i32.const 112) "\02\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00:method\00GET\00:path\00/\00")
  (data (i32.const 176) "\10\00\00\00\05\00\00\00\40\00\00\00\0c\00\00\00")
  (data (i32.const 208) "plugin_root_id") (data (i32.const 224) "\ff\ff\ff\ff\ff\ff\ff\ff")"#;
/// Good addresses with their lengths, most of them of the data above; where results can go,
/// the length is another such address.
const PLACES: [(u32, u32); 14] = [
    (16, 5),
    (32, 5),
    (48, 4),
    (64, 12),
    (96, 7),
    (112, 42),
    (176, 2),
    (208, 14),
    (224, 8),
    (240, 0),
    (512, 516),
    (512, 516),
    (520, 524),
    (1024, 64),
];
const MEMORY: u32 = 2 * 65_536;

/// An allocator that does as the script says: hands out, refuses, gives addresses outside of
/// the memory or at its very end, grows first, calls the host, traps.
const ALLOCATE: &str = r#"
  (func $bump (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (if (i32.gt_u (global.get $next) (i32.shl (memory.size) (i32.const 16)))
      (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))))
    (local.get $at))
  (func (export "malloc") (param $size i32) (result i32)
    (if (i32.eq (global.get $way) (i32.const 1)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $way) (i32.const 2)) (then (return (i32.const -16))))
    (if (i32.eq (global.get $way) (i32.const 3))
      (then (return (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 3)))))
    (if (i32.eq (global.get $way) (i32.const 4)) (then (drop (memory.grow (i32.const 1)))))
    (if (i32.eq (global.get $way) (i32.const 5)) (then
      (drop (call $f_proxy_log (i32.const 2) (i32.const 16) (i32.const 5)))
      (drop (call $f_proxy_get_header_map_pairs (i32.const 0) (i32.const 512) (i32.const 516)))
      (drop (call $f_proxy_continue_stream (i32.const 0)))))
    (if (i32.eq (global.get $way) (i32.const 6)) (then unreachable))
    (call $bump (local.get $size)))"#;

/// Does what the script says until a callback's end.
const RUN: &str = r#"
  (func $run (result i32)
    (local $op i32)
    (loop $next
      (if (i32.gt_u (i32.add (global.get $at) (i32.const 4)) (global.get $end))
        (then (return (i32.const 0))))
      (local.set $op (i32.load16_u (global.get $at)))
      (global.set $at (i32.add (global.get $at) (i32.const 4)))
      (if (i32.eq (local.get $op) (i32.const 0xFFFF))
        (then (return (i32.load16_u (i32.sub (global.get $at) (i32.const 2))))))
      (if (i32.eq (local.get $op) (i32.const 0xFFFE))
        (then (global.set $way (i32.load16_u (i32.sub (global.get $at) (i32.const 2)))) (br $next)))
      (global.set $at (i32.add (global.get $at)
        (call_indirect (type $call) (global.get $at) (local.get $op))))
      (br $next))
    unreachable)
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (drop (call $run)) (i32.const 1))
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (if (i32.eqz (call $f_proxy_get_buffer_bytes
        (i32.const 7) (i32.const 0) (local.get $size) (i32.const 512) (i32.const 516)))
      (then (global.set $at (i32.load (i32.const 512)))
        (global.set $end (i32.add (global.get $at) (i32.load (i32.const 516))))))
    (drop (call $run)) (i32.const 1))"#;

/// All that a guest can import, with the module that it is in.
fn functions() -> impl Iterator<Item = (&'static str, &'static HostFunction)> {
    let wasi = preview1::MODULES.into_iter();
    let wasi = wasi.flat_map(|module| preview1::FUNCTIONS.iter().map(move |one| (module, one)));
    host_functions().chain(MOSN_ALIASES).map(|one| ("env", one)).chain(wasi)
}

/// The scripted guest.
pub(super) fn module() -> Vec<u8> {
    let (mut imports, mut wrappers, mut table) = (String::new(), String::new(), String::new());
    for (index, (module, function)) in functions().enumerate() {
        let name = function.name;
        let call = if module == "env" { format!("$f_{name}") } else { format!("${module}_{name}") };
        let (mut params, mut args) = (String::new(), String::new());
        for (number, param) in function.params().enumerate() {
            let kind = if param == ParamType::I64 { "i64" } else { "i32" };
            write!(params, " {kind}").expect("a string");
            write!(args, " ({kind}.load offset={} (local.get 0))", 8 * number).expect("a string");
        }
        let (result, left) =
            if function.answers() { ("(result i32)", "drop") } else { ("", "nop") };
        let bytes = 8 * function.params().count();
        imports +=
            &format!(r#"(import "{module}" "{name}" (func {call} (param{params}) {result}))"#);
        wrappers += &format!(
            "(func $w{index} (type $call) (call {call}{args}) {left} (i32.const {bytes}))"
        );
        table += &format!(" $w{index}");
    }
    let callbacks: String = CALLBACKS.iter().map(callback).collect();
    let count = functions().count();
    let text = format!(
        r#"(module (type $call (func (param i32) (result i32))) {imports}
        (func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 2)
        (global $next (mut i32) (i32.const 4096)) (global $way (mut i32) (i32.const 0))
        (global $at (mut i32) (i32.const 0)) (global $end (mut i32) (i32.const 0))
        (table {count} funcref) (elem (i32.const 0) func {table})
        {DATA} {ALLOCATE} {wrappers} {RUN} {callbacks} {CODEC})"#
    );
    wat::parse_str(text).expect("a valid module")
}

fn callback((name, params, answers): &(&str, usize, bool)) -> String {
    let (result, then) = if *answers { ("(result i32)", "") } else { ("", "drop") };
    let params = " i32".repeat(*params);
    format!(r#"(func (export "{name}") (param{params}) {result} (call $run) {then})"#)
}

/// What a generator of random modules is to keep to: the imports that there are, and the
/// exports of some plugin.
#[cfg(test)]
pub(super) fn shape(dice: &mut Dice) -> (Vec<u8>, Vec<u8>) {
    let (mut imports, mut exports) = (String::new(), String::new());
    for (module, function) in functions() {
        let params: String = function
            .params()
            .map(|param| if param == ParamType::I64 { " i64" } else { " i32" })
            .collect();
        let result = if function.answers() { "(result i32)" } else { "" };
        let name = function.name;
        write!(imports, r#"(import "{module}" "{name}" (func (param{params}) {result}))"#)
            .expect("a string");
    }
    for (name, params, answers) in CALLBACKS {
        if dice.below(3) > 0 {
            continue;
        }
        let params = " i32".repeat(*params);
        let (result, body) = if *answers { ("(result i32)", "i32.const 0") } else { ("", "") };
        write!(exports, r#"(func (export "{name}") (param{params}) {result} {body})"#)
            .expect("a string");
    }
    let imports = wat::parse_str(format!("(module {imports})")).expect("a valid module");
    let exports = wat::parse_str(format!(
        r#"(module {exports} (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (memory (export "memory") 1 20))"#
    ));
    (imports, exports.expect("a valid module"))
}

/// How long scripts are, and what is made of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// Callbacks that a script has calls for.
    callbacks: u32,
    /// Calls of one callback.
    calls: u32,
    /// Callbacks of one drive, beside those of its start and its end.
    pub(super) steps: u32,
}

impl Length {
    pub(super) const SHORT: Self = Self { callbacks: 24, calls: 8, steps: 24 };
    /// As long as the guest has memory for it.
    pub(super) const LONG: Self = Self { callbacks: 64, calls: 64, steps: 96 };
}

/// A script of some callbacks with some calls each.
pub(super) fn script(dice: &mut Dice, length: Length) -> Vec<u8> {
    // Most calls are of the interface: the rest answers by itself.
    let (of_interface, all): (Vec<_>, Vec<_>) =
        (functions().filter(|(module, _)| *module == "env").collect(), functions().collect());
    let mut script = Vec::new();
    let put = |script: &mut Vec<u8>, op: u16, with: u32| {
        script.extend_from_slice(&op.to_le_bytes());
        script.extend_from_slice(&with.to_le_bytes()[..2]);
    };
    for _ in 0..dice.below(length.callbacks) {
        for _ in 0..dice.below(length.calls) {
            if dice.below(16) == 0 {
                put(&mut script, ALLOCATOR, dice.below(ALLOCATOR_WAYS));
            }
            let of = if dice.below(8) > 0 { &of_interface } else { &all };
            let index = dice.below(u32::try_from(of.len()).expect("few"));
            let (_, function) = all[index as usize];
            if function.name == "proc_exit" && dice.below(8) > 0 {
                continue;
            }
            put(&mut script, u16::try_from(index).expect("few"), 0);
            let mut place = None;
            for _ in function.params() {
                script.extend_from_slice(&argument(dice, &mut place).to_le_bytes());
            }
        }
        let action = if dice.below(8) == 0 { dice.below(0x10000) } else { dice.below(5) };
        put(&mut script, END, action);
    }
    script
}

/// An argument that is nearly right: small, a good address and its length behind it, the
/// memory's end, the edges of numbers, or anything.
fn argument(dice: &mut Dice, place: &mut Option<usize>) -> u64 {
    if let Some(place) = place.take()
        && dice.below(4) > 0
    {
        return PLACES[place].1.into();
    }
    let near = u64::from(dice.below(8));
    match dice.below(32) {
        0..=9 => u64::from(dice.below(10)),
        10..=25 => {
            let chosen = dice.below(u32::try_from(PLACES.len()).expect("few")) as usize;
            *place = Some(chosen);
            PLACES[chosen].0.into()
        }
        26 => u64::from(MEMORY - 4) + near,
        27 => u64::from(u32::MAX) - near,
        28 => 0x7FFF_FFFC + near,
        29 => 60_000,
        _ => dice.any(),
    }
}

impl Dice {
    /// Dice that fall as a seed says.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self { bytes: Vec::new(), at: 0, state: seed }
    }

    /// Dice that fall as bytes say, one for each throw.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0, state: bytes.len() as u64 }
    }

    /// A number below another one.
    pub fn below(&mut self, end: u32) -> u32 {
        let number = match self.bytes.get(self.at) {
            Some(byte) if end <= 256 => {
                self.at += 1;
                u64::from(*byte)
            }
            _ => self.any(),
        };
        u32::try_from(number % u64::from(end.max(1))).expect("below a small one")
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        if let Some(bytes) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            self.at += 8;
            return u64::from_le_bytes(*bytes);
        }
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// As many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.any().to_le_bytes()).take(count).collect()
    }
}
