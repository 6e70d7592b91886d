//! Sockets, and what can be reached by them.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream},
    },
    time::Duration,
};

use mortise_sdk::HttpRequest;
use rustix::net::{AddressFamily, RawProtocol, SocketType, socket};

use super::Could;

const PATIENCE: Duration = Duration::from_millis(100);
/// Sockets to the kernel's own ciphers, by their number.
const ALG: u16 = 38;

/// Makes sockets of all kinds. `with` has the address of a listener and paths of Unix sockets.
pub(super) fn sockets(with: &[String]) -> Could {
    let mut could = Could::new();
    let mut note = |done: bool, word| {
        if done {
            could.push(word);
        }
    };
    for target in with {
        if let Ok(address) = target.parse::<SocketAddr>() {
            note(TcpStream::connect_timeout(&address, PATIENCE).is_ok(), "connect-tcp");
        } else {
            note(UnixStream::connect(target).is_ok(), "connect-unix");
        }
    }
    for any in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0"] {
        note(TcpListener::bind(any).is_ok(), "listen-tcp");
        note(UdpSocket::bind(any).is_ok(), "udp");
    }
    note(UnixDatagram::unbound().is_ok(), "unix-datagrams");
    let hidden = UnixAddress::from_abstract_name(b"mortise-attack");
    note(hidden.is_ok_and(|name| UnixListener::bind_addr(&name).is_ok()), "listen-abstract");
    let icmp = RawProtocol::new(1).map(rustix::net::Protocol::from_raw);
    for (family, kind, protocol, word) in [
        (AddressFamily::INET, SocketType::RAW, icmp, "raw"),
        (AddressFamily::INET, SocketType::DGRAM, icmp, "ping"),
        (AddressFamily::INET, SocketType::STREAM, None, "tcp"),
        (AddressFamily::INET6, SocketType::STREAM, None, "tcp6"),
        (AddressFamily::PACKET, SocketType::RAW, None, "packet"),
        (AddressFamily::NETLINK, SocketType::RAW, None, "netlink"),
        (AddressFamily::VSOCK, SocketType::STREAM, None, "vsock"),
        (AddressFamily::from_raw(ALG), SocketType::SEQPACKET, None, "kernel-crypto"),
        (AddressFamily::BLUETOOTH, SocketType::RAW, None, "bluetooth"),
    ] {
        note(socket(family, kind, protocol).is_ok(), word);
    }
    could
}

/// Reaches for addresses by itself, and by calls of the proxy, which `call` makes. `with` has them.
pub(super) fn reach(with: &[String], call: &dyn Fn(&HttpRequest) -> bool) -> Could {
    let mut could = Could::new();
    for target in with {
        let direct = target.parse::<SocketAddr>().ok().or_else(|| resolved(target));
        if direct.is_some_and(|to| TcpStream::connect_timeout(&to, PATIENCE).is_ok()) {
            could.push("connect");
        }
        let request = HttpRequest::get(target.as_str(), target.as_str(), "/").timeout(PATIENCE);
        if call(&request) {
            could.push("call");
        }
    }
    let resolver = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 53), 53);
    let datagram = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"?", resolver));
    if datagram.is_ok() {
        could.push("send-datagram");
    }
    could
}

fn resolved(target: &str) -> Option<SocketAddr> {
    target.to_socket_addrs().ok()?.next()
}
