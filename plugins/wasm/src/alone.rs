//! A guest for each stream: the price of a start, and no fault that reaches another stream.
//!
//! Each stream and each connection gets a guest of its own, with the use's root configured,
//! that goes with it. What such a guest does beside its stream (ticks, calls) goes on while it
//! lives. Nobody else hears of its faults: its stream does, at the latest when it ends.

use std::{rc::Rc, sync::Arc};

use host_extension::{
    Connection, FilterFactory, InstanceSpec, NetworkFilter, Phases, PluginFault, Stream,
    StreamFilter, WorkerScope,
};

use crate::{
    backend::Compiled, filter::WasmFilter, network::WasmNetworkFilter, seat::Seat, vm::Vm,
};

/// Starts a guest for each filter.
#[derive(Debug)]
pub(crate) struct LoneFactory {
    compiled: Arc<Compiled>,
    scope: WorkerScope,
    spec: InstanceSpec,
}

impl LoneFactory {
    pub(crate) fn new(compiled: &Arc<Compiled>, scope: &WorkerScope, spec: &InstanceSpec) -> Self {
        let name = compiled.name.clone();
        let on_fault = move |fault: &PluginFault| {
            tracing::debug!(plugin = %name, %fault, "the guest of a stream failed beside it");
        };
        let scope = WorkerScope { on_fault: Rc::new(on_fault), ..scope.clone() };
        Self { compiled: Arc::clone(compiled), scope, spec: spec.clone() }
    }

    fn seat(&self) -> Result<Rc<Seat>, PluginFault> {
        Ok(Seat::new(Vm::start(&self.compiled, &self.scope, &self.spec, true)?))
    }
}

impl FilterFactory for LoneFactory {
    fn phases(&self) -> Phases {
        self.compiled.phases
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        Ok(Box::new(WasmFilter::new(self.seat()?, stream)?))
    }

    fn network_filter(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        Ok(Box::new(WasmNetworkFilter::new(self.seat()?, connection)?))
    }

    fn outlives_faults(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
