//! What a child asks of the host, carried out through the guard.
//!
//! A call is answered at once, in the order of the session. What it is refused is told by the
//! statuses of the protocol, which are those of the host; a section that is not there reads as an
//! empty one, as in a Wasm sandbox. Start reading at [`answer`].

mod change;
mod outbound;
mod property;
mod reply;

use std::rc::Rc;

use abi_process::v1;
use bytes::Bytes;
use host_extension::{
    CallError, CallResult, Flow, HeaderMapKind, HostCalls, InstanceSpec, MetricKind, Side, Stream,
    Subject,
};

pub(crate) use self::{
    change::{Changed, change_all, close, respond},
    outbound::Outbound,
    property::property_along,
    reply::local_reply,
};
use crate::session::{ChildLink, Context, Instance, fields};

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The host, as the plugin may use it.
    pub(crate) calls: &'a dyn HostCalls,
    /// The plugin.
    pub(crate) link: &'a ChildLink,
    pub(crate) spec: &'a InstanceSpec,
    /// The stream or connection on whose behalf it asks.
    pub(crate) context: Option<&'a Context>,
    /// The instance that is told of what comes of it; a trial has none, and nothing comes of it.
    pub(crate) instance: Option<&'a Rc<Instance>>,
}

/// Answers a call of an instance.
pub(crate) fn answer(
    instance: &Rc<Instance>,
    context: Option<&Context>,
    call: v1::Call,
) -> v1::CallResult {
    let asker = Asker {
        calls: instance.calls(),
        link: instance.link(),
        spec: &instance.spec,
        context,
        instance: Some(instance),
    };
    asker.answer(call)
}

/// What is told beside the status.
#[derive(Debug, Default)]
struct Told {
    value: Bytes,
    number: u64,
    fields: Vec<v1::Field>,
}

impl Told {
    fn nothing() -> Self {
        Self::default()
    }

    fn value(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    fn number(number: impl Into<u64>) -> Self {
        Self { number: number.into(), ..Self::default() }
    }
}

impl Asker<'_> {
    /// Answers a call.
    pub(crate) fn answer(&self, call: v1::Call) -> v1::CallResult {
        let id = call.id;
        let told = match call.kind {
            Some(kind) => self.carry_out(id, kind),
            None => Err(CallError::Unsupported),
        };
        match told {
            Ok(Told { value, number, fields }) => {
                v1::CallResult { id, status: v1::Status::Ok.into(), value, number, fields }
            }
            Err(error) => {
                v1::CallResult { id, status: status(error).into(), ..v1::CallResult::default() }
            }
        }
    }

    fn carry_out(&self, id: u64, kind: v1::call::Kind) -> CallResult<Told> {
        use v1::call::Kind;
        let (calls, plugin) = (self.calls, self.link.name.as_str());
        let namespace = self.link.namespace();
        match kind {
            Kind::GetFields(get) => self.fields(get.section()),
            Kind::GetBytes(get) => self.bytes(get.which),
            Kind::GetProperty(get) => property::read(self, &get).map(Told::value),
            Kind::SetProperty(set) => property::write(self, &set).map(|()| Told::nothing()),
            Kind::Http(request) => outbound::send(self, id, request).map(|()| Told::nothing()),
            Kind::SetTick(set) => outbound::set_tick(self, set.period_ms).map(|()| Told::nothing()),
            Kind::RegisterQueue(name) => outbound::register(self, &name).map(Told::number),
            Kind::SharedGet(get) => self.shared(&get.key),
            Kind::SharedSet(set) => {
                calls.set_shared_data(namespace, &set.key, &set.value, set.version)?;
                Ok(Told::nothing())
            }
            Kind::ResolveQueue(queue) => {
                let named = &*queue.namespace;
                let namespace = if named.is_empty() { namespace } else { named };
                calls.resolve_queue(namespace, queue.name.as_bytes()).map(Told::number)
            }
            Kind::Enqueue(put) => calls.enqueue(put.queue, &put.item).map(|()| Told::nothing()),
            Kind::Dequeue(queue) => {
                let mut item = Vec::new();
                calls.dequeue(queue, &mut |bytes| item.extend_from_slice(bytes))?;
                Ok(Told::value(item))
            }
            Kind::DefineMetric(define) => {
                let kind = match define.kind() {
                    v1::MetricKind::Counter => MetricKind::Counter,
                    v1::MetricKind::Gauge => MetricKind::Gauge,
                    v1::MetricKind::Histogram => MetricKind::Histogram,
                };
                calls.define_metric(plugin, kind, &define.name).map(Told::number)
            }
            Kind::RecordMetric(change) => {
                // Values have no sign; the largest ones come as negative numbers.
                let value = change.by.cast_unsigned();
                calls.record_metric(plugin, change.metric, value).map(|()| Told::nothing())
            }
            Kind::IncrementMetric(change) => {
                calls.increment_metric(plugin, change.metric, change.by).map(|()| Told::nothing())
            }
            Kind::Change(change) => {
                let context = self.context.ok_or(CallError::BadArgument)?;
                change::change(context, change).map(|()| Told::nothing())
            }
            Kind::Metric(metric) => calls.metric(plugin, metric).map(Told::number),
        }
    }

