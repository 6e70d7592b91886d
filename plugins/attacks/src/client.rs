//! The client's side: one request with everything, or one connection's bytes.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, channel::Channel};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::attack::Answer;

/// The longest wait for a whole reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body that are kept.
const BODY_KEPT_MAX: usize = 64 * 1024;
/// What the client hides from some.
pub(crate) const COOKIE: &str = "evil=secret-of-the-client";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a client got, and when.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Option<Answer>,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Reply {
    fn none(answer: Option<Answer>, took: Duration) -> Self {
        Self { answer, fields: HeaderMap::new(), body: Vec::new(), took }
    }

    /// A field of the head, as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(self.fields.get(name)?.as_bytes()).into_owned())
    }
}

/// Head, body and trailers in both directions. Without an answer where none came in time.
pub(crate) async fn exchange(to: SocketAddr, path: &str) -> Reply {
    let begun = Instant::now();
    match timeout(PATIENCE, try_exchange(to, path)).await {
        Ok(Ok(reply)) => Reply { took: begun.elapsed(), ..reply },
        Ok(Err(_broken)) => Reply::none(Some(Answer::Broken), begun.elapsed()),
        Err(_late) => Reply::none(None, begun.elapsed()),
    }
}

async fn try_exchange(to: SocketAddr, path: &str) -> Result<Reply, BoxError> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method("POST")
        .uri(format!("http://attacked.example{path}"))
        .header("cookie", COOKIE)
        .header("x-reply-trailer", "two")
        .body(request_body().await)?;
    let reply = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let (body, whole) = read(body).await;
        let status = Answer::Status(head.status.as_u16());
        let answer = Some(if whole { status } else { Answer::Broken });
        Ok(Reply { answer, fields: head.headers, body, took: Duration::ZERO })
    };
    let reply = reply.await;
    connection.abort();
    reply
}

/// A body with trailers, all there.
async fn request_body() -> Channel<Bytes, Infallible> {
    let (mut feeder, body) = Channel::new(2);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-case-trailer", HeaderValue::from_static("one"));
    // There is room for both, and the reader is here.
    drop(feeder.send_data(Bytes::from_static(BODY)).await);
    drop(feeder.send_trailers(trailers).await);
    body
}

/// What the request's body is.
pub(crate) const BODY: &[u8] = b"the body of an attacked request";

/// The body, and whether it came to its end.
async fn read(mut body: hyper::body::Incoming) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap_or_default();
                let room = BODY_KEPT_MAX.saturating_sub(kept.len());
                kept.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            }
            Err(_broken) => return (kept, false),
        }
    }
    (kept, true)
}

/// Sends bytes, and looks whether they come back.
pub(crate) async fn bytes(to: SocketAddr) -> Reply {
    let begun = Instant::now();
    let answer = match timeout(PATIENCE, try_bytes(to)).await {
        Ok(Ok(back)) if back == BODY => Some(Answer::Status(200)),
        Ok(Ok(_) | Err(_)) => Some(Answer::Broken),
        Err(_late) => None,
    };
    Reply::none(answer, begun.elapsed())
}

async fn try_bytes(to: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(BODY).await?;
    stream.shutdown().await?;
    let mut back = Vec::new();
    stream.take(u64::try_from(BODY_KEPT_MAX).unwrap_or(u64::MAX)).read_to_end(&mut back).await?;
    Ok(back)
}
