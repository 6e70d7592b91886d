//! The upstream: the cheapest server that answers `GET /BYTES` with that many bytes, and requests
//! of bolt with as many as they brought.
//!
//! It is no HTTP server: it trusts what the candidates send, and takes what it does not
//! understand for the end of the connection.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    thread,
};

use anyhow::{Context, Result};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    load::{Talk, bolt},
    measure::Scenario,
};

/// Most bytes of request heads that wait for an answer.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// A running upstream; it ends with the process.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    /// Starts it on a thread of its own.
    pub(crate) fn start() -> Result<Self> {
        let listener = StdListener::bind(("127.0.0.1", 0)).context("no port for the upstream")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(accept(listener)) {
                println!("the upstream ended: {error}");
            }
        })?;
        Ok(Self { address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The whole response of one scenario.
#[derive(Debug)]
struct Answer {
    request: String,
    response: Vec<u8>,
}

impl Answer {
    fn new(scenario: &Scenario) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\nserver: upstream\r\ndate: Sun, 01 Nov 2026 00:00:00 GMT\r\n\
             content-type: application/octet-stream\r\ncache-control: no-store\r\n\
             etag: \"5f3a-61b2\"\r\ncontent-length: {}\r\n\r\n",
            scenario.bytes
        );
        let mut response = head.into_bytes();
        response.resize(response.len() + scenario.bytes, b'x');
        Self { request: format!("GET /{} ", scenario.bytes), response }
    }
}

async fn accept(listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let answers: Arc<[Answer]> = Scenario::of(Talk::Http).map(Answer::new).collect();
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, Arc::clone(&answers)));
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<[Answer]>) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(count) if count > 0 && buffer.len() <= BUFFER_BYTES_MAX => {}
            Ok(_) | Err(_) => return,
        }
        while let Some(length) = bolt_request(&buffer) {
            let answer = buffer.get(..length).and_then(bolt::response).unwrap_or_default();
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            buffer.drain(..length);
        }
        while let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
            let asked = answers.iter().find(|one| buffer.starts_with(one.request.as_bytes()));
            let Some(answer) = asked else { return };
            if stream.write_all(&answer.response).await.is_err() {
                return;
            }
            buffer.drain(..end + 4);
        }
    }
}

/// How many bytes the request of bolt has that came, once it is whole.
fn bolt_request(buffer: &[u8]) -> Option<usize> {
    buffer.starts_with(&[1]).then(|| bolt::request_length(buffer))?
}
