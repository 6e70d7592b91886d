//! Filters see frames as they see HTTP.

use std::rc::Rc;

use host_extension::{
    FieldWrite, HeaderMapKind, HostCalls as _, LocalReply, Phases, PropertyValue, Side, Step,
    Stream, Subject, Verdict,
};
use http::{HeaderValue, StatusCode};

use super::*;
use crate::{
    chain::Hook,
    testing::{Fake, Log, calls, later},
};

/// A proxy with filters, before a peer that echoes.
async fn filtered(codec: &CodecFake, filters: Vec<Fake>) -> (World, Heard) {
    let (address, heard) = echo().await;
    let setup = Setup { listener_filters: filters, ..Setup::frames(codec, address) };
    (setup.start().await, heard)
}

fn write(stream: &Stream, map: HeaderMapKind, write: FieldWrite<'_>) {
    calls().write_header(stream, map, write).unwrap();
}

fn pairs(stream: &Stream, map: HeaderMapKind) -> String {
    let mut shown = String::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut show = |headers: &host_types::Headers| {
        shown = headers
            .iter()
            .map(|(name, value)| format!("{}={};", text(name), text(value)))
            .collect();
    };
    calls().headers(stream, map, &mut show).unwrap();
    shown
}

#[test]
fn filters_see_the_head_of_a_request_as_http_would_say_it() {
    local(async {
        let (codec, log) = (CodecFake::new(), Log::default());
        let seen = Log::default();
        let sees = Rc::clone(&seen);
        let filter = Fake::new(&log, "a").answering(move |side, hook, stream| {
            if matches!(hook, Hook::Headers { .. }) {
                let map = match side {
                    Side::Request => HeaderMapKind::RequestHeaders,
                    Side::Response => HeaderMapKind::ResponseHeaders,
                };
                sees.borrow_mut().push(pairs(stream, map));
            }
            Step::CONTINUE
        });
        let (world, _) = filtered(&codec, vec![filter]).await;
        let mut client = world.talk().await;
        let sent = Wire::request(1, "Echo/say", "hi").with("Case=Kept");
        assert_eq!(client.ask(&sent).await, "r1 200 re hi by=peer;");
        let head = ":method=POST;:scheme=fake;:path=/Echo/say;:magic=K;";
        let request = format!("{head}service=Echo;method=say;Case=Kept;");
        assert_eq!(*seen.borrow(), [request, ":status=200;:magic=K;by=peer;".to_owned()]);
        drop(client);
        assert_eq!(world.finish().await.len(), 1);
        let hooks = ["a>head", "a>body(hi).", "a<head", "a<body(re hi).", "a done"];
        assert_eq!(*log.borrow(), hooks);
        assert_eq!(codec.encoded.get(), 0, "who only looks changes nothing");
    });
}

#[test]
fn what_a_filter_writes_is_written_by_the_codec() {
    local(async {
        let (codec, log) = (CodecFake::new(), Log::default());
        let filter = Fake::new(&log, "a").answering(|side, hook, stream| {
            match (side, hook) {
                (Side::Request, Hook::Headers { .. }) => {
                    let map = HeaderMapKind::RequestHeaders;
                    write(stream, map, FieldWrite::Replace(b"case", b"changed"));
                    write(stream, map, FieldWrite::Add(b"more", b"1"));
                    write(stream, map, FieldWrite::Remove(b"gone"));
                    let path = FieldWrite::Replace(b":path", b"/x/y");
                    assert!(calls().write_header(stream, map, path).is_err());
                }
                (Side::Response, Hook::Headers { .. }) => {
                    let map = HeaderMapKind::ResponseHeaders;
                    write(stream, map, FieldWrite::SetAll(&[(b"all", b"new")]));
                }
                (side, Hook::Body { .. }) => {
                    calls().write_body(stream, side, 0, 0, b"<").unwrap();
                    calls().write_body(stream, side, usize::MAX, 0, b">").unwrap();
                }
                (_, Hook::Trailers) => {}
            }
            Step::CONTINUE
        });
        let (world, heard) = filtered(&codec, vec![filter]).await;
        let mut client = world.talk().await;
        let sent = Wire::request(7, "Echo/say", "hi").with("Case=old").with("gone=1");
        assert_eq!(client.ask(&sent).await, "r7 200 <re <hi>> all=new;");
        let fields = "service=Echo\nmethod=say\nCase=changed\nmore=1\n";
        assert_eq!(heard.borrow()[0].fields, fields);
        assert_eq!(codec.encoded.get(), 2);
    });
}

