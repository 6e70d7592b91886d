use abi_wasm::AbiVersion;

use super::*;
use crate::call;

#[test]
fn a_script_has_its_data_behind_its_steps() {
    let step = on(Phase::RequestHeaders, call::log(2, "hello"));
    let functions = Functions::of(AbiVersion::V0_2_1);
    let bytes = Script { tag: 7, steps: vec![step] }.encode(&functions).unwrap();
    assert_eq!(&bytes[..8], [7, 0, 0, 0, 56, 0, 0, 0]);
    assert!(bytes.ends_with(b"hello"));
    // The second argument: an address within the script, and its length.
    assert_eq!(&bytes[40..52], [1, 0, 0, 0, 64, 0, 0, 0, 5, 0, 0, 0]);
}

#[test]
fn a_function_of_another_version_is_no_part_of_a_script() {
    let steps = vec![on(Phase::RequestHeaders, call::log_level())];
    let functions = Functions::of(AbiVersion::V0_1_0);
    let error = Script { tag: 7, steps }.encode(&functions).unwrap_err();
    let expect = "there is no proxy_get_log_level in this version of the interface";
    assert_eq!(error.to_string(), expect);
}

#[test]
fn records_that_are_cut_off_are_none() {
    let mut bytes = vec![0; RECORD_BYTES];
    assert_eq!(decode(&bytes).unwrap().len(), 1);
    bytes[16 + OUT_BYTES] = 3;
    assert!(decode(&bytes).is_none());
    bytes.extend_from_slice(b"abc");
    assert_eq!(decode(&bytes).unwrap()[0].value, b"abc");
    bytes[0] = 200;
    assert!(decode(&bytes).is_none());
    assert!(decode(&bytes[..20]).is_none());
}
