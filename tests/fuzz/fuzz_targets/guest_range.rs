//! The one place where addresses of a guest are computed with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugins_wasm::fuzz::guest_range;

fuzz_target!(|input: (u32, u32, u32)| {
    let (ptr, len, memory_len) = input;
    guest_range(ptr, len, memory_len as usize);
});
