use super::*;

#[test]
fn types_are_counted_as_a_java_machine_writes_them() {
    for (types, expect) in [
        ("", Some(0)),
        ("I", Some(1)),
        ("Ljava/lang/String;", Some(1)),
        ("Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;", Some(3)),
        ("ZBCSIJFD", Some(8)),
        ("[[I[J", Some(2)),
        ("V", None),
        ("[", None),
        ("I[", None),
        ("Ljava/lang/String", None),
        ("int", None),
    ] {
        assert_eq!(count_types(types.as_bytes()), expect, "{types}");
    }
}

#[test]
fn a_body_is_as_many_values_as_are_asked_for() {
    assert!(are_values(b"", 0).is_some());
    assert!(are_values(b"\x90\x01a", 2).is_some());
    assert!(are_values(b"\x90\x01a", 1).is_none());
    assert!(are_values(b"\x90\x01a", 3).is_none());
    assert!(are_values(b"\x60", 1).is_none());
}
