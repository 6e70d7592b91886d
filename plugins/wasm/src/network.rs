//! The network filters of one use: each is one TCP context of the guest.

use std::{fmt, rc::Rc};

use abi_wasm::Action;
use host_extension::{Connection, Flow, NetworkFilter, Peer, PluginFault, Step, Verdict};
use wasmtime::Store;

use crate::{
    contexts::{Of, Way},
    hooks::{FlowHooks, Hooks},
    seat::Seat,
    state::{Duty, VmData},
    vm::Outcome,
};

/// One TCP context.
pub(crate) struct WasmNetworkFilter {
    seat: Rc<Seat>,
    context: u32,
    completed: bool,
}

impl WasmNetworkFilter {
    pub(crate) fn new(seat: Rc<Seat>, connection: &Rc<Connection>) -> Result<Self, PluginFault> {
        let context = seat.vm.create(&seat.root, Of::Connection(Rc::clone(connection)))?;
        Ok(Self { seat, context, completed: false })
    }

    /// All hooks; none any more once the context has ended.
    fn hooks(&self) -> Option<&Hooks> {
        (!self.completed).then(|| self.seat.vm.hooks())
    }

    fn flow_hooks(&self, flow: Flow) -> Option<&FlowHooks> {
        let hooks = self.hooks()?;
        Some(match flow {
            Flow::Downstream => &hooks.downstream,
            Flow::Upstream => &hooks.upstream,
        })
    }

    /// Calls a hook whose answer says whether the direction goes on.
    fn ask(
        &self,
        callback: &'static str,
        way: Way,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<u32>,
    ) -> Result<Asked, PluginFault> {
        let duty = Duty { callback, context: self.context, way: Some(way) };
        let outcome: Outcome<u32> = self.seat.vm.call(&self.seat.root, duty, call)?;
        Ok(match outcome {
            (_, Some(verdict)) => Asked::Answered(verdict),
            (number, None) if Action::of_data(number).stops() => Asked::Paused,
            (_, None) => Asked::Passed,
        })
    }

    fn wait(&self, way: Way) -> Step {
        self.seat.vm.wait(&self.seat.root, self.context, way)
    }
}

/// What a hook came to.
enum Asked {
    Passed,
    Paused,
    Answered(Verdict),
}

impl NetworkFilter for WasmNetworkFilter {
    /// A pause waits for `proxy_continue_stream(2)`.
    fn on_new_connection(&mut self, _connection: &Rc<Connection>) -> Step {
        let hook = self.hooks().and_then(|hooks| hooks.new_connection.as_ref());
        let Some(hook) = hook else { return Step::CONTINUE };
        let context = self.context;
        let asked = self.ask("proxy_on_new_connection", Way::In, |store| hook.call(store, context));
        match asked {
            Err(fault) => Verdict::Failed(fault).into(),
            Ok(Asked::Answered(verdict)) => verdict.into(),
            Ok(Asked::Passed) => Step::CONTINUE,
            Ok(Asked::Paused) => self.wait(Way::In),
        }
    }

    /// A pause keeps the bytes until more of them come or the guest says to go on; at the end
    /// nothing more comes.
    fn on_data(&mut self, connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        let hook = self.flow_hooks(flow).and_then(|hooks| hooks.data.as_ref());
        let Some(hook) = hook else { return Step::CONTINUE };
        let length = connection.flow(flow).bytes.borrow().len();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let params = (self.context, length, u32::from(end));
        let way = Way::from(flow);
        let callback = match flow {
            Flow::Downstream => "proxy_on_downstream_data",
            Flow::Upstream => "proxy_on_upstream_data",
        };
        match self.ask(callback, way, |store| hook.call(store, params)) {
            Err(fault) => Verdict::Failed(fault).into(),
            Ok(Asked::Answered(verdict)) => verdict.into(),
            Ok(Asked::Passed) => Step::CONTINUE,
            Ok(Asked::Paused) => match self.wait(way) {
                Step::Later(resumed) if !end => Step::HoldUntil(resumed),
                step @ (Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_)) => step,
            },
        }
    }

    fn on_close(
        &mut self,
        _connection: &Rc<Connection>,
        flow: Flow,
        by: Peer,
    ) -> Result<(), PluginFault> {
        let hook = self.flow_hooks(flow).and_then(|hooks| hooks.close.as_ref());
        let Some(hook) = hook else { return Ok(()) };
        let callback = match flow {
            Flow::Downstream => "proxy_on_downstream_connection_close",
            Flow::Upstream => "proxy_on_upstream_connection_close",
        };
        let params = (self.context, number(by));
        let duty = Duty { callback, context: self.context, way: None };
        self.seat.vm.call(&self.seat.root, duty, |store| hook.call(store, params))?;
        Ok(())
    }

    fn on_complete(&mut self, _connection: &Rc<Connection>) -> Result<(), PluginFault> {
        if std::mem::replace(&mut self.completed, true) {
            return Ok(());
        }
        self.seat.complete_measured(self.context)
    }
}

/// Who closed, as the interface counts.
fn number(by: Peer) -> u32 {
    match by {
        Peer::Unknown => 0,
        Peer::Local => 1,
        Peer::Remote => 2,
    }
}

impl Drop for WasmNetworkFilter {
    /// A connection that ended without saying so must not leave its context in the guest.
    fn drop(&mut self) {
        if !std::mem::replace(&mut self.completed, true) {
            self.seat.complete_beside(self.context);
        }
    }
}

impl fmt::Debug for WasmNetworkFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmNetworkFilter")
            .field("vm", &self.seat.vm)
            .field("context", &self.context)
            .finish()
    }
}

#[cfg(test)]
mod tests;
