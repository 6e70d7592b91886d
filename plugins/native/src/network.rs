//! The network filters of one use: each is one connection of an instance.

use std::rc::Rc;

use abi_native::number::Way;
use host_extension::{Connection, Flow, NetworkFilter, Peer, Phases, PluginFault, Step, Verdict};

use crate::{
    callbacks::ConnectionHook,
    contexts::Of,
    instance::{Duty, Instance, Kind, Outcome},
};

/// One connection of an instance.
#[derive(Debug)]
pub(crate) struct NativeNetworkFilter {
    instance: Rc<Instance>,
    context: u64,
    completed: bool,
}

impl NativeNetworkFilter {
    pub(crate) fn new(
        instance: Rc<Instance>,
        connection: &Rc<Connection>,
    ) -> Result<Self, PluginFault> {
        let context = instance.open(Kind::Connection, Of::Connection(Rc::clone(connection)))?;
        Ok(Self { instance, context, completed: false })
    }

    /// Calls a hook that the plugin wants; what it does not want passes.
    fn call(
        &self,
        way: Option<Way>,
        phase: Phases,
        hook: ConnectionHook<'_>,
    ) -> Result<Outcome, PluginFault> {
        let is_wanted = !self.completed && self.instance.phases().contains(phase);
        let kept = if is_wanted { self.instance.kept(self.context) } else { None };
        let Some(kept) = kept else { return Ok(Outcome::Passed) };
        let duty = Duty { callback: hook.name(), context: self.context, way };
        let callbacks = &self.instance.plugin.callbacks;
        self.instance.call(duty, |object| callbacks.connection(object, kept, self.context, hook))
    }

    /// Calls a hook whose answer says whether the direction goes on.
    fn ask(&self, way: Way, phase: Phases, hook: ConnectionHook<'_>) -> Step {
        match self.call(Some(way), phase, hook) {
            Err(fault) => Verdict::Failed(fault).into(),
            Ok(Outcome::Answered(verdict)) => verdict.into(),
            Ok(Outcome::Passed) => Step::CONTINUE,
            Ok(Outcome::Paused) => self.instance.wait(self.context, way),
        }
    }

    fn complete(&mut self) -> Result<(), PluginFault> {
        if self.completed {
            return Ok(());
        }
        let told = if self.instance.is_lost() {
            Ok(())
        } else {
            self.call(None, Phases::LOG, ConnectionHook::Complete).map(drop)
        };
        self.completed = true;
        self.instance.close(Kind::Connection, self.context);
        told
    }
}

impl NetworkFilter for NativeNetworkFilter {
    /// A pause waits for `resume_flow` of the client's bytes.
    fn on_new_connection(&mut self, _connection: &Rc<Connection>) -> Step {
        self.ask(Way::In, Phases::NEW_CONNECTION, ConnectionHook::New)
    }

    /// A pause keeps the bytes until more of them come or the plugin says to go on; at the end
    /// nothing more comes.
    fn on_data(&mut self, _connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        let (way, phase) = match flow {
            Flow::Downstream => (Way::In, Phases::DOWNSTREAM_DATA),
            Flow::Upstream => (Way::Out, Phases::UPSTREAM_DATA),
        };
        match self.ask(way, phase, ConnectionHook::Data(way, end)) {
            Step::Later(resumed) if !end => Step::HoldUntil(resumed),
            step @ (Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_)) => step,
        }
    }

    fn on_close(
        &mut self,
        _connection: &Rc<Connection>,
        flow: Flow,
        by: Peer,
    ) -> Result<(), PluginFault> {
        let way = match flow {
            Flow::Downstream => Way::In,
            Flow::Upstream => Way::Out,
        };
        let by = match by {
            Peer::Unknown => 0,
            Peer::Local => 1,
            Peer::Remote => 2,
        };
        self.call(None, Phases::CLOSE, ConnectionHook::Close(way, by)).map(drop)
    }

    fn on_complete(&mut self, _connection: &Rc<Connection>) -> Result<(), PluginFault> {
        self.complete()
    }
}

impl Drop for NativeNetworkFilter {
    /// A connection that ended without saying so must not leave its context behind.
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        // The pipeline measures its last hook only.
        let instance = Rc::clone(&self.instance);
        if let Err(fault) = instance.cpu.charge(|| self.complete()) {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }
}

#[cfg(test)]
mod tests;
