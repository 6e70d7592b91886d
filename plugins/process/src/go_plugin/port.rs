//! Whether a port that a child printed is its own.
//!
//! The proxy may connect to every service of its machine, and a child may not: an address that
//! another service listens at would have the proxy speak to it in the child's name. So the socket
//! that listens there has to be one of the child's open files, or of its group's. An address of
//! all the machine's is refused: who is outside would reach the child past the proxy.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::{io::Errno, process::Pid};

use super::GoPluginError;
use crate::guard::processes;

/// Bytes of the list of sockets that are read. Those that listen come first.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// Open files that are looked at of one process.
const FILES_MAX: usize = 65_536;
/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// A socket that listens, as the kernel lists it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Listener {
    ip: IpAddr,
    port: u16,
    inode: u64,
}

/// Checks that who listens at `address` is the process `leader`, or one of its group.
///
/// An address where nobody listens (yet) is unreachable, all else is refused.
pub(super) fn own(address: SocketAddr, leader: u32) -> Result<(), GoPluginError> {
    let shown = || address.to_string().into_boxed_str();
    let unreachable = |source| GoPluginError::Unreachable { address: shown(), source };
    let refuse = |why| Err(GoPluginError::Address { address: shown(), why });
    let found = listeners(leader, address.port()).map_err(unreachable)?;
    let at = |ip| found.iter().filter(move |one| one.ip == ip).map(|one| one.inode);
    let exact: Vec<_> = at(address.ip().to_canonical()).collect();
    if exact.is_empty() {
        return match found.iter().any(|one| one.ip.is_unspecified()) {
            true => refuse("who listens there does so on all addresses of the machine"),
            false => Err(unreachable(Errno::CONNREFUSED.into())),
        };
    }
    let files = sockets_of(leader);
    match exact.iter().all(|inode| files.contains(inode)) {
        true => Ok(()),
        false => refuse("the socket that listens there is not the child's"),
    }
}

/// All that listen at a port where this process is.
fn listeners(leader: u32, port: u16) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for list in ["tcp", "tcp6"] {
        let file = match File::open(format!("/proc/{leader}/net/{list}")) {
            Ok(file) => file,
            // A kernel need not have both.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file.take(LIST_BYTES_MAX)).lines().skip(1) {
            match listener(&line?) {
                Some(one) if one.port == port => found.push(one),
                Some(_other) => {}
                // From here on they are connected.
                None => break,
            }
        }
    }
    Ok(found)
}

/// A line of the list; `None` where its socket does not listen.
fn listener(line: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    if fields.nth(1)? != LISTENS {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Listener { ip: address(ip)?.to_canonical(), port, inode })
}

/// An address as the kernel writes it: words of four bytes in the order of this machine.
fn address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = digits.get(at * 8..(at + 1) * 8)?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    };
    if digits.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for (at, part) in bytes.chunks_mut(4).enumerate() {
        part.copy_from_slice(&word(at)?);
    }
    Some(Ipv6Addr::from(bytes).into())
}

/// The sockets that the process and its group have open, as far as they can be seen.
fn sockets_of(leader: u32) -> HashSet<u64> {
    let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) else {
        return HashSet::new();
    };
    let number = leader.as_raw_nonzero().get();
    let group = processes::all().filter(|seen| seen.pid == leader || seen.group == number);
    group.flat_map(|seen| sockets(seen.pid)).collect()
}

fn sockets(pid: Pid) -> Vec<u64> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = files.flatten().take(FILES_MAX).filter_map(|file| fs::read_link(file.path()).ok());
    let inode = |link: std::path::PathBuf| {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    links.filter_map(inode).collect()
}

#[cfg(test)]
mod tests;
