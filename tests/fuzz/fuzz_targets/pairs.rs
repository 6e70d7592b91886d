//! Maps as guests hand them over: whatever decodes is encoded as the same map.
#![no_main]

use abi_wasm::{PairWriter, decode_pairs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pairs) = decode_pairs(bytes) else { return };
    let mut again = Vec::new();
    let mut writer = PairWriter::new(&mut again, pairs.len()).expect("it was within the limits");
    for (name, value) in &pairs {
        writer.push(name, value).expect("it was within the limits");
    }
    writer.finish().expect("it was within the limits");
    assert_eq!(decode_pairs(&again).as_ref(), Ok(&pairs));
});
