//! Upstreams that speak HTTP: they echo, or do what a handler of the test says.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{BoxError, Http, TestBody, empty, fail, full};

/// The head of a request that an upstream was sent.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
}

/// An upstream on a free loopback port. It goes away with this value, and its connections
/// with it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Ledger {
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<TestBody>, BoxError>> + Send>>;
type Handler = Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

impl Upstream {
    /// One that answers with what it was asked, as JSON: `method`, `path`, `version`, `host`,
    /// `headers` (pairs), `body`, `trailers` (pairs). The field `x-reply-status` chooses the
    /// status.
    pub async fn echo(version: Http) -> Self {
        Self::named_echo(version, "").await
    }

    /// As [`Upstream::echo`], with a name in `upstream`.
    pub async fn named_echo(version: Http, name: &str) -> Self {
        let name = name.to_owned();
        Self::serve(version, move |request| echo(request, name.clone())).await
    }

    /// One that does what `handler` says.
    pub async fn serve<F, A>(version: Http, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<TestBody>, BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| fail(error));
        let address = listener.local_addr().unwrap_or_else(|error| fail(error));
        let ledger = Arc::new(Ledger::default());
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let accepting = tokio::spawn(accept(listener, version, handler, Arc::clone(&ledger)));
        Self { address, ledger, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.ledger.connections.load(Ordering::SeqCst)
    }

    /// How many requests it was sent.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.ledger.seen.lock().len()
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.ledger.seen.lock().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, version: Http, handler: Handler, ledger: Arc<Ledger>) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _peer)) = listener.accept().await {
        ledger.connections.fetch_add(1, Ordering::SeqCst);
        let connection = serve_connection(stream, version, handler.clone(), ledger.clone());
        connections.spawn(connection);
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, version: Http, handler: Handler, ledger: Arc<Ledger>) {
    // Without it small answers wait for acknowledgements; the tests still work.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Seen {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
        };
        ledger.seen.lock().push(seen);
        let answer = handler(request);
        async move { answer.await.map_err(io::Error::other) }
    });
    let stream = TokioIo::new(stream);
    // How a connection ends is what the client sees of it; nobody asks the upstream.
    match version {
        Http::One => {
            let serving = http1::Builder::new().serve_connection(stream, service);
            drop(serving.with_upgrades().await);
        }
        Http::Two => {
            let builder = http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(stream, service).await);
        }
    }
}

async fn echo(request: Request<Incoming>, name: String) -> Result<Response<TestBody>, BoxError> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let host = head.headers.get("host").map(text).unwrap_or_default();
    let host = head.uri.authority().map_or(host, ToString::to_string);
    let body = collected.to_bytes();
    let echo = json!({
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
        "version": format!("{:?}", head.version),
        "host": host,
        "headers": pairs(&head.headers),
        "body": String::from_utf8_lossy(&body),
        "trailers": pairs(&trailers),
        "upstream": name,
    });
    let status = head.headers.get("x-reply-status").map(HeaderValue::as_bytes);
    let status = status.and_then(|status| StatusCode::from_bytes(status).ok());
    let bodyless = head.method == Method::HEAD || status == Some(StatusCode::NO_CONTENT);
    let text = echo.to_string();
    let mut response = Response::builder()
        .status(status.unwrap_or(StatusCode::OK))
        .header("content-type", "application/json");
    if head.method == Method::HEAD {
        response = response.header("content-length", text.len());
    }
    Ok(response.body(if bodyless { empty() } else { full(text) })?)
}

fn pairs(headers: &HeaderMap) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
