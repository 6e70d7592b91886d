//! What the host of the tests does beside streams: calls that wait, shared state.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use host_extension::{
    CallError, CallResult, GrpcEvent, GrpcMethod, GrpcStream, HttpAnswer, HttpCall, MetricId,
    MetricKind, OnGrpcEvent, OnHttpAnswer, OutboundError, QueueId, Subscription,
};

/// What was asked for beside streams.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) http: RefCell<Vec<MadeCall>>,
    pub(crate) grpc: RefCell<Vec<OpenedStream>>,
    /// Messages of all gRPC streams, and whether each was the last one.
    pub(crate) sent: Rc<Sent>,
    pub(crate) shared: RefCell<HashMap<Name, Value>>,
    pub(crate) queues: RefCell<Vec<FakeQueue>>,
    pub(crate) metrics: RefCell<Vec<(MetricKind, String, u64)>>,
    /// Subscriptions and gRPC streams that live.
    pub(crate) alive: Rc<Cell<u32>>,
}

/// A call, and who waits for its answer.
type MadeCall = (HttpCall, Option<OnHttpAnswer>);
/// A gRPC stream, and who waits for what comes of it.
type OpenedStream = (GrpcMethod, OnGrpcEvent);
/// Messages, and whether each is the last one.
type Sent = RefCell<Vec<(Vec<u8>, bool)>>;
/// A value with its version.
type Value = (Vec<u8>, u32);
/// A namespace and a name in it.
type Name = (String, Vec<u8>);

/// A queue with its name and who is told of items.
pub(crate) struct FakeQueue {
    name: Name,
    items: VecDeque<Vec<u8>>,
    pub(crate) ready: Rc<dyn Fn(QueueId)>,
}

/// Counts what lives.
struct Alive(Rc<Cell<u32>>);

impl Alive {
    fn new(alive: &Rc<Cell<u32>>) -> Self {
        alive.set(alive.get() + 1);
        Self(Rc::clone(alive))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct FakeGrpc {
    sent: Rc<Sent>,
    ended: Cell<bool>,
    _alive: Alive,
}

impl GrpcStream for FakeGrpc {
    fn send(&self, message: &[u8], end: bool) -> CallResult<()> {
        if self.ended.replace(end) {
            return Err(CallError::BadArgument);
        }
        self.sent.borrow_mut().push((message.to_vec(), end));
        Ok(())
    }

    fn close(&self) {
        if !self.ended.replace(true) {
            self.sent.borrow_mut().push((Vec::new(), true));
        }
    }
}

impl Beside {
    pub(crate) fn http_call(
        &self,
        call: HttpCall,
        on_answer: OnHttpAnswer,
    ) -> CallResult<Subscription> {
        check_cluster(&call.cluster)?;
        self.http.borrow_mut().push((call, Some(on_answer)));
        Ok(Subscription::new(Alive::new(&self.alive)))
    }

    /// Answers an HTTP call, in the order in which they were made.
    pub(crate) fn answer(&self, call: usize, answer: Result<HttpAnswer, OutboundError>) {
        let on_answer = self.http.borrow_mut()[call].1.take().expect("it waits for an answer");
        on_answer(answer);
    }

    /// Takes any of the calls that were not answered, and forgets those that were.
    pub(crate) fn take_call(&self, any: u64) -> Option<OnHttpAnswer> {
        let mut calls = self.http.borrow_mut();
        calls.retain(|(_call, on_answer)| on_answer.is_some());
        let count = u64::try_from(calls.len()).ok().filter(|count| *count > 0)?;
        let at = usize::try_from(any % count).ok()?;
        calls.get_mut(at)?.1.take()
    }

    pub(crate) fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        check_cluster(&method.cluster)?;
        self.grpc.borrow_mut().push((method, on_event));
        let sent = Rc::clone(&self.sent);
        Ok(Box::new(FakeGrpc { sent, ended: Cell::default(), _alive: Alive::new(&self.alive) }))
    }

    /// Lets something come of a gRPC stream, in the order in which they were opened.
    pub(crate) fn event(&self, stream: usize, event: GrpcEvent) {
        let on_event = Rc::clone(&self.grpc.borrow()[stream].1);
        on_event(event);
    }

    pub(crate) fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        let shared = self.shared.borrow();
        let found = shared.get(&(namespace.to_owned(), key.to_vec()));
        let (value, version) = found.ok_or(CallError::NotFound)?;
        show(value, *version);
        Ok(())
    }

