use std::net::TcpListener;

use super::*;

fn here() -> u32 {
    std::process::id()
}

#[track_caller]
fn refused(address: SocketAddr, leader: u32, expect: &str) {
    let error = own(address, leader).unwrap_err();
    assert!(matches!(error, GoPluginError::Address { .. }), "{error:?}");
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn a_port_that_the_process_listens_at_is_its_own() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        // A machine need not have IPv6.
        let Ok(socket) = TcpListener::bind(any) else { continue };
        own(socket.local_addr().unwrap(), here()).unwrap();
    }
}

#[test]
fn a_port_of_another_process_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a process that is not this one")]
    let mut other =
        std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    refused(address, other.id(), "the socket that listens there is not the child's");
    drop(other.stdin.take());
    other.wait().unwrap();
}

#[test]
fn a_socket_for_all_addresses_is_refused() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    refused((Ipv4Addr::LOCALHOST, port).into(), here(), "on all addresses of the machine");
}

#[test]
fn where_nobody_listens_is_tried_again() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    // The same port of another address.
    let error = own((Ipv4Addr::new(127, 0, 0, 9), port).into(), here()).unwrap_err();
    let GoPluginError::Unreachable { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn lines_are_read_as_the_kernel_writes_them() {
    let line = |local: &str, state: &str| {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000   \
             0 4711 1 0000000000000000 100 0 0 10 0"
        )
    };
    let swapped = |ip: Ipv4Addr| format!("{:08X}", u32::from_ne_bytes(ip.octets()));
    let local = format!("{}:1F90", swapped(Ipv4Addr::LOCALHOST));
    let expect = Listener { ip: Ipv4Addr::LOCALHOST.into(), port: 8080, inode: 4711 };
    assert_eq!(listener(&line(&local, "0A")), Some(expect));
    assert_eq!(listener(&line(&local, "01")), None);
    // IPv4 as IPv6 is the same address.
    let mapped = format!(
        "0000000000000000{:08X}{}:1F90",
        u32::from_ne_bytes([0, 0, 0xff, 0xff]),
        swapped(Ipv4Addr::LOCALHOST)
    );
    assert_eq!(listener(&line(&mapped, "0A")), Some(expect));
    for bad in ["", "0:", "0: x:y", "0: 0100007F:1F90 0 0A", "0: 01é0007:1F90 0 0A 1 2 3 4 5 6"] {
        assert_eq!(listener(bad), None, "{bad}");
    }
}
