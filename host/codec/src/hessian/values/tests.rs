use super::*;

/// Goes over one value, which must be all of the bytes.
#[track_caller]
fn check(bytes: &[u8], alone: bool) {
    let mut cursor = Cursor::new(bytes);
    assert_eq!(Values::default().skip(&mut cursor), Ok(alone), "{bytes:02x?}");
    assert_eq!(cursor.place(), bytes.len(), "{bytes:02x?}");
    for end in 0..bytes.len() {
        let skipped = Values::default().skip(&mut Cursor::new(&bytes[..end]));
        assert!(skipped.is_err(), "{bytes:02x?} up to {end}");
    }
}

#[test]
fn values_of_every_kind_are_gone_over() {
    for bytes in [
        &b"N"[..],
        b"T",
        b"F", // nothing and truths
        b"\x90",
        b"\x80",
        b"\xbf",
        b"\xc8\x00",
        b"\xcf\xff",
        b"\xd4\x00\x00",
        b"I\x00\x00\x00\x01",
        b"\xe0",
        b"\xd8",
        b"\xf8\x00",
        b"\x3c\x00\x00",
        b"Y\x00\x00\x00\x01",
        b"L\x00\x00\x00\x00\x00\x00\x00\x01", // numbers of 32 and 64 bits
        b"\x5b",
        b"\x5c",
        b"\x5d\x01",
        b"\x5e\x00\x01",
        b"\x5f\x00\x00\x00\x01",
        b"D\x40\x28\x80\x00\x00\x00\x00\x00", // with a point
        b"\x4a\x00\x00\x00\xd0\x4b\x92\x84\xb8",
        b"\x4b\x00\xe3\x83\x8f", // dates
        b"\x20",
        b"\x23abc",
        b"\x34\x02ab",
        b"B\x00\x01a",
        b"A\x00\x01aB\x00\x01b",
        b"A\x00\x01a\x21b", // bytes
        b"\x00",
        b"\x03abc",
        b"R\x00\x01a\x01b", // text
    ] {
        check(bytes, true);
    }
}

#[test]
fn lists_maps_and_objects_are_gone_over_with_their_parts() {
    for bytes in [
        &b"Q\x90"[..],
        b"HZ",
        b"H\x01a\x90\x01bNZ",
        b"M\x04type\x90\x90Z",
        b"M\x90\x90\x90Z",
        b"U\x04[int\x90\x91Z",
        b"V\x04[int\x92\x90\x91",
        b"W\x90Z",
        b"X\x92\x90\x91",
        b"\x72\x04[int\x90\x91",
        b"\x72\x90\x90\x91",
        b"\x7a\x90\x91",
        b"\x78",
        b"C\x03Car\x92\x05color\x05modelO\x90\x03red\x02x1",
        b"C\x03Car\x92\x05color\x05model\x60\x03red\x02x1",
        b"C\x01a\x90C\x01b\x90\x61",
        b"C\x01a\x90\x60",
        b"H\x01aH\x01bW\x78ZZ\x91Q\x92Z",
    ] {
        check(bytes, false);
    }
}

#[test]
fn what_follows_a_definition_may_be_any_value() {
    check(b"C\x01a\x90\x01x", false);
}

#[test]
fn classes_are_known_to_later_values() {
    let bytes = b"C\x01a\x92\x01x\x01y\x60\x90\x91\x60\x92\x93";
    let mut values = Values::default();
    let mut cursor = Cursor::new(bytes);
    assert_eq!(values.skip(&mut cursor), Ok(false));
    assert_eq!(values.skip(&mut cursor), Ok(false));
    assert!(cursor.is_done());
}

#[test]
fn values_that_lie_are_refused() {
    for bytes in [
        &b"\x40"[..],
        b"\x45",
        b"\x47",
        b"\x50",
        b"Z",
        b"H\x01aZ",
        b"\x60",
        b"C\x01a\x90\x61",
        b"X\x8f",
        b"XI\x80\x00\x00\x00",
        b"XI\x7f\xff\xff\xff\x90",
        b"C\x01aI\x7f\xff\xff\xff\x01b",
        b"C\x01aT",
        b"A\x00\x01aT",
        b"M\x8f\x90\x90Z",
        b"QT",
    ] {
        assert!(Values::default().skip(&mut Cursor::new(bytes)).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn depth_and_classes_have_limits() {
    let nested = |depth: usize| {
        let mut bytes = vec![b'W'; depth];
        bytes.resize(2 * depth, b'Z');
        Values::default().skip(&mut Cursor::new(&bytes))
    };
    assert_eq!(nested(DEPTH_MAX), Ok(false));
    assert!(nested(DEPTH_MAX + 1).is_err());
    let defined = |classes: usize| {
        let mut bytes = b"C\x00\x90".repeat(classes);
        bytes.push(0x60);
        Values::default().skip(&mut Cursor::new(&bytes))
    };
    assert_eq!(defined(CLASSES_MAX), Ok(false));
    assert!(defined(CLASSES_MAX + 1).is_err());
}

#[test]
fn numbers_of_all_forms_are_read() {
    let int = |bytes: &[u8]| read_int(&mut Cursor::new(bytes));
    let cases: [(&[u8], i32); 12] = [
        (b"\x80", -16),
        (b"\x90", 0),
        (b"\xbf", 47),
        (b"\xc0\x00", -2048),
        (b"\xc7\x00", -256),
        (b"\xc8\x30", 48),
        (b"\xcf\xff", 2047),
        (b"\xd0\x00\x00", -0x40000),
        (b"\xd4\x08\x00", 2048),
        (b"\xd7\xff\xff", 0x3ffff),
        (b"I\xff\xff\xff\xff", -1),
        (b"I\x00\x04\x00\x00", 0x40000),
    ];
    for (bytes, expect) in cases {
        assert_eq!(int(bytes), Ok(expect), "{bytes:02x?}");
        assert_eq!(read_number(&mut Cursor::new(bytes)), Ok(expect.into()), "{bytes:02x?}");
    }
    let cases: [(&[u8], i64); 8] = [
        (b"\xd8", -8),
        (b"\xef", 15),
        (b"\xf0\x00", -2048),
        (b"\xff\xff", 2047),
        (b"\x38\x00\x00", -0x40000),
        (b"\x3f\xff\xff", 0x3ffff),
        (b"Y\x80\x00\x00\x00", -0x8000_0000),
        (b"L\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32),
    ];
    for (bytes, expect) in cases {
        assert_eq!(read_number(&mut Cursor::new(bytes)), Ok(expect), "{bytes:02x?}");
        assert!(int(bytes).is_err(), "{bytes:02x?}");
    }
    for bytes in [&b""[..], b"N", b"I\x00", b"\xc8", b"L\x00", b"\x01a"] {
        assert!(read_number(&mut Cursor::new(bytes)).is_err(), "{bytes:02x?}");
    }
}
