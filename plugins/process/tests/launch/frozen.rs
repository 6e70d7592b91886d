//! A child that lives and says nothing: a worker's session finds out, the supervisor acts.

use std::{
    rc::Rc,
    time::{Duration, SystemTime},
};

use host_extension::{
    BodyKind, CallError, CallResult, FieldWrite, HeaderMapKind, HostCalls, InstanceSpec,
    LocalReply, LogLevel, PropertyValue, Stream, Subject, WorkerScope,
};
use host_types::{Headers, ProcessSettings, RestartSettings};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use crate::support::{Place, child, condition, lives, pid};

/// What a child writes to the log once it has an instance.
pub(crate) const STARTED: &str = "started";
/// How long something may take that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn a_frozen_child_is_killed_and_started_again() {
    let place = Place::new();
    let settings = ProcessSettings {
        unresponsive_timeout: Duration::from_millis(300),
        restart: RestartSettings { backoff: Duration::from_millis(5), ..Default::default() },
        ..child("good")
    };
    let loaded = place.load(&place.program(), &settings).unwrap();
    let before = pid(&loaded);
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let (scope, mut seen) = worker();
        let _factory = loaded.start(&scope, &InstanceSpec::default()).unwrap();
        assert_eq!(next(&mut seen).await, STARTED);
        kill_process(Pid::from_raw(before.try_into().unwrap()).unwrap(), Signal::STOP).unwrap();
        assert_eq!(next(&mut seen).await, RESTARTED);
        assert_eq!(next(&mut seen).await, STARTED);
    });
    let now = condition(&loaded);
    assert_eq!((now.state, now.restarts), ("ready", 1));
    assert!(now.pid != Some(before) && !lives(before), "{now:?}");
}

/// What a worker says when its child was started again.
const RESTARTED: &str = "restarted";

async fn next(seen: &mut UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, seen.recv()).await.expect("it happens in time").expect("the worker lives")
}

/// A worker that tells what it sees.
fn worker() -> (WorkerScope, UnboundedReceiver<String>) {
    let (tell, seen) = unbounded_channel();
    let restarted = tell.clone();
    let failed = tell.clone();
    let scope = WorkerScope {
        worker: Some(0),
        calls: Rc::new(Log(tell)),
        shared: Rc::default(),
        cpu: host_extension::CpuMeter::default(),
        on_fault: Rc::new(move |fault| {
            let _heard = failed.send(fault.to_string());
        }),
        on_restart: Rc::new(move || {
            let _heard = restarted.send(RESTARTED.to_owned());
        }),
    };
    (scope, seen)
}

/// A host that has a log and nothing else.
struct Log(UnboundedSender<String>);

impl HostCalls for Log {
    fn header(
        &self,
        _: &Stream,
        _: HeaderMapKind,
        _: &[u8],
        _: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn headers(&self, _: &Stream, _: HeaderMapKind, _: &mut dyn FnMut(&Headers)) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn write_header(&self, _: &Stream, _: HeaderMapKind, _: FieldWrite<'_>) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn body(&self, _: &Stream, _: BodyKind, _: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn write_body(&self, _: &Stream, _: BodyKind, _: usize, _: usize, _: &[u8]) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn property(&self, _: Subject<'_>, _: &[&[u8]]) -> CallResult<PropertyValue> {
        Err(CallError::NotFound)
    }

    fn set_property(&self, _: Subject<'_>, _: &[&[u8]], _: &[u8]) -> CallResult<()> {
        Err(CallError::NotFound)
    }

    fn respond(&self, _: &Rc<Stream>, _: &str, _: LocalReply) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn reset(&self, _: &Rc<Stream>, _: &str) -> CallResult<()> {
        Err(CallError::WrongPhase)
    }

    fn log(&self, _: &str, _: LogLevel, line: &str) {
        let _heard = self.0.send(line.to_owned());
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}
