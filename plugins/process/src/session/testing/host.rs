//! A host that keeps everything in its hand.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, Capability, Connection, FieldWrite, Flow, HeaderMapKind,
    HostCalls, HttpCall, LocalReply, LogLevel, MetricId, MetricKind, OnHttpAnswer, PropertyValue,
    QueueId, Stage, Stream, Subject, Subscription,
};
use host_types::Headers;

/// What was asked of it, and what it answers.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) dropped: Cell<u32>,
    pub(crate) replies: RefCell<Vec<u16>>,
    pub(crate) resets: Cell<u32>,
    pub(crate) closes: Cell<u32>,
    pub(crate) attributes: RefCell<Vec<(String, Vec<u8>)>>,
    pub(crate) shared: RefCell<BTreeMap<Key, Versioned>>,
    /// Calls that wait for their answer.
    pub(crate) calls: RefCell<Vec<(HttpCall, OnHttpAnswer)>>,
    /// Calls, timers and places at queues that are held.
    pub(crate) held: Rc<Cell<u32>>,
    pub(crate) ticks: RefCell<Vec<(Duration, Pulse)>>,
    pub(crate) ready: RefCell<Vec<Ready>>,
    pub(crate) items: RefCell<Vec<Vec<u8>>>,
    pub(crate) metrics: RefCell<Vec<(MetricKind, String, i64)>>,
    /// What it denies, as a guard would.
    pub(crate) denied: RefCell<Vec<Capability>>,
    /// What it has denied.
    pub(crate) denials: RefCell<Vec<Capability>>,
}

/// A namespace and a key in it.
type Key = (String, Vec<u8>);
/// A value and its version.
type Versioned = (Vec<u8>, u32);
type Pulse = Rc<dyn Fn()>;
type Ready = Rc<dyn Fn(QueueId)>;

