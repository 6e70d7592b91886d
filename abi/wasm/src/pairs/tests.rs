use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

use super::{PAIR_BYTES_MAX, PAIR_COUNT_MAX, PairWriter, PairsError, decode_pairs};

fn encode(pairs: &[(&[u8], &[u8])]) -> Result<Vec<u8>, PairsError> {
    let mut bytes = b"what was there before".to_vec();
    let mut writer = PairWriter::new(&mut bytes, pairs.len())?;
    for (name, value) in pairs {
        writer.push(name, value)?;
    }
    writer.finish()?;
    Ok(bytes)
}

#[track_caller]
fn refused(bytes: &[u8], expect: PairsError) {
    assert_eq!(decode_pairs(bytes), Err(expect));
}

#[test]
fn a_map_has_the_bytes_that_the_interface_says() {
    let bytes = encode(&[(b"a", b"12"), (b"", b"")]).expect("small");
    let expect = b"\x02\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0a\x0012\0\0\0";
    assert_eq!(bytes, expect);
}

#[test]
fn an_empty_map_is_no_bytes_a_zero_byte_or_a_zero_count() {
    assert_eq!(encode(&[]), Ok(Vec::new()));
    for bytes in [&[][..], &[0], &[0, 0, 0, 0]] {
        assert_eq!(decode_pairs(bytes), Ok(Vec::new()));
    }
}

#[test]
fn hostile_bytes_are_refused_by_what_is_wrong_with_them() {
    refused(&[1], PairsError::CutOff);
    refused(&[1, 0, 0, 0], PairsError::CutOff);
    refused(&[0, 0, 0, 0, 0], PairsError::Trailing);
    refused(&u32::MAX.to_le_bytes(), PairsError::TooMany);
    refused(&vec![0; PAIR_BYTES_MAX + 1], PairsError::TooLarge);
    refused(b"\x01\0\0\0\xff\xff\xff\xff\0\0\0\0a\0\0", PairsError::CutOff);
    refused(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0axb\0", PairsError::NoNul);
    refused(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0c", PairsError::Trailing);
    refused(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b", PairsError::CutOff);
}

#[test]
fn what_the_writer_was_promised_is_checked() {
    let mut bytes = Vec::new();
    assert!(matches!(PairWriter::new(&mut bytes, PAIR_COUNT_MAX + 1), Err(PairsError::TooMany)));
    let mut writer = PairWriter::new(&mut bytes, 1).expect("one");
    assert_eq!(writer.push(b"n", &vec![0; PAIR_BYTES_MAX]), Err(PairsError::TooLarge));
    assert_eq!(writer.push(b"n", b"v"), Ok(()));
    assert_eq!(writer.push(b"n", b"v"), Err(PairsError::TooMany));
    assert_eq!(writer.finish(), Ok(()));
    let writer = PairWriter::new(&mut bytes, 1).expect("one");
    assert_eq!(writer.finish(), Err(PairsError::CutOff));
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(pairs in vec((vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..40)), 0..30)) {
        let pairs: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let bytes = encode(&pairs).expect("within the limits");
        prop_assert_eq!(decode_pairs(&bytes), Ok(pairs));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), count in 0_u8..4) {
        drop(decode_pairs(&bytes));
        let mut counted = vec![count, 0, 0, 0];
        counted.extend_from_slice(&bytes);
        drop(decode_pairs(&counted));
    }
}
