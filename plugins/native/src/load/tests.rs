use super::{LIBRARY_BYTES_MAX, LoadError, digest};

#[test]
fn a_library_has_so_many_bytes() {
    assert!(digest(b"few").is_ok());
    let many = vec![0; LIBRARY_BYTES_MAX + 1];
    assert!(matches!(digest(&many), Err(LoadError::TooLarge(_))));
}
