use super::*;

/// Frames of as many bytes as the first one says; 255 is no frame, and a frame that ends with 254
/// cannot be believed.
#[derive(Debug)]
struct Counted;

impl Wire for Counted {
    fn detect(&self, _first: &[u8]) -> Detection {
        Detection::Match
    }

    fn cut(&self, bytes: &[u8]) -> Cut {
        match bytes[0] {
            255 => Cut::Lost("255"),
            length => Cut::at(length.into(), bytes.len()),
        }
    }

    fn read(&self, raw: Bytes) -> Result<Frame, Box<str>> {
        if raw.ends_with(&[254]) {
            Err("254".into())
        } else {
            Ok(Frame { raw, ..Frame::default() })
        }
    }

    fn response_to(&self, _start: &[u8]) -> ResponseTo {
        ResponseTo::Unknown
    }

    fn write(&self, _rewrite: &Rewrite<'_>) -> Option<Bytes> {
        None
    }

    fn reject(&self, _rejection: &Rejection<'_>) -> Option<Bytes> {
        None
    }
}

#[track_caller]
fn check(bytes: &[u8], frames: &[&[u8]], rest: &[u8], needed: usize, lost: Option<&str>) {
    let decoded = decode(&Counted, BytesMut::from(bytes));
    let raw: Vec<&[u8]> = decoded.frames.iter().map(|frame| &frame.raw[..]).collect();
    assert_eq!(raw, frames);
    assert_eq!(decoded.rest, rest);
    assert_eq!(decoded.needed, needed);
    assert_eq!(decoded.lost.as_deref(), lost);
}

#[test]
fn all_whole_frames_are_taken_out() {
    check(&[], &[], &[], 0, None);
    check(&[1, 2, 9], &[&[1], &[2, 9]], &[], 0, None);
    check(&[2, 9, 3, 0], &[&[2, 9]], &[3, 0], 3, None);
}

#[test]
fn frames_before_lost_ones_are_kept() {
    check(&[1, 255, 7], &[&[1]], &[255, 7], 0, Some("255"));
    check(&[1, 2, 254, 1], &[&[1]], &[1], 0, Some("254"));
    check(&[1, 0, 1], &[&[1]], &[0, 1], 0, Some("a frame without bytes"));
}

#[test]
fn the_last_frame_is_alone_with_its_bytes() {
    let mut decoded = decode(&Counted, BytesMut::from(&[2, 9][..]));
    let raw = decoded.frames.remove(0).raw;
    assert!(raw.is_unique(), "an id can be written in place");
}

#[test]
fn doubles_are_found_among_few_names_and_among_many() {
    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for count in [0, 1, 2, FEW, FEW + 1, 100] {
        let mut some: Vec<&[u8]> = names[..count].iter().map(String::as_bytes).collect();
        assert!(!has_double(some.iter().copied()), "{count}");
        if let Some(first) = some.first().copied() {
            some.push(first);
            assert!(has_double(some.iter().copied()), "{count}");
        }
    }
    assert!(!has_double([&b"a"[..], b"A", b""].into_iter()), "case counts");
}

#[test]
fn of_several_fields_of_a_name_the_last_is_written() {
    let mut fields = FieldList::default();
    for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("A", "4"), ("b", "5")] {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    let expect = [(&b"a"[..], &b"3"[..]), (b"A", b"4"), (b"b", b"5")];
    assert_eq!(last_of_each(&fields), expect);
    assert_eq!(last_of_each(&FieldList::default()), []);
    assert_eq!(last_of(&fields, b"a"), Some(&b"3"[..]));
    assert_eq!((last_of(&fields, b"A"), last_of(&fields, b"B")), (Some(&b"4"[..]), None));
}
