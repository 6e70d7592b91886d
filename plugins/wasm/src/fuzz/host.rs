//! A host that answers at random, and keeps what is to be called back.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use host_extension::{
    BodyKind, CallError, CallResult, Connection, FieldWrite, Flow, GrpcEvent, GrpcMethod,
    GrpcStream, HeaderMapKind, HostCalls, HttpAnswer, HttpCall, LocalReply, LogLevel, MetricId,
    MetricKind, OnGrpcEvent, OnHttpAnswer, OutboundError, PropertyValue, QueueId, Stream, Subject,
    Subscription,
};
use host_types::Headers;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Dice;
use crate::sections;

/// The host.
pub(super) struct Host {
    dice: RefCell<Dice>,
    waiting: RefCell<Vec<Waiting>>,
    calls: Cell<u64>,
}

/// Something that a guest waits for.
enum Waiting {
    Answer(OnHttpAnswer),
    Grpc(OnGrpcEvent),
    Tick(Rc<dyn Fn()>),
    Queue(Rc<dyn Fn(QueueId)>),
}

/// Callbacks that are kept; a guest may ask for any number.
const WAITING_MAX: usize = 32;
const ERRORS: [CallError; 8] = [
    CallError::NotFound,
    CallError::BadArgument,
    CallError::WrongPhase,
    CallError::Denied,
    CallError::LimitReached,
    CallError::Unsupported,
    CallError::Conflict,
    CallError::Empty,
];
const VALUES: [&[u8]; 4] = [b"", b"value", b"\0\xff", &[b'x'; 3000]];

impl Host {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            dice: RefCell::new(Dice::of_seed(seed)),
            waiting: RefCell::default(),
            calls: Cell::default(),
        })
    }

    /// The calls that reached it.
    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Calls somebody back who waits, if anybody does.
    pub(super) fn call_back(&self) {
        let next = self.waiting.borrow_mut().pop();
        match next {
            Some(Waiting::Answer(answer)) => answer(self.answer()),
            Some(Waiting::Grpc(event)) => event(self.event()),
            Some(Waiting::Tick(tick)) => tick(),
            Some(Waiting::Queue(ready)) => ready(self.below(4)),
            None => {}
        }
    }

    fn below(&self, end: u32) -> u32 {
        self.dice.borrow_mut().below(end)
    }

    /// Mostly good.
    fn mood(&self) -> CallResult<()> {
        self.calls.set(self.calls.get() + 1);
        if self.below(4) > 0 {
            return Ok(());
        }
        let error = ERRORS.get(self.below(8) as usize).copied();
        Err(error.unwrap_or(CallError::NotFound))
    }

    fn value(&self) -> &'static [u8] {
        VALUES.get(self.below(4) as usize).copied().unwrap_or_default()
    }

    fn wait(&self, waiting: Waiting) -> CallResult<Subscription> {
        self.mood()?;
        let mut all = self.waiting.borrow_mut();
        if all.len() >= WAITING_MAX {
            return Err(CallError::LimitReached);
        }
        all.push(waiting);
        Ok(Subscription::nothing())
    }

    fn headers_of_answer(&self) -> Headers {
        let mut map = HeaderMap::new();
        for _ in 0..self.below(3) {
            map.append("x-answer", HeaderValue::from_static("yes"));
        }
        Headers::response(StatusCode::OK, map)
    }

    fn answer(&self) -> Result<HttpAnswer, OutboundError> {
        match self.below(6) {
            0 => Err(OutboundError::TimedOut),
            1 => Err(OutboundError::Reset),
            2 => Err(OutboundError::Unreachable),
            _ => Ok(HttpAnswer {
                headers: self.headers_of_answer(),
                body: Bytes::from_static(self.value()),
                trailers: (self.below(2) == 0).then(|| self.headers_of_answer()),
            }),
        }
    }

    fn event(&self) -> GrpcEvent {
        match self.below(4) {
            0 => GrpcEvent::InitialMetadata(self.headers_of_answer()),
            1 => GrpcEvent::Message(Bytes::from_static(self.value())),
            2 => GrpcEvent::TrailingMetadata(self.headers_of_answer()),
            _ => GrpcEvent::Closed { status: self.below(20), message: "over".into() },
        }
    }
}

