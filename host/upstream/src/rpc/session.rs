//! The upstream connections of one client connection, of protocols that bind the two.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use host_extension::Signal;
use host_types::ClusterName;
use tokio::{sync::Mutex, time::timeout};

use super::{RpcProtocol, RpcTried, connection::Connection, seat::Seat, task};
use crate::{
    Cluster, UpstreamError,
    pool::{Turn, Want},
};

/// The upstream connections of one client connection whose protocol has
/// [`PoolMode::Bound`](host_extension::PoolMode::Bound), one for each cluster.
///
/// Dropped with the client's connection, which ends them when nothing is under way on them; they
/// end so, too, when the cluster is replaced or their endpoint leaves it. With other protocols it
/// stays empty.
#[derive(Debug, Default)]
pub struct RpcSession {
    bound: RefCell<HashMap<ClusterName, Bound>>,
    ended: Rc<Signal>,
}

/// Locked while it is being made, so that one is made only.
type Bound = Rc<Mutex<Option<Rc<Connection>>>>;

impl RpcSession {
    /// Waits until one of its connections ended: then the client's connection is to end, too,
    /// when what came before was passed on. Never ready for protocols that bind none.
    pub async fn until_upstream_closed(&self) {
        self.ended.wait().await;
    }

    /// A seat on the connection to `cluster`, which is made by the first request.
    pub(super) async fn seat(
        &self,
        cluster: &Cluster,
        protocol: &RpcProtocol,
        tried: &mut RpcTried,
    ) -> Result<Seat, UpstreamError> {
        let name = &cluster.plan().name;
        let bound = self.bound.borrow_mut().entry(name.clone()).or_default().clone();
        let Ok(mut bound) = timeout(cluster.plan().pool.pending_timeout, bound.lock()).await else {
            return Err(UpstreamError::PendingTimedOut { cluster: name.clone() });
        };
        if let Some(connection) = &*bound {
            tried.push(connection.key.address());
            return connection.bound_seat();
        }
        let picked = cluster.pick(tried.all()).await?;
        tried.push(picked.address);
        let turn = cluster.pool().acquire(picked.address, &Want::New).await?;
        let Turn::Open(slot) = turn else {
            return Err(cluster.unfit_turn());
        };
        let ended = Some(Rc::clone(&self.ended));
        let seat = task::open(slot, picked.address, protocol, ended).await?;
        *bound = Some(Rc::clone(&seat.connection));
        Ok(seat)
    }
}

impl Drop for RpcSession {
    fn drop(&mut self) {
        for bound in self.bound.get_mut().values() {
            // Nobody can be making one: that would borrow the session.
            let connection = bound.try_lock().ok().and_then(|mut bound| bound.take());
            if let Some(connection) = connection {
                connection.drain();
            }
        }
    }
}
