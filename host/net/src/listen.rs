//! Listening sockets and the loop that accepts from them.
//!
//! A process that runs out of file descriptors gets an error from every `accept` while the
//! connection stays in the queue. Retrying at once would burn a core until somebody closes
//! a connection, so [`Listener::accept`] waits, longer each time, and says so once.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// The first and the longest wait after an error that only time can cure.
const BACKOFF_FIRST: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How many connections in a row may turn out broken before we treat it as such an error.
const BROKEN_MAX: u32 = 64;

/// A socket that cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A listening socket of one worker.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

/// What an error of `accept` means.
#[derive(Debug, Eq, PartialEq)]
enum AcceptFault {
    /// That one connection is gone; the next may be fine.
    Connection,
    /// The process or the machine is out of something; wait.
    Exhausted,
    /// The socket itself is unusable.
    Socket,
}

/// Makes a listening socket: non-blocking, `SO_REUSEADDR`, and `SO_REUSEPORT` where each
/// worker has its own. An IPv6 address takes IPv6 connections only, so that `0.0.0.0` and
/// `[::]` can stand side by side.
///
/// It is a plain socket so that it can be made on one thread, before any worker runs, and
/// used on another: see [`Listener::new`].
///
/// # Errors
/// The address is taken, not of this machine, or not allowed to this user.
pub fn bind(address: SocketAddr, reuse_port: bool, backlog: u16) -> Result<StdListener, BindError> {
    listen(address, reuse_port, backlog).map_err(|source| BindError { address, source })
}

fn listen(address: SocketAddr, reuse_port: bool, backlog: u16) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(backlog))?;
    Ok(socket.into())
}

impl Listener {
    /// Gives a socket of [`bind`] to the runtime of this thread.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub fn new(socket: StdListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        Ok(Self { inner: TcpListener::from_std(socket)?, address })
    }

    /// Where it listens; the real port where 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next connection. It survives broken connections and a lack of file
    /// descriptors or memory; dropping the future loses nothing.
    ///
    /// # Errors
    /// The socket is unusable: no later call can succeed.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut backoff = BACKOFF_FIRST;
        let mut broken = 0;
        loop {
            // A connection that cannot take an option is one that the peer has closed.
            let accepted = self.inner.accept().await;
            let error = match accepted {
                Ok((stream, peer)) => match stream.set_nodelay(true) {
                    Ok(()) => return Ok((stream, peer)),
                    Err(_closed) => Errno::CONNABORTED.into(),
                },
                Err(error) => error,
            };
            match classify(&error) {
                AcceptFault::Socket => return Err(error),
                AcceptFault::Connection if broken < BROKEN_MAX => broken += 1,
                AcceptFault::Connection | AcceptFault::Exhausted => {
                    backoff = self.pause(backoff, &error).await;
                    broken = 0;
                }
            }
        }
    }

    /// Waits for better times; returns how long to wait the next time. Logs once a spell.
    async fn pause(&self, wait: Duration, error: &io::Error) -> Duration {
        if wait == BACKOFF_FIRST {
            tracing::warn!(address = %self.address, %error, "accepting pauses");
        }
        tokio::time::sleep(wait).await;
        (wait * 2).min(BACKOFF_MAX)
    }
}

fn classify(error: &io::Error) -> AcceptFault {
    let Some(errno) = Errno::from_io_error(error) else {
        return AcceptFault::Exhausted;
    };
    match errno {
        Errno::BADF | Errno::NOTSOCK | Errno::INVAL | Errno::OPNOTSUPP => AcceptFault::Socket,
        // Linux reports errors that are already pending on the new connection from accept.
        Errno::CONNABORTED
        | Errno::CONNRESET
        | Errno::INTR
        | Errno::PROTO
        | Errno::PERM
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NONET
        | Errno::NOPROTOOPT
        | Errno::TIMEDOUT => AcceptFault::Connection,
        _ => AcceptFault::Exhausted,
    }
}

#[cfg(test)]
mod tests;
