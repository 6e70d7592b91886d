use http::HeaderMap;
use proptest::prelude::*;

use super::*;

fn request(fields: &[(&'static str, &'static str)]) -> SectionFields {
    section(Section::RequestHeaders, fields)
}

fn section(section: Section, fields: &[(&'static str, &'static str)]) -> SectionFields {
    SectionFields::new(section, crate::child::testing::sent(fields))
}

#[track_caller]
fn check(section: &SectionFields, expected: &[(&str, &str)]) {
    let found = section.to_fields();
    let found: Vec<_> = found
        .iter()
        .map(|(name, value)| (str::from_utf8(name).unwrap(), str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn names_are_found_in_any_case_and_host_is_the_authority_of_a_request() {
    let head = request(&[(":path", "/a"), (":authority", "x.org"), ("accept", "*/*")]);
    assert_eq!(head.get("Accept"), Some(&b"*/*"[..]));
    assert_eq!(head.get(":PATH"), Some(&b"/a"[..]));
    assert_eq!(head.get("Host"), Some(&b"x.org"[..]));
    assert_eq!(head.get(":method"), None);
    assert_eq!(head.get("not a name"), None);
    let head = section(Section::ResponseHeaders, &[(":status", "200"), ("host", "y.org")]);
    assert_eq!(head.get("host"), Some(&b"y.org"[..]));
}

#[test]
fn changes_are_seen_and_names_become_small() {
    let mut head = request(&[(":path", "/"), ("a", "1"), ("b", "2")]);
    head.change(FieldChange::Add("A", b"3")).unwrap();
    head.change(FieldChange::Set("X-New", b"4")).unwrap();
    check(&head, &[(":path", "/"), ("a", "1"), ("a", "3"), ("b", "2"), ("x-new", "4")]);
    head.change(FieldChange::Set("a", b"5")).unwrap();
    head.change(FieldChange::Remove("b")).unwrap();
    head.change(FieldChange::Remove("unknown")).unwrap();
    check(&head, &[(":path", "/"), ("a", "5"), ("x-new", "4")]);
}

#[test]
fn pseudo_header_fields_stand_in_front_in_the_hosts_order() {
    let mut head = request(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("a", "1")]);
    head.change(FieldChange::Add("host", b"x.org")).unwrap();
    head.change(FieldChange::Add(":path", b"/b?c#d")).unwrap();
    head.change(FieldChange::Set(":scheme", b"https")).unwrap();
    let expected = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "x.org"),
        (":path", "/b?c"),
        ("a", "1"),
    ];
    check(&head, &expected);
}

#[test]
fn what_no_message_can_carry_is_refused_and_changes_nothing() {
    let mut head = request(&[(":path", "/"), ("a", "1")]);
    let none = Fields::default();
    let half = Fields(vec![(b"b".to_vec(), b"2".to_vec()), (b"c d".to_vec(), b"3".to_vec())]);
    for change in [
        FieldChange::Set("a b", b"1"),
        FieldChange::Set("", b"1"),
        FieldChange::Add("a", b"1\r\nb: 2"),
        FieldChange::Set(":path", b"x"),
        FieldChange::Set(":path", b""),
        FieldChange::Set(":method", b"CONNECT"),
        FieldChange::Set(":method", b"A B"),
        FieldChange::Set(":authority", b"user@x.org"),
        FieldChange::Set("host", b"a b"),
        FieldChange::Set(":scheme", b"1:"),
        FieldChange::Set(":status", b"200"),
        FieldChange::Set(":unheard", b"1"),
        FieldChange::Remove(":path"),
        FieldChange::Remove("host"),
        FieldChange::ReplaceAll(&half),
    ] {
        assert_eq!(head.change(change), Err(HostError::BadArgument), "{change:?}");
    }
    check(&head, &[(":path", "/"), ("a", "1")]);
    head.change(FieldChange::ReplaceAll(&none)).unwrap();
    check(&head, &[(":path", "/")]);
    let mut head = section(Section::ResponseHeaders, &[(":status", "200")]);
    for status in [&b"101"[..], b"20", b"2000", b"abc"] {
        let refused = head.change(FieldChange::Set(":status", status));
        assert_eq!(refused, Err(HostError::BadArgument), "{status:?}");
    }
    head.change(FieldChange::Set(":status", b"404")).unwrap();
    check(&head, &[(":status", "404")]);
    let mut trailers = section(Section::RequestTrailers, &[]);
    let refused = trailers.change(FieldChange::Set(":path", b"/"));
    assert_eq!(refused, Err(HostError::BadArgument));
}

#[test]
fn a_section_has_its_limits() {
    let mut head = request(&[]);
    for number in 0..FIELDS_MAX {
        head.change(FieldChange::Add(&format!("x-{number}"), b"")).unwrap();
    }
    assert_eq!(head.change(FieldChange::Add("y", b"")), Err(HostError::LimitReached));
    assert_eq!(head.change(FieldChange::Set("y", b"")), Err(HostError::LimitReached));
    head.change(FieldChange::Set("x-1", b"1")).unwrap();
    let many = Fields(vec![(b"a".to_vec(), Vec::new()); FIELDS_MAX + 1]);
    assert_eq!(head.change(FieldChange::ReplaceAll(&many)), Err(HostError::LimitReached));
    let mut head = request(&[]);
    let half = vec![b'a'; BYTES_MAX / 2];
    head.change(FieldChange::Add("x", &half)).unwrap();
    assert_eq!(head.change(FieldChange::Add("y", &half)), Err(HostError::LimitReached));
    let large = Fields(vec![(b"a".to_vec(), vec![b'a'; BYTES_MAX])]);
    assert_eq!(head.change(FieldChange::ReplaceAll(&large)), Err(HostError::LimitReached));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Set(u8),
    Remove(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        (0..6_u8).prop_map(Step::Add),
        (0..6_u8).prop_map(Step::Set),
        (0..6_u8).prop_map(Step::Remove),
    ];
    proptest::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn fields_stand_where_the_hosts_map_has_them(steps in steps()) {
        let mut ours = request(&[]);
        let mut theirs = HeaderMap::new();
        for (number, step) in steps.iter().enumerate() {
            let value = number.to_string();
            let header = HeaderValue::from_str(&value).unwrap();
            match step {
                Step::Add(name) => {
                    ours.change(FieldChange::Add(&format!("x{name}"), value.as_bytes())).unwrap();
                    theirs.append(name_of(*name), header);
                }
                Step::Set(name) => {
                    ours.change(FieldChange::Set(&format!("x{name}"), value.as_bytes())).unwrap();
                    theirs.insert(name_of(*name), header);
                }
                Step::Remove(name) => {
                    ours.change(FieldChange::Remove(&format!("x{name}"))).unwrap();
                    theirs.remove(name_of(*name));
                }
            }
        }
        let theirs: Vec<_> = theirs
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        prop_assert_eq!(ours.to_fields().0, theirs);
    }
}

fn name_of(number: u8) -> HeaderName {
    HeaderName::from_bytes(format!("x{number}").as_bytes()).unwrap()
}