/// Takes all that is sent.
struct Sink;

impl GrpcStream for Sink {
    fn send(&self, _message: &[u8], _end: bool) -> CallResult<()> {
        Ok(())
    }

    fn close(&self) {}
}

impl HostCalls for Host {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.mood()?;
        sections::header(stream, map, name, show)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.mood()?;
        sections::headers(stream, map, show)
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.mood()?;
        sections::write_header(stream, map, write)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.mood()?;
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
        self.mood()?;
        stream.message(body).body.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.mood()?;
        show(connection.flow(flow).bytes.borrow().as_slice());
        Ok(())
    }

    fn write_data(
        &self,
        connection: &Connection,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.mood()?;
        connection.flow(flow).bytes.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn property(&self, _subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.mood()?;
        Ok(match self.below(6) {
            0 => PropertyValue::Integer(-1),
            1 => PropertyValue::Unsigned(u64::MAX),
            2 => PropertyValue::Boolean(true),
            3 => PropertyValue::Nanoseconds(i64::MIN),
            4 => PropertyValue::Map(vec![(b"name".to_vec(), self.value().to_vec()); 3]),
            _ => PropertyValue::Bytes(self.value().to_vec()),
        })
    }

    fn set_property(
        &self,
        _subject: Subject<'_>,
        _path: &[&[u8]],
        _value: &[u8],
    ) -> CallResult<()> {
        self.mood()
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, _reply: LocalReply) -> CallResult<()> {
        self.mood()
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.mood()
    }

    fn close(&self, _connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.mood()
    }

    fn http_call(&self, _call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        self.wait(Waiting::Answer(on_answer))
    }

    fn grpc_stream(
        &self,
        _method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        for _ in 0..2 {
            drop(self.wait(Waiting::Grpc(Rc::clone(&on_event)))?);
        }
        Ok(Box::new(Sink))
    }

    fn every(&self, _period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        self.wait(Waiting::Tick(tick))
    }

    fn shared_data(
        &self,
        _namespace: &str,
        _key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.mood()?;
        show(self.value(), 1 + self.below(3));
        Ok(())
    }

    fn set_shared_data(
        &self,
        _namespace: &str,
        _key: &[u8],
        _value: &[u8],
        _version: u32,
    ) -> CallResult<()> {
        self.mood()
    }

    fn register_queue(
        &self,
        _namespace: &str,
        _name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        let subscription = self.wait(Waiting::Queue(ready))?;
        Ok((self.below(4), subscription))
    }

    fn resolve_queue(&self, _namespace: &str, _name: &[u8]) -> CallResult<QueueId> {
        self.mood()?;
        Ok(self.below(4))
    }

    fn enqueue(&self, _queue: QueueId, _item: &[u8]) -> CallResult<()> {
        self.mood()
    }

    fn dequeue(&self, _queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.mood()?;
        show(self.value());
        Ok(())
    }

    fn define_metric(&self, _plugin: &str, _kind: MetricKind, _name: &str) -> CallResult<MetricId> {
        self.mood()?;
        Ok(self.below(4))
    }

    fn record_metric(&self, _plugin: &str, _metric: MetricId, _value: u64) -> CallResult<()> {
        self.mood()
    }

    fn increment_metric(&self, _plugin: &str, _metric: MetricId, _by: i64) -> CallResult<()> {
        self.mood()
    }

    fn metric(&self, _plugin: &str, _metric: MetricId) -> CallResult<u64> {
        self.mood()?;
        Ok(u64::MAX)
    }

    fn foreign(
        &self,
        _subject: Subject<'_>,
        _name: &[u8],
        _argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.mood()?;
        show(self.value());
        Ok(())
    }

    fn log(&self, _plugin: &str, _level: LogLevel, _line: &str) {}

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_007)
    }
}
