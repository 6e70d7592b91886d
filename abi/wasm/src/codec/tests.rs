use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any},
    prop_assert_eq, proptest,
};

use super::{
    AnswerReader, AnswerWriter, EncodeOrder, FRAMES_MAX, FrameEntry, IdEntry, PoolMode,
    ProfileWord, RecordError, RejectOrder, ReplyOrder, pack, unpack,
};

type Owned = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(owned: &Owned) -> Vec<(&[u8], &[u8])> {
    owned.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}

fn entry() -> FrameEntry<'static> {
    FrameEntry {
        length: 24,
        kind: 2,
        id: 0x0102_0304_0506_0708,
        id_place: Some(IdEntry { offset: 5, is_wide: true, is_little_endian: false }),
        service: b"Echo",
        method: b"say",
        timeout_ms: Some(3000),
        status: 7,
        http_status: 504,
        body_start: 22,
        body_length: 2,
        malformed: Some(b"odd"),
    }
}

fn written(frames: &[FrameEntry<'_>], needed: u32, lost: Option<&[u8]>) -> Vec<u8> {
    let mut record = b"what was there before".to_vec();
    let mut writer = AnswerWriter::new(&mut record);
    for entry in frames {
        writer.frame(entry, [("Key", "value")].into_iter(), [(":version", b"1")].into_iter());
    }
    writer.finish(needed, lost);
    record
}

/// How many frames a record tells of, how many bytes are needed, and why nothing follows.
type Said<'a> = (usize, u32, Option<&'a [u8]>);

fn read(record: &[u8]) -> Result<Said<'_>, RecordError> {
    let mut reader = AnswerReader::new(record)?;
    let needed = reader.needed();
    let mut frames = 0;
    while let Some((_entry, fields, attributes)) = reader.frame()? {
        assert_eq!(fields.len(), fields.count());
        assert_eq!(attributes.len(), attributes.count());
        frames += 1;
    }
    Ok((frames, needed, reader.finish()?))
}

#[test]
fn an_answer_has_the_bytes_that_the_readme_says() {
    let record = written(&[entry()], 40, Some(b"why"));
    let expect = [
        &b"\x01\0\x01\0\x01\0\0\0\x28\0\0\0"[..],
        b"\x18\0\0\0\x02\x1b\xf8\x01\x07\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\x05\0\0\0",
        b"\xb8\x0b\0\0\x16\0\0\0\x02\0\0\0",
        b"\x04\0\0\0Echo\x03\0\0\0say\x03\0\0\0odd",
        b"\x01\0\0\0\x03\0\0\0Key\x05\0\0\0value",
        b"\x01\0\0\0\x08\0\0\0:version\x01\0\0\x001",
        b"\x03\0\0\0why",
    ];
    assert_eq!(record, expect.concat());
    let mut reader = AnswerReader::new(&record).expect("a record");
    assert_eq!((reader.frames(), reader.needed()), (1, 40));
    let (found, fields, attributes) = reader.frame().expect("sound").expect("one");
    assert_eq!(found, entry());
    assert_eq!(fields.collect::<Vec<_>>(), [(&b"Key"[..], &b"value"[..])]);
    assert_eq!(attributes.collect::<Vec<_>>(), [(&b":version"[..], &b"1"[..])]);
    assert!(reader.frame().expect("sound").is_none());
    assert_eq!(reader.finish(), Ok(Some(&b"why"[..])));
}

#[test]
fn what_has_not_the_form_of_a_record_is_refused_by_what_is_wrong_with_it() {
    let sound = written(&[entry()], 0, None);
    assert_eq!(read(&sound), Ok((1, 0, None)));
    for end in 0..sound.len() {
        assert_eq!(read(&sound[..end]), Err(RecordError::CutOff), "cut at {end}");
    }
    let change = |at: usize, byte: u8| {
        let mut record = sound.clone();
        record[at] = byte;
        read(&record).map(|_| ())
    };
    assert_eq!(change(0, 2), Err(RecordError::Version(2)));
    assert_eq!(change(2, 2), Err(RecordError::Flags));
    assert_eq!(change(17, 0x20), Err(RecordError::Flags));
    assert_eq!(change(5, 4), Err(RecordError::TooMany(1025)));
    assert_eq!(change(4, 0), Err(RecordError::Trailing));
    let trailing = [&sound[..], b"x"].concat();
    assert_eq!(read(&trailing), Err(RecordError::Trailing));
    let most = vec![FrameEntry::default(); FRAMES_MAX];
    assert_eq!(read(&written(&most, 9, None)), Ok((FRAMES_MAX, 9, None)));
    let many = vec![FrameEntry::default(); FRAMES_MAX + 1];
    assert_eq!(read(&written(&many, 9, None)), Err(RecordError::TooMany(1025)));
}

