//! What the supervisor tells workers of a child: whether there is one, and how it is reached.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::sync::watch;

/// What workers know of a plugin's child. Sent to them whenever it changes.
#[derive(Clone, Debug)]
pub(crate) enum ChildState {
    /// One is being started, for the first time or again.
    Starting,
    /// One serves.
    Ready(Arc<Reach>),
    /// None serves; the text says why, and whether one will.
    Down(Arc<str>),
}

/// How a child is reached.
pub(crate) struct Reach {
    /// Which start of the plugin it is; counts up from 1.
    pub(crate) generation: u32,
    /// Where it listens.
    pub(crate) address: ChildAddress,
    /// What each session carries in `mortise-token`, where the address is TCP.
    pub(crate) token: Option<Arc<str>>,
    /// The TLS of the connection, where the bootstrap asked for some. The server is called
    /// `localhost`.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

/// Where a child listens.
#[derive(Clone, Debug)]
pub(crate) enum ChildAddress {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP on loopback.
    Tcp(SocketAddr),
}

/// How a session tells the supervisor that a child is of no use any more.
pub(crate) trait Watchdog: fmt::Debug + Send + Sync {
    /// The child of this generation is given up and killed; `why` is the end of a sentence that
    /// begins with it.
    fn give_up(&self, generation: u32, why: &str);
}

/// Where workers look.
pub(crate) type ChildWatch = watch::Receiver<ChildState>;

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach")
            .field("generation", &self.generation)
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ChildAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}
