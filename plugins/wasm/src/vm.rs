//! One guest on one worker: how it is called, and how it is lost.
//!
//! All callbacks are plain synchronous calls on the worker's thread, bounded by the epoch
//! deadline. A guest that traps, runs past its budget or out of memory is lost: its store is
//! freed at once and no callback of it runs again, for none of its roots.
//!
//! How it starts is in `start`, how its contexts end in `ending`; who keeps its roots, in
//! `seat`.

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc};

use host_extension::{FaultKind, PluginFault, Step, Verdict};
use wasmtime::Store;

use crate::{
    backend::Compiled,
    contexts::{Of, Pause, Way},
    deadline::Turn,
    ending::Endings,
    fault,
    hooks::Hooks,
    roots::Root,
    state::{Duty, VmData},
};

/// One guest.
pub(crate) struct Vm {
    /// `None` once it is lost.
    store: RefCell<Option<Store<VmData>>>,
    hooks: Hooks,
    /// Keeps the code, and the ticker going.
    compiled: Arc<Compiled>,
    /// True where it serves one stream only, and has its fault for itself.
    alone: bool,
    fate: RefCell<Option<PluginFault>>,
    /// Contexts that are done and did not end yet.
    pub(crate) endings: Endings,
}

/// What a hook came to: the guest's return value, and an answer that it gave by host call.
pub(crate) type Outcome<R> = (R, Option<Verdict>);

/// What a call may spend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Budget {
    /// The budget of a callback.
    Call,
    /// The budget of a start.
    Start,
    /// What is left of the call before.
    Rest,
}

impl Vm {
    /// A guest that is instantiated.
    pub(crate) fn new(
        compiled: &Arc<Compiled>,
        mut store: Store<VmData>,
        hooks: Hooks,
        alone: bool,
    ) -> Rc<Self> {
        Rc::new_cyclic(|own| {
            store.data_mut().vm = own.clone();
            Self {
                store: RefCell::new(Some(store)),
                hooks,
                compiled: Arc::clone(compiled),
                alone,
                fate: RefCell::default(),
                endings: Endings::default(),
            }
        })
    }

    /// What happened to it, where nobody else hears of that.
    pub(crate) fn fate(&self) -> Option<PluginFault> {
        self.fate.borrow().clone()
    }

    /// True where it serves one stream only.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Its callbacks.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Calls into the guest, within its budget, for somebody who hears of a fault. The other
    /// roots are told of it here.
    pub(crate) fn call<R>(
        &self,
        root: &Root,
        duty: Duty,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<R>,
    ) -> Result<Outcome<R>, PluginFault> {
        self.call_within(Budget::Call, root, duty, call)
    }

    /// As [`Vm::call`], within another budget.
    pub(crate) fn call_within<R>(
        &self,
        budget: Budget,
        root: &Root,
        duty: Duty,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<R>,
    ) -> Result<Outcome<R>, PluginFault> {
        let Ok(mut slot) = self.store.try_borrow_mut() else {
            let name = &root.plugin;
            let message = format!("plugin `{name}` was called from within its own host call");
            return Err(PluginFault::new(FaultKind::Protocol, message));
        };
        let Some(store) = slot.as_mut() else { return Err(self.lost(root)) };
        self.set_deadline(store, budget);
        store.data_mut().enter(duty);
        match call(store) {
            Ok(result) => {
                let outcome = (result, store.data_mut().leave());
                let finished = std::mem::take(&mut store.data_mut().finished);
                drop(slot);
                if !finished.is_empty() {
                    self.end_finished(finished);
                }
                Ok(outcome)
            }
            Err(error) => {
                store.data_mut().flush_output();
                let fault = fault::of(&error, store.data());
                let store = slot.take();
                drop(slot);
                self.lose(root, store, &fault);
                Err(fault)
            }
        }
    }

    /// A turn at what no stream waits for.
    pub(crate) fn turn(&self) -> Turn {
        Turn::new(self.compiled.limits.call_budget)
    }

    fn set_deadline(&self, store: &mut Store<VmData>, budget: Budget) {
        let limits = &self.compiled.limits;
        let time = match budget {
            Budget::Call => limits.call_budget,
            Budget::Start => limits.start_budget,
            Budget::Rest => return,
        };
        let ticks = store.data_mut().deadline.begin(time);
        store.set_epoch_deadline(ticks);
    }

    /// Runs a callback that no stream and no connection waits for: of a timer, an answer, a
    /// queue. It is one of the root that `context` belongs to, which is told of a fault, and
    /// charged with the time.
    ///
    /// False, and nothing is called, where the guest is lost or that context is gone.
    pub(crate) fn deliver(
        &self,
        context: u32,
        callback: &'static str,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<()>,
    ) -> bool {
        let find = |data: &mut VmData| Some(Rc::clone(&data.contexts.get(context)?.root));
        let Some(root) = self.with_data(find).flatten() else { return false };
        let duty = Duty { callback, context: root.id, way: None };
        if let Err(fault) = root.cpu.charge(|| self.call(&root, duty, call)) {
            root.tell(&fault);
        }
        true
    }

