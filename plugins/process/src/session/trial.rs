//! A trial: a session of its own for one instance, which is started and let go.
//!
//! It runs on the supervisor's event loop. What the child asks for meanwhile is answered by the
//! thread that waits for the trial, since the host calls live there.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use abi_process::v1;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use host_extension::{
    CodecProfile, ExtensionPoint, FaultKind, InstanceSpec, LogLevel, Phases, PluginFault,
    WorkerScope,
};
use host_telemetry::LineGate;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tonic::Streaming;

use super::{
    codec::{NO_CODEC, profile_of},
    frame,
    hello::{Opened, broken, fault_of, open},
    instance::{configure, phases_of},
    link::ChildLink,
    outbox::Outbox,
};
use crate::{
    child::{ChildState, Reach},
    host_calls::Asker,
};

/// Lines of the child that are written to the log; the rest is dropped.
const LINES_MAX: usize = 64;
/// The number of the only instance.
const INSTANCE: u64 = 1;
/// Which worker a trial is of.
const NO_WORKER: u32 = u32::MAX;

/// What the session has for the thread that waits.
enum Word {
    Call(Box<v1::Call>, oneshot::Sender<v1::CallResult>),
    Log(v1::Log),
    Done(Result<Tried, PluginFault>),
}

/// What a child said of a use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    /// The phases that it wants.
    pub(crate) phases: Phases,
    /// What holds of its protocol, where it is a codec's.
    pub(crate) profile: Option<CodecProfile>,
}

