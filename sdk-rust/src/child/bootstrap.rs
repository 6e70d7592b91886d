//! How a child learns where to listen: from us, or as go-plugin has it.

use std::{
    env, fs,
    io::{self, Read},
    net::TcpListener,
    os::unix::{fs::DirBuilderExt, net::UnixListener},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use abi_process::{
    bootstrap::{LISTENER_FD, read_params},
    v1::BootstrapParams,
};
use listenfd::ListenFd;

use super::error::ServeError;
use crate::backend::Declaration;

/// How a child was started.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) listener: Listener,
    /// What sessions must carry.
    pub(super) token: Option<Arc<str>>,
    /// True where the end of the standard input says that the proxy is gone.
    pub(super) is_guarded: bool,
    /// The line that a host of go-plugin waits for.
    pub(super) announce: Option<String>,
}

/// Where to accept.
#[derive(Debug)]
pub(super) enum Listener {
    /// A Unix socket, with the directory that was made for it.
    Unix(UnixListener, Option<SocketDirectory>),
    Tcp(TcpListener),
}

/// A directory for one socket, removed in the end.
#[derive(Debug)]
pub(super) struct SocketDirectory(PathBuf);

/// Looks up a variable of the environment.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The version of the sessions, as go-plugin counts versions of applications.
const APP_VERSION: u32 = 1;

/// Finds out how this process was started.
pub(super) fn find(declaration: &Declaration) -> Result<Start, ServeError> {
    let environment = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if environment("PLUGIN_PROTOCOL_VERSIONS").is_some() {
        return go_plugin(&environment);
    }
    if environment("LISTEN_FDS").is_none() {
        let program = env::args_os().next().unwrap_or_default();
        let program = program.to_string_lossy().into_owned();
        return Err(ServeError::ByHand(declaration.name, program));
    }
    ours(&mut ListenFd::from_env(), &mut io::stdin())
}

/// A socket that listens already, and parameters on the input.
fn ours(passed: &mut ListenFd, input: &mut dyn Read) -> Result<Start, ServeError> {
    let BootstrapParams { listener_fd, network, token, .. } = read_params(&mut { input })?;
    let none = |network: &str| ServeError::NoListener(network.to_owned());
    if listener_fd != LISTENER_FD {
        return Err(none(&network));
    }
    let listener = match network.as_str() {
        "unix" => {
            let found = passed.take_unix_listener(0).map_err(ServeError::Listen)?;
            Listener::Unix(found.ok_or_else(|| none("unix"))?, None)
        }
        "tcp" => {
            let found = passed.take_tcp_listener(0).map_err(ServeError::Listen)?;
            Listener::Tcp(found.ok_or_else(|| none("tcp"))?)
        }
        other => return Err(none(other)),
    };
    let token = Some(token).filter(|token| !token.is_empty()).map(Arc::from);
    Ok(Start { listener, token, is_guarded: true, announce: None })
}

/// A socket of our own, and a line that says where. The cookie is the host's way to tell people
/// from hosts, and keeps nobody out; it is the host's choice, so it is not looked at.
fn go_plugin(environment: Environment<'_>) -> Result<Start, ServeError> {
    if environment("PLUGIN_CLIENT_CERT").is_some() {
        return Err(ServeError::MutualTls);
    }
    let parent = environment("PLUGIN_UNIX_SOCKET_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let directory = SocketDirectory::new(&parent).map_err(ServeError::Listen)?;
    let path = directory.0.join("socket");
    let listener = UnixListener::bind(&path).map_err(ServeError::Listen)?;
    // One of ours, also where the host has none of it: then the host says so.
    let mut line = format!("1|{APP_VERSION}|unix|{}|grpc|", path.display());
    if environment("PLUGIN_MULTIPLEX_GRPC").is_some() {
        line.push_str("|false");
    }
    let listener = Listener::Unix(listener, Some(directory));
    Ok(Start { listener, token: None, is_guarded: false, announce: Some(line) })
}

impl SocketDirectory {
    /// Makes a directory that only this user can enter.
    fn new(parent: &Path) -> io::Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("plugin-{}-{}", process::id(), since.subsec_nanos());
        let path = parent.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        // Whoever removed it was faster.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests;
