//! Reads of the admin pages over their Unix socket.

use std::path::Path;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::BoxError;

/// One request to the admin server: status and body.
pub(crate) async fn ask(
    socket: &Path,
    method: &str,
    path: &str,
) -> Result<(StatusCode, String), BoxError> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    let task = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    task.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
