//! What the tests of this crate share: a host that remembers, streams, and small guests.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, ConnectionFacts, FieldWrite, FilterFactory, HeaderMapKind,
    HostCalls, InstanceSpec, LoadedPlugin, LocalReply, LogLevel, Message, Phases, PluginFault,
    PropertyValue, Protocol, Side, Stage, Step, Stream, StreamFilter, Subject, Verdict,
    WorkerScope,
};
use host_types::{ConnectionId, Headers, PluginLimits, RequestHead, StreamId, VmSettings};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::{WasmBackend, WasmSettings, WasmSpec};

/// One backend for all tests, as a process has one.
pub(crate) static BACKEND: LazyLock<WasmBackend> = LazyLock::new(|| {
    let settings = WasmSettings { instances_max: 100, ..WasmSettings::default() };
    WasmBackend::new(&settings).expect("an engine")
});

/// A host that lets everything happen and remembers what did.
#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) replies: RefCell<Vec<u16>>,
    pub(crate) resets: RefCell<u32>,
    pub(crate) attributes: RefCell<Vec<(String, Vec<u8>)>>,
    /// Answered to every read and change of a stream, where it is set.
    pub(crate) refuse: RefCell<Option<CallError>>,
}

impl FakeHost {
    fn check(&self) -> CallResult<()> {
        self.refuse.borrow().map_or(Ok(()), Err)
    }

    /// All bytes that guests said with [`SAY`], and other lines, in order.
    pub(crate) fn said(&self) -> String {
        self.lines.take().iter().map(|line| line.trim_start_matches("Info: ")).collect()
    }
}

fn section(stream: &Stream, map: HeaderMapKind) -> &RefCell<Option<Headers>> {
    match map {
        HeaderMapKind::RequestHeaders => &stream.request.headers,
        HeaderMapKind::RequestTrailers => &stream.request.trailers,
        HeaderMapKind::ResponseHeaders => &stream.response.headers,
        HeaderMapKind::ResponseTrailers | _ => &stream.response.trailers,
    }
}

impl HostCalls for FakeHost {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check()?;
        let headers = section(stream, map).borrow();
        show(headers.as_ref().ok_or(CallError::WrongPhase)?.get(name).ok_or(CallError::NotFound)?);
        Ok(())
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.check()?;
        show(section(stream, map).borrow().as_ref().ok_or(CallError::WrongPhase)?);
        Ok(())
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.check()?;
        let mut headers = section(stream, map).borrow_mut();
        let headers = headers.as_mut().ok_or(CallError::WrongPhase)?;
        match write {
            FieldWrite::Add(name, value) => headers.add(name, value),
            FieldWrite::Replace(name, value) => headers.replace(name, value),
            FieldWrite::Remove(name) => headers.remove(name),
            FieldWrite::SetAll(pairs) => headers.set_all(pairs.iter().copied()),
        }
        .map_err(|_refused| CallError::BadArgument)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check()?;
        show(stream.message(body).body.borrow().as_slice());
        Ok(())
    }

    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check()?;
        stream.message(body).body.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.check()?;
        match (subject, path) {
            (Subject::Stream(_), [b"request", b"path"]) => {
                Ok(PropertyValue::Bytes(b"/path".to_vec()))
            }
            _ => Err(CallError::NotFound),
        }
    }

    fn set_property(&self, _subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.check()?;
        let path = String::from_utf8_lossy(&path.join(&b'.')).into_owned();
        self.attributes.borrow_mut().push((path, value.to_vec()));
        Ok(())
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.replies.borrow_mut().push(reply.status.as_u16());
        Ok(())
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        *self.resets.borrow_mut() += 1;
        Ok(())
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        self.lines.borrow_mut().push(format!("{level:?}: {line}"));
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_007)
    }
}

