//! A client of HTTP/2 for a [`World`].

use host_upstream::Body;
use http::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::World;

/// Runs hyper's tasks beside the test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Executor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A connection to the listener of a world.
pub(crate) async fn connect(world: &World) -> SendRequest<Body> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(Executor, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

/// A request without a body.
pub(crate) fn request(method: &str, path: &str) -> Request<Body> {
    let uri = format!("http://app.test{path}");
    Request::builder().method(method).uri(uri).body(Body::Empty).unwrap()
}