fn encode(body: &[u8], body_start: Option<usize>, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let fields = fields.iter().copied();
    let raw = b"head-hi";
    let order = EncodeOrder {
        kind: 1,
        old_id: 5,
        id: 6,
        raw,
        fields,
        fields_changed: true,
        body,
        body_start,
    };
    let mut record = vec![0; 3];
    order.write(&mut record);
    record
}

#[test]
fn a_body_that_did_not_change_is_told_by_its_place() {
    let record = encode(b"hi", Some(5), &[(b"k", b"v")]);
    let expect = [
        &b"\x01\0\x01\x01\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x25\0\0\0\x02\0\0\0"[..],
        b"\x07\0\0\0head-hi\x01\0\0\0\x01\0\0\0k\x01\0\0\0v",
    ];
    assert_eq!(record, expect.concat());
    let order = EncodeOrder::read(&record).expect("an order");
    assert_eq!((order.kind, order.old_id, order.id), (1, 5, 6));
    assert_eq!((order.raw, order.body, order.body_start), (&b"head-hi"[..], &b"hi"[..], Some(5)));
    assert!(order.fields_changed);
    assert_eq!(order.fields.collect::<Vec<_>>(), [(&b"k"[..], &b"v"[..])]);
    let record = encode(b"another", None, &[]);
    let order = EncodeOrder::read(&record).expect("an order");
    assert_eq!((order.raw, order.body, order.body_start), (&b"head-hi"[..], &b"another"[..], None));
}

#[test]
fn an_order_that_lies_is_refused() {
    let sound = encode(b"another", None, &[]);
    let change = |at: usize, byte: u8| {
        let mut record = sound.clone();
        record[at] = byte;
        EncodeOrder::read(&record).map(|_| ())
    };
    assert_eq!(change(0, 9), Err(RecordError::Version(9)));
    assert_eq!(change(3, 4), Err(RecordError::Flags));
    assert_eq!(change(23, 0xFF), Err(RecordError::Outside));
    assert_eq!(change(24, 8), Err(RecordError::Outside));
    assert_eq!(EncodeOrder::read(&sound[..20]).map(|_| ()), Err(RecordError::CutOff));
    assert_eq!(ReplyOrder::read(b"\x01\0\x01\0").map(|_| ()), Err(RecordError::Flags));
}

#[test]
fn an_answer_of_bytes_is_one_number_and_nothing_is_none() {
    assert_eq!(unpack(pack(7, 9)), Some((7, 9)));
    assert_eq!(unpack(pack(u32::MAX, u32::MAX)), Some((u32::MAX, u32::MAX)));
    assert_eq!((pack(7, 0), unpack(0), unpack(7 << 32)), (0, None, None));
}

