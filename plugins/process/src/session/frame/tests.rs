use prost::Message;

use super::*;

fn message(replies: Vec<v1::reply::Kind>) -> Bytes {
    let reply = |kind| v1::Reply { kind: Some(kind) };
    v1::ToHost { replies: replies.into_iter().map(reply).collect() }.encode_to_vec().into()
}

fn answer(changes: usize, fields: usize) -> v1::reply::Kind {
    let field = v1::Field { name: "n".into(), value: vec![b'v'; 40].into() };
    let replace = v1::Replace { section: 0, fields: vec![field; fields] };
    let change = v1::Change { kind: Some(v1::change::Kind::Replace(replace)) };
    let changes = vec![change; changes];
    v1::reply::Kind::Answer(v1::Answer { changes, ..v1::Answer::default() })
}

#[test]
fn replies_come_one_by_one_and_what_is_not_known_is_left_out() {
    let pong = |number| v1::reply::Kind::Pong(v1::Pong { number });
    let mut bytes = message(vec![pong(1), answer(2, 2), pong(2)]).to_vec();
    // A field of a version to come.
    bytes.extend_from_slice(&[0x7A, 2, 1, 1]);
    let mut message = Bytes::from(bytes);
    let mut seen = Vec::new();
    while let Some(reply) = next_reply(&mut message).unwrap() {
        seen.push(reply.kind.expect("a kind"));
    }
    assert_eq!(seen, [pong(1), answer(2, 2), pong(2)]);
}

#[test]
fn a_large_reply_has_as_many_parts_as_it_may() {
    // The answer, its change and the section are one part each, beside the fields.
    for (changes, fields, fits) in [
        (1, PARTS_MAX - 3, true),
        (1, PARTS_MAX - 2, false),
        (PARTS_MAX / 2, 1, false),
        (1000, 10, true),
    ] {
        let decoded = next_reply(&mut message(vec![answer(changes, fields)]));
        assert_eq!(decoded.is_ok(), fits, "{changes} with {fields}: {:?}", decoded.err());
    }
}

#[test]
fn cut_messages_are_refused() {
    let whole = message(vec![answer(2, 2)]);
    for length in 1..whole.len() {
        let refused = next_reply(&mut whole.slice(..length));
        assert!(refused.is_err(), "{length} of {}", whole.len());
    }
    assert!(next_reply(&mut Bytes::new()).unwrap().is_none());
}

#[test]
fn frames_of_codecs_and_their_fields_are_parts_as_well() {
    let decoded = |frames: usize, fields: usize| {
        let field = v1::Field { name: "n".into(), value: vec![b'v'; 40].into() };
        let (id_place, attributes) = (Some(v1::IdPlace::default()), vec![field.clone()]);
        let fields = vec![field; fields];
        let frame = v1::Frame { id_place, attributes, fields, ..v1::Frame::default() };
        let decoded = v1::Decoded { frames: vec![frame; frames], ..v1::Decoded::default() };
        let kind = Some(v1::codec_answer::Kind::Decoded(decoded));
        v1::reply::Kind::Codec(v1::CodecAnswer { kind, ..v1::CodecAnswer::default() })
    };
    // The answer, what was decoded and a frame, its place and attribute are one part each.
    for (frames, fields, fits) in
        [(1, PARTS_MAX - 5, true), (1, PARTS_MAX - 4, false), (1024, 8, true), (5000, 8, false)]
    {
        let refused = next_reply(&mut message(vec![decoded(frames, fields)])).err();
        assert_eq!(refused.is_none(), fits, "{frames} with {fields}: {refused:?}");
    }
}