/// Starts an instance in the child, and answers with what it said of itself. Blocks at most as
/// long as a start may take. `spawn` runs a task on another thread's event loop.
///
/// # Errors
/// There is no child, or it refuses.
pub(crate) fn run(
    scope: &WorkerScope,
    spec: &InstanceSpec,
    link: &Arc<ChildLink>,
    spawn: impl FnOnce(BoxFuture<'static, ()>),
) -> Result<Tried, PluginFault> {
    let (words, heard) = mpsc::channel();
    let trial = Trial { link: Arc::clone(link), spec: spec.clone(), words: words.clone() };
    spawn(Box::pin(async move {
        let done = trial.run().await;
        drop(words.send(Word::Done(done)));
    }));
    let mut lines = LineGate::new(&link.limits);
    let asker = Asker { calls: &*scope.calls, link, spec, context: None, instance: None };
    // The session keeps the time; the slack only bounds the wait for a loop that is stuck.
    let wait_max = link.settings.start_timeout.saturating_add(SLACK);
    loop {
        match heard.recv_timeout(wait_max) {
            Ok(Word::Done(done)) => return done,
            Ok(Word::Call(call, result)) => {
                drop(result.send(asker.answer(*call)));
            }
            Ok(Word::Log(log)) => {
                lines.write(asker.calls, link.name.as_str(), LogLevel::Info, log.line.as_bytes());
            }
            Err(_late) => return Err(late(link)),
        }
    }
}

const SLACK: Duration = Duration::from_secs(1);

struct Trial {
    link: Arc<ChildLink>,
    spec: InstanceSpec,
    words: mpsc::Sender<Word>,
}

impl Trial {
    async fn run(&self) -> Result<Tried, PluginFault> {
        let end = Instant::now() + self.link.settings.start_timeout;
        match timeout_at(end, self.within()).await {
            Ok(done) => done,
            Err(_elapsed) => Err(late(&self.link)),
        }
    }

    async fn within(&self) -> Result<Tried, PluginFault> {
        let reach = self.child().await?;
        let outbox = Arc::<Outbox>::default();
        let as_load = |fault: PluginFault| PluginFault::new(FaultKind::LoadFailed, fault.message);
        let opened = open(&self.link, &reach, &outbox, NO_WORKER).await;
        let Opened { mut inbound, rest: _, channel } = opened.map_err(as_load)?;
        let configured = self.configure(&mut inbound, &outbox, reach.generation).await;
        let goodbye = v1::event::Kind::Release(v1::Release { instance: INSTANCE });
        let _gone = outbox.tell(goodbye);
        let _gone = outbox.tell(v1::event::Kind::Drain(v1::Drain {}));
        outbox.close();
        drop(channel);
        configured.map_err(as_load)
    }

    /// Waits until there is a child.
    async fn child(&self) -> Result<Arc<Reach>, PluginFault> {
        let mut watch = self.link.watch.clone();
        loop {
            let state = watch.borrow_and_update().clone();
            let name = &self.link.name;
            match state {
                ChildState::Ready(reach) => return Ok(reach),
                ChildState::Starting => {}
                ChildState::Down(why) => {
                    let message = format!("plugin `{name}` has no child: {why}");
                    return Err(PluginFault::new(FaultKind::LoadFailed, message));
                }
            }
            if watch.changed().await.is_err() {
                let message = format!("plugin `{name}` has no child any more");
                return Err(PluginFault::new(FaultKind::LoadFailed, message));
            }
        }
    }

    async fn configure(
        &self,
        inbound: &mut Streaming<Bytes>,
        outbox: &Outbox,
        generation: u32,
    ) -> Result<Tried, PluginFault> {
        let asked = outbox.ask(v1::event::Kind::Configure(configure(INSTANCE, &self.spec)));
        asked.map_err(|refused| self.broke(&refused.to_string()))?;
        let mut lines = 0;
        let mut message = Bytes::new();
        loop {
            let reply = frame::next_reply(&mut message);
            let reply = reply.map_err(|malformed| self.broke(&malformed.to_string()))?;
            let Some(reply) = reply else {
                message = self.hear(inbound).await?;
                continue;
            };
            match reply.kind {
                Some(v1::reply::Kind::Configured(configured)) => {
                    return self.configured(&configured);
                }
                Some(v1::reply::Kind::Call(call)) if call.generation == generation => {
                    self.call(call, outbox).await?;
                }
                Some(v1::reply::Kind::Log(log)) if lines < LINES_MAX => {
                    lines += 1;
                    drop(self.words.send(Word::Log(log)));
                }
                Some(_) | None => {}
            }
        }
    }

    async fn hear(&self, inbound: &mut Streaming<Bytes>) -> Result<Bytes, PluginFault> {
        match inbound.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.broke("it ended its session")),
            Err(status) => Err(broken(&self.link, &status)),
        }
    }

    fn configured(&self, configured: &v1::Configured) -> Result<Tried, PluginFault> {
        if configured.instance != INSTANCE {
            return Err(self.broke("it started an instance that nobody asked for"));
        }
        let is_codec = self.spec.point == ExtensionPoint::Codec;
        let profile = match configured.codec.filter(|_| is_codec).map(profile_of) {
            _ if !configured.error.is_empty() => return Err(self.refused(&configured.error)),
            Some(Err(why)) => return Err(self.refused(&why)),
            None if is_codec => return Err(self.refused(NO_CODEC)),
            Some(Ok(profile)) => Some(profile),
            None => None,
        };
        let wanted = self.link.phases.unwrap_or(Phases::ALL);
        Ok(Tried { phases: phases_of(configured.phases).intersection(wanted), profile })
    }

    fn refused(&self, why: &str) -> PluginFault {
        let name = &self.link.name;
        let said = LineGate::new(&self.link.limits).text(why.as_bytes()).escape_debug().to_string();
        let message = format!("plugin `{name}` does not start: {said}");
        PluginFault::new(FaultKind::LoadFailed, message)
    }

    async fn call(&self, call: v1::Call, outbox: &Outbox) -> Result<(), PluginFault> {
        let silent = call.silent;
        let (result, answered) = oneshot::channel();
        let asked = self.words.send(Word::Call(Box::new(call), result));
        asked.map_err(|_nobody| self.broke("nobody waits for its start any more"))?;
        let result = answered.await.map_err(|_nobody| late(&self.link))?;
        if silent {
            return Ok(());
        }
        let told = outbox.tell(v1::event::Kind::CallResult(result));
        told.map_err(|refused| self.broke(&refused.to_string()))
    }

    fn broke(&self, what: &str) -> PluginFault {
        fault_of(&self.link, FaultKind::LoadFailed, what)
    }
}

fn late(link: &ChildLink) -> PluginFault {
    let wait = link.settings.start_timeout.as_millis();
    let message = format!("plugin `{}` did not start within {wait} ms", link.name);
    PluginFault::new(FaultKind::LoadFailed, message)
}
