use super::*;
use crate::hessian::Values;

struct Map {
    bytes: Vec<u8>,
    attachments: Attachments,
    found: Found,
}

fn read(bytes: &[u8]) -> Read<Map> {
    let mut found = Found::of(FieldList::new(bytes.to_vec().into()));
    let mut cursor = Cursor::new(bytes);
    let attachments = Attachments::read(&mut cursor, &mut Values::default(), Some(&mut found))?;
    Ok(Map { bytes: bytes.to_vec(), attachments, found })
}

impl Map {
    fn fields(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.found.fields.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn write(&self, body_changed: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.attachments.write(&mut out, &self.bytes, &self.found.fields, body_changed)?;
        Some(out)
    }
}

/// Reads a map, sets a field and expects this to be written.
#[track_caller]
fn check_set(bytes: &[u8], name: &str, value: &str, expect: Option<&[u8]>) {
    let mut map = read(bytes).unwrap();
    map.found.fields.replace(name.as_bytes(), value.as_bytes()).unwrap();
    assert_eq!(map.write(false).as_deref(), expect, "{bytes:02x?}");
}

#[test]
fn pairs_of_strings_are_fields_and_others_are_hidden() {
    let map = read(b"H\x01a\x01b\x01n\x91\x01cR\x00\x01d\x01e\x90\x01x\x01zNZ").unwrap();
    let expect = [("a", "b"), ("c", "de")];
    assert_eq!(map.fields(), expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(map.write(false).unwrap(), map.bytes, "as it came");
    assert_eq!(map.write(true).unwrap(), map.bytes, "nothing in it refers to the body");
}

#[test]
fn a_changed_field_is_written_behind_what_is_no_field() {
    check_set(b"H\x01a\x01bZ", "a", "c", Some(b"H\x01a\x01cZ"));
    check_set(b"H\x01a\x01b\x01n\x91Z", "c", "d", Some(b"H\x01n\x91\x01a\x01b\x01c\x01dZ"));
    check_set(b"M\x01t\x01a\x01bZ", "a", "c", Some(b"M\x01t\x01a\x01cZ"));
    check_set(b"M\x90\x01a\x01bZ", "a", "c", Some(b"M\x90\x01a\x01cZ"));
    check_set(b"HZ", "a", "中", Some(b"H\x01a\x01\xe4\xb8\xadZ"));
    // What lies behind the map stays there.
    check_set(b"HZ\x90", "a", "b", Some(b"H\x01a\x01bZ\x90"));
}

#[test]
fn where_no_map_is_one_is_made() {
    check_set(b"", "a", "b", Some(b"H\x01a\x01bZ"));
    check_set(b"N", "a", "b", Some(b"H\x01a\x01bZ"));
}

#[test]
fn what_stands_for_a_map_and_is_none_cannot_be_changed() {
    check_set(b"Q\x90", "a", "b", None);
    check_set(b"\x01x", "a", "b", None);
    let map = read(b"Q\x90").unwrap();
    assert_eq!(map.write(false).unwrap(), b"Q\x90");
    assert_eq!(map.write(true), None, "what it refers to may be gone");
}

#[test]
fn a_field_takes_the_place_of_another_value_unless_others_are_counted() {
    check_set(b"H\x01n\x91Z", "n", "2", Some(b"H\x01n\x012Z"));
    check_set(b"H\x01nHZZ", "n", "2", None);
    check_set(b"H\x01nHZZ", "m", "2", Some(b"H\x01nHZ\x01m\x012Z"));
}

#[test]
fn of_several_values_of_a_name_the_last_is_written() {
    let mut map = read(b"H\x01a\x01b\x01a\x01cZ").unwrap();
    map.found.fields.add(b"x", b"y").unwrap();
    assert_eq!(map.write(false).unwrap(), b"H\x01a\x01c\x01x\x01yZ");
    map.found.fields.add(b"a", b"d").unwrap();
    assert_eq!(map.write(false).unwrap(), b"H\x01x\x01y\x01a\x01dZ");
    map.found.fields.remove(b"a").unwrap();
    assert_eq!(map.write(false).unwrap(), b"H\x01x\x01yZ");
}

#[test]
fn names_that_only_attributes_have_are_kept_unseen() {
    let mut map = read(b"H\x02:a\x01bZ").unwrap();
    assert!(map.fields().is_empty());
    map.found.fields.add(b"x", b"y").unwrap();
    assert_eq!(map.write(false).unwrap(), b"H\x02:a\x01b\x01x\x01yZ");
}

#[test]
fn where_the_body_was_changed_nothing_may_refer_to_it() {
    for (bytes, expect) in [
        (&b"H\x01a\x01bZ"[..], true),
        (b"M\x01t\x01a\x01bZ", true),
        (b"H\x01a\x91Z", true),
        (b"M\x90\x01a\x01bZ", false),
        (b"H\x01aQ\x90Z", false),
        (b"H\x01aHZZ", false),
        (b"H\x01aC\x01c\x90\x60Z", false),
    ] {
        let map = read(bytes).unwrap();
        assert_eq!(map.write(true).is_some(), expect, "{bytes:02x?}");
    }
}

#[test]
fn what_is_no_text_cannot_be_written() {
    let mut map = read(b"HZ").unwrap();
    map.found.fields.add(b"a", b"\xff").unwrap();
    assert_eq!(map.write(false), None);
}

#[test]
fn the_shortest_timeout_holds() {
    let timeout = |bytes: &[u8]| read(bytes).unwrap().found.timeout;
    assert_eq!(timeout(b"H\x07timeout\x041000Z"), Some(1000));
    assert_eq!(timeout(b"H\x03_TO\x041000Z"), Some(1000));
    assert_eq!(timeout(b"H\x07timeout\xcb\xe8Z"), Some(1000));
    assert_eq!(timeout(b"H\x07timeout\xfb\xe8Z"), Some(1000));
    assert_eq!(timeout(b"H\x07timeout\x041000\x03_TO\x03900Z"), Some(900));
    for none in [
        &b"HZ"[..],
        b"H\x07timeout\x010Z",
        b"H\x07timeout\x02-1Z",
        b"H\x07timeout\x01xZ",
        b"H\x07timeout\x90Z",
        b"H\x07timeout\x8fZ",
        b"H\x07timeoutNZ",
        b"H\x07timeoutHZZ",
    ] {
        assert_eq!(timeout(none), None, "{none:02x?}");
    }
}

#[test]
fn maps_that_lie_are_refused() {
    for bytes in
        [&b"H"[..], b"H\x01a", b"H\x01aZ", b"H\x01a\x01b", b"HTZ", b"M", b"MTZ", b"M\x01tQZ"]
    {
        assert!(read(bytes).is_err(), "{bytes:02x?}");
    }
    let many = |count: usize| {
        let mut bytes = vec![MAP];
        bytes.resize(1 + 2 * count, 0);
        bytes.push(END);
        bytes
    };
    assert!(read(&many(FIELDS_MAX)).is_ok());
    assert!(read(&many(FIELDS_MAX + 1)).is_err());
}
