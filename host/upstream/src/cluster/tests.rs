//! Over real sockets: a worker's cluster against small servers.

#![expect(clippy::excessive_nesting, reason = "a small server is a closure inside a test")]

mod cancel;
mod faults;
mod http2;
mod limits;
mod reuse;
mod sources;
mod upgrade;

use crate::{Cluster, UpstreamError, testing::get};

#[test]
fn errors_are_small() {
    assert!(size_of::<UpstreamError>() < 64, "{}", size_of::<UpstreamError>());
}

#[test]
fn a_request_in_flight_costs_little_memory() {
    fn size_of_future<F: Future>(_: impl FnOnce(&'static Cluster) -> F) -> usize {
        size_of::<F>()
    }
    let size = size_of_future(|cluster| async move {
        drop(cluster.send(get("/"), &mut None).await);
    });
    assert!(size < 6 * 1024, "{size}");
}
