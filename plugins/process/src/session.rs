//! One session: the gRPC stream between a worker and a plugin's child, with all that is on it.
//!
//! A session begins with the first use of the plugin on its worker and ends with the last one. It
//! belongs to one loaded generation of the plugin, but not to one process: when the child ends it
//! waits for the next one, and configures its instances again there. Its task (`run`) reads what
//! the child says and looks after the time; everything else is done from the hooks of streams.
//!
//! Whatever the child says is checked here: it is never trusted. Start reading at
//! [`Session::receive`].

mod codec;
mod connect;
mod context;
mod frame;
mod health;
mod hello;
mod hook;
mod instance;
mod limits;
mod link;
mod outbox;
mod receive;
mod run;
mod time;
pub(crate) mod trial;
mod way;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    fmt,
    future::Future,
    rc::{Rc, Weak},
    sync::Arc,
};

use abi_process::v1;
use host_extension::{FaultKind, InstanceSpec, PluginFault, WorkerScope};
use tokio::{sync::Notify, time::Instant};

pub(crate) use self::{
    context::{Context, Of},
    hook::{Hook, fields, flow_number, headers_of, section, trailers_of},
    instance::Instance,
    link::ChildLink,
    way::Dir,
};
use self::{
    health::Health,
    limits::OUTBOX_BYTES_MAX,
    outbox::{Outbox, Refused},
};

/// A worker's end of the talk with a child.
pub(crate) struct Session {
    link: Arc<ChildLink>,
    worker: u32,
    line: RefCell<Line>,
    /// What goes to the child that is connected, or to nobody.
    outbox: RefCell<Arc<Outbox>>,
    /// The start of the child that is connected, or was last.
    generation: Cell<u32>,
    /// Counts connections that were lost, so that what was opened on one is known.
    epoch: Cell<u64>,
    contexts: RefCell<HashMap<u64, Rc<Context>>>,
    instances: RefCell<HashMap<u64, Weak<Instance>>>,
    /// Exchanges, in the order in which their time is over.
    due: RefCell<VecDeque<Due>>,
    /// Instances that the child is to start, likewise.
    starting: RefCell<VecDeque<(Instant, u64)>>,
    health: RefCell<Health>,
    /// The last number given to a context, an exchange, or an instance.
    last_number: Cell<u64>,
    /// Replies that meant nothing that is there.
    strays: Cell<u64>,
    /// Why the connection is to be given up.
    ending: RefCell<Option<PluginFault>>,
    /// Why the last connection was.
    last_loss: RefCell<Option<PluginFault>>,
    changed: Notify,
    /// Wakes the task.
    wake: Rc<Notify>,
    /// When the task wakes by itself.
    armed: Cell<Option<Instant>>,
}

/// Whether there is a child to talk to.
enum Line {
    /// There is about to be one.
    Opening,
    Up,
    /// There is none, for this reason.
    Down(PluginFault),
}

/// An exchange and the end of its time.
struct Due {
    at: Instant,
    /// One that is gone waits for nothing; what its stream has in hand must not wait for this.
    context: Weak<Context>,
    /// The direction that waits; none of a codec.
    dir: Option<Dir>,
    exchange: u64,
    hook: &'static str,
}

impl Session {
    /// The session of a worker to a child: the one that there is, or a new one.
    pub(crate) fn of(scope: &WorkerScope, link: &Arc<ChildLink>) -> Rc<Self> {
        let key = link.key();
        if let Some(session) = scope.shared.get::<Self>(&key) {
            return session;
        }
        let session = Rc::new(Self::new(link, scope.worker));
        scope.shared.insert(&key, &session);
        run::spawn(&session);
        session
    }

