use bytes::BytesMut;
use host_types::{Frame, FrameKind, IdPlace, IdWidth};

use super::{
    FRAME_FIELDS_MAX, FrameRecord, RecordPlace, check_needed, frame_kind_number, kind, record_text,
};

type Pair<'a> = (&'a [u8], &'a [u8]);

/// A request of eight bytes: the id 7 in four, then a body of two.
const BYTES: &[u8] = &[0, 0, 0, 7, 0, 0, b'h', b'i', 0xEE];

fn record() -> FrameRecord<'static> {
    FrameRecord {
        length: 8,
        id: 7,
        id_place: Some(RecordPlace { offset: 0, width: 4, little_endian: false }),
        service: b"Echo",
        method: b"say",
        timeout_ms: Some(30),
        body_start: 6,
        body_length: 2,
        ..FrameRecord::default()
    }
}

fn cut(
    record: FrameRecord<'_>,
    fields: &[Pair<'_>],
    attributes: &[Pair<'_>],
) -> Result<Frame, String> {
    let mut bytes = BytesMut::from(BYTES);
    let (fields, attributes) = (fields.iter().copied(), attributes.iter().copied());
    record.cut(&mut bytes, fields, attributes).map_err(|error| error.to_string())
}

#[test]
fn a_frame_is_cut_out_of_the_hosts_own_bytes() {
    let mut bytes = BytesMut::from(BYTES);
    let fields = [(&b"Key"[..], &b"value"[..])];
    let attributes = [(&b":version"[..], &b"1"[..])];
    let frame = record().cut(&mut bytes, fields.into_iter(), attributes.into_iter());
    let frame = frame.expect("a frame");
    assert_eq!(
        (&bytes[..], &frame.raw[..], &frame.body[..]),
        (&BYTES[8..], &BYTES[..8], &b"hi"[..])
    );
    assert_eq!((frame.kind, frame.id), (FrameKind::Request, 7));
    assert_eq!((&*frame.service, &*frame.method), ("Echo", "say"));
    assert_eq!(frame.timeout.map(|timeout| timeout.as_millis()), Some(30));
    let place = IdPlace { offset: 0, width: IdWidth::Four, little_endian: false };
    assert_eq!(frame.id_place, Some(place));
    assert_eq!(frame.fields.get(b"Key"), Some(&b"value"[..]));
    assert_eq!(frame.fields.get(b":version"), Some(&b"1"[..]));
    assert_eq!(frame.malformed, None);
    assert!(!frame.fields.is_changed());
}

#[track_caller]
fn lies(change: impl FnOnce(&mut FrameRecord<'static>), told: &str) {
    let mut record = record();
    change(&mut record);
    let why = cut(record, &[], &[]).expect_err("it lies");
    assert!(why.contains(told), "{why}");
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    lies(|it| it.length = 0, "empty");
    lies(|it| it.length = 10, "longer than its bytes");
    lies(|it| it.length = u64::MAX, "longer than its bytes");
    lies(|it| it.kind = 6, "no known kind");
    lies(|it| it.body_start = 7, "a body");
    lies(|it| it.body_length = u64::MAX, "a body");
    lies(|it| it.id = 8, "does not stand");
    lies(|it| it.id = 7 << 32 | 7, "does not stand");
    let place = |offset, width, little_endian| Some(RecordPlace { offset, width, little_endian });
    lies(|it| it.id_place = place(0, 5, false), "neither 4 bytes nor 8");
    lies(|it| it.id_place = place(5, 4, false), "an id that is not inside");
    lies(|it| it.id_place = place(u64::MAX, 8, false), "an id that is not inside");
    lies(|it| it.id_place = place(0, 4, true), "does not stand");
    for http_status in [0, 199, 600, u32::MAX] {
        lies(|it| (it.kind, it.http_status) = (2, http_status), "HTTP status");
    }
    let why = cut(record(), &[], &[(b"version", b"1")]).expect_err("it lies");
    assert!(why.contains("colon"), "{why}");
}

#[test]
fn a_little_endian_id_is_read_from_its_first_byte() {
    let place = Some(RecordPlace { offset: 0, width: 4, little_endian: true });
    let record = FrameRecord { id: 7 << 24, id_place: place, ..record() };
    assert_eq!(cut(record, &[], &[]).map(|frame| frame.id), Ok(7 << 24));
    let place = Some(RecordPlace { offset: 0, width: 8, little_endian: false });
    let id = u64::from_be_bytes(BYTES[..8].try_into().expect("eight"));
    let record = FrameRecord { id, id_place: place, ..record };
    assert_eq!(cut(record, &[], &[]).map(|frame| frame.id), Ok(id));
}

#[test]
fn what_a_peer_can_bring_about_is_a_malformed_frame() {
    let many = vec![(&b"k"[..], &b"v"[..]); FRAME_FIELDS_MAX + 1];
    let frame = cut(record(), &many, &[]).expect("a frame");
    assert!(frame.malformed.is_some());
    let large = vec![b'x'; 2 << 20];
    let frame = cut(record(), &[(b"k", &large)], &[]).expect("a frame");
    assert!(frame.malformed.is_some());
    let frame = cut(FrameRecord { service: b"a\xFF", ..record() }, &[], &[]).expect("a frame");
    assert_eq!(&*frame.service, "a\u{FFFD}");
    let said = FrameRecord { malformed: Some(b"no\x1B[2J"), ..record() };
    let frame = cut(said, &[], &[]).expect("a frame");
    assert_eq!(frame.malformed.as_deref(), Some("no [2J"));
    assert!(record_text(&[b'x'; 9000]).len() <= 256);
}

#[test]
fn kinds_and_their_numbers_are_the_same_both_ways() {
    let known: Vec<_> = (0..9).filter_map(|number| Some((number, kind(number)?))).collect();
    assert_eq!(known.len(), 6);
    for (number, kind) in known {
        assert_eq!(frame_kind_number(kind), number);
    }
}

#[test]
fn bytes_that_are_there_are_not_waited_for() {
    assert_eq!(check_needed(0, 5), Ok(0));
    assert_eq!(check_needed(6, 5), Ok(6));
    assert_eq!(check_needed(u64::MAX, 5), Ok(usize::MAX));
    for needed in [1, 5] {
        let why = check_needed(needed, 5).expect_err("it lies").to_string();
        assert!(why.contains("bytes that are there"), "{why}");
    }
}

/// Numbers that look random, and are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A number near the border of what can be, or far from it.
    fn place(&mut self) -> u64 {
        match self.next() % 8 {
            0 => u64::MAX - self.next() % 4,
            1 => u64::from(u32::MAX) + self.next() % 4,
            _ => self.next() % 12,
        }
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.next() % 9).expect("small")
    }
}

#[test]
fn whatever_a_plugin_tells_frames_are_inside_of_their_bytes() {
    let (mut dice, mut taken) = (Dice(7), 0);
    for _ in 0..200_000 {
        let place = RecordPlace {
            offset: dice.place(),
            width: dice.small(),
            little_endian: dice.next().is_multiple_of(2),
        };
        let record = FrameRecord {
            length: dice.place(),
            kind: dice.small(),
            id: dice.place(),
            id_place: dice.next().is_multiple_of(4).then_some(place),
            http_status: dice.small() * 100,
            body_start: dice.place(),
            body_length: dice.place(),
            malformed: dice.next().is_multiple_of(5).then_some(b"\xFF\n"),
            ..FrameRecord::default()
        };
        let mut bytes = BytesMut::from(BYTES);
        match record.cut(&mut bytes, [].into_iter(), [].into_iter()) {
            Ok(frame) => {
                taken += 1;
                assert_eq!(frame.raw.len() + bytes.len(), BYTES.len());
                assert!(!frame.raw.is_empty() && frame.body.len() <= frame.raw.len());
                let place = frame.id_place.map(|place| place.range(frame.raw.len()));
                assert_ne!(place, Some(None));
            }
            Err(_lie) => assert_eq!(bytes, BYTES, "nothing is taken"),
        }
    }
    assert!(taken > 1000, "{taken}");
}
