//! One guest on one worker: how it is started, called, and lost.
//!
//! All callbacks are plain synchronous calls on the worker's thread, bounded by the epoch
//! deadline. A guest that traps, runs past its budget or out of memory is lost: its store is
//! freed at once and no callback of it runs again.

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc};

use host_extension::{FaultKind, Phases, PluginFault, Side, Step, Stream, Verdict, WorkerScope};
use wasmtime::{Error, Instance, Store};

use crate::{
    backend::Compiled,
    contexts::ROOT,
    fault::{self, GuestExit},
    hooks::{self, Hooks},
    state::{Duty, GuestStage, VmData},
};

/// One guest.
pub(crate) struct Vm {
    /// `None` once it is lost.
    store: RefCell<Option<Store<VmData>>>,
    hooks: Hooks,
    /// Keeps the code, and the ticker going.
    compiled: Arc<Compiled>,
}

/// What a hook came to: the guest's return value, and an answer that it gave by host call.
pub(crate) type Outcome<R> = (R, Option<Verdict>);

/// Most characters that are quoted of what a guest said.
const SAID_CHARS_MAX: usize = 400;

enum StartError {
    Trap(Error),
    /// As the end of a sentence that begins with the plugin.
    Refused(String),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

impl From<String> for StartError {
    fn from(what: String) -> Self {
        Self::Refused(what)
    }
}

impl Vm {
    /// Starts a guest, up to and including its configuration.
    pub(crate) fn start(
        compiled: &Arc<Compiled>,
        scope: &WorkerScope,
        config: &Arc<[u8]>,
    ) -> Result<Rc<Self>, PluginFault> {
        let data = VmData::new(&compiled.name, &compiled.limits, scope, config);
        let mut store = Store::new(compiled.pre.module().engine(), data);
        store.limiter(|data| &mut data.limiter);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().deadline.fire()));
        // One budget for the whole start.
        let ticks = store.data_mut().deadline.begin(compiled.limits.start_budget);
        store.set_epoch_deadline(ticks);
        match start(&mut store, compiled) {
            Ok(hooks) => Ok(Rc::new(Self {
                store: RefCell::new(Some(store)),
                hooks,
                compiled: Arc::clone(compiled),
            })),
            Err(StartError::Trap(error)) => Err(fault::of_start(&error, store.data())),
            Err(StartError::Refused(what)) => Err(fault::load_failed(&compiled.name, &what)),
        }
    }

    /// Its callbacks.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Makes a context for a stream.
    pub(crate) fn create(&self, stream: &Rc<Stream>) -> Result<u32, PluginFault> {
        let id = self.with_data(|data| data.contexts.insert(stream)).ok_or_else(|| self.lost())?;
        let id = id.map_err(|_full| {
            let max = self.compiled.limits.contexts_max;
            let name = &self.compiled.name;
            let message = format!("plugin `{name}` has {max} streams open, its limit");
            PluginFault::new(FaultKind::Denied, message)
        })?;
        if let Some(hook) = &self.hooks.context_create {
            let duty = Duty { callback: "proxy_on_context_create", context: id, side: None };
            self.call(duty, |store| hook.call(store, (id, ROOT)))?;
        }
        Ok(id)
    }

    /// Calls into the guest, within its budget.
    pub(crate) fn call<R>(
        &self,
        duty: Duty,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<R>,
    ) -> Result<Outcome<R>, PluginFault> {
        let Ok(mut slot) = self.store.try_borrow_mut() else {
            let name = &self.compiled.name;
            let message = format!("plugin `{name}` was called from within its own host call");
            return Err(PluginFault::new(FaultKind::Protocol, message));
        };
        let Some(store) = slot.as_mut() else { return Err(self.lost()) };
        let ticks = store.data_mut().deadline.begin(self.compiled.limits.call_budget);
        store.set_epoch_deadline(ticks);
        store.data_mut().enter(duty);
        match call(store) {
            Ok(result) => Ok((result, store.data_mut().leave())),
            Err(error) => {
                let fault = fault::of_call(&error, store.data());
                let waiting = store.data_mut().contexts.waiting();
                let store = slot.take();
                drop(slot);
                drop(store);
                for signal in waiting {
                    signal.raise();
                }
                Err(fault)
            }
        }
    }

    /// Ends a context: `done`, `log`, `delete`, in the order of the specification. What
    /// `done` answers counts for root contexts only.
    pub(crate) fn complete(&self, context: u32) -> Result<(), PluginFault> {
        let duty = |callback| Duty { callback, context, side: None };
        let hooks = &self.hooks;
        let run = || -> Result<(), PluginFault> {
            if let Some(hook) = &hooks.done {
                self.call(duty("proxy_on_done"), |store| hook.call(store, context))?;
            }
            if let Some(hook) = &hooks.log {
                self.call(duty("proxy_on_log"), |store| hook.call(store, context))?;
            }
            if let Some(hook) = &hooks.delete {
                self.call(duty("proxy_on_delete"), |store| hook.call(store, context))?;
            }
            Ok(())
        };
        let ended = run();
        self.with_data(|data| data.contexts.remove(context));
        ended
    }

    /// Waits until the guest says that a side of a context goes on; at once where it already
    /// did. The future is for the pipeline to drop where the stream ends otherwise.
    pub(crate) fn wait(self: &Rc<Self>, context: u32, side: Side) -> Step {
        let signal = self
            .with_data(|data| data.contexts.get_mut(context).and_then(|it| it.pause(side)))
            .flatten();
        let Some(signal) = signal else { return Step::CONTINUE };
        let vm = Rc::clone(self);
        Step::Later(Box::pin(async move {
            signal.wait().await;
            if vm.is_lost() { Verdict::Failed(vm.lost()) } else { Verdict::Continue }
        }))
    }

    fn with_data<R>(&self, with: impl FnOnce(&mut VmData) -> R) -> Option<R> {
        let mut slot = self.store.try_borrow_mut().ok()?;
        slot.as_mut().map(|store| with(store.data_mut()))
    }

    fn is_lost(&self) -> bool {
        self.store.try_borrow().is_ok_and(|slot| slot.is_none())
    }

    fn lost(&self) -> PluginFault {
        let name = &self.compiled.name;
        let message = format!("the instance of plugin `{name}` was lost to an earlier fault");
        PluginFault::new(FaultKind::InstanceLost, message)
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.compiled.name;
        f.debug_struct("Vm").field("plugin", name).field("lost", &self.is_lost()).finish()
    }
}

