//! The order that the trampoline carries out, as it travels over its standard input.
//!
//! Four bytes of length, least first, then the message; the open files come along with the first
//! byte. Both ends are the same program, so its form is nobody else's matter.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use prost::Message;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Bytes of an order: arguments and environment are most of it.
pub(crate) const ORDER_BYTES_MAX: usize = 96 * 1024;
/// Open files that come along: the report, the listener, the program.
const FILES_MAX: usize = 3;

/// What the trampoline is to become, and what it keeps from itself.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Order {
    /// The proxy; where the trampoline's parent is another process, that one is gone.
    #[prost(uint32, tag = "1")]
    pub(crate) host_pid: u32,
    /// What the program sees as its name.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) name: Vec<u8>,
    /// The path of a script; empty where the program comes as an open file.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) script: Vec<u8>,
    /// The SHA-256 that the script must have.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) digest: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(crate) arguments: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) environment: Vec<Variable>,
    /// The artifact's directory, where the program is started.
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) directory: Vec<u8>,
    /// The only directory that it may write.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) private: Vec<u8>,
    /// True where a listening socket comes along.
    #[prost(bool, tag = "9")]
    pub(crate) listens: bool,
    /// What is kept from it; nothing where there is none.
    #[prost(message, optional, tag = "10")]
    pub(crate) sandbox: Option<Sandbox>,
}

/// One environment variable.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Variable {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// What is kept from a child.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sandbox {
    /// Directories and files that it may read.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) read: Vec<Vec<u8>>,
    #[prost(uint64, tag = "2")]
    pub(crate) memory_bytes_max: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) processes_max: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) files_max: u64,
    #[prost(enumeration = "Sockets", tag = "5")]
    pub(crate) sockets: i32,
    /// Who it is to be; nothing where it stays who the proxy is.
    #[prost(message, optional, tag = "6")]
    pub(crate) identity: Option<Identity>,
    /// It becomes the program also where the kernel has no Landlock.
    #[prost(bool, tag = "7")]
    pub(crate) may_lack_files: bool,
    /// It becomes the program also where the kernel has no seccomp.
    #[prost(bool, tag = "8")]
    pub(crate) may_lack_network: bool,
    /// Ports that it may listen at, beside one that the kernel chooses, where it may at all.
    #[prost(uint32, repeated, tag = "9")]
    pub(crate) ports: Vec<u32>,
}

/// A user and a group, by number.
#[derive(Clone, Copy, Eq, PartialEq, Message)]
pub(crate) struct Identity {
    #[prost(uint32, tag = "1")]
    pub(crate) user: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) group: u32,
}

/// Which sockets a confined child may make.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Sockets {
    /// None: it accepts on the one that it was given.
    None = 0,
    /// Unix sockets to listen on.
    Unix = 1,
    /// TCP sockets to listen on, and Unix ones.
    Tcp = 2,
}

/// The open files that come along with an order.
#[derive(Debug)]
pub(crate) struct Files<F> {
    /// Where the trampoline says why it could not become the program.
    pub(crate) report: F,
    /// The socket that the child accepts on.
    pub(crate) listener: Option<F>,
    /// The program, where it is no script.
    pub(crate) program: Option<F>,
}

/// Writes an order. Never blocks where the socket does not.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    order: &Order,
    files: &Files<BorrowedFd<'_>>,
) -> io::Result<()> {
    let message = order.encode_to_vec();
    if message.len() > ORDER_BYTES_MAX {
        let text = "arguments and environment are too long";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::from(length.to_le_bytes());
    bytes.extend_from_slice(&message);
    let mut passed = vec![files.report];
    passed.extend(files.listener);
    passed.extend(files.program);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut along = SendAncillaryBuffer::new(&mut space);
    if !along.push(SendAncillaryMessage::ScmRights(&passed)) {
        return Err(io::Error::other("too many open files to pass"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&bytes)], &mut along, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::WriteZero, "the order does not fit"))
    }
}

/// Reads an order, and not a byte past it.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<(Order, Files<OwnedFd>)> {
    let mut length = [0; 4];
    let mut passed = Vec::new();
    read_exact(socket, &mut length, &mut passed)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > ORDER_BYTES_MAX {
        return Err(bad("the order is too long"));
    }
    let mut message = vec![0; length];
    read_exact(socket, &mut message, &mut passed)?;
    let order = Order::decode(message.as_slice()).map_err(io::Error::other)?;
    let mut passed = passed.into_iter();
    let report = passed.next().ok_or_else(|| bad("no report came along"))?;
    let listener = if order.listens { passed.next() } else { None };
    let program = passed.next();
    if listener.is_some() != order.listens || program.is_some() != order.script.is_empty() {
        return Err(bad("a file did not come along"));
    }
    Ok((order, Files { report, listener, program }))
}

fn read_exact(socket: BorrowedFd<'_>, to: &mut [u8], passed: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut read = 0;
    while let Some(rest) = to.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut along = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(rest)];
        let message = match recvmsg(socket, &mut into, &mut along, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for found in along.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = found {
                passed.extend(files);
            }
        }
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read = read.saturating_add(message.bytes);
    }
    Ok(())
}

fn bad(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl<F: AsFd> Files<F> {
    pub(crate) fn borrowed(&self) -> Files<BorrowedFd<'_>> {
        Files {
            report: self.report.as_fd(),
            listener: self.listener.as_ref().map(AsFd::as_fd),
            program: self.program.as_ref().map(AsFd::as_fd),
        }
    }
}

#[cfg(test)]
mod tests;
