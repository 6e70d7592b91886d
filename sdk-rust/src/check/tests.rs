use super::*;
use crate::Fields;

#[track_caller]
fn check(section: Section, name: &str, value: &[u8], expect: bool) {
    let set = check_change(section, FieldChange::Set(name, value));
    assert_eq!(set.is_ok(), expect, "{section:?} {name:?} {value:?}");
    let fields = Fields(vec![(name.as_bytes().to_vec(), value.to_vec())]);
    assert_eq!(check_change(section, FieldChange::ReplaceAll(&fields)), set, "{name:?}");
}

#[test]
fn a_field_has_a_token_for_a_name_and_no_control_characters_in_its_value() {
    for section in [Section::RequestHeaders, Section::ResponseTrailers] {
        check(section, "x-a", b"b", true);
        check(section, "X-A", b"", true);
        check(section, "x-a", b"tab\t and \xff", true);
        check(section, "", b"b", false);
        check(section, "x a", b"b", false);
        check(section, "x-\u{e4}", b"b", false);
        check(section, "x-a", b"a\r\nb: c", false);
        check(section, "x-a", b"a\0", false);
        check(section, "x-a", b"\x7f", false);
    }
}

#[test]
fn a_first_line_has_what_belongs_there() {
    let request = Section::RequestHeaders;
    for (name, good, bad) in [
        (":method", "PUT", "P T"),
        (":path", "/a?b", "a"),
        (":path", "*", ""),
        (":authority", "a.test:80", "user@a.test"),
        ("host", "a.test", "a b"),
        (":scheme", "https", "9"),
    ] {
        check(request, name, good.as_bytes(), true);
        check(request, name, bad.as_bytes(), false);
        check(Section::ResponseHeaders, name, good.as_bytes(), name == "host");
    }
    check(request, ":method", b"CONNECT", false);
    check(request, ":status", b"200", false);
    check(request, ":other", b"x", false);
    check(Section::ResponseHeaders, ":status", b"404", true);
    check(Section::ResponseHeaders, ":status", b"103", false);
    check(Section::ResponseHeaders, ":status", b"20", false);
    check(Section::ResponseTrailers, ":status", b"200", false);
}

#[test]
fn a_first_line_cannot_be_removed_and_what_is_not_there_can() {
    let of = |section, name| check_change(section, FieldChange::Remove(name)).is_ok();
    assert!(!of(Section::RequestHeaders, ":path"));
    assert!(!of(Section::RequestHeaders, "Host"));
    assert!(of(Section::ResponseHeaders, "host"));
    assert!(of(Section::RequestHeaders, "no name"));
}
