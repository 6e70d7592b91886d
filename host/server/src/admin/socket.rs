//! The admin server's socket: on the loopback, or a Unix socket of its owner only.

use std::{
    fs::{File, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use host_types::Address;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream},
    time::timeout,
};
use tokio_util::either::Either;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 64;

/// Longest wait for an answer on a socket that is there already.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection of either kind.
pub(super) type Connection = Either<TcpStream, UnixStream>;

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Others than this machine could reach it.
    #[error("the admin address `{0}` is not local: use the loopback or a Unix socket")]
    NotLocal(Address),
    /// Somebody answers there.
    #[error("another process serves the admin socket `{}`", .0.display())]
    InUse(PathBuf),
    /// A file that is no socket is in the way.
    #[error("`{}` is no socket, and is not replaced by the admin socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses the address.
    #[error("cannot bind the admin address `{address}`")]
    Bind {
        /// Which address.
        address: Address,
        /// Why not.
        source: io::Error,
    },
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    address: Address,
    listener: Listener,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A socket's name in the file system, removed when this is dropped, unless somebody else's
/// socket has that name by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: FileId,
}

/// Device and inode.
type FileId = (u64, u64);

impl Socket {
    pub(super) async fn bind(address: &Address) -> Result<Self, AdminError> {
        if !address.is_local() {
            return Err(AdminError::NotLocal(address.clone()));
        }
        let refused = |source| AdminError::Bind { address: address.clone(), source };
        match address {
            Address::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp).await.map_err(refused)?;
                let address = Address::Tcp(listener.local_addr().map_err(refused)?);
                Ok(Self { address, listener: Listener::Tcp(listener) })
            }
            Address::Unix(path) => {
                remove_stale(address, path).await?;
                let (listener, file) = bind_unix(path).map_err(refused)?;
                Ok(Self { address: address.clone(), listener: Listener::Unix(listener, file) })
            }
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn accept(&self) -> io::Result<Connection> {
        match &self.listener {
            Listener::Tcp(listener) => {
                listener.accept().await.map(|(stream, _peer)| Either::Left(stream))
            }
            Listener::Unix(listener, _file) => {
                listener.accept().await.map(|(stream, _peer)| Either::Right(stream))
            }
        }
    }

    /// Stops listening, and removes the name of a Unix socket.
    pub(super) fn close(self) {
        drop(self);
    }
}

/// Removes a socket on which nobody answers.
async fn remove_stale(address: &Address, path: &Path) -> Result<(), AdminError> {
    let refused = |source| AdminError::Bind { address: address.clone(), source };
    let file_type = match path.symlink_metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    if !file_type.is_socket() {
        return Err(AdminError::NotASocket(path.to_owned()));
    }
    // Only a refusal says that nobody listens: a full backlog or a lack of rights does not.
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(refused)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(AdminError::InUse(path.to_owned())),
    }
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let owner_only = || Permissions::from_mode(0o600);
    let socket = UnixSocket::new_stream()?;
    // Linux gives the name the mode of the unbound socket, so that there is no moment in which
    // others could connect; elsewhere the mode is set right after.
    File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(owner_only())?;
    socket.bind(path)?;
    let file = SocketFile { path: path.to_owned(), id: file_id(path)? };
    std::fs::set_permissions(path, owner_only())?;
    Ok((socket.listen(BACKLOG)?, file))
}

fn file_id(path: &Path) -> io::Result<FileId> {
    let metadata = path.symlink_metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_id(&self.path).ok() == Some(self.id)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the admin socket");
        }
    }
}