    fn new(link: &Arc<ChildLink>, worker: Option<u16>) -> Self {
        let patience = link.settings.unresponsive_timeout;
        Self {
            link: Arc::clone(link),
            worker: worker.map_or(u32::MAX, u32::from),
            line: RefCell::new(Line::Opening),
            outbox: RefCell::default(),
            generation: Cell::default(),
            epoch: Cell::default(),
            contexts: RefCell::default(),
            instances: RefCell::default(),
            due: RefCell::default(),
            starting: RefCell::default(),
            health: RefCell::new(Health::new(Instant::now(), patience)),
            last_number: Cell::default(),
            strays: Cell::default(),
            ending: RefCell::default(),
            last_loss: RefCell::default(),
            changed: Notify::new(),
            wake: Rc::default(),
            armed: Cell::default(),
        }
    }

    /// The child, as all workers see it.
    pub(crate) fn link(&self) -> &ChildLink {
        &self.link
    }

    /// The start of the child that is connected.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// Starts the plugin for one use, as soon as the child is there.
    pub(crate) fn start(self: &Rc<Self>, scope: &WorkerScope, spec: &InstanceSpec) -> Rc<Instance> {
        let instance = Instance::new(self.number(), self, scope, spec);
        self.instances.borrow_mut().insert(instance.id, Rc::downgrade(&instance));
        if matches!(*self.line.borrow(), Line::Up) {
            self.configure(&instance);
        }
        instance
    }

    /// Has the child start an instance.
    fn configure(&self, instance: &Instance) {
        let at = Instant::now() + self.link.settings.start_timeout;
        self.starting.borrow_mut().push_back((at, instance.id));
        self.tell(instance.configure());
        self.wake_by(at);
    }

    /// A number that nothing of this session had before.
    pub(crate) fn number(&self) -> u64 {
        self.last_number.set(self.last_number.get() + 1);
        self.last_number.get()
    }

    fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Resolves when anything has changed that somebody may wait for.
    fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// Why there is no child, where there is none and none is about to be.
    fn down(&self) -> Option<PluginFault> {
        match &*self.line.borrow() {
            Line::Opening | Line::Up => None,
            Line::Down(fault) => Some(fault.clone()),
        }
    }

    /// Why nothing new is begun with a child that does not answer.
    fn unresponsive(&self) -> Option<PluginFault> {
        if !self.health.borrow().is_unresponsive() {
            return None;
        }
        let message = format!("the child of plugin `{}` does not answer", self.link.name);
        Some(PluginFault::new(FaultKind::TimedOut, message))
    }

    /// True where this fault is why the last connection was given up.
    pub(crate) fn ended_for(&self, fault: &PluginFault) -> bool {
        self.last_loss.borrow().as_ref() == Some(fault)
    }

    /// Sends an event of a context that somebody waits for.
    fn ask(
        &self,
        context: &Context,
        hook: &str,
        event: v1::event::Kind,
    ) -> Result<(), PluginFault> {
        let sent = self.outbox.borrow().ask(event);
        sent.map_err(|refused| {
            let kind = match refused {
                Refused::TooLarge(_) => FaultKind::Denied,
                Refused::Full => FaultKind::TimedOut,
            };
            let plugin = context.instance.plugin();
            PluginFault::new(
                kind,
                format!("plugin `{plugin}` was not asked in `{hook}`: {refused}"),
            )
        })
    }

    /// Notes an exchange that was just begun.
    fn expect(
        &self,
        context: &Rc<Context>,
        dir: impl Into<Option<Dir>>,
        exchange: u64,
        hook: &'static str,
    ) {
        let now = Instant::now();
        let at = now + self.link.settings.call_timeout;
        let (context, dir) = (Rc::downgrade(context), dir.into());
        self.due.borrow_mut().push_back(Due { at, context, dir, exchange, hook });
        self.health.borrow_mut().asked(now);
        self.wake_by(at);
    }

