//! Whether the address that a child printed is its own.
//!
//! The proxy may connect to more than a child may: to the sockets of other services of its user,
//! to everything in its network. So a path has to name a socket in the directory that was made
//! for the child, and an address of TCP has to be loopback; whose it is, is asked in `port`.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::{Component, Path},
};

use abi_process::handshake::Endpoint;
use host_types::Transport;

use super::GoPluginError;
use crate::child::ChildAddress;

/// The address, if it is on the network that was asked for and, for TCP, on loopback.
pub(super) fn claimed(
    endpoint: Endpoint,
    transport: Transport,
) -> Result<ChildAddress, GoPluginError> {
    match (endpoint, transport) {
        (Endpoint::Unix(path), Transport::Unix) => Ok(ChildAddress::Unix(path)),
        (Endpoint::Tcp(address), Transport::Tcp) => {
            let refuse = |why| GoPluginError::Address { address: address.to_string().into(), why };
            if !address.ip().is_loopback() {
                return Err(refuse("it is not loopback"));
            }
            match address.port() {
                0 => Err(refuse("it has no port")),
                _ => Ok(ChildAddress::Tcp(address)),
            }
        }
        (Endpoint::Unix(_), Transport::Tcp) => {
            Err(GoPluginError::Network { found: "a Unix socket", wanted: "tcp" })
        }
        (Endpoint::Tcp(_), Transport::Unix) => {
            Err(GoPluginError::Network { found: "TCP", wanted: "unix" })
        }
    }
}

/// Checks that `path` is a socket in `directory`, and no way out of it.
///
/// A path that is not there (yet) is unreachable, all else is refused.
pub(super) fn own_socket(path: &Path, directory: &Path) -> Result<(), GoPluginError> {
    let shown = || path.display().to_string().into_boxed_str();
    let unreachable = |source| GoPluginError::Unreachable { address: shown(), source };
    let refuse = |why| Err(GoPluginError::Address { address: shown(), why });
    if path.components().any(|part| part == Component::ParentDir) {
        return refuse("it leads upwards");
    }
    let directory = directory.canonicalize().map_err(unreachable)?;
    let parent = path.parent().unwrap_or(path);
    match parent.canonicalize() {
        Ok(parent) if parent.starts_with(&directory) => {}
        _ => return refuse("it is not in the directory that PLUGIN_UNIX_SOCKET_DIR names"),
    }
    let kind = fs::symlink_metadata(path).map_err(unreachable)?.file_type();
    match kind.is_socket() {
        true => Ok(()),
        false => refuse("it is not a socket"),
    }
}

#[cfg(test)]
mod tests;
