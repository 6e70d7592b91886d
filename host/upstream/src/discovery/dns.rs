//! The task that keeps the addresses of one cluster's names fresh.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use super::{Resolve, ResolveError, Resolved, Source};
use crate::{DnsName, Endpoint};

/// Bounds of the time to live: an answer of zero must not become a flood of questions, and
/// one of a day must not hide a move for a day.
const REFRESH_MIN: Duration = Duration::from_secs(1);
const REFRESH_MAX: Duration = Duration::from_secs(300);

/// The first and the longest wait after a failure; up to a quarter of it is taken off by
/// chance, so that clusters that failed together do not ask together.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of one name that are used; the rest of a longer answer is left out.
const ADDRESSES_MAX: usize = 256;

/// One name with what is known of it.
struct Tracked {
    name: DnsName,
    addresses: Vec<SocketAddr>,
    due: Instant,
    retry: Duration,
    error: Option<ResolveError>,
}

/// Resolves `names` again and again until nobody listens any more. A name that fails keeps
/// its last good addresses.
pub(super) async fn refresh(names: Vec<DnsName>, resolver: Arc<dyn Resolve>, source: Arc<Source>) {
    let mut tracked: Vec<Tracked> = names.into_iter().map(Tracked::new).collect();
    loop {
        for at in 0..tracked.len() {
            let Some(name) = tracked.get_mut(at).filter(|name| name.due <= Instant::now()) else {
                continue;
            };
            name.ask(&*resolver).await;
            // After each name: a slow one must not keep the others waiting.
            publish(&source, &tracked);
        }
        let Some(due) = tracked.iter().map(|name| name.due).min() else { return };
        tokio::select! {
            () = sleep_until(due) => {}
            () = source.endpoints.closed() => {
                // Somebody may have subscribed in the meantime.
                if source.end_if_unused() {
                    return;
                }
            }
        }
    }
}

fn publish(source: &Source, tracked: &[Tracked]) {
    let mut addresses: Vec<SocketAddr> =
        tracked.iter().flat_map(|name| name.addresses.iter().copied()).collect();
    // Name servers rotate their answers: the same set must be the same list.
    addresses.sort_unstable();
    addresses.dedup();
    let endpoints: Vec<Endpoint> =
        addresses.into_iter().map(|address| Endpoint { address, weight: 1 }).collect();
    *source.last_error.lock() = tracked.iter().find_map(|name| name.error.clone());
    source.endpoints.send_if_modified(|published| {
        let changed = **published != *endpoints;
        if changed {
            *published = endpoints.into();
        }
        changed
    });
}

impl Tracked {
    fn new(name: DnsName) -> Self {
        let due = Instant::now();
        Self { name, addresses: Vec::new(), due, retry: RETRY_FIRST, error: None }
    }

    async fn ask(&mut self, resolver: &dyn Resolve) {
        let answer = timeout(ANSWER_TIMEOUT, resolver.resolve(&self.name.host)).await;
        let failed = |what: &str| ResolveError { host: self.name.host.clone(), what: what.into() };
        match answer {
            Ok(Ok(resolved)) if resolved.addresses.is_empty() => {
                self.failed(failed("it has no address"));
            }
            Ok(Ok(resolved)) => self.answered(resolved),
            Ok(Err(error)) => self.failed(error),
            Err(_elapsed) => self.failed(failed("no answer in time")),
        }
    }

    fn answered(&mut self, resolved: Resolved) {
        let Resolved { mut addresses, time_to_live } = resolved;
        if addresses.len() > ADDRESSES_MAX {
            tracing::warn!(host = self.name.host, "a name has more addresses than are used");
            addresses.sort_unstable();
            addresses.truncate(ADDRESSES_MAX);
        }
        let port = self.name.port;
        self.addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        self.due = Instant::now() + time_to_live.clamp(REFRESH_MIN, REFRESH_MAX);
        self.retry = RETRY_FIRST;
        self.error = None;
    }

    fn failed(&mut self, error: ResolveError) {
        if self.error.is_none() {
            tracing::warn!(host = self.name.host, %error, "the last good addresses are kept");
        }
        self.due = Instant::now() + self.retry.mul_f64(1.0 - fastrand::f64() / 4.0);
        self.retry = (self.retry * 2).min(RETRY_MAX);
        self.error = Some(error);
    }
}

#[cfg(test)]
mod tests;
