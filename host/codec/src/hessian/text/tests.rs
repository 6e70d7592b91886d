use super::*;

fn read(bytes: &[u8]) -> Read<Option<Text>> {
    read_text(&mut Cursor::new(bytes))
}

/// Reads a string, which must be all of the bytes, and expects this text.
#[track_caller]
fn check(bytes: &[u8], expect: &str) {
    let mut cursor = Cursor::new(bytes);
    let text = read_text(&mut cursor).unwrap().unwrap();
    assert_eq!(text.text(bytes), Ok(expect));
    assert!(cursor.is_done());
    let mut cursor = Cursor::new(bytes);
    assert_eq!(skip_text(&mut cursor), Ok(()));
    assert!(cursor.is_done());
}

#[test]
fn strings_of_all_forms_are_read() {
    check(b"\x00", "");
    check(b"\x05hello", "hello");
    check(b"\x02\xc3\xa9\xe4\xb8\xad", "é中");
    check(b"\x30\x05hello", "hello");
    check(b"S\x00\x05hello", "hello");
    check(b"R\x00\x02heS\x00\x03llo", "hello");
    check(b"R\x00\x02heR\x00\x00\x03llo", "hello");
    let long = "x".repeat(1023);
    check([b"\x33\xff", long.as_bytes()].concat().as_slice(), &long);
}

#[test]
fn a_string_in_one_piece_is_not_copied() {
    assert_eq!(read(b"\x05hello"), Ok(Some(Text::At(1..6))));
    assert_eq!(read(b"N"), Ok(None));
}

#[test]
fn a_character_of_two_units_has_six_bytes_or_four() {
    check(b"\x02\xed\xa0\xbd\xed\xb8\x80", "\u{1f600}");
    check(b"\x02\xf0\x9f\x98\x80", "\u{1f600}");
    check(b"R\x00\x01\xed\xa0\xbd\x01\xed\xb8\x80", "\u{1f600}");
}

#[test]
fn half_of_a_pair_is_kept_and_is_no_name() {
    let lone = b"\x02\xed\xa0\xbda";
    let text = read(lone).unwrap().unwrap();
    assert_eq!(text.bytes(lone), b"\xed\xa0\xbda");
    assert!(text.text(lone).is_err());
    let mut out = Vec::new();
    assert_eq!(write_text(&mut out, text.bytes(lone)), Some(()));
    assert_eq!(out, lone);
}

#[test]
fn what_is_no_string_is_refused() {
    for bytes in [
        &b""[..],
        b"\x05hell",
        b"\x30",
        b"S\x00",
        b"S\xff\xffabc",
        b"R\x00\x01a",
        b"R\x00\x01aN",
        b"\x90",
        b"Z",
        // Bytes that begin no character, and characters that are cut short or in a longer form.
        b"\x01\x80",
        b"\x01\xff",
        b"\x01\xf0\x9f\x98\x80",
        b"\x01\xe4\xb8",
        b"\x01\xc1\xa1",
        b"\x01\xe0\x80\xaf",
        b"\x02\xf8\x80",
        b"\x01\xe4ab",
    ] {
        assert!(read(bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn a_string_is_written_in_its_shortest_form() {
    let write = |text: &[u8]| {
        let mut out = Vec::new();
        write_text(&mut out, text).map(|()| out)
    };
    assert_eq!(write(b"").unwrap(), b"\x00");
    assert_eq!(write(b"hello").unwrap(), b"\x05hello");
    assert_eq!(write("中".as_bytes()).unwrap(), b"\x01\xe4\xb8\xad");
    assert_eq!(write("\u{1f600}".as_bytes()).unwrap(), b"\x02\xed\xa0\xbd\xed\xb8\x80");
    assert_eq!(write(&[b'x'; 32]).unwrap()[..3], *b"\x30\x20x");
    assert_eq!(write(&[b'x'; 1024]).unwrap()[..4], *b"S\x04\x00x");
    assert_eq!(write(b"\xff"), None);
    assert_eq!(write(b"a\xe4\xb8"), None);
    assert_eq!(write(b"\xed\xa0"), None);
}

#[test]
fn long_text_is_written_in_chunks_that_tear_no_pair() {
    for before in [0x7ffe, 0x7fff, 0x8000] {
        let text = "x".repeat(before) + "\u{1f600}" + &"é".repeat(0x8000);
        let mut out = Vec::new();
        write_text(&mut out, text.as_bytes()).unwrap();
        assert_eq!(out[0], b'R');
        check(&out, &text);
        let first = usize::from(u16::from_be_bytes([out[1], out[2]]));
        assert_eq!(first, if before == 0x7fff { 0x7fff } else { 0x8000 });
    }
}