/// Runs a guest up to its configuration, in the order that the interface says.
fn start(store: &mut Store<VmData>, compiled: &Compiled) -> Result<Hooks, StartError> {
    begin(store, "instantiation");
    let instance = compiled.pre.instantiate(&mut *store)?;
    let Some(memory) = instance.get_memory(&mut *store, "memory") else {
        return Err(StartError::Refused("exports no `memory`".to_owned()));
    };
    store.data_mut().memory = Some(memory);
    store.data_mut().allocate = match hooks::find(store, instance, hooks::ALLOCATORS[0])? {
        Some(allocate) => Some(allocate),
        None => hooks::find(store, instance, hooks::ALLOCATORS[1])?,
    };
    let mut hooks = Hooks::find(store, instance)?;
    if !compiled.phases.contains(Phases::LOG) {
        hooks.log = None;
    }
    run_start_functions(store, instance)?;
    store.data_mut().stage = GuestStage::Running;
    start_root(store, instance, &hooks)?;
    store.data_mut().stage = GuestStage::Running;
    store.data_mut().is_starting = false;
    store.data_mut().last_line = None;
    Ok(hooks)
}

fn begin(store: &mut Store<VmData>, callback: &'static str) {
    store.data_mut().enter(Duty { callback, context: ROOT, side: None });
}

/// The start functions of language runtimes. A reactor has `_initialize` and may have a
/// `main`; a command has `_start`, and may end it with `proc_exit(0)`.
fn run_start_functions(store: &mut Store<VmData>, instance: Instance) -> Result<(), StartError> {
    if let Some(initialize) = hooks::find::<(), ()>(store, instance, "_initialize")? {
        begin(store, "_initialize");
        initialize.call(&mut *store, ())?;
        if let Some(main) = hooks::find::<(u32, u32), u32>(store, instance, "main")? {
            begin(store, "main");
            main.call(&mut *store, (0, 0))?;
        } else if let Some(main) = hooks::find::<(), u32>(store, instance, "__main_void")? {
            begin(store, "__main_void");
            main.call(&mut *store, ())?;
        }
    } else if let Some(start) = hooks::find::<(), ()>(store, instance, "_start")? {
        begin(store, "_start");
        match start.call(&mut *store, ()) {
            Err(error) if matches!(error.downcast_ref(), Some(GuestExit(0))) => {}
            other => other?,
        }
    }
    Ok(())
}

fn start_root(
    store: &mut Store<VmData>,
    instance: Instance,
    hooks: &Hooks,
) -> Result<(), StartError> {
    if let Some(create) = &hooks.context_create {
        begin(store, "proxy_on_context_create");
        create.call(&mut *store, (ROOT, 0))?;
    }
    // The VM itself has no configuration here; a plugin's is all that there is.
    if let Some(hook) = hooks::find::<(u32, u32), u32>(store, instance, "proxy_on_vm_start")? {
        begin(store, "proxy_on_vm_start");
        if hook.call(&mut *store, (ROOT, 0))? == 0 {
            return Err(refused(store, "refused to start"));
        }
    }
    if let Some(hook) = hooks::find::<(u32, u32), u32>(store, instance, "proxy_on_configure")? {
        begin(store, "proxy_on_configure");
        store.data_mut().stage = GuestStage::Configuring;
        let length = u32::try_from(store.data().config.len()).unwrap_or(u32::MAX);
        if hook.call(&mut *store, (ROOT, length))? == 0 {
            return Err(refused(store, "refused its configuration"));
        }
    }
    Ok(())
}

/// A refusal, with what the guest last said: that is where it says why.
fn refused(store: &mut Store<VmData>, what: &str) -> StartError {
    StartError::Refused(match store.data_mut().last_line.take() {
        Some(said) => {
            // The guest's words, in one harmless line.
            let said: String = said.chars().take(SAID_CHARS_MAX).collect();
            format!("{what}; it said: {}", said.escape_debug())
        }
        None => format!("{what} and did not say why"),
    })
}

#[cfg(test)]
mod tests;
