use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecProfile, CodecStep, Decoded, Detection, ExtensionPoint, FRAMES_MAX, FaultKind,
    FilterFactory, PluginFault, PoolMode, Rejection, Rewrite,
};
use host_types::{FieldList, Frame, FrameKind, IdWidth, NativeAllowed, NativeSettings};

use crate::testing::{BACKEND, Worker, builtin, codecs::toy, compile, with_spec};

fn factory(worker: &Worker, config: &str) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    worker.start_at(ExtensionPoint::Codec, &*builtin("toy")?, config)
}

fn codec() -> Rc<dyn Codec> {
    let worker = Worker::new();
    factory(&worker, "").and_then(|factory| factory.codec()).expect("it serves")
}

fn ready<T>(step: CodecStep<T>) -> Result<T, PluginFault> {
    match step {
        CodecStep::Ready(answer) => answer,
        CodecStep::Later(_) => panic!("a library answers at once"),
    }
}

fn decode(codec: &dyn Codec, bytes: &[u8]) -> Decoded {
    ready(codec.decode(BytesMut::from(bytes))).expect("it decodes")
}

fn one(codec: &dyn Codec, bytes: &[u8]) -> Frame {
    let mut decoded = decode(codec, bytes);
    assert_eq!((decoded.frames.len(), decoded.rest.len()), (1, 0));
    decoded.frames.remove(0)
}

#[test]
fn what_holds_of_a_protocol_is_known_once_it_was_started() {
    let profile = factory(&Worker::new(), "").expect("it starts").codec_profile();
    assert_eq!((profile.pool, profile.id_width), (PoolMode::PingPong, IdWidth::Four));
    assert!(profile.heartbeats && profile.go_away);
    assert_eq!(profile.default_timeout.map(|timeout| timeout.as_millis()), Some(250));
}

#[test]
fn a_frame_is_told_of_with_all_that_is_known() {
    let bytes = toy(0, 7, "say", b"hello");
    let frame = one(&*codec(), &bytes);
    assert_eq!((frame.kind, frame.id), (FrameKind::Request, 7));
    assert_eq!((&*frame.service, &*frame.method), ("Toy", "say"));
    assert_eq!((&frame.raw[..], &frame.body[..]), (&bytes[..], &b"hello"[..]));
    assert_eq!(frame.timeout.map(|timeout| timeout.as_millis()), Some(40));
    assert_eq!(frame.fields.get(b"key"), Some(&b"say"[..]));
    assert_eq!(frame.fields.get(b":version"), Some(&b"1"[..]));
    let patched = Frame::patched(frame.raw, frame.id_place.expect("a place"), 9);
    assert_eq!(patched, Some(Bytes::from(toy(0, 9, "say", b"hello"))));
    let response = one(&*codec(), &toy(2, 1, "", b""));
    assert_eq!((response.status.code, response.status.http), (9, 200));
}

#[test]
fn bytes_may_be_split_anywhere() {
    let codec = codec();
    let all = [toy(0, 1, "a", b"x"), toy(1, 2, "", b""), toy(2, 3, "bcd", b"yz")].concat();
    for split in 0..=all.len() {
        let mut first = decode(&*codec, &all[..split]);
        let mut bytes = first.rest.split();
        assert!(first.needed == 0 || first.needed > bytes.len());
        bytes.extend_from_slice(&all[split..]);
        let second = decode(&*codec, &bytes);
        let ids: Vec<_> = first.frames.iter().chain(&second.frames).map(|it| it.id).collect();
        assert_eq!((ids.as_slice(), second.rest.len()), (&[1, 2, 3][..], 0), "at {split}");
    }
}

#[test]
fn more_frames_than_one_answer_has_are_asked_for_again() {
    let count = 2 * FRAMES_MAX + 3;
    let mut bytes = toy(0, 1, "", b"").repeat(count);
    bytes.truncate(bytes.len() - 1);
    let decoded = decode(&*codec(), &bytes);
    assert_eq!((decoded.frames.len(), decoded.rest.len(), decoded.needed), (count - 1, 8, 0));
}

