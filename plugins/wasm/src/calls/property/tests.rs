use abi_wasm::Status;
use host_extension::PropertyValue;

use super::segments;

#[test]
fn a_path_is_split_at_nul_bytes_and_a_last_one_is_dropped() {
    assert_eq!(segments(b"request\0path"), Ok(vec![&b"request"[..], b"path"]));
    assert_eq!(segments(b"request\0path\0"), Ok(vec![&b"request"[..], b"path"]));
    assert_eq!(segments(b"request.path"), Ok(vec![&b"request.path"[..]]));
    assert_eq!(segments(b""), Err(Status::SerializationFailure));
    assert_eq!(segments(b"\0"), Err(Status::SerializationFailure));
}

#[track_caller]
fn check(value: &PropertyValue, expect: &[u8]) {
    let mut bytes = Vec::new();
    assert_eq!(value.encode(&mut bytes), Ok(()));
    assert_eq!(bytes, expect);
}

#[test]
fn values_have_the_bytes_that_guests_expect() {
    check(&PropertyValue::Bytes(b"/a".to_vec()), b"/a");
    check(&PropertyValue::Integer(-2), &(-2_i64).to_le_bytes());
    check(&PropertyValue::Unsigned(3), &[3, 0, 0, 0, 0, 0, 0, 0]);
    check(&PropertyValue::Boolean(true), &[1]);
    check(&PropertyValue::Nanoseconds(5), &[5, 0, 0, 0, 0, 0, 0, 0]);
    let map = PropertyValue::Map(vec![(b"a".to_vec(), b"b".to_vec())]);
    check(&map, b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0");
    check(&PropertyValue::Map(Vec::new()), b"");
}
