//! Whatever a guest answers, frames come out of the host's own bytes, in order and whole.

use abi_wasm::codec::{AnswerWriter, FrameEntry, IdEntry};
use bytes::BytesMut;
use host_extension::Decoded;
use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any},
    prop_assert, prop_assert_eq, proptest,
};

use super::cut;

const INPUT: &[u8] = b"\0\0\0\x01aaaa\0\0\0\x02bb\0\0\0\x03cccccccccccc and what is left";

/// An answer about [`INPUT`] that may be sound.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let entry =
        (0_u32..30, 0_u8..8, 0_u64..4, option::of(0_u32..4), 0_u32..12, 0_u32..12, 0_u16..700);
    let frames = vec(entry, 0..4);
    (frames, 0_u32..80, option::of(vec(any::<u8>(), 0..300))).prop_map(|(frames, needed, lost)| {
        let mut record = Vec::new();
        let mut writer = AnswerWriter::new(&mut record);
        for (length, kind, id, place, body_start, body_length, http_status) in frames {
            let id_place = place.map(|offset| IdEntry { offset, ..IdEntry::default() });
            let entry = FrameEntry {
                length,
                kind,
                id,
                id_place,
                body_start,
                body_length,
                http_status,
                ..FrameEntry::default()
            };
            writer.frame(&entry, [("k", "v")].into_iter(), [(":a", "v")].into_iter());
        }
        writer.finish(needed, lost.as_deref());
        record
    })
}

fn check(record: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let (mut bytes, mut decoded) = (BytesMut::from(INPUT), Decoded::default());
    let told = cut(record, &mut bytes, &mut decoded);
    let frames: Vec<u8> = decoded.frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
    prop_assert_eq!([&frames[..], &bytes[..]].concat(), INPUT);
    for frame in &decoded.frames {
        prop_assert!(!frame.raw.is_empty());
        prop_assert!(frame.body.is_empty() || super::body_start(frame).is_some());
        prop_assert!((200..=599).contains(&frame.status.http));
    }
    if told.is_ok() {
        prop_assert!(decoded.needed == 0 || decoded.needed > bytes.len());
        prop_assert!(decoded.lost.is_none_or(|why| why.len() <= 1024));
    }
    Ok(())
}

#[test]
fn a_sound_answer_is_believed() {
    let mut record = Vec::new();
    let mut writer = AnswerWriter::new(&mut record);
    let id_place = Some(IdEntry::default());
    for (length, id) in [(8, 1), (6, 2)] {
        let entry = FrameEntry {
            length,
            id,
            id_place,
            body_start: 4,
            body_length: length - 4,
            ..FrameEntry::default()
        };
        writer.frame(&entry, [("k", "v")].into_iter(), [(":a", "v")].into_iter());
    }
    writer.finish(60, None);
    let (mut bytes, mut decoded) = (BytesMut::from(INPUT), Decoded::default());
    assert_eq!(cut(&record, &mut bytes, &mut decoded), Ok(true));
    let bodies: Vec<_> = decoded.frames.iter().map(|frame| &frame.body[..]).collect();
    assert_eq!((bodies, decoded.needed), (vec![&b"aaaa"[..], b"bb"], 60));
}

proptest! {
    #[test]
    fn no_answer_makes_the_host_panic_or_lose_bytes(
        random in vec(any::<u8>(), 0..200),
        sound in answer(),
        (at, byte) in any::<(proptest::sample::Index, u8)>(),
    ) {
        check(&random)?;
        check(&sound)?;
        let mut changed = sound;
        let at = at.index(changed.len());
        changed[at] = byte;
        check(&changed)?;
        changed.truncate(at);
        check(&changed)?;
    }
}
