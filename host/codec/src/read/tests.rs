use super::*;

#[test]
fn numbers_and_pieces_follow_each_other() {
    let bytes = [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 9, 8];
    let mut cursor = Cursor::new(&bytes);
    assert_eq!(cursor.u8(), Some(1));
    assert_eq!(cursor.u16(), Some(2));
    assert_eq!(cursor.u32(), Some(3));
    assert_eq!(cursor.u64(), Some(4));
    assert_eq!((cursor.place(), cursor.peek(), cursor.is_done()), (15, Some(9), false));
    assert_eq!(cursor.range(1), Some(15..16));
    assert_eq!(cursor.array(), Some([8]));
    assert!(cursor.is_done());
}

#[test]
fn nothing_is_read_past_the_end() {
    let mut cursor = Cursor::from(&[1, 2, 3], 1);
    assert_eq!(cursor.u32(), None);
    assert_eq!(cursor.range(3), None);
    assert_eq!(cursor.range(usize::MAX), None);
    assert_eq!(cursor.rest(), [2, 3], "what is not there moves nothing");
    assert_eq!(cursor.u16(), Some(0x0203));
    assert_eq!((cursor.u8(), cursor.peek(), cursor.rest()), (None, None, &[][..]));
    assert_eq!(Cursor::from(&[1], 9).u8(), None);
}
