//! Trials: a use of a plugin is started once on the control thread before any worker does.
//!
//! What does not start there is never started on a worker, where a slow start would keep
//! traffic waiting. A trial sees no stream, so its host can do nothing but log and tell the
//! time.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::SystemTime};

use host_extension::{
    BodyKind, CallError, CallResult, FieldWrite, HeaderMapKind, HostCalls, InstanceSpec,
    LoadedPlugin, LocalReply, LogLevel, Phases, PluginFault, PropertyValue, Stream, Subject,
    WorkerScope,
};
use host_telemetry::log_plugin_line;
use host_types::{Headers, PluginName};
use plugins_policy::Guard;

/// How the trials of a generation ended, by use: the phases that the instance
/// wants, or why it did not start.
pub(crate) type Trials = HashMap<InstanceSpec, Result<Phases, PluginFault>>;

/// Starts an instance on this thread, and drops it.
pub(crate) fn try_start(
    plugin: &PluginName,
    loaded: &dyn LoadedPlugin,
    spec: &InstanceSpec,
) -> Result<Phases, PluginFault> {
    let guard = Guard::new(plugin.clone(), Rc::new(TrialCalls), Arc::default());
    let scope = WorkerScope {
        worker: None,
        calls: Rc::new(guard),
        shared: Rc::default(),
        on_fault: Rc::new(|_fault| {}),
    };
    loaded.start(&scope, spec).map(|factory| factory.phases())
}

/// The host of a trial.
struct TrialCalls;

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

    fn log(&self, plugin: &str, level: LogLevel, line: &str) {
        log_plugin_line(plugin, level, line.as_bytes());
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
