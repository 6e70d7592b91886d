//! A plugin started in the child for one use on this worker.
//!
//! An instance outlives the child: when that is started again, the instance is configured anew,
//! with all that it had under way gone. It ends when nobody holds it, and at once where the child
//! says that it failed.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use abi_process::v1;
use host_extension::{
    Capability, ExtensionPoint, FaultKind, HostCalls, InstanceSpec, Phases, PluginFault,
    WorkerScope,
};
use host_telemetry::LineGate;

use super::{
    ChildLink, Session,
    codec::NO_CODEC,
    context::{Context, Of},
    limits::PROPERTIES_MAX,
};
use crate::host_calls::{Outbound, property_along};

/// One use of a plugin on one worker.
pub(crate) struct Instance {
    /// Its number, which no other one of the session ever has.
    pub(crate) id: u64,
    session: Rc<Session>,
    pub(crate) scope: WorkerScope,
    pub(crate) spec: InstanceSpec,
    stage: Cell<Stage>,
    /// The start of the child that configured it last; zero before the first one.
    generation: Cell<u32>,
    phases: Cell<Phases>,
    /// Properties that are sent along with each context.
    properties: RefCell<Rc<[String]>>,
    open: Cell<usize>,
    /// What it has under way beside streams.
    pub(crate) outbound: RefCell<Outbound>,
    /// What it may write to the log.
    pub(crate) lines: RefCell<LineGate>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The child has not said yet that it serves it.
    Starting,
    Ready,
    /// The child refused it, or it failed there.
    Lost,
}

impl Instance {
    pub(super) fn new(
        id: u64,
        session: &Rc<Session>,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Rc<Self> {
        let limits = &session.link().limits;
        Rc::new(Self {
            id,
            session: Rc::clone(session),
            scope: scope.clone(),
            spec: spec.clone(),
            stage: Cell::new(Stage::Starting),
            generation: Cell::default(),
            phases: Cell::new(Phases::NONE),
            properties: RefCell::new(Rc::new([])),
            open: Cell::default(),
            outbound: RefCell::default(),
            lines: RefCell::new(LineGate::new(limits)),
        })
    }

    /// The session that carries it.
    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.session
    }

    /// The host, as the plugin may use it.
    pub(crate) fn calls(&self) -> &dyn HostCalls {
        &*self.scope.calls
    }

    /// The plugin's name.
    pub(crate) fn plugin(&self) -> &str {
        self.link().name.as_str()
    }

    /// The child that serves it.
    pub(crate) fn link(&self) -> &ChildLink {
        self.session.link()
    }