#[test]
fn bytes_of_another_protocol_are_lost_and_a_bad_frame_is_malformed() {
    let codec = codec();
    let decoded = decode(&*codec, &[toy(0, 1, "", b""), b"GET / ".to_vec()].concat());
    assert_eq!((decoded.frames.len(), decoded.lost.as_deref()), (1, Some("no magic")));
    assert_eq!(&decoded.rest[..], b"GET / ");
    let mut bytes = toy(0, 1, "abc", b"");
    bytes[8] = 200;
    let frame = one(&*codec, &bytes);
    assert_eq!(frame.malformed.as_deref(), Some("a key that is too long"));
    let detect = |first: &[u8]| ready(codec.detect(first));
    assert_eq!(detect(b""), Ok(Detection::NeedMore));
    assert_eq!(detect(&[0xA5]), Ok(Detection::Match));
    assert_eq!(detect(b"G"), Ok(Detection::No));
}

#[test]
fn a_changed_frame_is_written_again() {
    let codec = codec();
    let mut frame = one(&*codec, &toy(0, 7, "say", b"hello"));
    frame.fields.replace(b"key", b"sing").expect("a field");
    frame.body = Bytes::from_static(b"more");
    let write = |frame: &Frame| ready(codec.encode(Rewrite { frame, id: 8, body_changed: true }));
    assert_eq!(write(&frame), Ok(Some(Bytes::from(toy(0, 8, "sing", b"more")))));
    frame.fields.add(b"other", b"field").expect("a field");
    assert_eq!(write(&frame), Ok(None), "the protocol has one field");
}

#[test]
fn the_host_has_frames_of_its_own_written() {
    let codec = codec();
    let beat = ready(codec.heartbeat(5)).expect("it writes").expect("one");
    assert_eq!(beat, toy(3, 5, "", b""));
    let beat = one(&*codec, &beat);
    let reply = ready(codec.heartbeat_reply(&beat));
    assert_eq!(reply, Ok(Some(Bytes::from(toy(4, 5, "", &[0xA5])))));
    let mut fields = FieldList::default();
    fields.add(b"x", b"y").expect("a field");
    let (request, fields) = (&beat, &fields);
    let reject = |status| {
        ready(codec.reject(Rejection { request, status, message: "no route", fields, body: b"" }))
    };
    assert_eq!(reject(404), Ok(Some(Bytes::from(toy(2, 5, "", b"404 no route 1")))));
    assert_eq!(reject(599), Ok(None), "it has no words for it");
    assert_eq!(ready(codec.go_away()), Ok(Some(Bytes::from(toy(5, 0, "", b"")))));
}

/// What a plugin fails at, and how the codec of another connection is afterwards.
#[track_caller]
fn fails(deed: &[u8], kind: FaultKind, told: &str, after: Option<FaultKind>) {
    let worker = Worker::new();
    let factory = factory(&worker, "").expect("it starts");
    let codec = factory.codec().expect("it serves");
    let other = factory.codec().expect("it serves");
    let fault = match deed {
        b"detect" => ready(codec.detect(b"!")).map(drop),
        b"encode" => {
            let mut frame = one(&*codec, &toy(0, 1, "", b""));
            frame.body = Bytes::from_static(b"panic-encode");
            let rewrite = Rewrite { frame: &frame, id: 8, body_changed: true };
            ready(codec.encode(rewrite)).map(drop)
        }
        deed => {
            let bytes = [toy(0, 1, "", b""), toy(0, 2, "", deed), toy(0, 3, "", b"")].concat();
            ready(codec.decode(BytesMut::from(&bytes[..]))).map(drop)
        }
    };
    let fault = fault.expect_err("it fails");
    assert!(fault.kind == kind && fault.message.contains(told), "{fault}");
    assert_eq!(other.is_lost(), after.is_some());
    assert_eq!(ready(other.go_away()).err().map(|fault| fault.kind), after);
    assert_eq!(factory.codec().err().map(|fault| fault.kind), after);
}

