//! The upstream that cases are driven against: it answers as a request's fields say.
//!
//! | request | answer |
//! |---|---|
//! | any | 200 with the request's body; `x-seen-*` says what came: method, path, authority, content-length, trailers, and each field that begins with `x-case` |
//! | `x-reply-status`, `x-reply-body`, `x-reply-trailer`, `x-reply-length` | that status, body, trailer `x-resp-trailer`, or announced length |
//! | `/silent`, `/conformance.Echo/Silent` | none |
//! | `/conformance.Echo/Say` | gRPC: the message, with metadata at both ends |
//! | `/conformance.Echo/Fail` | gRPC: status 9 |
//!
//! Another port gives bytes back as they come.

use std::{convert::Infallible, io, net::SocketAddr};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A running upstream; it ends with this value.
#[derive(Debug)]
pub struct Upstream {
    http: SocketAddr,
    tcp: SocketAddr,
    accepting: [JoinHandle<()>; 2],
}

impl Upstream {
    /// Starts it at these addresses.
    ///
    /// # Errors
    /// One cannot be bound.
    pub async fn start(http: SocketAddr, tcp: SocketAddr) -> io::Result<Self> {
        let (http, tcp) = (TcpListener::bind(http).await?, TcpListener::bind(tcp).await?);
        Ok(Self {
            http: http.local_addr()?,
            tcp: tcp.local_addr()?,
            accepting: [tokio::spawn(accept(http, serve)), tokio::spawn(accept(tcp, echo))],
        })
    }

    /// Where it speaks HTTP/1 and HTTP/2.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where it gives bytes back.
    #[must_use]
    pub fn tcp(&self) -> SocketAddr {
        self.tcp
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: fn(TcpStream) -> F,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _peer)) = listener.accept().await {
        connections.spawn(serve(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream) {
    let server = auto::Builder::new(TokioExecutor::new());
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(request).await));
    // A connection that breaks off is the case's business.
    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn echo(mut stream: TcpStream) {
    let (mut reader, mut writer) = stream.split();
    // As above.
    let _ended = tokio::io::copy(&mut reader, &mut writer).await;
}

async fn answer(request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    if matches!(head.uri.path(), "/silent" | "/conformance.Echo/Silent") {
        std::future::pending::<()>().await;
    }
    let collected = body.collect().await;
    let (body, trailers) = match collected {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            (collected.to_bytes(), trailers)
        }
        Err(_broken) => (Bytes::from_static(b"broken request"), HeaderMap::new()),
    };
    match head.uri.path() {
        "/conformance.Echo/Say" => grpc(Some(body), "0", "fine"),
        "/conformance.Echo/Fail" => grpc(None, "9", "not in this state"),
        _ => mirror(&head, body, &trailers),
    }
}

fn mirror(head: &http::request::Parts, body: Bytes, trailers: &HeaderMap) -> Answer {
    let asked = |name: &str| head.headers.get(name);
    let body = asked("x-reply-body").map_or(body, |text| Bytes::copy_from_slice(text.as_bytes()));
    let mut sent = HeaderMap::new();
    if let Some(value) = asked("x-reply-trailer") {
        sent.insert("x-resp-trailer", value.clone());
    }
    let mut answer = Response::new(full(body, sent));
    let status = asked("x-reply-status").and_then(|text| text.to_str().ok()?.parse().ok());
    *answer.status_mut() = status.unwrap_or(StatusCode::OK);
    let fields = answer.headers_mut();
    fields.insert("x-up", HeaderValue::from_static("yes"));
    if let Some(length) = asked("x-reply-length") {
        fields.insert("content-length", length.clone());
    }
    let authority = head.uri.authority().map(|authority| authority.to_string());
    let authority = authority.or_else(|| Some(asked("host")?.to_str().ok()?.to_owned()));
    let line = [
        ("x-seen-method", Some(head.method.to_string())),
        ("x-seen-path", head.uri.path_and_query().map(ToString::to_string)),
        ("x-seen-authority", authority),
    ];
    for (name, value) in line {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            fields.insert(name, value);
        }
    }
    let named = head.headers.iter().filter(|(name, _)| {
        name.as_str().starts_with("x-case") || name.as_str() == "content-length"
    });
    for (name, value) in named.chain(trailers) {
        if let Ok(name) = HeaderName::try_from(format!("x-seen-{name}")) {
            fields.append(name, value.clone());
        }
    }
    answer
}

fn grpc(message: Option<Bytes>, status: &'static str, text: &'static str) -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers.insert("grpc-message", HeaderValue::from_static(text));
    trailers.insert("x-last", HeaderValue::from_static("yes"));
    let mut answer = Response::new(full(message.unwrap_or_default(), trailers));
    let fields = answer.headers_mut();
    fields.insert("content-type", HeaderValue::from_static("application/grpc"));
    fields.insert("x-initial", HeaderValue::from_static("yes"));
    answer
}

/// A body whose length nobody announces: a case may change it on its way.
fn full(body: Bytes, trailers: HeaderMap) -> BoxBody<Bytes, Infallible> {
    let data = (!body.is_empty()).then(|| Frame::data(body));
    let trailers = (!trailers.is_empty()).then(|| Frame::trailers(trailers));
    let frames = data.into_iter().chain(trailers).map(Ok);
    if frames.size_hint().1 == Some(0) {
        return Empty::new().boxed();
    }
    BodyExt::boxed(StreamBody::new(stream::iter(frames.collect::<Vec<_>>())))
}
