//! The proxy that cases are run against, and how to ask it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use abi_wasm::AbiVersion;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// A proxy with the probe in it.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called in reports.
    pub name: String,
    /// A listener of HTTP with the probe before a route to the kit's upstream.
    pub http: SocketAddr,
    /// A listener of bytes with the probe before them.
    pub tcp: Option<SocketAddr>,
    /// The admin socket, where it is our own proxy.
    pub admin: Option<PathBuf>,
    /// The version that its probe was made for.
    pub abi: AbiVersion,
}

impl Target {
    /// Our own host, which must do all that the cases say.
    pub(crate) fn is_ours(&self) -> bool {
        self.admin.is_some()
    }

    /// Our own proxy, by its admin socket, once it is ready; none where it is not yet.
    pub async fn ours(admin: &Path, abi: AbiVersion) -> Option<Self> {
        ask(admin, "/readyz").await.filter(|(status, _)| *status == 200)?;
        let (_, page) = ask(admin, "/listeners").await?;
        let page: Value = serde_json::from_str(&page).ok()?;
        let list = page.get("listeners").unwrap_or(&page).as_array()?;
        let address = |name: &str| -> Option<SocketAddr> {
            let of_name = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(name);
            list.iter().find(of_name)?.get("address")?.as_str()?.parse().ok()
        };
        Some(Self {
            name: concat!("mortise ", env!("CARGO_PKG_VERSION")).to_owned(),
            http: address("http")?,
            tcp: address("tcp"),
            admin: Some(admin.to_owned()),
            abi,
        })
    }

    /// The metrics page, or nothing.
    pub(crate) async fn metrics(&self) -> String {
        match &self.admin {
            Some(admin) => ask(admin, "/metrics").await.map(|(_, page)| page).unwrap_or_default(),
            None => String::new(),
        }
    }
}

async fn ask(admin: &Path, path: &str) -> Option<(u16, String)> {
    let stream = UnixStream::connect(admin).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    drop(tokio::spawn(connection));
    let request = Request::get(path).header("host", "admin").body(Empty::<Bytes>::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}