    pub(crate) fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        let mut shared = self.shared.borrow_mut();
        let key = (namespace.to_owned(), key.to_vec());
        let old = shared.get(&key).map_or(0, |(_, version)| *version);
        if version != 0 && old != 0 && version != old {
            return Err(CallError::Conflict);
        }
        shared.insert(key, (value.to_vec(), old + 1));
        Ok(())
    }

    pub(crate) fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        let name = (namespace.to_owned(), name.to_vec());
        let place = Subscription::new(Alive::new(&self.alive));
        let mut queues = self.queues.borrow_mut();
        if let Some(at) = queues.iter().position(|queue| queue.name == name) {
            queues[at].ready = ready;
            return Ok((number(at), place));
        }
        queues.push(FakeQueue { name, items: VecDeque::new(), ready });
        Ok((number(queues.len() - 1), place))
    }

    pub(crate) fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        let name = (namespace.to_owned(), name.to_vec());
        let found = self.queues.borrow().iter().position(|queue| queue.name == name);
        found.map(number).ok_or(CallError::NotFound)
    }

    pub(crate) fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(index(queue)).ok_or(CallError::NotFound)?;
        queue.items.push_back(item.to_vec());
        Ok(())
    }

    pub(crate) fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(index(queue)).ok_or(CallError::NotFound)?;
        show(&queue.items.pop_front().ok_or(CallError::Empty)?);
        Ok(())
    }

    /// Tells who is to be told of an item.
    pub(crate) fn queue_ready(&self, queue: QueueId) {
        let ready = Rc::clone(&self.queues.borrow()[index(queue)].ready);
        ready(queue);
    }

    pub(crate) fn define_metric(
        &self,
        plugin: &str,
        kind: MetricKind,
        name: &str,
    ) -> CallResult<MetricId> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((kind, format!("{plugin}.{name}"), 0));
        Ok(number(metrics.len() - 1))
    }

    pub(crate) fn record_metric(
        &self,
        plugin: &str,
        metric: MetricId,
        value: u64,
    ) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        of(&mut metrics, plugin, metric)?.2 = value;
        Ok(())
    }

    pub(crate) fn increment_metric(
        &self,
        plugin: &str,
        metric: MetricId,
        by: i64,
    ) -> CallResult<()> {
        let mut metrics = self.metrics.borrow_mut();
        let metric = of(&mut metrics, plugin, metric)?;
        if metric.0 == MetricKind::Histogram || (metric.0 == MetricKind::Counter && by < 1) {
            return Err(CallError::BadArgument);
        }
        metric.2 = metric.2.wrapping_add_signed(by);
        Ok(())
    }

    pub(crate) fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        Ok(of(&mut self.metrics.borrow_mut(), plugin, metric)?.2)
    }
}

/// A metric, where it is the plugin's.
fn of<'a>(
    metrics: &'a mut [(MetricKind, String, u64)],
    plugin: &str,
    metric: MetricId,
) -> CallResult<&'a mut (MetricKind, String, u64)> {
    let found = metrics.get_mut(index(metric)).ok_or(CallError::NotFound)?;
    let is_its = found.1.strip_prefix(plugin).is_some_and(|rest| rest.starts_with('.'));
    if is_its { Ok(found) } else { Err(CallError::NotFound) }
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("alive", &self.alive).finish_non_exhaustive()
    }
}

/// The one cluster that there is is `up`; `full` takes no more.
fn check_cluster(name: &str) -> CallResult<()> {
    match name {
        "up" => Ok(()),
        "full" => Err(CallError::LimitReached),
        _ => Err(CallError::NotFound),
    }
}

/// Numbers begin with one, so that zero is nobody's.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("few")
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("few").wrapping_sub(1)
}
