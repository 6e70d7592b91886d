use bytes::Bytes;

use super::BodyBuffer;

#[track_caller]
fn check(start: usize, length: usize, with: &str, expect: &str) {
    let mut body = BodyBuffer::default();
    body.set(Bytes::from_static(b"abcdef"));
    body.splice(start, length, with.as_bytes());
    assert_eq!(String::from_utf8_lossy(&body.take()), expect);
    assert!(body.is_empty());
}

#[test]
fn what_is_taken_out_and_put_back_is_not_copied() {
    let mut body = BodyBuffer::default();
    body.set(Bytes::from(b"abc".to_vec()));
    body.push(&Bytes::from_static(b"def"));
    let place = body.as_slice().as_ptr();
    let taken = body.take();
    assert_eq!(taken.as_ptr(), place);
    body.set(taken);
    assert_eq!((body.as_slice().as_ptr(), body.as_slice()), (place, &b"abcdef"[..]));
}

#[test]
fn a_splice_prepends_appends_replaces_and_cuts_what_is_out_of_range() {
    check(0, 0, "X", "Xabcdef");
    check(6, 0, "X", "abcdefX");
    check(99, 5, "X", "abcdefX");
    check(0, usize::MAX, "X", "X");
    check(2, 2, "X", "abXef");
    check(2, usize::MAX, "", "ab");
}