    /// Sends an event that nobody waits for. A child for which there is no room even so is given
    /// up.
    pub(crate) fn tell(&self, event: v1::event::Kind) {
        let sent = self.outbox.borrow().tell(event);
        if let Err(refused) = sent {
            let message = format!(
                "the child of plugin `{}` was given up: {refused} ({OUTBOX_BYTES_MAX} bytes wait)",
                self.link.name,
            );
            self.give_up(PluginFault::new(FaultKind::Protocol, message));
        }
    }

    /// As [`Session::tell`], of what is left out where there is no room, or where the child answers
    /// nothing anyway.
    pub(crate) fn tell_lightly(&self, event: v1::event::Kind) {
        if !self.health.borrow().is_unresponsive() {
            let _left_out = self.outbox.borrow().ask(event);
        }
    }

    /// Tells of the answer to a call; of one that is too large, that it failed.
    pub(crate) fn tell_answer(&self, answer: v1::HttpAnswer) {
        let (id, context, instance) = (answer.id, answer.context, answer.instance);
        let told = self.outbox.borrow().tell(v1::event::Kind::HttpAnswer(answer));
        if told.is_err() {
            let failed = true;
            let none = v1::HttpAnswer { id, context, instance, failed, ..Default::default() };
            self.tell(v1::event::Kind::HttpAnswer(none));
        }
    }

    /// Ends the connection as soon as its task comes to it.
    fn give_up(&self, fault: PluginFault) {
        self.ending.borrow_mut().get_or_insert(fault);
        self.wake.notify_one();
    }

    /// Has the task wake at this time, if not earlier.
    fn wake_by(&self, at: Instant) {
        if self.armed.get().is_none_or(|armed| armed > at) {
            self.wake.notify_one();
        }
    }

    fn remember(&self, context: &Rc<Context>) {
        self.contexts.borrow_mut().insert(context.id, Rc::clone(context));
    }

    fn forget(&self, context: u64) {
        let forgotten = self.contexts.borrow_mut().remove(&context);
        drop(forgotten);
    }

    /// A context that the child knows, also one that is over and writes its log.
    fn context(&self, id: u64) -> Option<Rc<Context>> {
        self.contexts.borrow().get(&id).cloned()
    }

    fn instance(&self, id: u64) -> Option<Rc<Instance>> {
        self.instances.borrow().get(&id)?.upgrade()
    }

    fn living(&self) -> Vec<Rc<Instance>> {
        self.instances.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// Nobody uses an instance any more.
    fn release(&self, instance: u64) {
        self.instances.borrow_mut().remove(&instance);
        if matches!(*self.line.borrow(), Line::Up) {
            self.tell(v1::event::Kind::Release(v1::Release { instance }));
        }
    }

    fn fail_contexts_of(&self, instance: u64, fault: &PluginFault) {
        let mut contexts = self.contexts.borrow_mut();
        let lost: Vec<_> = contexts.extract_if(|_, it| it.instance.id == instance).collect();
        drop(contexts);
        for (_, context) in lost {
            context.fail(fault);
        }
        self.changed.notify_waiters();
    }

    /// The connection is lost: everything that was under way on it fails.
    fn lost(&self, fault: &PluginFault) {
        self.line.replace(Line::Down(fault.clone()));
        self.last_loss.replace(Some(fault.clone()));
        self.outbox.take().close();
        self.epoch.set(self.epoch.get() + 1);
        self.ending.take();
        self.due.take();
        self.starting.take();
        let contexts = self.contexts.take();
        for context in contexts.values() {
            context.fail(fault);
        }
        for instance in self.living() {
            instance.interrupted();
        }
        self.changed.notify_waiters();
        drop(contexts);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever held it has said its last word: the child may end the session.
        let outbox = self.outbox.get_mut();
        let _gone = outbox.tell(v1::event::Kind::Drain(v1::Drain {}));
        outbox.close();
        self.wake.notify_one();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("plugin", &self.link.name)
            .field("worker", &self.worker)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test means few of many events")]
pub(crate) mod testing;
#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test means few of many events")]
mod tests;
