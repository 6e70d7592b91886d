use super::*;

fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let mut lines = Lines::default();
    let mut seen = Vec::new();
    let mut show = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
    for piece in pieces {
        lines.push(piece, &mut show);
    }
    lines.finish(&mut show);
    seen
}

#[test]
fn lines_are_the_same_however_they_are_cut() {
    let text = b"one\r\n\ntwo\nthree";
    for at in 0..text.len() {
        let (left, right) = text.split_at(at);
        assert_eq!(lines(&[left, right]), ["one", "", "two", "three"], "{at}");
    }
}

#[test]
fn the_rest_of_a_line_that_is_too_long_is_left_out() {
    let long = vec![b'x'; LINE_BYTES_MAX + 10];
    let expected = "x".repeat(LINE_BYTES_MAX);
    assert_eq!(lines(&[&long, b"yy", b"y\nnext\n"]), [expected.as_str(), "next"]);
    let mut whole = long.clone();
    whole.extend(b"\nnext");
    assert_eq!(lines(&[&whole]), [expected.as_str(), "next"]);
    assert_eq!(lines(&[&long[..LINE_BYTES_MAX], b"\nnext\n"]), [expected.as_str(), "next"]);
}

#[test]
fn all_but_the_last_lines_are_left_out_unseen() {
    #[track_caller]
    fn check(before: &[u8], bytes: &[u8], left_out: u64, expect: &[&str]) {
        let mut lines = Lines::default();
        lines.push(before, &mut |_line| {});
        let (count, rest) = lines.leave_out(bytes, 2);
        let mut seen = Vec::new();
        let mut show = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        lines.push(rest, &mut show);
        lines.finish(&mut show);
        assert_eq!(seen, expect);
        assert_eq!(count, left_out);
    }
    let long = vec![b'x'; LINE_BYTES_MAX + 1];
    check(b"", b"1\n2\n3\n4\n5", 2, &["3", "4", "5"]);
    check(b"0", b"1\n2\n3\n4\n5", 2, &["3", "4", "5"]);
    check(b"0", b"1\n2\n", 0, &["01", "2"]);
    check(b"0", b"1", 0, &["01"]);
    check(b"0", b"", 0, &["0"]);
    check(b"", b"\n\n\n", 1, &["", ""]);
    check(&long, b"xx\n2\n3\n4\n", 1, &["3", "4"]);
    check(&long, b"xx\n2\n3\n", 0, &["2", "3"]);
}
