use std::io::{Read, Seek, Write};

use super::seal;

#[test]
fn a_copy_cannot_be_changed() {
    let mut copy = seal(&"greet".into(), b"some bytes").expect("memory");
    assert!(copy.write_all(b"more").is_err());
    assert!(copy.set_len(3).is_err());
    copy.rewind().expect("a file");
    let mut bytes = Vec::new();
    copy.read_to_end(&mut bytes).expect("a file");
    assert_eq!(bytes, b"some bytes");
}
