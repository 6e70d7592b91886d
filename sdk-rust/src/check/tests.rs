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

#[test]
fn a_path_is_ascii_and_an_authority_has_one_port() {
    let request = Section::RequestHeaders;
    for (name, value, expect) in [
        (":path", "/caf%C3%A9", true),
        (":path", "/caf\u{e9}", false),
        (":path", "/a<b", false),
        (":path", "/a?{\"b\"}", false),
        (":path", "/a?{b}", true),
        (":authority", "[::1]:8080", true),
        (":authority", "[fe80::1%25eth0]", true),
        (":authority", "a.test%41", false),
        (":authority", "a:1:2", false),
        (":authority", "[::1", false),
        (":authority", "a[::1]", false),
        ("host", "a.test/b", false),
        (":scheme", "a:b", false),
    ] {
        check(request, name, value.as_bytes(), expect);
    }
    let long = "a".repeat(1 << 16);
    check(request, &long, b"", false);
    check(request, ":path", format!("/{long}").as_bytes(), false);
    check(request, ":scheme", long.as_bytes(), false);
}

#[test]
fn a_property_has_a_path_without_nul_bytes() {
    let of = |path: &[&str]| check_path(path).is_ok();
    assert!(of(&["request", "path"]) && of(&[""]) && of(&["a.b", "c"]));
    assert!(!of(&[]) && !of(&["a\0b"]));
    assert!(of(&["a".repeat(1024).as_str()]) && !of(&["a".repeat(1025).as_str()]));
}

/// Each byte at each place, as the proxy reads it: what passes here it takes.
#[cfg(feature = "process")]
#[test]
fn the_proxy_takes_all_that_passes() {
    use http::uri::{Authority, PathAndQuery, Scheme};

    type Takes = fn(&[u8]) -> bool;
    let cases: [(&str, &[u8], Takes); 6] = [
        (":path", b"/a?b", |value| PathAndQuery::try_from(value).is_ok()),
        (":authority", b"[a:1%2]:80", |value| Authority::try_from(value).is_ok()),
        (":authority", b"a.test:80", |value| Authority::try_from(value).is_ok()),
        (":scheme", b"http", |value| Scheme::try_from(value).is_ok()),
        (":method", b"GET", |value| http::Method::from_bytes(value).is_ok()),
        ("x-a", b"b c", |value| http::HeaderValue::from_bytes(value).is_ok()),
    ];
    for (name, value, takes) in cases {
        for at in 0..value.len() {
            for byte in 0..=u8::MAX {
                let mut value = value.to_vec();
                value[at] = byte;
                let change = FieldChange::Set(name, &value);
                let passes = check_change(Section::RequestHeaders, change).is_ok();
                assert!(!passes || takes(&value), "{name} {value:?}");
            }
        }
    }
    for byte in 0..=u8::MAX {
        let fields = Fields(vec![(vec![b'x', byte], Vec::new())]);
        let change = FieldChange::ReplaceAll(&fields);
        let passes = check_change(Section::RequestHeaders, change).is_ok();
        assert_eq!(passes, http::HeaderName::from_bytes(&[b'x', byte]).is_ok(), "{byte}");
    }
}

#[test]
fn a_response_has_so_many_fields_and_bytes() {
    let of = |count: usize, field: usize, body: usize| {
        let headers = vec![("a".to_owned(), vec![b'b'; field]); count];
        let response = Response { headers, body: vec![0; body], ..Response::new(200) };
        let checked = check_response(&response);
        assert_eq!(sendable(response).status, if checked.is_ok() { 200 } else { 500 });
        checked
    };
    assert_eq!(of(1024, 100, 15 << 20), Ok(()));
    assert_eq!(of(1025, 0, 0), Err(HostError::LimitReached));
    assert_eq!(of(1, (1 << 20) - 15, 0), Ok(()));
    assert_eq!(of(1, (1 << 20) - 14, 0), Err(HostError::LimitReached));
    assert_eq!(of(0, 0, (15 << 20) + 1), Err(HostError::LimitReached));
}
