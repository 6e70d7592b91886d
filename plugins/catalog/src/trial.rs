//! Trials: a use of a plugin is started once on the control thread before any worker does.
//!
//! What does not start there is never started on a worker, where a slow start would keep
//! traffic waiting. A trial sees no traffic. What it shares, counts and asks for beside
//! traffic goes nowhere: there is a [`TrialWorker`] for each load, on which the instances find
//! what the ones before them left, and that is thrown away. Instances that share something by
//! the name of a machine live until all have started, so that the second one meets the first
//! here as on a worker; others are dropped at once. Where the use is a codec, one is made.
//! Calls to clusters, timers and queues are accepted and never come to anything, since plugins
//! take a refusal at their start for the end.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, CodecProfile, ExtensionPoint, FaultKind, FieldWrite,
    FilterFactory, GrpcMethod, GrpcStream, HeaderMapKind, HostCalls, HttpCall, InstanceSpec,
    LoadedPlugin, LocalReply, LogLevel, MetricId, MetricKind, OnGrpcEvent, OnHttpAnswer, Phases,
    PluginFault, PropertyValue, QueueId, SharedInstances, Stream, Subject, Subscription,
    WorkerScope,
};
use host_telemetry::{DefinedMetrics, log_plugin_line};
use host_types::Headers;
use plugins_policy::{CallCounts, Guard};
use plugins_shared::{SharedState, call_foreign};

use crate::{PluginPlan, charge::Charge, ledger::Account};

/// How the trials of a generation ended, by use: what the instance said of itself, or why it did
/// not start.
pub(crate) type Trials = HashMap<InstanceSpec, Result<Traits, PluginFault>>;

/// What an instance says of itself; those of the same use and generation are no different.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Traits {
    /// The phases that it wants.
    pub(crate) phases: Phases,
    /// What holds of its protocol, where it is a codec's.
    pub(crate) profile: CodecProfile,
}

/// What stands for a worker in the trials of one load.
#[derive(Default)]
pub(crate) struct TrialWorker {
    calls: Rc<TrialCalls>,
    shared: Rc<SharedInstances>,
    /// What those to come may share something with.
    held: RefCell<Vec<Rc<dyn FilterFactory>>>,
}

impl TrialWorker {
    /// Starts an instance on this thread. What it is denied counts, what it asks for does not.
    pub(crate) fn start(
        &self,
        plan: &PluginPlan,
        (loaded, charge): (&dyn LoadedPlugin, &Charge),
        account: &Account,
        spec: &InstanceSpec,
    ) -> Result<Traits, PluginFault> {
        let calls: Rc<dyn HostCalls> = Rc::<TrialCalls>::clone(&self.calls);
        let account = Account { calls: Arc::<CallCounts>::default(), ..account.clone() };
        let guard = Guard::new(charge.ward(plan, &account, &calls), calls);
        let scope = WorkerScope {
            worker: None,
            calls: Rc::new(guard),
            shared: Rc::clone(&self.shared),
            cpu: host_extension::CpuMeter::default(),
            on_fault: Rc::new(|_fault| {}),
            on_restart: Rc::new(|| {}),
        };
        let factory = loaded.start(&scope, spec)?;
        serves_at(spec.point, factory.phases())?;
        if spec.point == ExtensionPoint::Codec {
            // What is no codec is to be known before a client's bytes come to it.
            drop(factory.codec()?);
        }
        let traits = Traits { phases: factory.phases(), profile: factory.codec_profile() };
        if plan.shares_machines() {
            self.held.borrow_mut().push(factory);
        }
        Ok(traits)
    }
}

/// What wants no callback where it is put would do nothing there, and nobody would notice.
fn serves_at(point: ExtensionPoint, phases: Phases) -> Result<(), PluginFault> {
    let (of_point, what) = match point {
        ExtensionPoint::StreamFilter => (Phases::OF_STREAMS, "requests"),
        ExtensionPoint::NetworkFilter => (Phases::OF_CONNECTIONS, "connections"),
        ExtensionPoint::Codec | ExtensionPoint::Service => return Ok(()),
    };
    if phases.intersects(of_point) {
        return Ok(());
    }
    let story = format!(
        "the plugin would do nothing where it is put: it has no callback of {what}, or its \
         `phases` leave none; one that reads a protocol belongs into a listener's `protocol`, and \
         one that works beside traffic into `services`"
    );
    Err(PluginFault::new(FaultKind::Protocol, story))
}

