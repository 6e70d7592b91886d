//! One started plugin on one worker: how it is called, and how it is lost.
//!
//! A callback is a plain call on the worker's thread. It cannot be ended from outside: one that
//! takes longer than its budget is only told of. An instance that failed is lost: no callback of
//! it runs again, and what it kept is given back to it.
//!
//! What a plugin asks during a callback comes to `instance::calls`; what it has under way beside
//! streams is in `outbound`.

mod calls;
mod codec;

use self::codec::Taking;
pub(crate) use self::{calls::refusal, codec::At};

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    rc::{Rc, Weak},
    sync::Arc,
};

use abi_manifest::Capability;
use abi_native::number::{Action, Way};
use host_extension::{
    CodecProfile, CpuMeter, ExtensionPoint, FaultKind, HostCalls, InstanceSpec, OnFault, Phases,
    PluginFault, Step, Verdict, WorkerScope,
};
use host_telemetry::{Clock, LineGate};

use crate::{
    arena::Arena,
    backend::Plugin,
    callbacks::{InstanceHook, Kept, Object, Opened},
    contexts::{Contexts, Of},
    desk::DeskHandle,
    lines::harmless,
    outbound::Outbound,
};

/// One instance.
pub(crate) struct Instance {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) calls: Rc<dyn HostCalls>,
    root_id: Arc<str>,
    /// For what comes later of a call.
    own: Weak<Self>,
    /// Nothing before it started.
    object: OnceCell<Object>,
    handle: OnceCell<Box<DeskHandle<Self>>>,
    phases: Cell<Phases>,
    pub(crate) contexts: RefCell<Contexts>,
    arena: Arena,
    pub(crate) outbound: RefCell<Outbound>,
    lines: RefCell<LineGate>,
    /// What holds of its protocol, where it serves one.
    pub(crate) codec_profile: Cell<CodecProfile>,
    /// What the callback of a codec that runs may tell.
    taking: RefCell<Taking>,
    duty: Cell<Duty>,
    /// A callback runs.
    is_running: Cell<bool>,
    /// One of those that give something back, which may ask for nothing but a line of the log.
    is_freeing: Cell<bool>,
    /// What the plugin wants its own stream to be answered with; the first one stands.
    answer: RefCell<Option<Verdict>>,
    /// It was not let answer its own stream, or break it off, in the callback that runs.
    is_refused: Cell<bool>,
    /// Why it is about to fail.
    said: RefCell<Option<String>>,
    is_lost: Cell<bool>,
    /// What was to be given back to it while a callback ran.
    to_free: RefCell<Vec<(Kind, Kept)>>,
    clock: Clock,
    on_fault: OnFault,
    /// What is charged with the time that it takes beside the hooks of its streams.
    pub(crate) cpu: CpuMeter,
}

/// Which callback runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duty {
    /// Its name.
    pub(crate) callback: &'static str,
    /// The context that it is for; zero for the instance.
    pub(crate) context: u64,
    /// The direction that waits for its answer, where one does.
    pub(crate) way: Option<Way>,
}

/// What a context is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Stream,
    Connection,
    Codec,
}

/// What a callback came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Paused,
    Answered(Verdict),
}

