//! Roots: a use of a plugin, as its guest knows it.
//!
//! A guest has one root for every use that it serves, and each stream or connection belongs
//! to one of them. What is asked of the host is asked in the name of a root, with the host
//! calls of its plugin. Everything that goes on in its name hangs on it, and ends with it.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
};

use host_extension::{
    CallError, CallResult, CpuMeter, HostCalls, InstanceSpec, OnFault, PluginFault, Subscription,
    WorkerScope,
};
use host_types::PluginName;

use crate::outbound::Outbound;

/// One use of a plugin in a guest.
pub(crate) struct Root {
    /// The number of its context.
    pub(crate) id: u32,
    /// The plugin.
    pub(crate) plugin: PluginName,
    /// Which of the plugins that the module holds is meant.
    pub(crate) root_id: Arc<str>,
    /// The plugin's configuration.
    pub(crate) config: Arc<[u8]>,
    /// The host, as this plugin may use it.
    pub(crate) calls: Rc<dyn HostCalls>,
    /// What is charged with the time that it takes beside its streams' hooks.
    pub(crate) cpu: CpuMeter,
    /// False for a trial, which is over as soon as it began.
    pub(crate) serves: bool,
    /// What goes on in its name beside streams.
    pub(crate) subscriptions: RefCell<Subscriptions>,
    life: Cell<Life>,
    on_fault: OnFault,
}

/// What goes on in the name of a root: dropped with it, and so ended.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// The longest wait for its `proxy_done`.
    pub(crate) done_wait: Option<Subscription>,
    /// Its streams and connections that are over, and not done.
    pub(crate) lingering: Lingering,
    /// Its calls to clusters, its timer, its queues.
    pub(crate) outbound: Outbound,
}

/// Contexts of streams and connections that are over and have something to finish first.
#[derive(Debug, Default)]
pub(crate) struct Lingering {
    /// Their numbers, and whether each has waited for a while already.
    pub(crate) contexts: Vec<(u32, bool)>,
    /// Ends those that wait for too long.
    pub(crate) timer: Option<Subscription>,
}

/// How far a root has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    /// Somebody uses it.
    Used,
    /// Nobody does, but it has something to finish first.
    Finishing,
    /// It is deleted, or will be when the callback that runs has ended.
    Done,
}

impl Root {
    pub(crate) fn new(
        id: u32,
        plugin: &PluginName,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            plugin: plugin.clone(),
            root_id: Arc::clone(&spec.root_id),
            config: Arc::clone(&spec.config),
            calls: Rc::clone(&scope.calls),
            cpu: scope.cpu.clone(),
            serves: scope.worker.is_some(),
            subscriptions: RefCell::default(),
            life: Cell::new(Life::Used),
            on_fault: Rc::clone(&scope.on_fault),
        })
    }

    /// Nobody uses it any more, and it says that it is not done.
    pub(crate) fn begin_to_finish(&self) {
        self.life.set(Life::Finishing);
    }

    /// Says that it is done; false where nobody waits for that.
    pub(crate) fn finish(&self) -> bool {
        let is_finishing = self.life.get() == Life::Finishing;
        if is_finishing {
            self.life.set(Life::Done);
        }
        is_finishing
    }

    /// A context of it says that it is done; false where nobody waits for that.
    pub(crate) fn stop_lingering(&self, context: u32) -> bool {
        let contexts = &mut self.subscriptions.borrow_mut().lingering.contexts;
        let place = contexts.iter().position(|(id, _)| *id == context);
        place.map(|place| contexts.swap_remove(place)).is_some()
    }

    /// A context of it is done, and shall end with the next sweep.
    pub(crate) fn linger_on(&self, context: u32) {
        self.subscriptions.borrow_mut().lingering.contexts.push((context, true));
    }

    /// A context of it may have been the last that lingered: then nothing is to be waited for.
    pub(crate) fn lingered(&self) {
        let mut subscriptions = self.subscriptions.borrow_mut();
        if subscriptions.lingering.contexts.is_empty() {
            let timer = subscriptions.lingering.timer.take();
            // Outside of the cell: the timer may hold the last seat of this root.
            drop(subscriptions);
            drop(timer);
        }
    }

    /// Ends all that goes on in its name.
    pub(crate) fn end(&self) {
        self.life.set(Life::Done);
        // Outside of the cell: who hears of an end may ask for something.
        drop(self.subscriptions.take());
    }

    /// Whether the host calls it by itself at the moment: its use is told where it does not.
    pub(crate) fn affords(&self) -> bool {
        self.cpu.check().inspect_err(|overspent| self.tell(overspent)).is_ok()
    }

    /// Whether it may begin a call. Who took its time may not, since answers come all the same,
    /// and one that asks again for each of them would never be through.
    pub(crate) fn check_call(&self) -> CallResult<()> {
        self.cpu.check().map_err(|_overspent| CallError::LimitReached)
    }

    /// Tells its use of a fault.
    pub(crate) fn tell(&self, fault: &PluginFault) {
        (self.on_fault)(fault);
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("id", &self.id)
            .field("plugin", &self.plugin)
            .field("root_id", &self.root_id)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
