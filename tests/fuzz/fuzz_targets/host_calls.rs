//! Host calls with hostile arguments, from a guest whose script the bytes make.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugins_wasm::fuzz::{Dice, script};

fuzz_target!(|bytes: &[u8]| {
    script(&mut Dice::of_bytes(bytes));
});
