use std::borrow::Cow;

use super::{escape_line, push_json_string};

#[track_caller]
fn check(line: &[u8], expect: &str) {
    assert_eq!(escape_line(line, 64), expect);
}

#[test]
fn what_is_safe_is_borrowed() {
    for line in ["", "plain", "grüße, 世界 🦀", r"back\slash"] {
        assert!(matches!(escape_line(line.as_bytes(), 64), Cow::Borrowed(shown) if shown == line));
    }
}

#[test]
fn what_could_deceive_is_escaped() {
    check(b"one\r\ntwo", r"one\r\ntwo");
    check(b"one\n", "one");
    check(b"one\r\n", "one");
    check(b"one\n\n", r"one\n");
    check(b"\x1b[31mred\x1b]0;title\x07", r"\u{1b}[31mred\u{1b}]0;title\u{7}");
    check("\u{9b}31m".as_bytes(), r"\u{9b}31m");
    check(b"nul\0del\x7f", r"nul\u{0}del\u{7f}");
    check(b"bad\xff\xc3(utf\xe4\xb8", r"bad\xff\xc3(utf\xe4\xb8");
    check("a\u{202e}b\u{2066}c\u{200f}".as_bytes(), r"a\u{202e}b\u{2066}c\u{200f}");
    check("x\u{2028}y\u{feff}z\u{e0041}".as_bytes(), r"x\u{2028}y\u{feff}z\u{e0041}");
}

#[test]
fn a_long_line_is_cut_between_characters() {
    assert_eq!(escape_line(b"abcdef", 6), "abcdef");
    assert_eq!(escape_line(b"abcdefg", 6), "abcdef...");
    assert_eq!(escape_line("abcdé".as_bytes(), 5), "abcd...");
    assert_eq!(escape_line("a🦀".as_bytes(), 2), "a...");
    assert_eq!(escape_line("🦀".as_bytes(), 0), "...");
    assert_eq!(escape_line(&[0x80; 9], 5).len(), 5 * r"\x80".len() - 3 * r"\x80".len() + 3);
}

#[test]
fn a_json_string_says_the_same_without_raw_control_characters() {
    let texts = [
        "plain",
        "quote\" back\\slash",
        "line\r\nend\ttab\0nul\x1b[0m\x7f",
        "\u{85}\u{202e}\u{2028}\u{e0041}",
        "grüße 🦀",
    ];
    for text in texts {
        let mut out = Vec::new();
        push_json_string(&mut out, text, 1000);
        let shown = String::from_utf8(out).unwrap();
        assert!(!shown.contains(super::is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}

#[test]
fn a_long_json_string_is_cut_between_characters() {
    let mut out = Vec::new();
    push_json_string(&mut out, "aé", 2);
    assert_eq!(out, b"\"a\"");
}
