//! The proxy's own pages: whether it is ready, where it listens, what it counted.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use crate::attack::Counted;

const PATIENCE: Duration = Duration::from_secs(5);
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A page, where it is answered with 200.
pub(crate) async fn page(admin: &Path, path: &str) -> Option<String> {
    timeout(PATIENCE, ask(admin, path)).await.ok()?
}

async fn ask(admin: &Path, path: &str) -> Option<String> {
    let stream = UnixStream::connect(admin).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("host", "admin").body(Empty::<Bytes>::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    let good = response.status().is_success();
    let body = Limited::new(response.into_body(), PAGE_BYTES_MAX).collect().await.ok()?.to_bytes();
    connection.abort();
    good.then(|| String::from_utf8_lossy(&body).into_owned())
}

/// Where the proxy listens, by the names of its listeners.
pub(crate) async fn listeners(admin: &Path) -> Option<Vec<(String, SocketAddr)>> {
    let page: Value = serde_json::from_str(&page(admin, "/listeners").await?).ok()?;
    let list = page.get("listeners").unwrap_or(&page).as_array()?;
    let address = |entry: &Value| {
        let address = entry.get("address")?.as_str()?.parse().ok()?;
        Some((entry.get("name")?.as_str()?.to_owned(), address))
    };
    Some(list.iter().filter_map(address).collect())
}

/// The metrics.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) async fn read(admin: &Path) -> Option<Self> {
        page(admin, "/metrics").await.map(Self)
    }

    /// The sum of the samples of a name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (known, pairs) = series.split_once('{').unwrap_or((series, ""));
            let has = |(key, wanted): &(&str, &str)| pairs.contains(&format!("{key}=\"{wanted}\""));
            let fits = known == name && labels.iter().all(has);
            if fits { value.parse::<f64>().ok() } else { None }
        });
        samples.sum()
    }

    /// How often what must be counted of a plugin was.
    pub(crate) fn counted(&self, plugin: &str, what: Counted) -> f64 {
        let of = |name, key, word| self.sum(name, &[("plugin", plugin), (key, word)]);
        match what {
            Counted::Fault(kinds) => {
                kinds.iter().map(|kind| of("mortise_plugin_faults_total", "kind", kind)).sum()
            }
            Counted::Denied(permission) => {
                of("mortise_plugin_denied_total", "permission", permission)
            }
            Counted::Refused(call) => of("mortise_plugin_host_calls_refused_total", "call", call),
        }
    }

    /// How many series plugins made up whose names begin so.
    pub(crate) fn made_up(&self, beginning: &str) -> usize {
        self.0.lines().filter(|line| line.starts_with(beginning)).count()
    }
}

#[cfg(test)]
mod tests;
