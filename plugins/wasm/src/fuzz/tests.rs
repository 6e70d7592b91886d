use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use super::{Dice, Told, guest};

const MODULES: u64 = 3000;
const SCRIPTS: u64 = 3000;
/// Sets of callbacks that random modules have.
const SHAPES: u64 = 32;
const THREADS: u64 = 2;
/// All runs are the same; a change of ours may need another one to be found out.
const SEED: u64 = 0x6d6f_7274_6973_6500;

/// Runs `one` with the dice of so many seeds; a panic tells the one that it comes of. Answers
/// with how many guests started, and their host calls.
fn with_seeds(count: u64, one: impl Fn(&mut Dice) -> Told + Sync) -> (u64, u64) {
    let (started, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let every_second = |first: u64| {
        for number in (first..count).step_by(THREADS as usize) {
            let told = with_seed(SEED + number, &one);
            started.fetch_add(told.started.into(), Ordering::Relaxed);
            calls.fetch_add(told.calls, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for first in 0..THREADS {
            let every_second = &every_second;
            scope.spawn(move || every_second(first));
        }
    });
    (started.into_inner(), calls.into_inner())
}

fn with_seed(seed: u64, one: &impl Fn(&mut Dice) -> Told) -> Told {
    let run = AssertUnwindSafe(|| one(&mut Dice::of_seed(seed)));
    catch_unwind(run).unwrap_or_else(|panic| {
        eprintln!("the host panicked: seed {seed:#x}");
        resume_unwind(panic)
    })
}

/// A module of random instructions in the shape of a plugin.
fn random_module(imports: &[u8], exports: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let config = Config {
        available_imports: Some(imports.to_vec()),
        exports: Some(exports.to_vec()),
        max_imports: 40,
        max_funcs: 2,
        max_instructions: 40,
        // One more comes with the exports.
        max_memories: 0,
        max_tables: 2,
        max_table_elements: 200,
        max_globals: 4,
        max_data_segments: 3,
        max_element_segments: 3,
        max_types: 20,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let bytes = dice.bytes(4096);
    Some(Module::new(config, &mut Unstructured::new(&bytes)).ok()?.to_bytes())
}

#[test]
fn random_modules_do_no_harm() {
    let shapes: Vec<_> = (0..SHAPES).map(|seed| guest::shape(&mut Dice::of_seed(seed))).collect();
    let (started, calls) = with_seeds(MODULES, |dice| {
        let (imports, exports) = &shapes[dice.any() as usize % shapes.len()];
        let bytes = random_module(imports, exports, dice);
        bytes.map_or_else(Told::default, |bytes| super::module(&bytes, dice))
    });
    eprintln!("of {MODULES} random modules {started} started and called the host {calls} times");
    assert!(started > MODULES / 10, "too few: {started}");
}

#[test]
fn scripted_host_calls_with_hostile_arguments_do_no_harm() {
    let (started, calls) = with_seeds(SCRIPTS, super::script);
    eprintln!("of {SCRIPTS} scripted guests {started} started and called the host {calls} times");
    assert!(started > SCRIPTS / 2 && calls > 4 * SCRIPTS, "too few: {started}, {calls}");
}

#[test]
fn altered_modules_do_no_harm() {
    let whole = guest::module();
    let (started, _calls) = with_seeds(500, |dice| {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(4) {
            let at = dice.any() as usize % bytes.len();
            bytes[at] ^= 1 << dice.below(8);
        }
        if dice.below(4) == 0 {
            bytes.truncate(dice.any() as usize % bytes.len());
        }
        super::module(&bytes, dice)
    });
    eprintln!("of 500 altered modules {started} started");
}