#[test]
fn filters_of_the_route_come_behind_those_of_the_listener() {
    local(async {
        let (codec, log) = (CodecFake::new(), Log::default());
        let adding = |name: &'static str, word: &'static [u8]| {
            Fake::new(&log, name).answering(move |side, hook, stream| {
                match hook {
                    Hook::Headers { end: false } => return Verdict::Hold.into(),
                    Hook::Body { .. } => {
                        calls().write_body(stream, side, usize::MAX, 0, word).unwrap();
                    }
                    Hook::Headers { .. } | Hook::Trailers => {}
                }
                Step::CONTINUE
            })
        };
        let (address, heard) = echo().await;
        let setup = Setup {
            listener_filters: vec![adding("a", b"+a")],
            route_filters: vec![adding("r", b"+r")],
            ..Setup::frames(&codec, address)
        };
        let world = setup.start().await;
        let mut client = world.talk().await;
        let told = client.ask(&Wire::request(1, "Echo/say", "hi")).await;
        assert_eq!(told, "r1 200 re hi+a+r+r+a by=peer;");
        assert_eq!(heard.borrow()[0].body, "hi+a+r");
        let told = client.ask(&Wire::request(2, "Echo/say", "")).await;
        assert_eq!(told, "r2 200 re +r+a by=peer;", "an empty body is the end of the head");
    });
}

#[test]
fn properties_of_frames_can_be_read() {
    local(async {
        let log = Log::default();
        let filter = Fake::new(&log, "a").answering(|side, hook, stream| {
            if (side, hook) != (Side::Request, Hook::Body { end: true }) {
                return Step::CONTINUE;
            }
            let read = |path: &[&[u8]]| calls().property(Subject::Stream(stream), path);
            let bytes = |text: &str| Ok(PropertyValue::Bytes(text.into()));
            assert_eq!(read(&[b"request", b"headers", b"a"]), bytes("1,2"));
            assert_eq!(read(&[b"request", b"headers", b":path"]), bytes("/Echo/say"));
            assert_eq!(read(&[b"request", b"protocol"]), bytes("fake"));
            assert_eq!(read(&[b"request", b"url_path"]), bytes("/Echo/say"));
            assert_eq!(read(&[b"request", b"id"]), bytes("id-7"));
            assert!(matches!(read(&[b"request", b"headers"]), Ok(PropertyValue::Map(_))));
            Step::CONTINUE
        });
        let (world, _) = filtered(&CodecFake::new(), vec![filter]).await;
        let mut client = world.talk().await;
        let sent = Wire::request(1, "Echo/say", "hi").with("a=1").with("a=2");
        let sent = sent.with("X-Request-Id=id-7");
        assert_eq!(client.ask(&sent).await, "r1 200 re hi by=peer;");
        drop(client);
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "request_id"), Some("id-7"));
    });
}

#[test]
fn what_cannot_be_written_in_the_protocol_is_refused() {
    for side in [Side::Request, Side::Response] {
        local(async move {
            let codec = CodecFake { is_read_only: true, ..CodecFake::new() };
            let log = Log::default();
            let filter = Fake::new(&log, "a").answering(move |on, hook, stream| {
                if on == side && matches!(hook, Hook::Body { .. }) {
                    calls().write_body(stream, side, 0, 0, b"new").unwrap();
                }
                Step::CONTINUE
            });
            let filter = filter.phases(match side {
                Side::Request => Phases::REQUEST_BODY,
                Side::Response => Phases::RESPONSE_BODY,
            });
            let (world, _) = filtered(&codec, vec![filter]).await;
            let mut client = world.talk().await;
            let status = if side == Side::Request { 400 } else { 502 };
            let told = client.ask(&Wire::request(1, "Echo/say", "hi")).await;
            let text = "what a plugin wrote cannot be said in this protocol";
            assert_eq!(told, format!("r1 {status} {text} "));
            drop(client);
            assert_eq!(lines(world).await, [line("plugin_failed", status)]);
        });
    }
}

