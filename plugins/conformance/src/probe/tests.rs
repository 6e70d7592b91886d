use abi_wasm::AbiVersion;

use super::*;

#[test]
fn every_version_makes_a_valid_module() {
    for version in AbiVersion::ALL {
        let bytes = module(version, &[1, 2, 3, 4, 0, 0, 0, 0]);
        wasmparser::validate(&bytes).unwrap_or_else(|error| panic!("{version:?}: {error}"));
        assert!(bytes.len() < 16 * 1024, "{}", bytes.len());
    }
}