    /// What it asks for, in the words of the host.
    fn subject(&self) -> Subject<'_> {
        self.context.map_or(Subject::Host, Context::subject)
    }

    fn stream(&self) -> CallResult<&Stream> {
        let stream = self.context.and_then(Context::stream);
        stream.map(|stream| &**stream).ok_or(CallError::BadArgument)
    }

    fn fields(&self, section: v1::Section) -> CallResult<Told> {
        let mut found = Vec::new();
        let kind = section_of(section);
        let shown =
            self.calls.headers(self.stream()?, kind, &mut |headers| found = fields(headers));
        match shown {
            Ok(()) | Err(CallError::NotFound | CallError::WrongPhase | CallError::Denied) => {
                Ok(Told { fields: found, ..Told::default() })
            }
            Err(error) => Err(error),
        }
    }

    fn bytes(&self, which: u32) -> CallResult<Told> {
        let mut found = Bytes::new();
        let show = &mut |bytes: &[u8]| found = Bytes::copy_from_slice(bytes);
        let connection = || self.context.and_then(Context::connection);
        let connection = || connection().ok_or(CallError::BadArgument);
        let shown = match which {
            0 => self.calls.body(self.stream()?, Side::Request, show),
            1 => self.calls.body(self.stream()?, Side::Response, show),
            2 => self.calls.data(connection()?, Flow::Downstream, show),
            3 => self.calls.data(connection()?, Flow::Upstream, show),
            _ => Err(CallError::BadArgument),
        };
        match shown {
            Ok(()) => Ok(Told::value(found)),
            Err(CallError::WrongPhase | CallError::Denied) => Err(CallError::NotFound),
            Err(error) => Err(error),
        }
    }

    fn shared(&self, key: &[u8]) -> CallResult<Told> {
        let (mut value, mut number) = (Bytes::new(), 0);
        self.calls.shared_data(self.link.namespace(), key, &mut |bytes, version| {
            value = Bytes::copy_from_slice(bytes);
            number = version.into();
        })?;
        Ok(Told { value, number, fields: Vec::new() })
    }
}

/// A section by its number.
fn section_of(section: v1::Section) -> HeaderMapKind {
    match section {
        v1::Section::RequestHeaders => HeaderMapKind::RequestHeaders,
        v1::Section::RequestTrailers => HeaderMapKind::RequestTrailers,
        v1::Section::ResponseHeaders => HeaderMapKind::ResponseHeaders,
        v1::Section::ResponseTrailers => HeaderMapKind::ResponseTrailers,
    }
}

/// A refusal in the words of the protocol.
fn status(error: CallError) -> v1::Status {
    match error {
        CallError::NotFound => v1::Status::NotFound,
        CallError::BadArgument => v1::Status::BadArgument,
        CallError::WrongPhase => v1::Status::WrongPhase,
        CallError::Denied => v1::Status::Denied,
        CallError::LimitReached => v1::Status::LimitReached,
        CallError::Conflict => v1::Status::Conflict,
        CallError::Empty => v1::Status::Empty,
        CallError::Unsupported | _ => v1::Status::Unsupported,
    }
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test means few of many events")]
mod tests;
