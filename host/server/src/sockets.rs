//! The listening sockets of all workers.
//!
//! Sockets are bound before a plan is handed out, so that a plan that cannot be served never
//! replaces one that can. A listener whose address stays keeps its sockets over a reload.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener as StdListener},
};

use host_net::{BindError, bind};
use host_pipeline::{AcceptBalance, ListenerPlan};
use host_types::ListenerName;

/// Connections that the kernel keeps until a worker takes them.
const BACKLOG: u16 = 4096;

/// What is bound.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    bound: HashMap<ListenerName, Bound>,
}

/// One listener's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Bound {
    /// As the configuration asks.
    asked: SocketAddr,
    /// With the port that it got.
    address: SocketAddr,
    balance: AcceptBalance,
}

/// Sockets for a plan, bound but not listening to by anybody yet.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    bound: HashMap<ListenerName, Bound>,
    /// One socket per worker.
    pub(crate) spread: Vec<(ListenerName, Vec<StdListener>)>,
    /// One socket, whose connections are handed out.
    pub(crate) exact: Vec<(ListenerName, StdListener)>,
}

impl Sockets {
    /// Binds what `listeners` need and is not bound yet.
    ///
    /// # Errors
    /// An address cannot be bound; then nothing has changed.
    pub(crate) fn prepare<'a>(
        &self,
        listeners: impl Iterator<Item = &'a ListenerPlan>,
        workers: usize,
    ) -> Result<Prepared, BindError> {
        let mut prepared = Prepared::default();
        for plan in listeners {
            let Some(asked) = plan.address.as_tcp() else { continue };
            let kept = self
                .bound
                .get(&plan.name)
                .filter(|bound| bound.asked == asked && bound.balance == plan.balance);
            if let Some(kept) = kept {
                prepared.bound.insert(plan.name.clone(), *kept);
                continue;
            }
            let address = match plan.balance {
                AcceptBalance::Kernel => prepared.spread(plan, asked, workers)?,
                AcceptBalance::Exact => prepared.exact(plan, asked)?,
            };
            let bound = Bound { asked, address, balance: plan.balance };
            prepared.bound.insert(plan.name.clone(), bound);
        }
        Ok(prepared)
    }

    /// Notes that prepared sockets are in use.
    pub(crate) fn commit(&mut self, prepared: &Prepared) {
        self.bound = prepared.bound.clone();
    }

    /// Where a listener is bound.
    pub(crate) fn address(&self, name: &ListenerName) -> Option<SocketAddr> {
        self.bound.get(name).map(|bound| bound.address)
    }
}

impl Prepared {
    fn spread(
        &mut self,
        plan: &ListenerPlan,
        asked: SocketAddr,
        workers: usize,
    ) -> Result<SocketAddr, BindError> {
        let first = bind(asked, true, BACKLOG)?;
        let address = local(&first, asked)?;
        let mut sockets = vec![first];
        for _ in 1..workers {
            sockets.push(bind(address, true, BACKLOG)?);
        }
        self.spread.push((plan.name.clone(), sockets));
        Ok(address)
    }

    fn exact(&mut self, plan: &ListenerPlan, asked: SocketAddr) -> Result<SocketAddr, BindError> {
        // Shared, so that a reload can bind it anew before the former socket is closed.
        let socket = bind(asked, true, BACKLOG)?;
        let address = local(&socket, asked)?;
        self.exact.push((plan.name.clone(), socket));
        Ok(address)
    }
}

fn local(socket: &StdListener, address: SocketAddr) -> Result<SocketAddr, BindError> {
    socket.local_addr().map_err(|source| BindError { address, source })
}

#[cfg(test)]
mod tests;