/// A request for `/path` whose head has one field, `x-one: first`, and no response yet.
pub(crate) fn stream() -> Rc<Stream> {
    let address = "127.0.0.1:1".parse().expect("an address");
    let connection = ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: "l".into(),
        peer: address,
        local: address,
        protocol: Protocol::Http11,
    };
    let head = RequestHead {
        method: Method::GET,
        scheme: http::uri::Scheme::HTTP,
        authority: Some("example.test".parse().expect("an authority")),
        path: "/path".parse().expect("a path"),
    };
    let mut map = HeaderMap::new();
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("first"));
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("second"));
    let headers = Headers::request(head, map);
    let id = StreamId::new(0, 1);
    Rc::new(Stream::new(id, Rc::new(connection), SystemTime::UNIX_EPOCH, headers))
}

/// Opens the response of a stream.
pub(crate) fn open_response(stream: &Stream) {
    let response: &Message = stream.message(Side::Response);
    response.stage.set(Stage::Open);
    response.headers.replace(Some(Headers::response(StatusCode::OK, HeaderMap::new())));
}

/// What guests of tests begin with: marker, memory, and an allocator that never frees.
/// Its pages begin at 4096; whatever a guest wants to keep stands below.
pub(crate) const PRELUDE: &str = r#"
  (func (export "proxy_abi_version_0_2_1"))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 4096))
  (func (export "malloc") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at))
"#;

/// Imports the log, for [`SAY`].
pub(crate) const LOG: &str =
    r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;

/// A function that logs one byte.
pub(crate) const SAY: &str = r#"
  (func $say (param i32)
    (i32.store8 (i32.const 0) (local.get 0))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
"#;

/// The bytes of a guest: imports, the prelude, and the rest.
pub(crate) fn guest(imports: &str, rest: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {imports} {PRELUDE} {rest})")).expect("a valid module")
}

/// A plugin under test with its host.
pub(crate) struct Rig {
    pub(crate) host: Rc<FakeHost>,
    pub(crate) plugin: Arc<dyn LoadedPlugin>,
}

impl Rig {
    #[track_caller]
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::with_limits(bytes, &PluginLimits::default())
    }

    #[track_caller]
    pub(crate) fn with_limits(bytes: &[u8], limits: &PluginLimits) -> Self {
        let plugin = load(bytes, limits, None).expect("it loads");
        Self { host: Rc::default(), plugin }
    }

    pub(crate) fn start(&self, config: &[u8]) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let calls: Rc<dyn HostCalls> = Rc::<FakeHost>::clone(&self.host);
        let scope = WorkerScope {
            worker: Some(0),
            calls,
            shared: Rc::default(),
            on_fault: Rc::new(|_fault| {}),
        };
        let spec = InstanceSpec { config: config.into(), ..InstanceSpec::default() };
        self.plugin.start(&scope, &spec)
    }

    #[track_caller]
    pub(crate) fn factory(&self) -> Rc<dyn FilterFactory> {
        self.start(b"").expect("it starts")
    }

    /// A filter for a stream of its own.
    #[track_caller]
    pub(crate) fn filter(&self) -> (Box<dyn StreamFilter>, Rc<Stream>) {
        let stream = stream();
        (self.factory().stream_filter(&stream).expect("a filter"), stream)
    }
}

pub(crate) fn load(
    bytes: &[u8],
    limits: &PluginLimits,
    phases: Option<Phases>,
) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
    let vm = VmSettings::default();
    BACKEND.load(WasmSpec { name: &"guest".into(), bytes, limits, phases, vm: &vm })
}

/// The fault that a hook must have answered with.
#[track_caller]
pub(crate) fn fault(step: Step) -> PluginFault {
    let Step::Ready(Verdict::Failed(fault)) = step else {
        panic!("expected a fault, got {step:?}");
    };
    fault
}

/// What a pending step comes to now, if it does.
pub(crate) fn poll(step: &mut Step) -> Option<Verdict> {
    let Step::Later(future) = step else { panic!("expected `Later`, got {step:?}") };
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => Some(verdict),
        Poll::Pending => None,
    }
}
