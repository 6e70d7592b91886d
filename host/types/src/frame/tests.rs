use super::*;

fn check(width: IdWidth, little_endian: bool, id: u64, expect: Option<&[u8]>) {
    let place = IdPlace { offset: 1, width, little_endian };
    let raw = Bytes::from(vec![9; 10]);
    assert_eq!(place.takes(id, raw.len()), expect.is_some());
    let patched = Frame::patched(raw, place, id);
    assert_eq!(patched.as_deref(), expect);
}

#[test]
fn an_id_is_written_into_its_place() {
    check(IdWidth::Four, false, 0x0102_0304, Some(&[9, 1, 2, 3, 4, 9, 9, 9, 9, 9]));
    check(IdWidth::Four, true, 0x0102_0304, Some(&[9, 4, 3, 2, 1, 9, 9, 9, 9, 9]));
    check(IdWidth::Eight, false, 0x0102, Some(&[9, 0, 0, 0, 0, 0, 0, 1, 2, 9]));
}

#[test]
fn an_id_that_does_not_fit_is_not_written() {
    check(IdWidth::Four, false, 1 << 32, None);
    let place = IdPlace { offset: 3, width: IdWidth::Eight, little_endian: false };
    assert!(!place.takes(1, 10));
    assert_eq!(Frame::patched(Bytes::from(vec![0; 10]), place, 1), None, "outside of the frame");
    let place = IdPlace { offset: usize::MAX, ..place };
    assert_eq!(Frame::patched(Bytes::from(vec![0; 10]), place, 1), None);
}

#[test]
fn bytes_that_somebody_else_holds_are_copied() {
    let raw = Bytes::from(vec![9; 4]);
    let place = IdPlace { offset: 0, width: IdWidth::Four, little_endian: false };
    let patched = Frame::patched(raw.clone(), place, 1).unwrap();
    assert_eq!(raw, [9; 4][..]);
    assert_eq!(patched, [0, 0, 0, 1][..]);
}
