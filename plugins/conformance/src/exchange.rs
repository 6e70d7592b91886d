//! One request with its response, or one connection's bytes, from the client's side.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, channel};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Http {
    One,
    Two,
}

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) http: Http,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
    /// The body's parts; each is sent when the probe saw the one before it.
    pub(crate) parts: Vec<&'static str>,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
}

impl Exchange {
    /// A request without a body.
    pub(crate) fn get(path: &str) -> Self {
        Self {
            http: Http::Two,
            method: "GET",
            path: path.to_owned(),
            fields: Vec::new(),
            parts: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// A request with a body in parts.
    pub(crate) fn post(parts: &[&'static str]) -> Self {
        Self { method: "POST", parts: parts.to_vec(), ..Self::get("/probe") }
    }

    /// Head, body and trailers in both directions.
    pub(crate) fn with_everything() -> Self {
        Self::post(&["hello"]).trailer("x-req-trailer", "one").field("x-reply-trailer", "two")
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.push((name, value));
        self
    }

    pub(crate) fn http1(self) -> Self {
        Self { http: Http::One, ..self }
    }
}

/// The bytes that a client of a connection sends, in parts as in [`Exchange`]. It ends its side
/// after the last, and reads to the end.
#[derive(Clone, Debug)]
pub(crate) struct TcpExchange {
    pub(crate) parts: Vec<&'static str>,
}

impl TcpExchange {
    pub(crate) fn of(part: &'static str) -> Self {
        Self { parts: vec![part] }
    }
}

/// What the client got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    /// Why it is not whole, where it is not.
    pub(crate) broken: Option<String>,
}

impl Reply {
    fn broken(why: &(impl ToString + ?Sized)) -> Self {
        Self { broken: Some(why.to_string()), ..Self::default() }
    }
}

/// Sends a request and reads the whole response. `gate` is awaited before each part of the body
/// but the first, with the number of parts that were sent.
pub(crate) async fn send(
    address: SocketAddr,
    exchange: &Exchange,
    gate: impl AsyncFn(u32),
) -> Reply {
    match timeout(PATIENCE, try_send(address, exchange, gate)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => Reply::broken(&error),
        Err(_elapsed) => Reply::broken("no response in time"),
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = channel::Channel<Bytes, Infallible>;

async fn try_send(
    address: SocketAddr,
    exchange: &Exchange,
    gate: impl AsyncFn(u32),
) -> Result<Reply, BoxError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(stream);
    let (feeder, body) = Body::new(1);
    let request = request(address, exchange, body)?;
    let feeding = feed(feeder, exchange, gate);
    match exchange.http {
        Http::One => {
            let (mut sender, connection) = http1::handshake(stream).await?;
            drop(tokio::spawn(connection));
            read(sender.send_request(request), feeding).await
        }
        Http::Two => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            drop(tokio::spawn(connection));
            let reply = read(sender.send_request(request), feeding).await;
            drop(sender);
            reply
        }
    }
}

fn request(
    address: SocketAddr,
    exchange: &Exchange,
    body: Body,
) -> Result<Request<http_body_util::combinators::BoxBody<Bytes, Infallible>>, BoxError> {
    let has_body = !exchange.parts.is_empty() || !exchange.trailers.is_empty();
    let body = if has_body { body.boxed() } else { http_body_util::Empty::new().boxed() };
    let mut builder = Request::builder().method(exchange.method);
    builder = match exchange.http {
        Http::One => builder.uri(&exchange.path).header(HOST, "probe.example"),
        Http::Two => builder.uri(format!("http://probe.example{}", exchange.path)),
    };
    for (name, value) in &exchange.fields {
        builder = builder.header(name, value);
    }
    let _same = address;
    Ok(builder.body(body)?)
}

/// The body's end is that of `feeder`.
async fn feed(
    mut feeder: channel::Sender<Bytes, Infallible>,
    exchange: &Exchange,
    gate: impl AsyncFn(u32),
) {
    for (part, sent) in exchange.parts.iter().zip(0..) {
        if sent > 0 {
            gate(sent).await;
        }
        if feeder.send_data(Bytes::from_static(part.as_bytes())).await.is_err() {
            return; // nobody reads it any more, which is for the response to say
        }
    }
    if !exchange.trailers.is_empty() {
        let mut trailers = HeaderMap::new();
        for (name, value) in &exchange.trailers {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        // As above.
        let _unread = feeder.send_trailers(trailers).await;
    }
}

async fn read(
    response: impl Future<Output = hyper::Result<Response<Incoming>>>,
    feeding: impl Future<Output = ()>,
) -> Result<Reply, BoxError> {
    let reading = async {
        let (head, mut body) = response.await?.into_parts();
        let mut reply =
            Reply { status: head.status.as_u16(), fields: head.headers, ..Reply::default() };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) if frame.is_data() => {
                    bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Ok(frame) => reply.trailers = frame.into_trailers().unwrap_or_default(),
                Err(error) => {
                    reply.broken = Some(error.to_string());
                    break;
                }
            }
        }
        reply.body = bytes.into();
        Ok(reply)
    };
    tokio::pin!(reading, feeding);
    tokio::select! {
        reply = &mut reading => reply,
        () = &mut feeding => reading.await,
    }
}

/// Sends a connection's bytes and reads what comes back.
pub(crate) async fn send_tcp(
    address: SocketAddr,
    exchange: &TcpExchange,
    gate: impl AsyncFn(u32),
) -> Reply {
    match timeout(PATIENCE, try_send_tcp(address, exchange, gate)).await {
        Ok(Ok(body)) => Reply { body: body.into(), ..Reply::default() },
        Ok(Err(error)) => Reply::broken(&error),
        Err(_elapsed) => Reply::broken("the connection did not end in time"),
    }
}

async fn try_send_tcp(
    address: SocketAddr,
    exchange: &TcpExchange,
    gate: impl AsyncFn(u32),
) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.split();
    let mut bytes = Vec::new();
    let writing = async {
        for (part, sent) in exchange.parts.iter().zip(0..) {
            if sent > 0 {
                gate(sent).await;
            }
            writer.write_all(part.as_bytes()).await?;
        }
        writer.shutdown().await
    };
    let (written, read) = tokio::join!(writing, reader.read_to_end(&mut bytes));
    // A connection that the probe closes ends the writing, too; what was read stands.
    let _ended = written;
    read?;
    Ok(bytes)
}
