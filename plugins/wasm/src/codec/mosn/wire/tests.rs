use bytes::{Bytes, BytesMut};
use host_types::{FieldList, FrameKind};
use proptest::{collection::vec, prelude::any, proptest};

use super::{Order, encoded, read};

const TOLD: &[u8] = b"\0\0\0\x11\0\0\0\x07service\0\0\0\x02ab\x41\0\0\0\0\0\0\0\x09\0\0\x0b\xb8\
                      \0\0\0\x06\0\0\0\x02hi";

#[test]
fn what_a_guest_tells_becomes_a_frame() {
    let mut bytes = BytesMut::from(&b"headhi..."[..]);
    let frame = read(TOLD).and_then(|told| told.cut(&mut bytes)).expect("a frame");
    assert_eq!((frame.kind, frame.id, &*frame.service), (FrameKind::Request, 9, "ab"));
    assert_eq!((&frame.raw[..], &frame.body[..]), (&b"headhi"[..], &b"hi"[..]));
    assert_eq!(frame.timeout.map(|timeout| timeout.as_millis()), Some(3000));
    // A body that does not stand in the frame as it is: it was compressed, say.
    let mut bytes = BytesMut::from(&b"head.."[..]);
    let frame = read(TOLD).and_then(|told| told.cut(&mut bytes)).expect("a frame");
    assert_eq!((&frame.raw[..], &frame.body[..]), (&b"head.."[..], &b"hi"[..]));
    let mut bytes = BytesMut::from(&b"head"[..]);
    assert!(read(TOLD).and_then(|told| told.cut(&mut bytes)).is_err(), "it has more bytes");
}

#[test]
fn a_field_without_a_text_is_left_out() {
    let absent = b"\0\0\0\x0d\0\0\0\x01k\xff\xff\xff\xff\0\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\0\
                   \0\0\0\x01\0\0\0\0";
    let refused = read(absent);
    assert!(refused.is_err(), "a name without a value");
    let absent = b"\0\0\0\x09\0\0\0\x01k\xff\xff\xff\xff\x01\0\0\0\0\0\0\0\x09\0\0\0\0\
                   \0\0\0\x01\0\0\0\0";
    let frame = read(absent).and_then(|told| told.cut(&mut BytesMut::from(&b"x"[..])));
    let frame = frame.expect("a frame");
    assert_eq!((frame.kind, frame.fields.len()), (FrameKind::Response, 0));
}

#[test]
fn what_is_cut_off_is_refused() {
    for end in 0..TOLD.len() {
        assert!(read(&TOLD[..end]).is_err(), "cut at {end}");
    }
    let written = b"\0\0\0\0\x41\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x02hi";
    assert_eq!(encoded(Bytes::from_static(written)), Ok(Bytes::from_static(b"hi")));
    for end in 0..written.len() {
        assert!(encoded(Bytes::copy_from_slice(&written[..end])).is_err(), "cut at {end}");
    }
}

#[test]
fn an_order_has_the_bytes_that_guests_read() {
    let mut fields = FieldList::default();
    fields.push(b"service", b"ab");
    fields.push_attribute(":version", b"1");
    let order = Order {
        fields: Some(&fields),
        flag: 0x41,
        new_id: 9,
        old_id: 7,
        number: 3000,
        body: b"hi",
    };
    let wanted = b"\0\0\0\x11\0\0\0\x07service\0\0\0\x02ab\x41\0\0\0\0\0\0\0\x09\
                   \0\0\0\0\0\0\0\x07\0\0\x0b\xb8\0\0\0\x02hi";
    assert_eq!(order.write(), wanted);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..80), at in 0_usize..60, byte: u8) {
        let mut told = TOLD.to_vec();
        if let Some(place) = told.get_mut(at) {
            *place = byte;
        }
        for record in [&bytes, &told] {
            if let Ok(told) = read(record) {
                told.cut(&mut BytesMut::from(&b"headhi..."[..])).ok();
            }
            encoded(Bytes::copy_from_slice(record)).ok();
        }
    }
}
