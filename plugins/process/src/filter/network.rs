//! The network filters of one use: each connection is a context of the child.

use std::rc::Rc;

use abi_process::v1;
use host_extension::{Connection, Flow, NetworkFilter, Peer, Phases, PluginFault, Step};

use crate::session::{Context, Hook, flow_number};

/// One connection.
#[derive(Debug)]
pub(crate) struct ProcessNetworkFilter {
    context: Rc<Context>,
}

impl ProcessNetworkFilter {
    pub(crate) fn new(context: Rc<Context>) -> Self {
        Self { context }
    }

    fn complete(&self) -> Result<(), PluginFault> {
        self.context.complete(|_context| v1::Complete::default())
    }
}

impl NetworkFilter for ProcessNetworkFilter {
    fn on_new_connection(&mut self, _connection: &Rc<Connection>) -> Step {
        self.context.call(Hook::NewConnection)
    }

    fn on_data(&mut self, _connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        self.context.call(Hook::Data(flow, end))
    }

    fn on_close(
        &mut self,
        _connection: &Rc<Connection>,
        flow: Flow,
        by: Peer,
    ) -> Result<(), PluginFault> {
        if !self.context.instance.wants(Phases::CLOSE) {
            return Ok(());
        }
        let by = match by {
            Peer::Unknown => v1::Peer::Unknown,
            Peer::Local => v1::Peer::Local,
            Peer::Remote => v1::Peer::Remote,
        };
        let close = v1::Close { context: self.context.id, flow: flow_number(flow), by: by.into() };
        self.context.tell(v1::event::Kind::Close(close))
    }

    fn on_complete(&mut self, _connection: &Rc<Connection>) -> Result<(), PluginFault> {
        self.complete()
    }
}

impl Drop for ProcessNetworkFilter {
    /// A connection that ended without saying so must not leave its context in the child.
    fn drop(&mut self) {
        if let Err(fault) = self.complete() {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }
}
