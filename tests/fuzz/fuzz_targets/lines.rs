//! Debug information of a module, which is read when a guest fails.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugins_wasm::fuzz::lines;

fuzz_target!(|bytes: &[u8]| lines(bytes));