    /// Makes a context of a root for a stream or connection.
    pub(crate) fn create(&self, root: &Rc<Root>, of: Of) -> Result<u32, PluginFault> {
        let id = self.admit(root, of)?;
        if let Some(hook) = &self.hooks.context_create {
            let duty = Duty { callback: "proxy_on_context_create", context: id, way: None };
            self.call(root, duty, |store| hook.call(store, (id, root.id)))?;
        }
        Ok(id)
    }

    /// Takes a number for a context of a root, which the guest does not know yet.
    pub(crate) fn admit(&self, root: &Rc<Root>, of: Of) -> Result<u32, PluginFault> {
        let id = self.with_data(|data| data.contexts.insert(root, of));
        id.ok_or_else(|| self.lost(root))?.map_err(|_full| {
            let max = self.compiled.limits.contexts_max;
            let name = &root.plugin;
            let message = format!("plugin `{name}` has {max} streams open, its limit");
            PluginFault::new(FaultKind::Denied, message)
        })
    }

    /// Waits until the guest says that a direction of a context goes on; at once where it
    /// already did. The future is for the pipeline to drop where the stream ends otherwise. A
    /// guest that was lost behind its own "pause" says nothing any more: that is its fault. So is
    /// a pause of one that wanted to end the message and was not let.
    pub(crate) fn wait(self: &Rc<Self>, root: &Rc<Root>, context: u32, way: Way) -> Step {
        let paused = self.with_data(|data| Some(data.contexts.get_mut(context)?.pause(way)));
        let signal = match paused.flatten() {
            None => return Verdict::Failed(self.lost(root)).into(),
            Some(Pause::Over) => return Step::CONTINUE,
            Some(Pause::Vain) => return Verdict::Failed(vain(root)).into(),
            Some(Pause::Until(signal)) => signal,
        };
        let (vm, root) = (Rc::clone(self), Rc::clone(root));
        Step::Later(Box::pin(async move {
            signal.wait().await;
            if vm.is_lost() {
                return Verdict::Failed(vm.lost(&root));
            }
            let is_vain = |data: &mut VmData| Some(data.contexts.get_mut(context)?.is_vain(way));
            match vm.with_data(is_vain).flatten() {
                Some(true) => Verdict::Failed(vain(&root)),
                Some(false) | None => Verdict::Continue,
            }
        }))
    }

    /// Reaches the host's side of the guest. `None` where it is lost, or running.
    pub(crate) fn with_data<R>(&self, with: impl FnOnce(&mut VmData) -> R) -> Option<R> {
        let mut slot = self.store.try_borrow_mut().ok()?;
        slot.as_mut().map(|store| with(store.data_mut()))
    }

    /// The guest failed under a callback of `root`: nothing of it runs again.
    fn lose(&self, root: &Root, store: Option<Store<VmData>>, fault: &PluginFault) {
        if self.alone {
            self.fate.replace(Some(fault.clone()));
        }
        let Some(mut store) = store else { return };
        let waiting = store.data_mut().contexts.waiting();
        let roots = store.data().contexts.roots();
        drop(store);
        for signal in waiting {
            signal.raise();
        }
        for other in roots {
            other.end();
            if other.id != root.id {
                other.tell(&self.lost(&other));
            }
        }
    }

    /// True once it failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.store.try_borrow().is_ok_and(|slot| slot.is_none())
    }

    /// What to tell who wants something of a lost guest. The fault itself was told where it
    /// happened; but who has a guest alone may never have heard of it.
    pub(crate) fn lost(&self, root: &Root) -> PluginFault {
        if let Some(fate) = self.fate.borrow().as_ref() {
            return fate.clone();
        }
        let name = &root.plugin;
        let message = format!("the instance of plugin `{name}` was lost to an earlier fault");
        PluginFault::new(FaultKind::InstanceLost, message)
    }
}

/// What a stream meets whose guest wanted to answer it or to break it off, was not let, and
/// waits. The instance is well.
fn vain(root: &Root) -> PluginFault {
    let name = &root.plugin;
    let message = format!(
        "plugin `{name}` waits after it was denied to answer or to break off: nothing would end that"
    );
    PluginFault::new(FaultKind::Denied, message)
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.compiled.name;
        f.debug_struct("Vm").field("plugin", name).field("lost", &self.is_lost()).finish()
    }
}

#[cfg(test)]
mod tests;
