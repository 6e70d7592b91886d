use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, ConnectionFacts, FieldWrite, HeaderMapKind, HostCalls,
    LocalReply, LogLevel, PropertyValue, Protocol, Side, Stream, Subject,
};
use host_types::{ConnectionId, Headers, ListenerName, PluginName, StreamId};
use http::{HeaderMap, StatusCode};

use super::Guard;
use crate::{CallCounts, HostCall};

/// A host that notes what reached it.
#[derive(Default)]
struct Host {
    seen: RefCell<Vec<String>>,
}

impl Host {
    fn note(&self, call: impl Into<String>) -> CallResult<()> {
        self.seen.borrow_mut().push(call.into());
        Err(CallError::NotFound)
    }
}

impl HostCalls for Host {
    fn header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        name: &[u8],
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.note(format!("header {}", String::from_utf8_lossy(name)))
    }

    fn headers(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.note("headers")
    }

    fn write_header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.note("write_header")
    }

    fn body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.note("body")
    }

    fn write_body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.note(format!("write_body {start} {length} {}", with.len()))
    }

    fn property(&self, _subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.note("property").map(|()| PropertyValue::Boolean(true))
    }

    fn set_property(
        &self,
        _subject: Subject<'_>,
        _path: &[&[u8]],
        _value: &[u8],
    ) -> CallResult<()> {
        self.note("set_property")
    }

    fn respond(&self, _stream: &Rc<Stream>, plugin: &str, _reply: LocalReply) -> CallResult<()> {
        self.note(format!("respond as {plugin}"))
    }

    fn reset(&self, _stream: &Rc<Stream>, plugin: &str) -> CallResult<()> {
        self.note(format!("reset as {plugin}"))
    }

    fn log(&self, plugin: &str, _level: LogLevel, line: &str) {
        self.seen.borrow_mut().push(format!("log as {plugin}: {line}"));
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(7)
    }
}

fn stream() -> Rc<Stream> {
    let here = SocketAddr::from(([127, 0, 0, 1], 80));
    let connection = ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: ListenerName::from("web"),
        peer: here,
        local: here,
        protocol: Protocol::Http11,
    };
    Rc::new(Stream::new(
        StreamId::new(0, 1),
        Rc::new(connection),
        SystemTime::UNIX_EPOCH,
        Headers::response(StatusCode::OK, HeaderMap::new()),
    ))
}

#[test]
fn every_call_reaches_the_host_and_is_counted_once() {
    let host = Rc::new(Host::default());
    let counts = Arc::new(CallCounts::default());
    let guard = Guard::new(PluginName::from("greet"), host.clone(), Arc::clone(&counts));
    let stream = stream();
    let map = HeaderMapKind::RequestHeaders;
    let reply = LocalReply::text(StatusCode::FORBIDDEN, "no");

    let answers = [
        guard.header(&stream, map, b"x-a", &mut |_value| {}),
        guard.headers(&stream, map, &mut |_headers| {}),
        guard.write_header(&stream, map, FieldWrite::Remove(b"x-a")),
        guard.body(&stream, Side::Request, &mut |_bytes| {}),
        guard.write_body(&stream, Side::Request, 1, 2, b"abc"),
        guard.property(Subject::Stream(&stream), &[b"a"]).map(drop),
        guard.set_property(Subject::Stream(&stream), &[b"a"], b"b"),
        guard.respond(&stream, "somebody else", reply),
        guard.reset(&stream, "somebody else"),
    ];
    guard.log("somebody else", LogLevel::Info, "hello");
    let now = guard.now();

    assert_eq!(answers, [Err(CallError::NotFound); 9], "the host's answer comes back as it is");
    assert_eq!(now, SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    assert_eq!(
        *host.seen.borrow(),
        [
            "header x-a",
            "headers",
            "write_header",
            "body",
            "write_body 1 2 3",
            "property",
            "set_property",
            "respond as greet",
            "reset as greet",
            "log as greet: hello",
        ]
    );
    for call in HostCall::ALL {
        assert_eq!((counts.made(call), counts.refused(call)), (1, 0), "{call:?}");
    }
}