impl Instance {
    /// Starts one.
    pub(crate) fn start(
        plugin: &Arc<Plugin>,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<Self>, PluginFault> {
        if spec.point == ExtensionPoint::Codec && !plugin.callbacks.has_codecs() {
            return Err(no_codecs(plugin));
        }
        let instance = Rc::new_cyclic(|own| Self {
            own: Weak::clone(own),
            plugin: Arc::clone(plugin),
            calls: Rc::clone(&scope.calls),
            root_id: Arc::clone(&spec.root_id),
            object: OnceCell::new(),
            handle: OnceCell::new(),
            phases: Cell::default(),
            contexts: RefCell::new(Contexts::new(plugin.limits.contexts_max)),
            arena: Arena::default(),
            outbound: RefCell::default(),
            lines: RefCell::new(LineGate::new(&plugin.limits)),
            codec_profile: Cell::default(),
            taking: RefCell::default(),
            duty: Cell::new(Duty { callback: "instance_new", context: 0, way: None }),
            is_running: Cell::default(),
            is_freeing: Cell::default(),
            answer: RefCell::default(),
            is_refused: Cell::default(),
            said: RefCell::default(),
            is_lost: Cell::default(),
            to_free: RefCell::default(),
            clock: plugin.clock.clone(),
            on_fault: Rc::clone(&scope.on_fault),
            cpu: scope.cpu.clone(),
        });
        let handle = instance.handle.get_or_init(|| DeskHandle::new(Rc::as_ptr(&instance)));
        let callbacks = &plugin.callbacks;
        let wanted = plugin.callbacks.phases();
        let mut phases = u32::from(wanted);
        instance.is_running.set(true);
        let object = callbacks.start(handle.as_ptr(), &spec.root_id, &spec.config, &mut phases);
        instance.is_running.set(false);
        instance.arena.clear();
        let said = instance.said.take();
        let Some(object) = object else {
            instance.is_lost.set(true);
            drop(instance.outbound.take());
            let why = said.map_or_else(|| "it did not say why".to_owned(), |said| harmless(&said));
            let message = format!("plugin `{}` does not start: {why}", plugin.name);
            return Err(PluginFault::new(FaultKind::LoadFailed, message));
        };
        drop(instance.object.set(object));
        let wants = phases_of(u16::try_from(phases).unwrap_or(u16::MAX) & wanted);
        instance.phases.set(plugin.phases.map_or(wants, |shown| wants.intersection(shown)));
        if spec.point == ExtensionPoint::Codec {
            instance.start_codecs()?;
        }
        Ok(instance)
    }

    /// The callbacks that it wants and is shown.
    pub(crate) fn phases(&self) -> Phases {
        self.phases.get()
    }

    /// Runs a callback, for somebody who hears of a fault. `None` of it counts as "go on".
    pub(crate) fn call(
        &self,
        duty: Duty,
        callback: impl FnOnce(&Object) -> Option<u32>,
    ) -> Result<Outcome, PluginFault> {
        let Some(object) = self.object.get().filter(|_| !self.is_lost.get()) else {
            return Err(self.lost());
        };
        if self.is_running.replace(true) {
            let name = &self.plugin.name;
            let message = format!("plugin `{name}` was called from within its own host call");
            return Err(PluginFault::new(FaultKind::Protocol, message));
        }
        self.duty.set(duty);
        self.is_refused.set(false);
        if let Some(way) = duty.way
            && let Some(context) = self.contexts.borrow_mut().get_mut(duty.context)
        {
            context.begin(way);
        }
        let start = self.clock.tick();
        let number = callback(object);
        let spent = self.clock.since(start);
        self.is_running.set(false);
        self.arena.clear();
        if spent > self.plugin.limits.call_budget {
            let (plugin, callback) = (&self.plugin.name, duty.callback);
            tracing::debug!(%plugin, callback, ?spent, "a callback took longer than its budget");
        }
        let outcome = self.outcome(number.unwrap_or_default());
        self.free_later_ones(object);
        outcome.inspect_err(|_fault| self.lose())
    }

    fn outcome(&self, number: u32) -> Result<Outcome, PluginFault> {
        let answer = self.answer.borrow_mut().take();
        let said = self.said.borrow_mut().take();
        match (Action::of(number), answer) {
            // Who says why it fails has failed, whatever it answers.
            (Some(Action::Failed), _) => Err(self.failed(said)),
            (_, _) if said.is_some() => Err(self.failed(said)),
            (None, _) => Err(self.broke(&format!("answered with {number}, which is no action"))),
            (Some(_), Some(verdict)) => Ok(Outcome::Answered(verdict)),
            (Some(Action::Continue), None) => Ok(Outcome::Passed),
            (Some(Action::Pause), None) => Ok(Outcome::Paused),
            // Who was told that it may not and wants it all the same has nothing else to give.
            (Some(Action::Reset | Action::Respond), None) if self.is_refused.get() => {
                Ok(Outcome::Answered(Verdict::Failed(self.denied())))
            }
            (Some(Action::Reset), None) => Ok(Outcome::Answered(self.reset_itself())),
            (Some(Action::Respond), None) => {
                Err(self.broke("wants a client to be answered, and did not say with what"))
            }
        }
    }

    /// A hook answers that its stream or connection is to be broken off.
    fn reset_itself(&self) -> Verdict {
        match self.calls.may(Capability::Close) {
            Ok(()) => Verdict::Reset,
            Err(_denied) => Verdict::Failed(self.denied()),
        }
    }

    /// What a stream meets whose plugin wanted to end it and may not. The instance is well.
    fn denied(&self) -> PluginFault {
        let (name, callback) = (&self.plugin.name, self.duty.get().callback);
        let message = format!(
            "plugin `{name}` was denied to answer or to break off in `{callback}`, and has \
             nothing else to answer"
        );
        PluginFault::new(FaultKind::Denied, message)
    }

    fn failed(&self, said: Option<String>) -> PluginFault {
        let (name, callback) = (&self.plugin.name, self.duty.get().callback);
        let why = said.map_or_else(|| "it did not say why".to_owned(), |said| harmless(&said));
        let message = format!("plugin `{name}` failed in `{callback}`: {why}");
        PluginFault::new(FaultKind::Trapped, message)
    }

    fn broke(&self, what: &str) -> PluginFault {
        let (name, callback) = (&self.plugin.name, self.duty.get().callback);
        let message = format!("plugin `{name}` broke the rules in `{callback}`: it {what}");
        PluginFault::new(FaultKind::Protocol, message)
    }

    /// Runs a callback that the host makes by itself: a tick, a notice of a queue. Where the
    /// second's time is spent it is left out, and told of.
    pub(crate) fn deliver_own(&self, hook: InstanceHook<'_>) {
        if self.is_lost() {
            return;
        }
        match self.cpu.check() {
            Ok(()) => self.deliver(hook),
            overspent @ Err(_) => self.tell(overspent),
        }
    }

    /// Runs a callback that no stream and no connection waits for.
    pub(crate) fn deliver(&self, hook: InstanceHook<'_>) {
        if self.is_lost() {
            return;
        }
        let duty = Duty { callback: hook.name(), context: 0, way: None };
        let callbacks = &self.plugin.callbacks;
        let call = || self.call(duty, |object| callbacks.instance(object, hook));
        self.tell(self.cpu.charge(call).map(drop));
    }

    /// Tells of a fault that nobody else hears of.
    pub(crate) fn tell(&self, outcome: Result<(), PluginFault>) {
        if let Err(fault) = outcome {
            (self.on_fault)(&fault);
        }
    }

    /// Makes a context for a stream or connection.
    pub(crate) fn open(&self, kind: Kind, of: Of) -> Result<u64, PluginFault> {
        let inserted = self.contexts.borrow_mut().insert(of);
        let id = inserted.map_err(|_full| {
            let (name, max) = (&self.plugin.name, self.plugin.limits.contexts_max);
            let message =
                format!("plugin `{name}` has {max} streams or connections open, its limit");
            PluginFault::new(FaultKind::Denied, message)
        })?;
        let callbacks = &self.plugin.callbacks;
        let callback = match kind {
            Kind::Stream => "stream_new",
            Kind::Connection => "connection_new",
            Kind::Codec => "codec_new",
        };
        let mut opened = Opened::Absent;
        let called = self.call(Duty { callback, context: id, way: None }, |object| {
            opened = match kind {
                Kind::Stream => callbacks.open_stream(object, id),
                Kind::Connection => callbacks.open_connection(object, id),
                Kind::Codec => callbacks.open_codec(object, id),
            };
            None
        });
        if let Opened::Served(kept) = opened
            && let Some(context) = self.contexts.borrow_mut().get_mut(id)
        {
            context.kept = Some(kept);
        }
        called.map(|_passed| id).inspect_err(|_fault| self.close(kind, id))
    }

    /// What the plugin keeps for a context; `None` where it does not serve it.
    pub(crate) fn kept(&self, id: u64) -> Option<Kept> {
        self.contexts.borrow().get(id)?.kept
    }

    /// Ends a context: its calls to clusters, and what the plugin keeps for it.
    pub(crate) fn close(&self, kind: Kind, id: u64) {
        let context = self.contexts.borrow_mut().remove(id);
        let calls = self.outbound.borrow_mut().take_of(id);
        // Outside of the cell: whatever ends with them may look there.
        drop(calls);
        let Some(kept) = context.and_then(|context| context.kept) else { return };
        match self.object.get() {
            Some(object) if !self.is_running.get() => self.free(object, kind, kept),
            Some(_) | None => self.to_free.borrow_mut().push((kind, kept)),
        }
    }

    fn free(&self, object: &Object, kind: Kind, kept: Kept) {
        self.is_running.set(true);
        self.is_freeing.set(true);
        match kind {
            Kind::Stream => self.plugin.callbacks.free_stream(object, kept),
            Kind::Connection => self.plugin.callbacks.free_connection(object, kept),
            Kind::Codec => self.plugin.callbacks.free_codec(object, kept),
        }
        self.is_freeing.set(false);
        self.is_running.set(false);
    }

    fn free_later_ones(&self, object: &Object) {
        loop {
            // The borrow ends here: while one is freed another may be added.
            let next = self.to_free.borrow_mut().pop();
            let Some((kind, kept)) = next else { return };
            self.free(object, kind, kept);
        }
    }

    /// Waits until the plugin says that a direction of a context goes on; at once where it
    /// already did.
    pub(crate) fn wait(self: &Rc<Self>, id: u64, way: Way) -> Step {
        let paused = self.contexts.borrow_mut().get_mut(id).map(|context| context.pause(way));
        let Some(signal) = paused else { return Verdict::Failed(self.lost()).into() };
        let Some(signal) = signal else { return Step::CONTINUE };
        let instance = Rc::clone(self);
        Step::Later(Box::pin(async move {
            signal.wait().await;
            if instance.is_lost.get() {
                Verdict::Failed(instance.lost())
            } else {
                Verdict::Continue
            }
        }))
    }

    /// It failed: nothing of it runs again.
    fn lose(&self) {
        if self.is_lost.replace(true) {
            return;
        }
        let waiting = self.contexts.borrow_mut().waiting();
        for signal in waiting {
            signal.raise();
        }
        // Outside of the cell: who hears of an end may ask for something.
        let outbound = self.outbound.take();
        drop(outbound);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    fn lost(&self) -> PluginFault {
        let name = &self.plugin.name;
        let message = format!("the instance of plugin `{name}` was lost to an earlier fault");
        PluginFault::new(FaultKind::InstanceLost, message)
    }
}

/// A library that cannot serve any protocol is told apart before it is started.
fn no_codecs(plugin: &Plugin) -> PluginFault {
    let (name, (major, minor)) = (&plugin.name, plugin.callbacks.version());
    let message = format!(
        "plugin `{name}` serves no protocol: its table, of version {major}.{minor}, has no \
         `codec_decode`; codecs came with version 1.1 of mortise.h"
    );
    PluginFault::new(FaultKind::LoadFailed, message)
}

/// The phases of the bits that the table has for them, which are in the order of their names.
fn phases_of(bits: u16) -> Phases {
    let named = Phases::NAMED.into_iter().enumerate();
    let wanted = named.filter(|(place, _named)| bits & (1 << place) != 0);
    wanted.fold(Phases::NONE, |all, (_place, (_name, phase))| all | phase)
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.outbound.take());
        let Some(object) = self.object.take() else { return };
        self.cpu.charge(|| {
            self.free_later_ones(&object);
            self.is_freeing.set(true);
            self.plugin.callbacks.free(object);
        });
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("plugin", &self.plugin.name)
            .field("root_id", &self.root_id)
            .field("lost", &self.is_lost)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
