use super::metadata;

#[track_caller]
fn check(name: &str, value: &[u8], expect: &[u8]) {
    let pairs = metadata(vec![(name.as_bytes().to_vec(), value.to_vec())]);
    assert_eq!(pairs, [(name.as_bytes().to_vec(), expect.to_vec())], "{name}");
}

#[test]
fn binary_values_are_taken_out_of_base64_where_they_are_in_it() {
    check("key-bin", b"AAEC/w==", b"\x00\x01\x02\xFF");
    check("key-bin", b"AAEC/w", b"\x00\x01\x02\xFF");
    check("key-bin", b"\x00\x01", b"\x00\x01");
    check("key-bin", b"", b"");
    check("key", b"AAEC/w==", b"AAEC/w==");
}
