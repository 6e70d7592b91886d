//! Guests at random in bulk: seeds, and modules of random instructions.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use super::{Dice, Told, guest};

const THREADS: u64 = 2;
/// All runs are the same; a change of ours may need another one to be found out.
const SEED: u64 = 0x6d6f_7274_6973_6500;
/// Sets of callbacks that random modules have.
const SHAPES: u64 = 32;

/// What came of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    /// How many were tried.
    pub(crate) tried: u64,
    /// How many guests started.
    pub(crate) started: u64,
    /// Host calls that they made, and those of them that reached the host.
    pub(crate) calls: u64,
    pub(crate) reached: u64,
    /// The seeds of which the host panicked.
    pub(crate) panics: Vec<u64>,
}

/// Runs `one` with the dice of so many seeds, as long as `goes_on` says of the calls so far.
pub(crate) fn with_seeds(
    count: u64,
    goes_on: impl Fn(u64) -> bool + Sync,
    one: impl Fn(&mut Dice) -> Told + Sync,
) -> Sum {
    let calls = AtomicU64::new(0);
    let every_second = |first: u64| {
        let mut sum = Sum::default();
        for seed in (first..count).step_by(THREADS as usize).map(|number| SEED + number) {
            if !goes_on(calls.load(Relaxed)) {
                break;
            }
            let run = AssertUnwindSafe(|| one(&mut Dice::of_seed(seed)));
            let told = catch_unwind(run).unwrap_or_else(|_panic| {
                eprintln!("the host panicked: seed {seed:#x}");
                sum.panics.push(seed);
                Told::default()
            });
            sum.tried += 1;
            sum.started += u64::from(told.started);
            sum.calls += told.calls;
            sum.reached += told.reached;
            calls.fetch_add(told.calls, Relaxed);
        }
        sum
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let every_second = &every_second;
                scope.spawn(move || every_second(first))
            })
            .collect();
        threads.into_iter().fold(Sum::default(), |sum, thread| {
            let other = thread.join().expect("panics are caught");
            Sum {
                tried: sum.tried + other.tried,
                started: sum.started + other.started,
                calls: sum.calls + other.calls,
                reached: sum.reached + other.reached,
                panics: [sum.panics, other.panics].concat(),
            }
        })
    })
}

/// Loads and runs so many modules of random instructions, as long as `goes_on` says.
pub(crate) fn modules(count: u64, goes_on: impl Fn() -> bool + Sync) -> Sum {
    let shapes: Vec<_> = (0..SHAPES).map(|seed| guest::shape(&mut Dice::of_seed(seed))).collect();
    let one = |dice: &mut Dice| {
        let (imports, exports) = &shapes[dice.any() as usize % shapes.len()];
        let bytes = random_module(imports, exports, dice);
        bytes.map_or_else(Told::default, |bytes| super::module(&bytes, dice))
    };
    with_seeds(count, |_calls| goes_on(), one)
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
