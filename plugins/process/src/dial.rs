//! The way to a child: a Unix socket, TCP on loopback, TLS over either.
//!
//! Sessions connect by [`open`], again where they must. The supervisor's own calls go over one
//! connection ([`channel`]) that is never made again: where it breaks, the child is on its way
//! out.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Error};
use tower_service::Service;

use crate::child::{ChildAddress, Reach};

/// The name in the certificates of children.
const NAME: &str = "localhost";
/// The authority of requests to them.
pub(crate) const ORIGIN: &str = "http://localhost";

/// What a child is spoken to over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens a stream to a child.
pub(crate) async fn open(reach: &Reach) -> io::Result<Box<dyn Stream>> {
    match &reach.address {
        ChildAddress::Unix(path) => secure(UnixStream::connect(path).await?, reach).await,
        ChildAddress::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            secure(stream, reach).await
        }
    }
}

async fn secure<T: Stream + 'static>(stream: T, reach: &Reach) -> io::Result<Box<dyn Stream>> {
    let Some(tls) = &reach.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    Ok(Box::new(stream))
}

/// gRPC over one stream. The name that it asks for means nothing.
pub(crate) async fn channel(stream: Box<dyn Stream>) -> Result<Channel, Error> {
    let only = Only(Some(stream));
    Endpoint::from_static(ORIGIN).connect_with_connector(only).await
}

/// Hands out the stream that is there.
struct Only(Option<Box<dyn Stream>>);

impl Service<Uri> for Only {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().map(TokioIo::new);
        Box::pin(async move { stream.ok_or_else(|| io::ErrorKind::NotConnected.into()) })
    }
}
