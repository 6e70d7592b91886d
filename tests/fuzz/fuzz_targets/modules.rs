//! Anything in place of a module: loaded, started and served with, where it can be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugins_wasm::fuzz::{Dice, module};

fuzz_target!(|bytes: &[u8]| {
    module(bytes, &mut Dice::of_seed(1));
});
