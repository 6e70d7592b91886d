use super::*;

#[test]
fn a_name_is_a_word_of_its_own() {
    for (line, yes) in [
        ("plugin `ssrf` asked", true),
        ("plugin=ssrf: no", true),
        ("ssrf", true),
        ("plugin `ssrf_granted` asked", false),
        ("plugin `child_ssrf` asked", false),
        ("child_ssrf and ssrf", true),
        ("", false),
    ] {
        assert_eq!(names(line, "ssrf"), yes, "{line}");
    }
}

#[test]
fn a_forged_log_is_seen() {
    for (log, yes) in [
        ("INFO plugin{plugin=x}: a line\\r\\nforged\n", false),
        ("INFO a line\nforged line\n", true),
        ("INFO \u{1b}[2J\n", true),
        ("INFO a\rb\n", true),
        ("INFO \u{202e}end\n", true),
        ("INFO \u{2603}\n", false),
    ] {
        assert_eq!(is_forged(log.as_bytes()), yes, "{log:?}");
    }
}

#[test]
fn an_answer_is_told_in_words() {
    assert_eq!(told(Some(Answer::Status(503))), "answered with 503");
    assert_eq!(told(Some(Answer::Broken)), "broken off");
    assert_eq!(told(None), "no answer");
}
