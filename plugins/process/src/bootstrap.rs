//! How a child learns where to listen, and how it is known to be ready.
//!
//! Ours: the proxy makes the listening socket, the child finds it as file descriptor 3 and the
//! rest on its standard input; it is ready when it has answered a hello. That of go-plugin is in
//! `go_plugin`. Start reading at [`Listening::new`].

mod hello;

use std::{
    fs::File,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    sync::Arc,
};

use abi_process::{
    bootstrap::{LISTENER_FD, VERSION},
    v1::BootstrapParams,
};
use host_types::Transport;

pub(crate) use self::hello::{HelloError, hello};
use crate::child::{ChildAddress, Reach};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// A socket that a child is going to accept on.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) socket: OwnedFd,
    pub(crate) address: ChildAddress,
    token: Option<Arc<str>>,
}

impl Listening {
    /// Makes one in a child's directory, or on loopback.
    pub(crate) fn new(transport: Transport, directory: &Path) -> io::Result<Self> {
        match transport {
            Transport::Unix => {
                let path = directory.join("s");
                let socket = UnixListener::bind(&path)?.into();
                Ok(Self { socket, address: ChildAddress::Unix(path), token: None })
            }
            Transport::Tcp => {
                let socket = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                let address = ChildAddress::Tcp(socket.local_addr()?);
                Ok(Self { socket: socket.into(), address, token: Some(token()?) })
            }
        }
    }

    /// What the child is told.
    pub(crate) fn params(&self, plugin: &str) -> BootstrapParams {
        let network = match self.address {
            ChildAddress::Unix(_) => "unix",
            ChildAddress::Tcp(_) => "tcp",
        };
        BootstrapParams {
            version: VERSION,
            listener_fd: LISTENER_FD,
            network: network.to_owned(),
            address: self.address.to_string(),
            token: self.token.as_deref().unwrap_or_default().to_owned(),
            plugin: plugin.to_owned(),
        }
    }

    /// How it is reached. The socket goes with this value: once the child has it, only the
    /// child keeps it open.
    pub(crate) fn into_parts(self, generation: u32) -> (OwnedFd, Reach) {
        let Self { socket, address, token } = self;
        (socket, Reach { generation, address, token, tls: None })
    }
}

/// What nobody guesses.
fn token() -> io::Result<Arc<str>> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::with_capacity(2 * TOKEN_BYTES);
    for byte in bytes {
        use std::fmt::Write;
        let _infallible = write!(text, "{byte:02x}");
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests;
