use proptest::{prelude::any, prop_assert, prop_assert_eq, proptest};

use super::{guest_range, read, read_u32, write};

#[test]
fn ranges_at_the_edges() {
    assert_eq!(guest_range(0, 4, 4), Some(0..4));
    assert_eq!(guest_range(0, 5, 4), None);
    assert_eq!(guest_range(4, 1, 4), None);
    assert_eq!(guest_range(u32::MAX, u32::MAX, 4), None);
    assert_eq!(guest_range(u32::MAX, 0, 4), Some(0..0));
}

#[test]
fn nothing_is_written_where_not_all_can_be() {
    let mut memory = *b"abcd";
    assert_eq!(write(&mut memory, 2, b"xyz"), None);
    assert_eq!(&memory, b"abcd");
    assert_eq!(write(&mut memory, 2, b"xy"), Some(()));
    assert_eq!(read(&memory, 1, 3), Some(&b"bxy"[..]));
    assert_eq!(read_u32(&memory, 0), Some(u32::from_le_bytes(*b"abxy")));
    assert_eq!(read_u32(&memory, 1), None);
}

proptest! {
    #[test]
    fn a_range_is_the_one_that_was_asked_for_or_none(
        ptr in any::<u32>(), len in any::<u32>(), memory_len in 0_usize..(1 << 33),
    ) {
        let (start, length) = (u64::from(ptr), u64::from(len));
        let inside = start + length <= memory_len as u64;
        match guest_range(ptr, len, memory_len) {
            None => prop_assert!(len > 0 && !inside),
            Some(range) if len == 0 => prop_assert!(range.is_empty()),
            Some(range) => {
                prop_assert!(inside);
                prop_assert_eq!(range.start as u64, start);
                prop_assert_eq!(range.len() as u64, length);
            }
        }
    }
}
