use std::{
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
};

use super::*;

fn order() -> Order {
    Order {
        host_pid: 7,
        name: b"greet".to_vec(),
        arguments: vec![b"--x".to_vec()],
        environment: vec![Variable { name: b"A".to_vec(), value: b"1".to_vec() }],
        listens: true,
        sandbox: Some(Sandbox { sockets: Sockets::Unix.into(), ..Sandbox::default() }),
        ..Order::default()
    }
}

#[test]
fn an_order_arrives_with_its_files_and_what_follows_stays() {
    let (host, child) = UnixStream::pair().unwrap();
    let (mut read, report) = io::pipe().unwrap();
    let file = tempfile::tempfile().unwrap();
    let files =
        Files { report: report.as_fd(), listener: Some(file.as_fd()), program: Some(file.as_fd()) };
    send(host.as_fd(), &order(), &files).unwrap();
    (&host).write_all(b"params").unwrap();
    let (received, files) = receive(child.as_fd()).unwrap();
    assert_eq!(received, order());
    assert!(files.listener.is_some() && files.program.is_some());
    drop(report);
    let mut report = std::fs::File::from(files.report);
    report.write_all(b"x").unwrap();
    drop(report);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
    let mut rest = [0; 6];
    (&child).read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"params");
}

#[test]
fn what_is_no_order_is_refused() {
    for bytes in [&b""[..], b"\x01", b"\xff\xff\xff\xff", b"\x02\0\0\0\xff\xff", b"\0\0\0\0"] {
        let (host, child) = UnixStream::pair().unwrap();
        (&host).write_all(bytes).unwrap();
        drop(host);
        assert!(receive(child.as_fd()).is_err(), "{bytes:?}");
    }
}

#[test]
fn an_order_that_is_too_long_is_not_sent() {
    let (host, _child) = UnixStream::pair().unwrap();
    let order = Order { arguments: vec![vec![b'x'; ORDER_BYTES_MAX]], ..order() };
    let files = Files { report: host.as_fd(), listener: None, program: None };
    assert_eq!(send(host.as_fd(), &order, &files).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
