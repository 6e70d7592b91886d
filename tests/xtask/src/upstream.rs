//! The demo's upstream: it answers every request with what it saw of it.

use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::http::{self, Message};

const CONNECTIONS_MAX: usize = 64;
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Makes the answer to a request, as bytes.
pub(crate) type Answer = fn(&Message) -> Vec<u8>;

/// Listens, and tells until the program ends what it sees.
pub(crate) fn start(address: &str) -> Result<SocketAddr> {
    serve(address, answer)
}

/// Listens, and answers until the program ends.
pub(crate) fn serve(address: &str, answer: Answer) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("the upstream cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    let open = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let open = Arc::clone(&open);
            thread::spawn(move || {
                // Whatever ends a connection, the next request makes a new one.
                let _ended = converse(stream, answer);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(bound)
}

fn converse(mut stream: TcpStream, answer: Answer) -> Result<()> {
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_write_timeout(Some(IDLE_MAX))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = http::read(&mut reader, false)? {
        stream.write_all(&answer(&request))?;
    }
    Ok(())
}

/// The request as text; its first body bytes are in a header as well, since a filter of the
/// response's body does not change that one.
fn answer(request: &Message) -> Vec<u8> {
    let mut body = format!("the upstream saw:\n{}\n", request.first).into_bytes();
    for (name, value) in &request.headers {
        body.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    body.push(b'\n');
    body.extend_from_slice(&request.body);
    let start: String = request.text().chars().take(40).filter(char::is_ascii_graphic).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-upstream-body: {start}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}
