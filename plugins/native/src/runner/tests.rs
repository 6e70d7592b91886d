//! A runner's instances over the host of the SDK's tests, as a child would have them.

use std::{ffi::OsString, panic};

use abi_native::number::{self, Way};
use mortise_sdk::{
    Action, CallFailure, CallId, Codec, Detection, FrameKind, Host, HttpAnswer, NetworkFilter,
    Plugin, PoolMode, QueueId, Refusal, Rejection, Rewrite, StreamFilter,
    backend::{Instance, decode},
    testing::{TestHost, TestSetup, request, response},
};

use super::{RunnerDesk, RunnerInstance, Shared, declare, desk::Duty, load, table};
use crate::{
    desk::Desk,
    instance::Kind,
    testing::{codecs::toy, compile, plugins},
};

/// The scripted plugin behind its table.
struct Script(RunnerInstance);

impl Plugin for Script {
    type Config = Vec<u8>;

    fn parse(config: &[u8]) -> Result<Vec<u8>, Refusal> {
        Ok(config.to_vec())
    }

    fn start(config: Vec<u8>, host: &Host<'_>) -> Result<Self, Refusal> {
        let builtins = plugins::builtins();
        let script = builtins.iter().find(|one| one.name == "script").expect("it is compiled in");
        let callbacks = load::enter_builtin(script, table::<RunnerDesk>()).expect("a table");
        Ok(Self(RunnerInstance(Shared::start(callbacks, host, "", &config)?)))
    }

    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        self.0.stream_filter(host)
    }

    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        self.0.network_filter(host)
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        self.0.on_tick(host);
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        self.0.on_queue_ready(host, queue);
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.0.on_http_answer(host, call, answer);
    }
}

fn start(script: &str) -> TestHost {
    TestSetup::new().cluster("app").start::<Script>(script).expect("it starts")
}

#[test]
fn heads_and_bodies_are_read_and_changed() {
    let host = start("request_headers:greet request_body:body");
    let stream = host.stream(request("POST", "/path"));
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("text", true), Action::Continue);
    let forwarded = stream.forwarded();
    assert_eq!(forwarded.head.expect("a head").get_str("x-greeting"), Some("/path"));
    assert_eq!(forwarded.body, b"> TEXT");
}

#[test]
fn a_client_is_answered_and_a_stream_broken_off() {
    let host = start("request_headers:respond response_headers:reset");
    let stream = host.stream(request("GET", "/"));
    let Action::Respond(answer) = stream.request_headers(true) else { panic!("it answers") };
    assert_eq!((answer.status, answer.details.as_str()), (403, "words"));
    let stream = start("response_headers:reset").stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.response_headers(response(200), true), Action::Reset);
}

#[test]
fn an_answer_of_a_cluster_lets_a_stream_go_on() {
    let host = start("request_headers:call-context");
    let stream = host.stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Pause);
    let calls = host.calls();
    let [(call, asked)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((asked.cluster.as_str(), asked.authority.as_str()), ("app", "a"));
    host.answer(*call, Err(CallFailure));
    assert!(stream.forwarded().ended, "it went on");
    let told = host.log().pop().expect("a line").1;
    assert_eq!(told, "Err(CallFailure)");
}

#[test]
fn what_a_library_says_of_its_failure_is_what_a_child_tells() {
    let host = start("request_headers:panic");
    let stream = host.stream(request("GET", "/"));
    let failed = panic::catch_unwind(panic::AssertUnwindSafe(|| stream.request_headers(true)));
    let said = failed.expect_err("it fails").downcast::<String>().expect("words");
    assert!(said.starts_with("panicked at") && said.ends_with("at request_headers"), "{said}");
    let refused = TestSetup::new().start::<Script>("start:refuse").map(drop);
    assert_eq!(refused, Err(Refusal::new("I do not\\nwant to")));
}