#[test]
fn a_profile_is_one_number() {
    let profile = ProfileWord {
        pool: PoolMode::PingPong,
        wide_ids: true,
        heartbeats: false,
        go_away: true,
        default_timeout_ms: 3000,
    };
    assert_eq!(profile.pack(), 3000 << 32 | 0x05_01_01);
    assert_eq!(ProfileWord::unpack(profile.pack()), Some(profile));
    assert_eq!(ProfileWord::unpack(ProfileWord::default().pack()), Some(ProfileWord::default()));
    for senseless in [0, 2, 0x03_01, 0x08_00_01, 0x01_00_00_01] {
        assert_eq!(ProfileWord::unpack(senseless), None, "{senseless:#x}");
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    vec((vec(any::<u8>(), 0..12), vec(any::<u8>(), 0..20)), 0..5)
}

proptest! {
    #[test]
    fn what_is_told_comes_back(
        numbers in any::<(u32, u8, u64, u32, u16, u32, u32)>(),
        place in option::of(any::<(u32, bool, bool)>()),
        timeout_ms in option::of(any::<u32>()),
        texts in any::<(Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)>(),
        (fields, attributes) in (owned(), owned()),
        (count, needed) in (0_usize..4, any::<u32>()),
    ) {
        let (length, kind, id, status, http_status, body_start, body_length) = numbers;
        let id_place = place.map(|(offset, is_wide, is_little_endian)| {
            IdEntry { offset, is_wide, is_little_endian }
        });
        let (service, method, malformed, lost) = &texts;
        let malformed = malformed.as_deref();
        let entry = FrameEntry {
            length, kind, id, id_place, service, method, timeout_ms, status, http_status,
            body_start, body_length, malformed,
        };
        let mut record = Vec::new();
        let mut writer = AnswerWriter::new(&mut record);
        for _ in 0..count {
            writer.frame(&entry, pairs(&fields).into_iter(), pairs(&attributes).into_iter());
        }
        writer.finish(needed, lost.as_deref());
        let mut reader = AnswerReader::new(&record).expect("a record");
        prop_assert_eq!((reader.frames(), reader.needed()), (count, needed));
        while let Some((found, its_fields, its_attributes)) = reader.frame().expect("sound") {
            prop_assert_eq!(found, entry);
            prop_assert_eq!(its_fields.collect::<Vec<_>>(), pairs(&fields));
            prop_assert_eq!(its_attributes.collect::<Vec<_>>(), pairs(&attributes));
        }
        prop_assert_eq!(reader.finish(), Ok(lost.as_deref()));
    }

    #[test]
    fn orders_come_back(
        (raw, body, message) in any::<(Vec<u8>, Vec<u8>, Vec<u8>)>(),
        fields in owned(),
        (old_id, id, status, kind, fields_changed) in any::<(u64, u64, u16, u8, bool)>(),
        at in option::of(0_usize..40),
    ) {
        let pairs = pairs(&fields);
        let body_start = at.filter(|at| *at < raw.len());
        let body = match body_start {
            Some(start) => &raw[start..],
            None => &body[..],
        };
        let mut record = Vec::new();
        let fields = pairs.iter().copied();
        EncodeOrder { kind, old_id, id, raw: &raw, fields, fields_changed, body, body_start }
            .write(&mut record);
        let order = EncodeOrder::read(&record).expect("an order");
        prop_assert_eq!((order.kind, order.old_id, order.id), (kind, old_id, id));
        prop_assert_eq!((order.raw, order.body, order.body_start), (&raw[..], body, body_start));
        prop_assert_eq!(order.fields_changed, fields_changed);
        prop_assert_eq!(order.fields.collect::<Vec<_>>(), &pairs[..]);

        let fields = pairs.iter().copied();
        RejectOrder { request: &raw, id, status, message: &message, fields, body }
            .write(&mut record);
        let order = RejectOrder::read(&record).expect("an order");
        prop_assert_eq!((order.request, order.id, order.status), (&raw[..], id, status));
        prop_assert_eq!((order.message, order.body), (&message[..], body));
        prop_assert_eq!(order.fields.collect::<Vec<_>>(), &pairs[..]);

        ReplyOrder { heartbeat: &raw, id }.write(&mut record);
        prop_assert_eq!(ReplyOrder::read(&record), Ok(ReplyOrder { heartbeat: &raw, id }));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..120), at in 0_usize..200, byte: u8) {
        read(&bytes).ok();
        EncodeOrder::read(&bytes).ok();
        RejectOrder::read(&bytes).ok();
        ReplyOrder::read(&bytes).ok();
        let mut record = written(&[entry(), entry()], 7, Some(&bytes));
        if let Some(place) = record.get_mut(at) {
            *place = byte;
        }
        read(&record).ok();
        let mut order = encode(&bytes, None, &[(b"k", b"v")]);
        if let Some(place) = order.get_mut(at) {
            *place = byte;
        }
        EncodeOrder::read(&order).ok();
    }
}
