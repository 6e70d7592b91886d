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
