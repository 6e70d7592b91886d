use abi_process::v1::{Complete, Point, PoolMode, Release, event};

use super::*;
use crate::{
    Decoded as Found, IdPlace, IdWidth, Phases,
    backend::{Declaration, Registration},
    child::testing::{self, FakeChild, FakeHost, Script, configure, open},
};

/// Frames of a length in one byte, which counts itself, a kind, an id in four bytes, and a body,
/// which may be a deed.
struct Toy;

fn toy(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(6 + body.len()).expect("a short one");
    [&[length, kind], &id.to_be_bytes()[..], body].concat()
}

impl Codec for Toy {
    fn detect(&mut self, first: &[u8]) -> Detection {
        match first.len() {
            0 => Detection::NeedMore,
            1 => Detection::No,
            _ => Detection::Match,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Found {
        let length = usize::from(bytes[0]);
        if length < 6 {
            return Found::Lost("too short".to_owned());
        }
        let Some(frame) = bytes.get(..length) else { return Found::NeedMore { total: length } };
        let count = match &frame[6..] {
            b"panic" => panic!("at a frame"),
            b"many" => 9000,
            b"some" => 5000,
            _ => 1,
        };
        Found::Frame(Box::new(Frame {
            kind: kind_of(frame[1].into()).unwrap_or_default(),
            length,
            id: u32::from_be_bytes(frame[2..6].try_into().expect("four")).into(),
            id_place: Some(IdPlace { offset: 2, width: IdWidth::Four, little_endian: false }),
            service: "Toy".to_owned(),
            http_status: 200,
            fields: vec![(b"Name".to_vec(), b"value".to_vec()); count],
            attributes: vec![(":version".to_owned(), b"1".to_vec())],
            body: 6..length,
            ..Frame::default()
        }))
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        let kind = u8::try_from(kind_number(rewrite.kind)).ok()?;
        let [(_name, value)] = rewrite.fields.as_slice() else { return None };
        Some(toy(kind, u32::try_from(rewrite.id).ok()?, value))
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        Some(toy(3, u32::try_from(id).ok()?, b""))
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        Some(toy(2, u32::try_from(rejection.id).ok()?, rejection.message.as_bytes()))
    }

    fn go_away(&mut self) -> Option<Vec<u8>> {
        Some(vec![0; 5000])
    }
}

static SCRIPTS: &[(&str, Script)] = &[
    ("toy", Script { codec: || Some(Box::new(Toy)), ..Script::NOTHING }),
    ("none", Script::NOTHING),
    ("panic", Script { codec: || panic!("no codec"), ..Script::NOTHING }),
];

static DECLARATION: Declaration = Declaration {
    name: "probe",
    version: "1.2.3",
    plugins: &[Registration {
        root_id: "",
        phases: Phases::NONE,
        properties: &[],
        start: |config, host| testing::start(SCRIPTS, config, host),
    }],
};

/// A child with a codec, which is context 10.
async fn codec() -> (FakeChild, FakeHost) {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.start(Point::Codec, "toy").await;
    host.send([open(1, 10)]).await;
    (child, host)
}

fn decode(exchange: u64, bytes: Vec<u8>) -> event::Kind {
    event::Kind::Decode(Decode { context: 10, exchange, bytes: bytes.into() })
}

async fn ask(host: &mut FakeHost, exchange: u64, kind: event::Kind) -> Kind {
    host.send([kind]).await;
    let answer = host.codec().await;
    assert_eq!((answer.context, answer.exchange), (10, exchange));
    answer.kind.expect("an answer")
}

async fn frames(host: &mut FakeHost, bytes: Vec<u8>) -> Decoded {
    let came = ask(host, 7, decode(7, bytes)).await;
    let Kind::Decoded(decoded) = came else { panic!("{came:?}") };
    decoded
}

fn written(bytes: Vec<u8>) -> Kind {
    Kind::Written(Written { bytes: Some(bytes.into()) })
}

#[tokio::test]
async fn a_plugin_says_at_its_start_what_holds_of_its_protocol() {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.send([configure(1, Point::Codec, "toy")]).await;
    let profile = host.configured().await.codec.expect("a profile");
    assert_eq!((profile.pool(), profile.id_width), (PoolMode::Multiplexed, 4));
    assert!(profile.heartbeats && !profile.go_away);
    assert_eq!(profile.default_timeout_ms, 7);
    for (script, told) in [("none", "serves no protocol"), ("panic", "no codec")] {
        host.send([configure(2, Point::Codec, script)]).await;
        let configured = host.configured().await;
        assert!(configured.error.contains(told), "{configured:?}");
        assert_eq!(configured.codec, None);
    }
    host.send([configure(3, Point::StreamFilter, "toy")]).await;
    assert_eq!(host.configured().await.codec, None);
}

#[tokio::test]
async fn frames_are_told_of_in_a_batch() {
    let (_child, mut host) = codec().await;
    let mut bytes = [toy(0, 1, b"x"), toy(2, 2, b""), toy(0, 3, b"yz")].concat();
    bytes.pop();
    let decoded = frames(&mut host, bytes).await;
    assert_eq!((decoded.frames.len(), decoded.needed, decoded.more), (2, 8, false));
    let frame = &decoded.frames[0];
    assert_eq!((frame.id, frame.length, frame.body_start, frame.body_length), (1, 7, 6, 1));
    let place = v1::IdPlace { offset: 2, width: 4, little_endian: false };
    assert_eq!((&frame.service[..], frame.id_place), (&b"Toy"[..], Some(place)));
    assert_eq!((&frame.fields[0].name[..], frame.attributes.len()), (&b"Name"[..], 1));
    assert_eq!(decoded.frames[1].kind(), v1::FrameKind::FrameResponse);
    let decoded = frames(&mut host, [toy(0, 1, b""), vec![1, 2]].concat()).await;
    assert_eq!((decoded.frames.len(), decoded.lost.as_deref()), (1, Some(&b"too short"[..])));
}

#[tokio::test]
async fn what_an_answer_has_no_room_for_is_told_of_in_the_next_one() {
    let (_child, mut host) = codec().await;
    let decoded = frames(&mut host, toy(0, 1, b"").repeat(FRAMES_MAX + 1)).await;
    assert_eq!((decoded.frames.len(), decoded.more), (FRAMES_MAX, true));
    let decoded = frames(&mut host, toy(0, 1, b"").repeat(FRAMES_MAX)).await;
    assert_eq!((decoded.frames.len(), decoded.more), (FRAMES_MAX, false));
    let decoded = frames(&mut host, toy(0, 1, b"some").repeat(2)).await;
    assert_eq!((decoded.frames.len(), decoded.more), (1, true), "of fields, too");
    let decoded = frames(&mut host, toy(0, 1, b"many")).await;
    assert_eq!((decoded.frames[0].fields.len(), decoded.more), (FRAME_FIELDS_MAX, false));
}

#[tokio::test]
async fn frames_are_written_for_the_host() {
    let (_child, mut host) = codec().await;
    let mut encode = Encode { context: 10, exchange: 1, id: 9, ..Encode::default() };
    assert_eq!(
        ask(&mut host, 1, event::Kind::Encode(encode.clone())).await,
        Kind::Written(Written { bytes: None }),
    );
    encode.fields.push(field(b"Name".to_vec(), b"other".to_vec()));
    let came = ask(&mut host, 1, event::Kind::Encode(encode)).await;
    assert_eq!(came, written(toy(0, 9, b"other")));
    let beat = Heartbeat { context: 10, exchange: 2, id: 5 };
    assert_eq!(ask(&mut host, 2, event::Kind::Heartbeat(beat)).await, written(toy(3, 5, b"")));
    let reply = HeartbeatReply { context: 10, exchange: 3, ..HeartbeatReply::default() };
    let came = ask(&mut host, 3, event::Kind::HeartbeatReply(reply)).await;
    assert_eq!(came, Kind::Written(Written { bytes: None }), "it has none");
    let reject =
        Reject { context: 10, exchange: 4, id: 6, message: "no".into(), ..Reject::default() };
    assert_eq!(ask(&mut host, 4, event::Kind::Reject(reject)).await, written(toy(2, 6, b"no")));
    for (first, expected) in
        [(0, v1::Detection::NeedMore), (1, v1::Detection::NoMatch), (2, v1::Detection::Match)]
    {
        let detect = Detect { context: 10, exchange: 5, first: vec![0; first].into() };
        let came = ask(&mut host, 5, event::Kind::Detect(detect)).await;
        assert_eq!(came, Kind::Detection(expected.into()));
    }
}

#[tokio::test]
async fn a_panic_fails_the_instance_and_ends_its_codecs() {
    let (_child, mut host) = codec().await;
    let came = ask(&mut host, 1, decode(1, toy(0, 1, b"panic"))).await;
    let Kind::Failed(error) = came else { panic!("{came:?}") };
    assert!(error.ends_with("at a frame"), "{error}");
    // Nothing of it is here any more; another one starts.
    host.send([decode(2, toy(0, 1, b"")), configure(2, Point::Codec, "toy")]).await;
    assert_eq!(host.configured().await.error, "");
    assert!(host.logs.iter().any(|line| line.contains("was ignored")), "{:?}", host.logs);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_a_failure() {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.connect(None).await.expect("a session");
    let limits = v1::Limits { message_bytes_max: 1024, ..v1::Limits::default() };
    host.send([testing::hello(limits)]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
    host.start(Point::Codec, "toy").await;
    host.send([open(1, 10)]).await;
    let go_away = event::Kind::GoAway(GoAway { context: 10, exchange: 1 });
    let came = ask(&mut host, 1, go_away).await;
    let Kind::Failed(error) = came else { panic!("{came:?}") };
    assert!(error.contains("more than the proxy takes"), "{error}");
}

#[tokio::test]
async fn a_codec_that_is_over_is_gone() {
    let (_child, mut host) = codec().await;
    let complete = event::Kind::Complete(Complete { context: 10, ..Complete::default() });
    host.send([complete, decode(1, toy(0, 1, b"")), open(1, 11)]).await;
    let detect = Detect { context: 11, exchange: 2, first: vec![0; 2].into() };
    host.send([event::Kind::Detect(detect)]).await;
    assert_eq!(host.codec().await.context, 11, "nothing is answered for the other one");
    host.send([event::Kind::Release(Release { instance: 1 })]).await;
    host.send([configure(1, Point::Codec, "toy")]).await;
    assert_eq!(host.configured().await.error, "");
}

#[tokio::test]
async fn frames_come_the_same_way_over_tcp() {
    let child = FakeChild::tcp(&DECLARATION, Some("token"));
    let mut host = child.connect(Some("token")).await.expect("a session");
    host.send([testing::hello(v1::Limits::default())]).await;
    assert!(matches!(host.next().await, Some(reply::Kind::Hello(_))));
    host.start(Point::Codec, "toy").await;
    host.send([open(1, 10)]).await;
    let bytes = [toy(0, 1, b"x"), toy(2, 2, b"")].concat();
    for split in 0..bytes.len() {
        let decoded = frames(&mut host, bytes[..split].to_vec()).await;
        assert_eq!(decoded.frames.len(), usize::from(split >= 7), "{split}");
    }
    assert_eq!(frames(&mut host, bytes).await.frames.len(), 2);
}

#[tokio::test]
async fn a_filter_is_not_asked_for_frames() {
    let child = FakeChild::new(&DECLARATION, None);
    let mut host = child.greet().await;
    host.open_stream("toy").await;
    let came = ask(&mut host, 1, decode(1, toy(0, 1, b""))).await;
    let Kind::Failed(error) = came else { panic!("{came:?}") };
    assert!(error.contains("is no codec"), "{error}");
}
