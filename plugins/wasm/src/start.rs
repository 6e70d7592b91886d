//! How a guest starts: instantiation, start functions, its first root; and how a root is put
//! into a guest that runs.
//!
//! The first root's start is that of the guest, and has one budget with it. Whatever goes
//! wrong there, the plugin did not load; a guest that runs survives a root that it refuses.

use std::{rc::Rc, sync::Arc};

use host_extension::{InstanceSpec, Phases, PluginFault, WorkerScope};
use wasmtime::{Error, Instance, Store};

use crate::{
    alone::Share,
    backend::Compiled,
    codec::Dialect,
    contexts::FIRST,
    deadline::Deadline,
    fault::{self, GuestExit},
    hooks::{self, Hooks},
    outbound::Outbound,
    roots::Root,
    state::{Duty, GuestStage, VmData},
    vm::{Budget, Vm},
};

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
    /// Starts a guest, up to and including the configuration of its first root. `alone` says
    /// that it serves one stream only, and what it has in common with others that do.
    pub(crate) fn start(
        compiled: &Arc<Compiled>,
        scope: &WorkerScope,
        spec: &InstanceSpec,
        alone: Option<Share>,
    ) -> Result<(Rc<Self>, Rc<Root>), PluginFault> {
        let root = Root::new(FIRST, &compiled.name, scope, spec);
        let mut data = VmData::new(&root, &compiled.limits, &compiled.vm);
        data.version = compiled.version;
        data.codec.is_mosn = compiled.codec == Dialect::Mosn;
        data.deadline = Deadline::new(compiled.pulse.beat());
        data.lines.clone_from(&compiled.lines);
        let is_alone = alone.is_some();
        if let Some(Share { places, log, calls }) = alone {
            data.places = places;
            data.log = log;
            root.subscriptions.borrow_mut().outbound = Outbound::within(&calls);
        }
        let mut store = Store::new(compiled.pre.module().engine(), data);
        store.limiter(|data| &mut data.limiter);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().deadline.fire()));
        // One budget for the whole start.
        let ticks = store.data_mut().deadline.begin(compiled.limits.start_budget);
        store.set_epoch_deadline(ticks);
        let hooks = match instantiate(&mut store, compiled) {
            Ok(hooks) => hooks,
            Err(StartError::Trap(error)) => {
                store.data_mut().flush_output();
                return Err(fault::of(&error, store.data()));
            }
            Err(StartError::Refused(what)) => {
                return Err(fault::load_failed(&compiled.name, &what));
            }
        };
        let number = store.data_mut().contexts.number();
        debug_assert_eq!(number, root.id, "nothing was given a number before");
        store.data_mut().contexts.insert_root(&root);
        let vm = Self::new(compiled, store, hooks, is_alone);
        vm.open(&root, Budget::Rest, &compiled.vm.configuration)?;
        Ok((vm, root))
    }

    /// Puts another root into a guest that runs. Where it refuses to start or refuses its
    /// configuration, the others do not notice.
    pub(crate) fn add(
        &self,
        compiled: &Compiled,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<Root>, PluginFault> {
        let root = self.with_data(|data| {
            let root = Root::new(data.contexts.number(), &compiled.name, scope, spec);
            data.contexts.insert_root(&root);
            data.is_starting = true;
            root
        });
        let Some(root) = root else {
            let what = "shares a guest that is not there any more";
            return Err(fault::load_failed(&compiled.name, what));
        };
        let opened = self.open(&root, Budget::Start, &compiled.vm.configuration);
        if opened.is_err() && !self.is_lost() {
            // It is told as every root is, but not waited for.
            if let Err(fault) = self.is_done(&root, root.id) {
                root.tell(&fault);
            }
            self.end_beside(&root, root.id);
        }
        opened.map(|()| root)
    }

    /// Runs a root up to its configuration, within the budget of a start or what is left of
    /// it.
    fn open(
        &self,
        root: &Root,
        budget: Budget,
        vm_configuration: &[u8],
    ) -> Result<(), PluginFault> {
        let opened = self.run_open(root, budget, vm_configuration);
        let said = self.with_data(|data| {
            data.stage = GuestStage::Running;
            data.is_starting = false;
            data.last_line.take()
        });
        match opened? {
            None => Ok(()),
            Some(refusal) => {
                let refusal = refused(refusal, said.flatten().as_deref());
                Err(fault::load_failed(&root.plugin, &refusal))
            }
        }
    }

    /// Tells of a refusal, as the end of a sentence. Every root is told of the guest's start,
    /// as Envoy does it: plugins set their timers and register their queues there.
    fn run_open(
        &self,
        root: &Root,
        mut budget: Budget,
        vm_configuration: &[u8],
    ) -> Result<Option<&'static str>, PluginFault> {
        let id = root.id;
        let hooks = self.hooks();
        let duty = |callback| Duty { callback, context: id, way: None };
        if let Some(hook) = &hooks.context_create {
            let duty = duty("proxy_on_context_create");
            self.call_within(budget, root, duty, |store| hook.call(store, (id, 0)))?;
            budget = Budget::Rest;
        }
        if let Some(hook) = &hooks.root.vm_start {
            let length = narrow(vm_configuration.len());
            let duty = duty("proxy_on_vm_start");
            let run = |store: &mut Store<VmData>| hook.call(store, (id, length));
            if self.call_within(budget, root, duty, run)?.0 == 0 {
                return Ok(Some("refused to start"));
            }
            budget = Budget::Rest;
        }
        if let Some(hook) = &hooks.root.configure {
            let length = narrow(root.config.len());
            let duty = duty("proxy_on_configure");
            let run = |store: &mut Store<VmData>| {
                store.data_mut().stage = GuestStage::Configuring;
                hook.call(store, (id, length))
            };
            if self.call_within(budget, root, duty, run)?.0 == 0 {
                return Ok(Some("refused its configuration"));
            }
        }
        Ok(None)
    }
}

/// Runs a guest up to its start functions, in the order that the interface says.
fn instantiate(store: &mut Store<VmData>, compiled: &Compiled) -> Result<Hooks, StartError> {
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
    let mut hooks = Hooks::find(store, instance, &compiled.codec)?;
    if !compiled.phases.contains(Phases::LOG) {
        hooks.log = None;
    }
    if !compiled.may_linger {
        hooks.done = None;
    }
    run_start_functions(store, instance)?;
    store.data_mut().stage = GuestStage::Running;
    Ok(hooks)
}

fn begin(store: &mut Store<VmData>, callback: &'static str) {
    store.data_mut().enter(Duty { callback, context: FIRST, way: None });
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

/// A refusal, with what the guest last said: that is where it says why.
fn refused(what: &str, said: Option<&str>) -> String {
    match said {
        Some(said) => {
            // The guest's words, in one harmless line.
            let said: String = said.chars().take(SAID_CHARS_MAX).collect();
            format!("{what}; it said: {}", said.escape_debug())
        }
        None => format!("{what} and did not say why"),
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