#[test]
fn a_panic_is_the_end_of_the_instance() {
    let lost = Some(FaultKind::InstanceLost);
    fails(b"panic", FaultKind::Trapped, "at a frame", lost);
    fails(b"detect", FaultKind::Trapped, "at the first bytes", lost);
    fails(b"encode", FaultKind::Trapped, "at a frame to write", lost);
}

#[test]
fn a_lie_is_a_fault_that_other_connections_do_not_feel() {
    fails(b"lie", FaultKind::Protocol, "longer than its bytes", None);
    fails(b"lie-needed", FaultKind::Protocol, "waits for bytes that are there", None);
    fails(b"lie-id", FaultKind::Protocol, "an id that does not stand", None);
    fails(b"lie-body", FaultKind::Protocol, "a body that is not inside", None);
    fails(b"lie-status", FaultKind::Protocol, "HTTP status", None);
    fails(b"lie-attribute", FaultKind::Protocol, "colon", None);
}

#[test]
fn what_serves_no_protocol_does_not_start_as_one() {
    let worker = Worker::new();
    let fault = factory(&worker, "none").map(drop).expect_err("it makes no codec");
    assert!(fault.message.contains("serves no protocol"), "{fault}");
    let script = builtin("script").expect("it is compiled in");
    let fault = worker.start_at(ExtensionPoint::Codec, &*script, "").map(drop);
    assert!(fault.expect_err("it has none").message.contains("serves no protocol"));
}

#[test]
fn contexts_are_bounded_and_freed_with_their_codecs() {
    let worker = Worker::new();
    let factory = factory(&worker, "").expect("it starts");
    for _ in 0..3 {
        let codecs: Vec<_> = (0..4).map(|_| factory.codec().expect("one of four")).collect();
        let fault = factory.codec().map(drop).expect_err("a fifth one");
        assert_eq!(fault.kind, FaultKind::Denied);
        drop(codecs);
    }
}

fn allowing(library: &[u8]) -> NativeSettings {
    let digest = crate::load::digest(library).expect("a small one");
    NativeSettings { allow: vec![NativeAllowed::Sha256(digest)], ..NativeSettings::default() }
}

/// A library in C with these functions for codecs.
fn in_c(code: &str, callbacks: &str) -> Option<Result<Rc<dyn FilterFactory>, PluginFault>> {
    let library = compile::with(code, callbacks, "MORTISE_CONTINUE")?;
    let settings = allowing(&library);
    let source = std::path::Path::new("codec.so");
    let loaded = with_spec(source, &library, &settings, |spec| BACKEND.load(spec));
    let loaded = loaded.expect("it is loaded");
    Some(Worker::new().start_at(ExtensionPoint::Codec, &*loaded, ""))
}

const IN_C: &str = r#"
static mortise_action decode(void *instance, void *codec, uint64_t context, mortise_bytes bytes) {
    (void)instance; (void)codec; (void)context;
    for (size_t at = 0; at < bytes.length; at++) {
        mortise_frame frame = {.size = sizeof frame, .length = 1, .kind = KIND};
        mortise_status status = proxy->host->codec_frame(proxy, &frame);
        if (status == MORTISE_LIMIT_REACHED) return MORTISE_CONTINUE;
    }
    if (proxy->host->codec_bytes(proxy, bytes) != MORTISE_WRONG_PHASE) return 77;
    return ANSWERS;
}
static mortise_action go_away(void *instance, void *codec, uint64_t context) {
    (void)instance; (void)codec; (void)context;
    mortise_bytes none = {0, 0}, one = {(const uint8_t *)"x", 1};
    if (proxy->host->codec_rest(proxy, 1, 0) != MORTISE_WRONG_PHASE) return 77;
    if (proxy->host->codec_bytes(proxy, none) != MORTISE_BAD_ARGUMENT) return 77;
    return proxy->host->codec_bytes(proxy, one) == MORTISE_OK ? MORTISE_CONTINUE : 77;
}
static mortise_action profile(void *instance, mortise_codec_profile *profile) {
    (void)instance;
    profile->pool = POOL;
    return MORTISE_CONTINUE;
}
static mortise_action detect(void *instance, void *codec, uint64_t context, mortise_bytes first,
                             uint32_t *detection) {
    (void)instance; (void)codec; (void)context; (void)first;
    *detection = 9;
    return MORTISE_CONTINUE;
}
"#;
const TABLE: &str = ".codec_decode = decode, .codec_go_away = go_away, .codec_profile = profile,";