#[test]
fn a_filter_may_answer_itself_and_others_see_its_answer() {
    for waits in [false, true] {
        local(async move {
            let log = Log::default();
            let first = Fake::new(&log, "a").answering(|side, hook, stream| {
                if (side, hook) == (Side::Response, Hook::Headers { end: false }) {
                    let map = HeaderMapKind::ResponseHeaders;
                    write(stream, map, FieldWrite::Add(b"seen", b"yes"));
                }
                Step::CONTINUE
            });
            let second = Fake::new(&log, "b").answering(move |side, _, _| {
                if side == Side::Response {
                    return Step::CONTINUE;
                }
                let mut reply = LocalReply::text(StatusCode::FORBIDDEN, "go away");
                reply.headers.insert("why", HeaderValue::from_static("because"));
                let verdict = Verdict::Respond(Box::new(reply));
                if waits { later(verdict) } else { verdict.into() }
            });
            let (world, heard) = filtered(&CodecFake::new(), vec![first, second]).await;
            let mut client = world.talk().await;
            let told = client.ask(&Wire::request(3, "Echo/say", "hi")).await;
            assert_eq!(told, "r3 403 go away why=because;seen=yes;");
            assert!(heard.borrow().is_empty());
            drop(client);
            assert_eq!(lines(world).await, [line("plugin", 403)]);
            let seen = log.borrow().join(" ");
            assert!(seen.contains("b<head a<head b<body(go away). a<body(go away)."), "{seen}");
        });
    }
}

#[test]
fn replies_of_the_proxy_are_read_back_by_one_codec_or_go_out_unseen() {
    for (codecs_max, seen, made) in [(u32::MAX, "seen=yes;", 2), (1, "", 4)] {
        local(async move {
            let log = Log::default();
            let filter = Fake::new(&log, "a").answering(|side, hook, stream| {
                if (side, hook) == (Side::Response, Hook::Headers { end: false }) {
                    let map = HeaderMapKind::ResponseHeaders;
                    write(stream, map, FieldWrite::Add(b"seen", b"yes"));
                }
                Step::CONTINUE
            });
            let codec = CodecFake { codecs_max, ..CodecFake::new() };
            let (world, _) = filtered(&codec, vec![filter]).await;
            let mut client = world.talk().await;
            for id in 1..=3 {
                let told = client.ask(&Wire::request(id, "nowhere/x", "")).await;
                let text = "the cluster of this route does not exist";
                assert_eq!(told, format!("r{id} 503 {text} {seen}"));
            }
            assert_eq!((codec.made.get(), codec.faults.borrow().len()), (made, 0));
        });
    }
}

#[test]
fn a_filter_may_end_a_request_from_beside() {
    local(async {
        let (address, came) = silent().await;
        let log = Log::default();
        let streams: Rc<RefCell<Vec<Rc<Stream>>>> = Rc::default();
        let held = Rc::clone(&streams);
        let filter = Fake::new(&log, "a").answering(move |_, _, stream| {
            held.borrow_mut().push(Rc::clone(stream));
            Step::CONTINUE
        });
        let filter = filter.phases(Phases::REQUEST_HEADERS);
        let codec = CodecFake::new();
        let setup = Setup { listener_filters: vec![filter], ..Setup::frames(&codec, address) };
        let world = setup.start().await;
        let mut client = world.talk().await;
        client.send_all(&[Wire::request(1, "a/b", ""), Wire::request(2, "a/b", "")]).await;
        came.notified().await;
        came.notified().await;
        let [first, second] = [0, 1].map(|place| Rc::clone(&streams.borrow()[place]));
        streams.take();
        calls().respond(&first, "a", LocalReply::text(StatusCode::CONFLICT, "no")).unwrap();
        assert_eq!(client.told().await, "r1 409 no ");
        calls().reset(&second, "a").unwrap();
        assert_eq!(client.told().await, "r2 503 the request was broken off ");
        drop((client, first, second));
        assert_eq!(lines(world).await, [line("plugin", 409), line("plugin", 503)]);
    });
}