#[test]
fn only_the_library_that_was_verified_is_served() {
    let arguments = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
    assert!(declare(arguments(&[])).expect_err("no path").contains("which library"));
    let told = declare(arguments(&["/no/such.so"])).expect_err("no file");
    assert!(told.contains("cannot be read"), "{told}");
    let Some(bytes) = compile::plain(&[]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plain.so");
    std::fs::write(&path, &bytes).expect("written");
    let path = path.to_str().expect("a path");
    let told = declare(arguments(&[path, &"0".repeat(64)])).expect_err("another one");
    assert!(told.contains("is another one than was verified"), "{told}");
    let good = super::arguments(path.as_ref(), &bytes);
    let declaration = declare(good).expect("it is served");
    assert_eq!(declaration.plugins.len(), 1);
}

/// Asks at a desk that was told of stream 7 and connection 8, and of stream 9, which is over.
struct Asker;

impl Plugin for Asker {
    type Config = ();

    fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
        let desk = RunnerDesk::default();
        desk.opened(7, Kind::Stream);
        desk.opened(8, Kind::Connection);
        desk.opened(9, Kind::Stream);
        desk.closed(9);
        let none = Err(number::Refusal::NotFound);
        let other = Err(number::Refusal::BadArgument);
        let cases = [(7, [Ok(()), other]), (8, [other, Ok(())]), (9, [none; 2]), (10, [none; 2])];
        desk.during(host, Duty::NONE, || {
            for (context, [stream, connection]) in cases {
                assert_eq!(desk.resume(context, Way::In), stream, "{context}");
                assert_eq!(desk.reset(context), stream, "{context}");
                assert_eq!(desk.resume_flow(context, Way::Out), connection, "{context}");
                assert_eq!(desk.close(context), connection, "{context}");
            }
        });
        // Between callbacks there is nothing to ask.
        assert_eq!(desk.reset(7), Err(number::Refusal::WrongPhase));
        Ok(Self)
    }
}

#[test]
fn a_context_that_is_over_or_of_the_other_kind_is_told_as_in_the_proxy() {
    TestSetup::new().start::<Asker>("").map(drop).expect("it starts");
}

/// Has a codec of a library asked for things, as a child does.
struct CodecAsker;

impl Plugin for CodecAsker {
    type Config = ();

    fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
        let builtins = plugins::builtins();
        let found = builtins.iter().find(|one| one.name == "toy").expect("it is compiled in");
        let callbacks = load::enter_builtin(found, table::<RunnerDesk>()).expect("a table");
        let started = |config: &[u8]| Shared::start(callbacks, host, "", config);
        let absent = RunnerInstance(started(b"none")?).codec(host);
        assert!(absent.is_none(), "it makes none");
        let mut instance = RunnerInstance(started(b"")?);
        let profile = instance.codec_profile();
        assert_eq!((profile.pool, profile.default_timeout_ms), (PoolMode::PingPong, 250));
        let mut codec = instance.codec(host).expect("it makes one");
        frames_are_handed_on(&mut *codec);
        a_failure_is_told(&mut *codec);
        Ok(Self)
    }
}

fn frames_are_handed_on(codec: &mut dyn Codec) {
    let bytes = [toy(0, 1, "say", b"x"), toy(2, 2, "", b""), toy(1, 3, "", b"")].concat();
    let batch = decode(codec, &bytes[..bytes.len() - 1]);
    let ids: Vec<_> = batch.frames.iter().map(|frame| (frame.id, frame.kind)).collect();
    assert_eq!(ids, [(1, FrameKind::Request), (2, FrameKind::Response)]);
    assert_eq!((batch.needed, batch.lost), (0, None), "the head of the third is not whole");
    let frame = &batch.frames[0];
    assert_eq!((frame.method.as_str(), frame.body.clone()), ("say", 12..13));
    assert_eq!(frame.fields, [(b"Key".to_vec(), b"say".to_vec())]);
    assert_eq!(decode(codec, b"GET").lost.as_deref(), Some("no magic"));
    assert_eq!(codec.detect(&bytes), Detection::Match);
    assert_eq!(codec.heartbeat(7), Some(toy(3, 7, "", b"")));
    assert_eq!(codec.heartbeat_reply(&toy(3, 7, "", b""), 7), Some(toy(4, 7, "", &[0xA5])));
    assert_eq!(codec.go_away(), Some(toy(5, 0, "", b"")));
    let fields = vec![(&b"Key"[..], &b"sing"[..])];
    let rewrite = Rewrite {
        raw: &bytes,
        kind: FrameKind::Request,
        old_id: 1,
        id: 9,
        fields: fields.clone(),
        fields_changed: true,
        body: b"la",
        body_changed: true,
    };
    assert_eq!(codec.encode(&rewrite), Some(toy(0, 9, "sing", b"la")));
    let none = Rewrite { fields: Vec::new(), ..rewrite };
    assert_eq!(codec.encode(&none), None);
    let rejection =
        Rejection { request: &bytes, id: 1, status: 404, message: "no", fields, body: b"" };
    assert_eq!(codec.reject(&rejection), Some(toy(2, 1, "", b"404 no 1")));
}

fn a_failure_is_told(codec: &mut dyn Codec) {
    let mut decode = || codec.decode(&toy(0, 1, "", b"panic"));
    let failed = panic::catch_unwind(panic::AssertUnwindSafe(&mut decode));
    let said = failed.expect_err("it fails").downcast::<String>().expect("words");
    assert!(said.ends_with("at a frame"), "{said}");
}

#[test]
fn a_codec_of_a_library_is_one_of_the_child() {
    TestSetup::new().start::<CodecAsker>("").map(drop).expect("it starts");
}
