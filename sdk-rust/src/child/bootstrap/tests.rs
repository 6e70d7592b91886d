use abi_process::bootstrap::{VERSION, write_params};
use tempfile::TempDir;

use super::*;
use crate::child::error::story;

fn params(network: &str, listener_fd: u32) -> Vec<u8> {
    let network = network.to_owned();
    let params = BootstrapParams { version: VERSION, listener_fd, network, ..Default::default() };
    let mut bytes = Vec::new();
    write_params(&mut bytes, &params).unwrap();
    bytes
}

fn go_plugin_with(variables: &[(&str, &str)]) -> (Result<Start, ServeError>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let parent = directory.path().to_str().unwrap().to_owned();
    let start = go_plugin(&|name| {
        let found = variables.iter().find(|(known, _value)| *known == name);
        let found = found.map(|(_name, value)| (*value).to_owned());
        found.or_else(|| (name == "PLUGIN_UNIX_SOCKET_DIR").then(|| parent.clone()))
    });
    (start, directory)
}

#[test]
fn without_a_socket_of_that_kind_nothing_is_served() {
    for (network, fd) in [("unix", 3), ("tcp", 3), ("udp", 3), ("unix", 4)] {
        let refused = ours(&mut ListenFd::empty(), &mut params(network, fd).as_slice());
        assert!(
            matches!(&refused, Err(ServeError::NoListener(found)) if found == network),
            "{refused:?}"
        );
    }
}

#[test]
fn parameters_that_cannot_be_read_are_told() {
    let refused = ours(&mut ListenFd::empty(), &mut [0xff; 4].as_slice()).unwrap_err();
    assert_eq!(story(&refused), "the parameters of the start are said to be 4294967295 bytes long");
}

#[test]
fn a_host_of_go_plugin_is_told_a_socket_that_only_this_user_reaches() {
    use std::os::unix::{fs::PermissionsExt, net::UnixStream};

    let (start, directory) = go_plugin_with(&[]);
    let start = start.unwrap();
    let line = start.announce.unwrap();
    let fields: Vec<_> = line.split('|').collect();
    let [core, app, network, path, protocol, certificate] = fields.as_slice() else {
        panic!("{line}")
    };
    assert_eq!([*core, *app, *network, *protocol, *certificate], ["1", "1", "unix", "grpc", ""]);
    let path = Path::new(path);
    assert!(path.starts_with(directory.path()));
    let mode = path.parent().unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    UnixStream::connect(path).unwrap();
    drop(start.listener);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_host_that_multiplexes_is_told_that_this_side_does_not() {
    let (start, _directory) = go_plugin_with(&[("PLUGIN_MULTIPLEX_GRPC", "true")]);
    let line = start.unwrap().announce.unwrap();
    assert!(line.ends_with("|grpc||false"), "{line}");
}

#[test]
fn mutual_tls_is_refused_in_words() {
    let (refused, _directory) = go_plugin_with(&[("PLUGIN_CLIENT_CERT", "x")]);
    let refused = story(&refused.unwrap_err());
    assert!(refused.contains("AutoMTLS") && refused.contains("switch it off"), "{refused}");
}

#[test]
fn a_socket_that_cannot_be_made_is_told_with_its_reason() {
    let refused =
        go_plugin(&|name| (name == "PLUGIN_UNIX_SOCKET_DIR").then(|| "/nowhere/at/all".to_owned()));
    let refused = story(&refused.unwrap_err());
    assert!(refused.starts_with("cannot listen: No such file"), "{refused}");
}
