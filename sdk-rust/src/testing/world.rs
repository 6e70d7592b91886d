//! The host that a plugin asks in a test.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, SystemTime},
};

use super::{
    commons::{Commons, OWN},
    connection::ConnectionState,
    head::known_name,
    message::{self, Message},
    stream::StreamState,
};
use crate::{
    Action, CallId, Fields, Flow, HostError, HttpRequest, LogLevel, MetricId, MetricKind, QueueId,
    Response, SharedValue, Side,
    backend::{Backend, ContextId, FieldChange, Outcome, Section},
};

/// Most HTTP calls under way.
const CALLS_MAX: usize = 1024;

/// Bytes of all properties of one stream or connection, and what one costs besides its own.
const PROPERTY_BYTES_MAX: usize = 64 * 1024;
const PROPERTY_OVERHEAD: usize = 32;

/// Properties by path.
pub(super) type Properties = RefCell<BTreeMap<Vec<String>, Vec<u8>>>;

/// The host's side of one started plugin.
pub(super) struct World {
    /// Which of the copies that share something.
    pub(super) copy: u64,
    pub(super) commons: Rc<RefCell<Commons>>,
    pub(super) clock: Rc<Cell<SystemTime>>,
    /// The clusters that there are; all, where none is named.
    pub(super) clusters: BTreeSet<String>,
    pub(super) properties: Properties,
    pub(super) lines: RefCell<Vec<(LogLevel, String)>>,
    pub(super) calls: RefCell<BTreeMap<CallId, Call>>,
    /// Calls whose stream or connection was over before the answer.
    pub(super) cancelled: RefCell<BTreeSet<CallId>>,
    pub(super) tick: Cell<Option<Tick>>,
    pub(super) streams: RefCell<BTreeMap<ContextId, Rc<StreamState>>>,
    pub(super) connections: RefCell<BTreeMap<ContextId, Rc<ConnectionState>>>,
    pub(super) last_id: Cell<u64>,
}

/// An HTTP call under way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) context: Option<ContextId>,
    pub(super) request: HttpRequest,
}

/// When a plugin is called again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) period: Duration,
    pub(super) next: SystemTime,
}

impl World {
    pub(super) fn id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    fn stream(&self, id: ContextId) -> Outcome<Rc<StreamState>> {
        self.streams.borrow().get(&id).cloned().ok_or(HostError::NotFound)
    }

    fn connection(&self, id: ContextId) -> Outcome<Rc<ConnectionState>> {
        self.connections.borrow().get(&id).cloned().ok_or(HostError::NotFound)
    }

    fn is_there(&self, id: ContextId) -> bool {
        self.streams.borrow().contains_key(&id) || self.connections.borrow().contains_key(&id)
    }

    /// A stream or connection is over: nobody waits for the answers to its calls.
    pub(super) fn forget(&self, id: ContextId) {
        self.streams.borrow_mut().remove(&id);
        self.connections.borrow_mut().remove(&id);
        let mut cancelled = self.cancelled.borrow_mut();
        self.calls.borrow_mut().retain(|call, made| {
            let stays = made.context != Some(id);
            if !stays {
                cancelled.insert(*call);
            }
            stays
        });
    }

    fn message<R>(
        &self,
        context: ContextId,
        side: Side,
        with: impl FnOnce(&mut Message) -> Outcome<R>,
    ) -> Outcome<R> {
        with(&mut self.stream(context)?.message(side).borrow_mut())
    }
}

impl Backend for World {
    fn field(&self, context: ContextId, section: Section, name: &str) -> Outcome<Option<Vec<u8>>> {
        self.message(context, side(section), |message| {
            let name = known_name(section, name.as_bytes());
            let mut fields = message.fields(section)?.iter();
            Ok(fields.find(|(known, _)| **known == *name).map(|(_, value)| value.to_vec()))
        })
    }

    fn fields(&self, context: ContextId, section: Section) -> Outcome<Fields> {
        self.message(context, side(section), |message| {
            Ok(message.fields(section).cloned().unwrap_or_default())
        })
    }

    fn write_field(
        &self,
        context: ContextId,
        section: Section,
        change: FieldChange<'_>,
    ) -> Outcome<()> {
        self.message(context, side(section), |message| message.change(section, change))
    }

    fn body(&self, context: ContextId, side: Side) -> Outcome<Vec<u8>> {
        self.message(context, side, |message| message.in_hand.clone().ok_or(HostError::WrongPhase))
    }

    fn splice_body(
        &self,
        context: ContextId,
        side: Side,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        self.message(context, side, |message| {
            message::splice(message.in_hand.as_mut(), start, length, with)
        })
    }

    fn data(&self, context: ContextId, flow: Flow) -> Outcome<Vec<u8>> {
        let connection = self.connection(context)?;
        let bytes = connection.flow(flow).borrow().in_hand.clone();
        bytes.ok_or(HostError::WrongPhase)
    }

