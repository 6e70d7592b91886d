//! A guest for each stream: the price of a start, and no fault that reaches another stream.
//!
//! Each stream and each connection gets a guest of its own, with the use's root configured,
//! that goes with it. What such a guest does beside its stream (ticks, calls) goes on while it
//! lives. Nobody else hears of its faults: its stream does, at the latest when it ends.
//!
//! A guest costs a stream nothing to make, so what one instance may do is for all guests of a
//! use together, and those of all uses leave room for the guests that are shared.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use host_extension::{
    Connection, FaultKind, FilterFactory, InstanceSpec, NetworkFilter, Phases, PluginFault, Stream,
    StreamFilter, WorkerScope,
};
use host_telemetry::LineGate;

use crate::{
    backend::Compiled,
    filter::WasmFilter,
    network::WasmNetworkFilter,
    outbound::Tally,
    places::{Place, Places},
    seat::Seat,
    vm::Vm,
};

/// Starts a guest for each filter.
#[derive(Debug)]
pub(crate) struct LoneFactory {
    compiled: Arc<Compiled>,
    scope: WorkerScope,
    spec: InstanceSpec,
    allowance: Allowance,
}

/// What the guests of one use may do together.
#[derive(Debug)]
struct Allowance {
    streams: Arc<Places>,
    log: Rc<RefCell<LineGate>>,
    calls: Rc<Tally>,
}

/// A guest's part of what it may do together with others.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) places: Vec<Place>,
    pub(crate) log: Rc<RefCell<LineGate>>,
    pub(crate) calls: Rc<Tally>,
}

impl LoneFactory {
    pub(crate) fn new(compiled: &Arc<Compiled>, scope: &WorkerScope, spec: &InstanceSpec) -> Self {
        let name = compiled.name.clone();
        let outer = Rc::clone(&scope.on_fault);
        let on_fault = move |fault: &PluginFault| {
            // Of the time, they have one budget together.
            if fault.kind == FaultKind::Overspent {
                return outer(fault);
            }
            tracing::debug!(plugin = %name, %fault, "the guest of a stream failed beside it");
        };
        let scope = WorkerScope { on_fault: Rc::new(on_fault), ..scope.clone() };
        let limits = &compiled.limits;
        let allowance = Allowance {
            streams: Places::new(limits.contexts_max),
            log: Rc::new(RefCell::new(LineGate::new(limits))),
            calls: Rc::default(),
        };
        Self { compiled: Arc::clone(compiled), scope, spec: spec.clone(), allowance }
    }

    /// A guest of its own.
    pub(crate) fn seat(&self) -> Result<Rc<Seat>, PluginFault> {
        let share = Some(self.share()?);
        Ok(Seat::new(Vm::start(&self.compiled, &self.scope, &self.spec, share)?))
    }

    fn share(&self) -> Result<Share, PluginFault> {
        let Allowance { streams, log, calls } = &self.allowance;
        let own = take(streams, &self.compiled, "streams open, its limit")?;
        let all = take(&self.compiled.lone, &self.compiled, "guests of streams beside it")?;
        Ok(Share { places: vec![own, all], log: Rc::clone(log), calls: Rc::clone(calls) })
    }
}

/// Takes a place of so many; `what` they are, for who gets none.
fn take(places: &Arc<Places>, compiled: &Compiled, what: &str) -> Result<Place, PluginFault> {
    places.take().ok_or_else(|| {
        let (name, max) = (&compiled.name, places.max());
        PluginFault::new(FaultKind::Denied, format!("plugin `{name}` has {max} {what}"))
    })
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

    fn outlives(&self, _fault: &PluginFault) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
