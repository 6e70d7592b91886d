//! A client that speaks HTTP/1.1 or HTTP/2 over one connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{HOST, HeaderName},
    request::Builder,
};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{TestBody, empty, fail, within};

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Http {
    /// HTTP/1.1
    One,
    /// HTTP/2 with prior knowledge.
    Two,
}

/// A request to build on: `host` chooses the authority in both versions.
pub fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path)
}

/// One connection to the proxy.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    address: SocketAddr,
    connection: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<TestBody>),
    Two(http2::SendRequest<TestBody>),
}

impl Client {
    /// Connects.
    pub async fn connect(version: Http, address: SocketAddr) -> Self {
        match within("connect", Self::try_connect(version, address)).await {
            Ok(client) => client,
            Err(error) => fail(format_args!("no connection to {address}: {error}")),
        }
    }

    /// Connects, or says why not.
    ///
    /// # Errors
    /// The peer refuses the connection or the protocol.
    pub async fn try_connect(version: Http, address: SocketAddr) -> Result<Self, crate::BoxError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        let (sender, connection) = match version {
            Http::One => {
                let (sender, connection) = http1::handshake(stream).await?;
                let task = tokio::spawn(async move { drop(connection.await) });
                (Sender::One(sender), task)
            }
            Http::Two => {
                let executor = TokioExecutor::new();
                let (sender, connection) = http2::handshake(executor, stream).await?;
                let task = tokio::spawn(async move { drop(connection.await) });
                (Sender::Two(sender), task)
            }
        };
        Ok(Self { sender, address, connection })
    }

    /// Sends a request and awaits the head of its response.
    pub async fn send(&mut self, request: Request<TestBody>) -> Response<Incoming> {
        match within("response head", self.try_send(request)).await {
            Ok(response) => response,
            Err(error) => fail(format_args!("no response: {error:?}")),
        }
    }

    /// As [`Client::send`], with the error to look at.
    ///
    /// # Errors
    /// The connection or the stream broke before the response's head.
    pub async fn try_send(
        &mut self,
        request: Request<TestBody>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(one(request, self.address)).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(two(request, self.address)).await
            }
        }
    }

    /// Starts a request beside others of an HTTP/2 connection (on HTTP/1 it waits for them):
    /// the answer comes from the returned task.
    pub async fn start(
        &mut self,
        request: Request<TestBody>,
    ) -> JoinHandle<hyper::Result<Response<Incoming>>> {
        match &mut self.sender {
            Sender::One(sender) => {
                drop(within("a free connection", sender.ready()).await);
                tokio::spawn(sender.send_request(one(request, self.address)))
            }
            Sender::Two(sender) => {
                drop(within("a free stream", sender.ready()).await);
                tokio::spawn(sender.send_request(two(request, self.address)))
            }
        }
    }

    /// Sends a request and reads the whole reply.
    pub async fn ask(&mut self, request: Request<TestBody>) -> Reply {
        Reply::read(self.send(request).await).await
    }

    /// `GET path`, whole.
    pub async fn get(&mut self, path: &str) -> Reply {
        match request("GET", path).body(empty()) {
            Ok(request) => self.ask(request).await,
            Err(error) => fail(error),
        }
    }

    /// Waits until the peer closed the connection.
    pub async fn closed(&mut self) {
        let closed = within("the end of the connection", &mut self.connection).await;
        if let Err(error) = closed {
            fail(format_args!("the client's connection: {error}"));
        }
    }

    /// True where the connection can take one more request.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => !sender.is_closed(),
            Sender::Two(sender) => !sender.is_closed(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn one(mut request: Request<TestBody>, address: SocketAddr) -> Request<TestBody> {
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::try_from(address.to_string())
    {
        request.headers_mut().insert(HOST, host);
    }
    request
}

fn two(mut request: Request<TestBody>, address: SocketAddr) -> Request<TestBody> {
    let host = request.headers_mut().remove(HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let authority = host.map_or_else(|| address.to_string(), str::to_owned);
    let uri = format!("http://{authority}{}", request.uri());
    match uri.parse::<Uri>() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(error) => fail(format_args!("{uri}: {error}")),
    }
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The version of the response.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
}

impl Reply {
    /// Reads a response to its end, which must be a clean one.
    pub async fn read(response: Response<Incoming>) -> Self {
        match within("the whole reply", Self::try_read(response)).await {
            Ok(reply) => reply,
            Err(error) => fail(format_args!("the reply broke off: {error:?}")),
        }
    }

    /// Reads a response to its end.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn try_read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Self {
            status: head.status,
            version: head.version,
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => fail(format_args!("{} {}: {error}", self.status, self.text())),
        }
    }

    /// The first value of a field, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let name: Option<HeaderName> = name.parse().ok();
        let value = name.and_then(|name| self.headers.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All values of a field that the echoing upstream was sent.
    #[must_use]
    pub fn echoed(&self, name: &str) -> Vec<String> {
        let echo = self.json();
        let pairs = echo.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
        let named = pairs.iter().filter(|pair| pair.get(0).is_some_and(|at| at == name));
        named.filter_map(|pair| Some(pair.get(1)?.as_str()?.to_owned())).collect()
    }

    /// One text of the echo: `method`, `path`, `version`, `host`, `body`, `upstream`.
    #[must_use]
    pub fn echo(&self, key: &str) -> String {
        self.json().get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