    fn splice_data(
        &self,
        context: ContextId,
        flow: Flow,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> Outcome<()> {
        let connection = self.connection(context)?;
        let mut state = connection.flow(flow).borrow_mut();
        message::splice(state.in_hand.as_mut(), start, length, with)
    }

    fn property(&self, context: Option<ContextId>, path: &[&str]) -> Outcome<Option<Vec<u8>>> {
        let path: Vec<_> = path.iter().map(|segment| (*segment).to_owned()).collect();
        let Some(context) = context else {
            return Ok(self.properties.borrow().get(&path).cloned());
        };
        let own = match self.stream(context) {
            Ok(stream) => stream.property(&path),
            Err(_no_stream) => self.connection(context)?.properties.borrow().get(&path).cloned(),
        };
        Ok(own.or_else(|| self.properties.borrow().get(&path).cloned()))
    }

    fn set_property(&self, context: ContextId, path: &[&str], value: &[u8]) -> Outcome<()> {
        let is_owned = path.first().is_some_and(|root| ROOTS.contains(root));
        if is_owned || path.iter().all(|segment| segment.is_empty()) {
            return Err(HostError::BadArgument);
        }
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        match self.stream(context) {
            Ok(stream) => put(&stream.properties, path, value),
            Err(_no_stream) => put(&self.connection(context)?.properties, path, value),
        }
    }

    fn respond(&self, context: ContextId, response: &Response) -> Outcome<()> {
        self.stream(context)?.end_with(Action::Respond(response.clone()))
    }

    fn resume(&self, context: ContextId, side: Side) {
        if let Ok(stream) = self.stream(context) {
            stream.message(side).borrow_mut().resumed = true;
        }
    }

    fn resume_flow(&self, context: ContextId, flow: Flow) {
        if let Ok(connection) = self.connection(context) {
            connection.flow(flow).borrow_mut().resumed = true;
        }
    }

    fn reset(&self, context: ContextId) {
        if let Ok(stream) = self.stream(context) {
            stream.end_with(Action::Reset).ok();
        }
    }

    fn close(&self, context: ContextId) {
        if let Ok(connection) = self.connection(context) {
            connection.close();
        }
    }

    fn http_call(&self, context: Option<ContextId>, request: &HttpRequest) -> Outcome<CallId> {
        if let Some(context) = context
            && !self.is_there(context)
        {
            return Err(HostError::NotFound);
        }
        let is_complete = [&request.method, &request.path, &request.authority]
            .into_iter()
            .all(|part| !part.is_empty());
        if !is_complete {
            return Err(HostError::BadArgument);
        }
        if !self.clusters.is_empty() && !self.clusters.contains(&request.cluster) {
            return Err(HostError::NotFound);
        }
        if self.calls.borrow().len() >= CALLS_MAX {
            return Err(HostError::LimitReached);
        }
        let id = CallId(self.id());
        self.calls.borrow_mut().insert(id, Call { context, request: request.clone() });
        Ok(id)
    }

    fn set_tick_period(&self, period: Option<Duration>) -> Outcome<()> {
        let now = self.clock.get();
        // Time is counted in milliseconds, and none at all is the end of it.
        let period = period.map(|period| period.max(Duration::from_millis(1)));
        self.tick.set(period.map(|period| Tick { period, next: now + period }));
        Ok(())
    }

    fn shared_data(&self, key: &[u8]) -> Outcome<Option<SharedValue>> {
        Ok(self.commons.borrow().data(key))
    }

    fn set_shared_data(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Outcome<()> {
        self.commons.borrow_mut().set_data(key, value, expected)
    }

    fn register_queue(&self, name: &str) -> Outcome<QueueId> {
        self.commons.borrow_mut().register(OWN, name, Some(self.copy))
    }

    fn resolve_queue(&self, namespace: &str, name: &str) -> Outcome<QueueId> {
        self.commons.borrow().find(namespace, name)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> Outcome<()> {
        self.commons.borrow_mut().push(queue, item)
    }

    fn dequeue(&self, queue: QueueId) -> Outcome<Option<Vec<u8>>> {
        self.commons.borrow_mut().pop(queue)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Outcome<MetricId> {
        self.commons.borrow_mut().define(kind, name)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Outcome<()> {
        self.commons.borrow_mut().record(metric, value)
    }

    fn increment_metric(&self, metric: MetricId, by: i64) -> Outcome<()> {
        self.commons.borrow_mut().increment(metric, by)
    }

    fn metric(&self, metric: MetricId) -> Outcome<u64> {
        self.commons.borrow().metric(metric)
    }

    fn log(&self, level: LogLevel, line: &str) {
        self.lines.borrow_mut().push((level, line.to_owned()));
    }

    fn now(&self) -> SystemTime {
        self.clock.get()
    }
}

/// Sets a property, as many as may be.
fn put(properties: &Properties, path: Vec<String>, value: &[u8]) -> Outcome<()> {
    let mut properties = properties.borrow_mut();
    let cost = |path: &[String], value: &[u8]| {
        path.join("\0").len().saturating_add(value.len()).saturating_add(PROPERTY_OVERHEAD)
    };
    let others = properties.iter().filter(|(known, _)| **known != path);
    let used: usize = others.map(|(path, value)| cost(path, value)).sum();
    if used.saturating_add(cost(&path, value)) > PROPERTY_BYTES_MAX {
        return Err(HostError::LimitReached);
    }
    properties.insert(path, value.to_vec());
    Ok(())
}

/// The first segments of paths that are the host's own.
const ROOTS: [&str; 20] = [
    "request",
    "response",
    "source",
    "destination",
    "connection",
    "connection_id",
    "upstream",
    "xds",
    "node",
    "metadata",
    "listener_name",
    "listener_direction",
    "listener_metadata",
    "cluster_name",
    "cluster_metadata",
    "route_name",
    "route_metadata",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
];

fn side(section: Section) -> Side {
    match section {
        Section::RequestHeaders | Section::RequestTrailers => Side::Request,
        Section::ResponseHeaders | Section::ResponseTrailers => Side::Response,
    }
}
