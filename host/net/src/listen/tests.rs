use std::io;

use rustix::io::Errno;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{AcceptFault, Listener, bind, classify};

#[track_caller]
fn check(errno: Errno, expect: &AcceptFault) {
    assert_eq!(&classify(&io::Error::from(errno)), expect, "{errno:?}");
}

#[test]
fn only_a_dead_socket_ends_accepting() {
    check(Errno::BADF, &AcceptFault::Socket);
    check(Errno::INVAL, &AcceptFault::Socket);
    check(Errno::CONNABORTED, &AcceptFault::Connection);
    check(Errno::PERM, &AcceptFault::Connection);
    check(Errno::MFILE, &AcceptFault::Exhausted);
    check(Errno::NFILE, &AcceptFault::Exhausted);
    check(Errno::NOBUFS, &AcceptFault::Exhausted);
    check(Errno::NOMEM, &AcceptFault::Exhausted);
    // What we do not know must neither spin nor stop the listener.
    check(Errno::XDEV, &AcceptFault::Exhausted);
    assert_eq!(classify(&io::Error::other("no number")), AcceptFault::Exhausted);
}

#[test]
fn an_address_in_use_is_named() {
    let first = bind("127.0.0.1:0".parse().unwrap(), false, 16).unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address, false, 16).unwrap_err();
    assert_eq!(error.address, address);
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()));
}

#[test]
fn workers_share_a_port() {
    let first = bind("127.0.0.1:0".parse().unwrap(), true, 16).unwrap();
    let address = first.local_addr().unwrap();
    let second = bind(address, true, 16).unwrap();
    assert_eq!(second.local_addr().unwrap(), address);
}

#[tokio::test]
async fn accepted_connections_send_small_writes_at_once() {
    let socket = bind("127.0.0.1:0".parse().unwrap(), false, 16).unwrap();
    let listener = Listener::new(socket).unwrap();
    let client = TcpStream::connect(listener.local_address()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    assert!(stream.nodelay().unwrap());
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn a_client_that_left_before_accept_does_not_disturb_the_next() {
    let socket = bind("127.0.0.1:0".parse().unwrap(), false, 16).unwrap();
    let listener = Listener::new(socket).unwrap();
    let gone = TcpStream::connect(listener.local_address()).await.unwrap();
    let gone_from = gone.local_addr().unwrap();
    socket2::SockRef::from(&gone).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(gone);
    let here = TcpStream::connect(listener.local_address()).await.unwrap();
    loop {
        let (mut stream, peer) = listener.accept().await.unwrap();
        if peer == here.local_addr().unwrap() {
            break;
        }
        assert_eq!(peer, gone_from);
        assert!(stream.read_u8().await.is_err());
    }
}
