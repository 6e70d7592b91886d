use std::{
    io::ErrorKind,
    os::unix::{fs::symlink, net::UnixListener},
};

use super::*;

fn tcp(address: &str) -> Result<ChildAddress, GoPluginError> {
    claimed(Endpoint::Tcp(address.parse().unwrap()), Transport::Tcp)
}

#[test]
fn only_loopback_is_taken() {
    for address in ["127.0.0.1:1234", "127.8.9.10:1", "[::1]:80"] {
        assert!(matches!(tcp(address), Ok(ChildAddress::Tcp(at)) if at.to_string() == address));
    }
    for address in ["0.0.0.0:80", "10.0.0.1:80", "169.254.169.254:80", "[::]:80", "[fe80::1]:80"] {
        assert!(tcp(address).unwrap_err().to_string().ends_with("it is not loopback"));
    }
    assert!(tcp("127.0.0.1:0").unwrap_err().to_string().ends_with("it has no port"));
}

#[test]
fn a_socket_in_the_directory_is_taken_also_where_a_link_leads_to_the_directory() {
    let home = tempfile::tempdir().unwrap();
    let real = home.path().join("real");
    fs::create_dir_all(real.join("below")).unwrap();
    let link = home.path().join("link");
    symlink(&real, &link).unwrap();
    let _listeners =
        ["a.sock", "below/b.sock"].map(|name| UnixListener::bind(real.join(name)).unwrap());
    for directory in [&real, &link] {
        own_socket(&directory.join("a.sock"), &real).unwrap();
        own_socket(&directory.join("below/b.sock"), &link).unwrap();
    }
}

#[test]
fn ways_out_of_the_directory_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join("own");
    fs::create_dir(&own).unwrap();
    let outside = home.path().join("other.sock");
    let _listener = UnixListener::bind(&outside).unwrap();
    symlink(&outside, own.join("link.sock")).unwrap();
    symlink(home.path(), own.join("up")).unwrap();
    fs::write(own.join("file"), "").unwrap();
    let not_in = "not in the directory that PLUGIN_UNIX_SOCKET_DIR names";
    let cases = [
        (outside, not_in),
        (own.join("up/other.sock"), not_in),
        (own.join("../other.sock"), "leads upwards"),
        (own.join("link.sock"), "not a socket"),
        (own.join("file"), "not a socket"),
        (own.join("no/where.sock"), not_in),
        (own.clone(), not_in),
        ("/".into(), not_in),
    ];
    for (path, expect) in cases {
        let error = own_socket(&path, &own).unwrap_err();
        assert!(matches!(error, GoPluginError::Address { .. }), "{path:?}: {error:?}");
        assert!(error.to_string().contains(expect), "{path:?}: {error}");
    }
    let error = own_socket(&own.join("later.sock"), &own).unwrap_err();
    let GoPluginError::Unreachable { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::NotFound);
}