struct Held(Rc<Cell<u32>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl FakeHost {
    fn allow(&self, what: Capability) -> CallResult<()> {
        if !self.denied.borrow().contains(&what) {
            return Ok(());
        }
        self.denials.borrow_mut().push(what);
        Err(CallError::Denied)
    }

    fn hold(&self) -> Subscription {
        self.held.set(self.held.get() + 1);
        Subscription::new(Held(Rc::clone(&self.held)))
    }

    fn with<R>(
        stream: &Stream,
        map: HeaderMapKind,
        with: impl FnOnce(&mut Headers) -> R,
    ) -> CallResult<R> {
        let section = match map {
            HeaderMapKind::RequestHeaders => &stream.request.headers,
            HeaderMapKind::RequestTrailers => &stream.request.trailers,
            HeaderMapKind::ResponseHeaders => &stream.response.headers,
            _ => &stream.response.trailers,
        };
        section.borrow_mut().as_mut().map(with).ok_or(CallError::WrongPhase)
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
        Self::with(stream, map, |headers| headers.get(name).map(&mut *show))?
            .ok_or(CallError::NotFound)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        if map == HeaderMapKind::RequestHeaders {
            self.allow(Capability::HeadersRequestRead)?;
        }
        Self::with(stream, map, |headers| show(headers))
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.allow(Capability::HeadersRequestWrite)?;
        if map == HeaderMapKind::RequestHeaders && stream.request.stage.get() != Stage::Open {
            return Err(CallError::WrongPhase);
        }
        let written = Self::with(stream, map, |headers| match write {
            FieldWrite::Add(name, value) => headers.add(name, value),
            FieldWrite::Replace(name, value) => headers.replace(name, value),
            FieldWrite::Remove(name) => headers.remove(name),
            FieldWrite::SetAll(pairs) => headers.set_all(pairs.iter().copied()),
        })?;
        written.map_err(|_refused| CallError::BadArgument)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.allow(Capability::BodyRequestRead)?;
        let message = stream.message(body);
        if !message.body_on_duty.get() {
            return Err(CallError::WrongPhase);
        }
        show(message.body.borrow().as_slice());
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
        self.allow(Capability::BodyRequestWrite)?;
        let message = stream.message(body);
        if !message.body_on_duty.get() {
            return Err(CallError::WrongPhase);
        }
        if with.len() > stream.held_bytes_max.get() {
            return Err(CallError::LimitReached);
        }
        message.body.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn data(
        &self,
        connection: &Connection,
        flow: Flow,
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.allow(Capability::TcpDownstreamRead)?;
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
        connection.flow(flow).bytes.borrow_mut().splice(start, length, with);
        Ok(())
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        match (subject, path) {
            (Subject::Stream(_), [b"request", b"path"]) => {
                Ok(PropertyValue::Bytes(b"/path".to_vec()))
            }
            (Subject::Connection(_), [b"source", b"port"]) => Ok(PropertyValue::Unsigned(1)),
            _ => Err(CallError::NotFound),
        }
    }

    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        if matches!(subject, Subject::Host) {
            return Err(CallError::NotFound);
        }
        let path = String::from_utf8_lossy(&path.join(&b'/')).into_owned();
        self.attributes.borrow_mut().push((path, value.to_vec()));
        Ok(())
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.allow(Capability::Reply)?;
        self.replies.borrow_mut().push(reply.status.as_u16());
        Ok(())
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.allow(Capability::Close)?;
        self.resets.set(self.resets.get() + 1);
        Ok(())
    }

    fn close(&self, _connection: &Connection, _plugin: &str) -> CallResult<()> {
        self.allow(Capability::Close)?;
        self.closes.set(self.closes.get() + 1);
        Ok(())
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        if &*call.cluster == "nowhere" {
            return Err(CallError::NotFound);
        }
        self.calls.borrow_mut().push((call, on_answer));
        Ok(self.hold())
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        self.ticks.borrow_mut().push((period, tick));
        Ok(self.hold())
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        let shared = self.shared.borrow();
        let found = shared.get(&(namespace.to_owned(), key.to_vec()));
        found.map(|(value, version)| show(value, *version)).ok_or(CallError::NotFound)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        let mut shared = self.shared.borrow_mut();
        let entry = shared.entry((namespace.to_owned(), key.to_vec())).or_default();
        if version != 0 && entry.1 != version {
            return Err(CallError::Conflict);
        }
        *entry = (value.to_vec(), entry.1 + 1);
        Ok(())
    }

    fn register_queue(
        &self,
        _namespace: &str,
        _name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        let mut all = self.ready.borrow_mut();
        all.push(ready);
        let queue = u32::try_from(all.len()).expect("few of them");
        Ok((queue, self.hold()))
    }

    fn resolve_queue(&self, namespace: &str, _name: &[u8]) -> CallResult<QueueId> {
        if namespace == "guest" { Ok(1) } else { Err(CallError::NotFound) }
    }

    fn enqueue(&self, _queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.items.borrow_mut().push(item.to_vec());
        Ok(())
    }

    fn dequeue(&self, _queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let item = self.items.borrow_mut().pop().ok_or(CallError::Empty)?;
        show(&item);
        Ok(())
    }

    fn define_metric(&self, _plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((kind, name.to_owned(), 0));
        u32::try_from(metrics.len() - 1).map_err(|_many| CallError::LimitReached)
    }

    fn record_metric(&self, _plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        let metric = metrics.get_mut(metric as usize).ok_or(CallError::NotFound)?;
        metric.2 = value.cast_signed();
        Ok(())
    }

    fn increment_metric(&self, _plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.get_mut(metric as usize).ok_or(CallError::NotFound)?.2 += by;
        Ok(())
    }

    fn metric(&self, _plugin: &str, metric: MetricId) -> CallResult<u64> {
        let metrics = self.metrics.borrow();
        let metric = metrics.get(metric as usize).ok_or(CallError::NotFound)?;
        Ok(metric.2.cast_unsigned())
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        self.lines.borrow_mut().push(format!("{level:?}: {line}"));
    }

    fn log_dropped(&self, _plugin: &str) {
        self.dropped.set(self.dropped.get() + 1);
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(7)
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        self.allow(what)
    }
}