/// The host of the trials of one load.
#[derive(Debug, Default)]
struct TrialCalls {
    state: SharedState,
    metrics: DefinedMetrics,
}

const NO_STREAM: CallError = CallError::WrongPhase;

impl HostCalls for TrialCalls {
    fn header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _name: &[u8],
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn headers(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn write_header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _write: FieldWrite<'_>,
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn write_body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _start: usize,
        _length: usize,
        _with: &[u8],
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn property(&self, _subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        Err(CallError::NotFound)
    }

    fn set_property(
        &self,
        _subject: Subject<'_>,
        _path: &[&[u8]],
        _value: &[u8],
    ) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, _reply: LocalReply) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        Err(NO_STREAM)
    }

    fn http_call(&self, call: HttpCall, on_answer: OnHttpAnswer) -> CallResult<Subscription> {
        drop((call, on_answer));
        Ok(Subscription::nothing())
    }

    fn grpc_stream(
        &self,
        method: GrpcMethod,
        on_event: OnGrpcEvent,
    ) -> CallResult<Box<dyn GrpcStream>> {
        drop((method, on_event));
        Ok(Box::new(SilentStream))
    }

    fn every(&self, period: Duration, tick: Rc<dyn Fn()>) -> CallResult<Subscription> {
        drop(tick);
        if period.is_zero() { Err(CallError::BadArgument) } else { Ok(Subscription::nothing()) }
    }

    fn shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        show: &mut dyn FnMut(&[u8], u32),
    ) -> CallResult<()> {
        self.state.data(namespace, key, show)
    }

    fn set_shared_data(
        &self,
        namespace: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> CallResult<()> {
        self.state.set_data(namespace, key, value, version)
    }

    fn register_queue(
        &self,
        namespace: &str,
        name: &[u8],
        ready: Rc<dyn Fn(QueueId)>,
    ) -> CallResult<(QueueId, Subscription)> {
        drop(ready);
        let nobody = Arc::new(|_queue| {});
        let (queue, registration) = self.state.register_queue(namespace, name, nobody)?;
        Ok((queue, Subscription::new(registration)))
    }

    fn resolve_queue(&self, namespace: &str, name: &[u8]) -> CallResult<QueueId> {
        self.state.resolve_queue(namespace, name)
    }

    fn queue_namespace(&self, queue: QueueId, show: &mut dyn FnMut(&str)) -> CallResult<()> {
        self.state.queue_namespace(queue, show)
    }

    fn enqueue(&self, queue: QueueId, item: &[u8]) -> CallResult<()> {
        self.state.enqueue(queue, item)
    }

    fn dequeue(&self, queue: QueueId, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.state.dequeue(queue, show)
    }

    fn define_metric(&self, plugin: &str, kind: MetricKind, name: &str) -> CallResult<MetricId> {
        self.metrics.define(plugin, kind, name)
    }

    fn record_metric(&self, plugin: &str, metric: MetricId, value: u64) -> CallResult<()> {
        self.metrics.record(plugin, metric, value)
    }

    fn increment_metric(&self, plugin: &str, metric: MetricId, by: i64) -> CallResult<()> {
        self.metrics.increment(plugin, metric, by)
    }

    fn metric(&self, plugin: &str, metric: MetricId) -> CallResult<u64> {
        self.metrics.value(plugin, metric)
    }

    fn foreign(
        &self,
        subject: Subject<'_>,
        name: &[u8],
        argument: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        call_foreign(self, subject, name, argument, show)
    }

    fn log(&self, plugin: &str, level: LogLevel, line: &str) {
        log_plugin_line(plugin, level, line.as_bytes());
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A gRPC stream on which nothing ever comes.
struct SilentStream;

impl GrpcStream for SilentStream {
    fn send(&self, _message: &[u8], _end: bool) -> CallResult<()> {
        Ok(())
    }

    fn close(&self) {}
}

#[cfg(test)]
mod tests;
