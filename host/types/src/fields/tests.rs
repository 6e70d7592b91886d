use super::*;

fn list() -> FieldList {
    let mut list = FieldList::new(Bytes::from_static(b"Serviceechotrace1:pathx"));
    assert!(list.push_span(0..7, 7..11), "Service: echo");
    assert!(list.push_span(11..16, 16..17), "trace: 1");
    assert!(list.push_span(17..22, 22..23), ":path: x");
    list.push_attribute(":version", b"1.0");
    list
}

fn seen(list: &FieldList) -> Vec<(&str, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    list.iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn fields_keep_their_order_and_case_and_attributes_stand_first() {
    let list = list();
    assert_eq!(seen(&list), [(":version", "1.0"), ("Service", "echo"), ("trace", "1")]);
    assert_eq!(list.len(), 3);
    assert_eq!(list.get(b"service"), Some(&b"echo"[..]));
    assert_eq!(list.get(b":version"), Some(&b"1.0"[..]));
    assert_eq!(list.get(b":path"), None, "a name of an attribute from the wire is hidden");
    assert_eq!(list.block().count(), 3, "but goes on");
    assert!(!list.is_changed());
}

#[test]
fn a_span_outside_of_the_wire_is_refused() {
    let mut list = FieldList::new(Bytes::from_static(b"ab"));
    assert!(!list.push_span(0..3, 0..1));
    assert!(!list.push_span(0..1, 2..9));
    #[expect(clippy::reversed_empty_ranges, reason = "what a lying codec says")]
    let reversed = 2..1;
    assert!(!list.push_span(0..1, reversed));
    assert!(list.is_empty());
}

#[test]
fn a_name_is_looked_up_as_written_and_then_in_any_case() {
    let mut list = FieldList::default();
    list.push(b"Key", b"1");
    list.push(b"key", b"2");
    let get_all = |name| list.get_all(name).collect::<Vec<_>>();
    assert_eq!(get_all(b"Key"), [b"1", b"2"]);
    assert_eq!(get_all(b"key"), [b"2", b"1"]);
    assert_eq!(get_all(b"KEY"), [b"1", b"2"]);
    assert_eq!((list.get(b"key"), list.get(b"KEY")), (Some(&b"2"[..]), Some(&b"1"[..])));
    assert_eq!((list.get_exact(b"key"), list.get_exact(b"KEY")), (Some(&b"2"[..]), None));
}

#[test]
fn a_decoy_in_another_case_shields_no_field() {
    let with_decoy = || {
        let mut list = FieldList::default();
        for (name, value) in [("x-user", "junk"), ("a", "b"), ("X-User", "admin")] {
            list.push(name.as_bytes(), value.as_bytes());
        }
        list
    };
    for name in [&b"x-user"[..], b"X-User", b"X-USER"] {
        let mut list = with_decoy();
        list.replace(name, b"me").unwrap();
        assert_eq!(seen(&list), [("x-user", "me"), ("a", "b")]);
        list.remove(name).unwrap();
        assert_eq!(seen(&list), [("a", "b")]);
        let mut list = with_decoy();
        list.remove(name).unwrap();
        assert_eq!(seen(&list), [("a", "b")]);
        assert!(list.is_changed());
    }
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut list = list();
    list.remove(b"none").unwrap();
    assert!(!list.is_changed());
}

#[test]
fn a_replaced_field_keeps_its_place() {
    let mut list = list();
    list.replace(b"service", b"other").unwrap();
    list.add(b"x-new", b"\0any\xff").unwrap();
    assert_eq!(list.get(b"Service"), Some(&b"other"[..]));
    let names: Vec<_> = list.block().map(|(name, _value)| name.to_vec()).collect();
    assert_eq!(names, [&b"Service"[..], b"trace", b":path", b"x-new"]);
    assert!(list.is_changed());
}

#[test]
fn attributes_cannot_be_written() {
    let mut list = list();
    for name in [&b":version"[..], b":path", b":anything"] {
        assert_eq!(list.add(name, b"2"), Err(HeaderError::Pseudo));
        assert_eq!(list.replace(name, b"2"), Err(HeaderError::Pseudo));
        assert_eq!(list.remove(name), Err(HeaderError::Pseudo));
    }
    assert_eq!(list.add(b"", b"2"), Err(HeaderError::Name));
    let same = [(&b":version"[..], &b"1.0"[..]), (b"a", b"b")];
    list.set_all(same.into_iter()).unwrap();
    assert_eq!(seen(&list), [(":version", "1.0"), ("a", "b")]);
    assert_eq!(list.block().count(), 2, "what is hidden stays");
    let other = [(&b":version"[..], &b"2"[..])];
    assert_eq!(list.set_all(other.into_iter()), Err(HeaderError::Pseudo));
    assert_eq!(seen(&list), [(":version", "1.0"), ("a", "b")]);
}

#[test]
fn what_is_written_has_a_limit() {
    let mut list = FieldList::default();
    let large = vec![b'a'; WRITTEN_BYTES_MAX / 2];
    list.add(b"a", &large).unwrap();
    assert_eq!(list.add(b"b", &large), Err(HeaderError::TooLarge));
    let huge = vec![b'a'; WRITTEN_BYTES_MAX];
    assert_eq!(list.replace(b"a", &huge), Err(HeaderError::TooLarge));
    assert_eq!(list.get(b"a"), Some(&large[..]), "nothing is changed");
    list.add(b"b", b"c").unwrap();
}

#[test]
fn only_what_is_in_use_counts_against_the_limit() {
    let mut list = list();
    list.push(b"pushed", &vec![b'a'; WRITTEN_BYTES_MAX]);
    let value = |round: u8| vec![round; WRITTEN_BYTES_MAX - 100];
    for round in 0..5 {
        list.replace(b"a", &value(round)).unwrap();
        list.replace(b"c", &[round]).unwrap();
        assert_eq!(list.get(b"a"), Some(&value(round)[..]));
    }
    assert!(list.written.len() <= 2 * WRITTEN_BYTES_MAX);
    for round in 0..5 {
        list.remove(b"A").unwrap();
        list.add(b"a", &value(round)).unwrap();
        assert_eq!(list.get(b"c"), Some(&[4][..]));
    }
    for round in 0..5 {
        let read: Vec<_> = list.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        let kept = read.iter().filter(|(name, _value)| name != b"pushed");
        list.set_all(kept.map(|(name, value)| (&name[..], &value[..]))).unwrap();
        list.replace(b"a", &value(round)).unwrap();
    }
    assert_eq!(list.get(b"service"), Some(&b"echo"[..]));
    assert_eq!(list.used, list.fields.iter().map(Field::written).sum::<usize>());
}

#[test]
fn a_view_has_what_is_kept_and_nothing_hidden() {
    let view = list().view(|name| name != b"trace");
    assert_eq!(seen(&view), [(":version", "1.0"), ("Service", "echo")]);
    assert_eq!(view.block().count(), 1);
}