    /// True where the child serves it.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage.get() == Stage::Ready
    }

    /// True once the child does not serve it any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.stage.get() == Stage::Lost
    }

    /// What to tell who wants something of a lost instance. The fault itself was told where it
    /// happened.
    pub(crate) fn lost(&self) -> PluginFault {
        let name = self.plugin();
        let message = format!("the instance of plugin `{name}` was lost to an earlier fault");
        PluginFault::new(FaultKind::InstanceLost, message)
    }

    /// True where the child wants to be shown this phase.
    pub(crate) fn wants(&self, phase: Phases) -> bool {
        self.phases.get().contains(phase)
    }

    /// Makes a context, if there may be one more.
    ///
    /// # Errors
    /// The instance has as many as it may, or does not serve.
    pub(crate) fn context(self: &Rc<Self>, of: Of) -> Result<Rc<Context>, PluginFault> {
        if self.is_lost() {
            return Err(self.lost());
        }
        let session = &self.session;
        if let Some(fault) = session.down().or_else(|| session.unresponsive()) {
            return Err(fault);
        }
        let (name, max) = (self.plugin(), session.link().limits.contexts_max);
        if self.open.get() >= max {
            let message = format!("plugin `{name}` has {max} streams open, its limit");
            return Err(PluginFault::new(FaultKind::Denied, message));
        }
        Ok(Context::new(session.number(), Rc::clone(self), of))
    }

    /// A context begins, or ends.
    pub(super) fn count(&self, begins: bool) {
        let open = self.open.get();
        self.open.set(if begins { open + 1 } else { open.saturating_sub(1) });
    }

    /// The event that has the child start it.
    pub(super) fn configure(&self) -> v1::event::Kind {
        v1::event::Kind::Configure(configure(self.id, &self.spec))
    }

    /// The child said how the start went.
    pub(super) fn configured(&self, configured: v1::Configured) {
        let v1::Configured { mut error, phases, properties, codec, .. } = configured;
        let was_ready = self.is_ready();
        if error.is_empty() && self.spec.point == ExtensionPoint::Codec && codec.is_none() {
            error = NO_CODEC.to_owned();
        }
        if self.is_lost() {
            return;
        }
        if !error.is_empty() {
            let kind = if was_ready { FaultKind::Trapped } else { FaultKind::LoadFailed };
            let fault = self.fault(kind, &error);
            self.lose();
            (self.scope.on_fault)(&fault);
            return;
        }
        let wanted = self.session.link().phases.unwrap_or(Phases::ALL);
        self.phases.set(phases_of(phases).intersection(wanted));
        self.properties.replace(properties.into_iter().take(PROPERTIES_MAX).collect());
        self.stage.set(Stage::Ready);
        let generation = self.session.generation();
        let before = self.generation.replace(generation);
        if before != 0 && before != generation {
            (self.scope.on_restart)();
        }
    }

    /// A fault of it in the child's words.
    pub(super) fn fault(&self, kind: FaultKind, said: &str) -> PluginFault {
        let name = self.plugin();
        let said = self.lines.borrow().text(said.as_bytes()).escape_debug().to_string();
        let did = if kind == FaultKind::LoadFailed { "does not start" } else { "failed" };
        PluginFault::new(kind, format!("plugin `{name}` {did}: {said}"))
    }

    /// The fault of a stream to which it did what it may not.
    pub(crate) fn denied(&self, what: Capability) -> PluginFault {
        let answered = what == Capability::Reply;
        let did = if answered { "answered a request itself" } else { "broke off a stream" };
        let (name, word) = (self.plugin(), what.word());
        let message = format!("plugin `{name}` {did} and may not: `{word}` is not allowed");
        PluginFault::new(FaultKind::Denied, message)
    }

    /// The child does not serve it any more: what waits for it hears of it.
    pub(super) fn lose(&self) {
        if self.stage.replace(Stage::Lost) == Stage::Lost {
            return;
        }
        self.end_calls();
        self.session.release(self.id);
        self.session.fail_contexts_of(self.id, &self.lost());
    }

    /// The child is gone; the next one is told of this instance.
    pub(super) fn interrupted(&self) {
        self.end_calls();
        if !self.is_lost() {
            self.stage.set(Stage::Starting);
        }
    }

    fn end_calls(&self) {
        // Outside of the cell: who hears of an end may ask for something.
        drop(self.outbound.take());
    }

    /// Calls that a context made end with it.
    pub(super) fn end_calls_of(&self, context: u64) {
        let ended = self.outbound.borrow_mut().take_of(context);
        drop(ended);
    }

    /// The properties that are sent along with a context.
    pub(super) fn properties_of(&self, context: &Context) -> Vec<v1::Property> {
        let paths = Rc::clone(&self.properties.borrow());
        paths.iter().filter_map(|path| property_along(context, path)).collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if !self.is_lost() {
            self.session.release(self.id);
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .field("plugin", &self.session.link().name)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// What a child is told to start an instance.
pub(super) fn configure(id: u64, spec: &InstanceSpec) -> v1::Configure {
    let point = match spec.point {
        ExtensionPoint::StreamFilter => v1::Point::StreamFilter,
        ExtensionPoint::NetworkFilter => v1::Point::NetworkFilter,
        ExtensionPoint::Service => v1::Point::Service,
        ExtensionPoint::Codec => v1::Point::Codec,
    };
    v1::Configure {
        instance: id,
        point: point.into(),
        root_id: spec.root_id.to_string(),
        config: bytes::Bytes::copy_from_slice(&spec.config),
    }
}

/// Phases as the protocol counts them; bits that mean nothing are left out.
pub(super) fn phases_of(bits: u32) -> Phases {
    let named = Phases::NAMED.iter().enumerate();
    let wanted = named.filter(|(bit, _)| bits & (1 << bit) != 0);
    wanted.fold(Phases::NONE, |all, (_, (_name, phase))| all | *phase)
}
