use super::*;

#[test]
fn the_last_lines_are_kept_and_made_safe() {
    let mut tail = Tail::default();
    assert_eq!(tail.text(), "");
    for line in 0..20 {
        tail.push(format!("line {line}").as_bytes());
    }
    tail.push(b"\x1b[2J\xff");
    let text = tail.text();
    assert!(text.starts_with("line 13 | "), "{text}");
    assert!(text.ends_with("| \\u{1b}[2J\u{fffd}"), "{text}");
}

#[test]
fn lines_are_shown_as_the_log_shows_them() {
    let mut tail = Tail::default();
    tail.push(br#"{"@level":"warn","@message":"slow","@module":"greet"}"#);
    tail.push(b"{}");
    tail.push(b"[ERROR] broken");
    assert_eq!(tail.text(), "greet: slow | broken");
}

#[test]
fn a_long_line_is_kept_in_part() {
    let mut tail = Tail::default();
    tail.push(&[b'x'; 100_000]);
    assert_eq!(tail.text(), "x".repeat(SHOWN_BYTES_MAX) + "...");
}