#[track_caller]
fn c_codec(
    words: [(&str, &str); 3],
    more: &str,
) -> Option<Result<Rc<dyn FilterFactory>, PluginFault>> {
    let code = words.iter().fold(IN_C.to_owned(), |code, (word, with)| code.replace(word, with));
    in_c(&code, &format!("{TABLE}{more}"))
}

#[test]
fn a_library_in_c_tells_of_frames_with_less_than_a_table() {
    let words = [("KIND", "1"), ("ANSWERS", "MORTISE_CONTINUE"), ("POOL", "MORTISE_POOL_BOUND")];
    let Some(factory) = c_codec(words, "") else { return };
    let factory = factory.expect("it starts");
    let profile = CodecProfile { pool: PoolMode::Bound, ..CodecProfile::default() };
    assert_eq!(factory.codec_profile(), profile);
    let codec = factory.codec().expect("it serves");
    let decoded = decode(&*codec, &[b'x'; FRAMES_MAX + 9]);
    assert_eq!((decoded.frames.len(), decoded.rest.len()), (FRAMES_MAX + 9, 0));
    assert_eq!(ready(codec.go_away()), Ok(Some(Bytes::from_static(b"x"))));
    assert_eq!(ready(codec.heartbeat(1)), Ok(None), "it has no such function");
    assert_eq!(ready(codec.detect(b"x")), Ok(Detection::No));
}

#[test]
fn a_library_in_c_that_breaks_the_rules_is_told_of_it() {
    let fine = [("KIND", "1"), ("ANSWERS", "MORTISE_CONTINUE"), ("POOL", "0")];
    let with = |place: usize, word: &'static str| {
        let mut words = fine;
        words[place].1 = word;
        words
    };
    let Some(started) = c_codec(with(2, "3"), "") else { return };
    let fault = started.map(drop).expect_err("no pool mode");
    assert!(fault.message.contains("3 is no way"), "{fault}");
    for (words, told) in [
        (with(0, "6"), "no known kind"),
        (with(1, "MORTISE_PAUSE"), "none of a codec"),
        (with(1, "MORTISE_RESET"), "none of a codec"),
        (with(1, "MORTISE_FAILED"), "did not say why"),
        (with(1, "99"), "no action"),
    ] {
        let factory = c_codec(words, "").expect("a compiler").expect("it starts");
        let codec = factory.codec().expect("it serves");
        let fault = ready(codec.decode(BytesMut::from(&b"x"[..]))).map(drop);
        let fault = fault.expect_err("a fault");
        assert!(fault.message.contains(told), "{fault}");
    }
    let factory = c_codec(fine, ".codec_detect = detect,").expect("a compiler");
    let codec = factory.and_then(|factory| factory.codec()).expect("it serves");
    let fault = ready(codec.detect(b"x")).expect_err("a number that is none");
    assert!(fault.message.contains("9, which is none"), "{fault}");
}

#[test]
fn a_library_of_the_first_version_is_refused_as_a_codec() {
    let library = compile::plain(&[("SIZE", "offsetof(mortise_plugin, codec_profile)")]);
    let Some(library) = library else { return };
    let settings = allowing(&library);
    let source = std::path::Path::new("old.so");
    let loaded = with_spec(source, &library, &settings, |spec| BACKEND.load(spec));
    let loaded = loaded.expect("it is loaded");
    let fault = Worker::new().start_at(ExtensionPoint::Codec, &*loaded, "").map(drop);
    let fault = fault.expect_err("it has no codecs");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains("no `codec_decode`; codecs came with version 1.1"), "{fault}");
    assert!(Worker::new().start_loaded(&*loaded, "").is_ok(), "it filters streams as ever");
}
