use super::*;

#[test]
fn a_unix_socket_lies_in_the_childs_directory() {
    let directory = tempfile::tempdir().unwrap();
    let listening = Listening::new(Transport::Unix, directory.path()).unwrap();
    let params = listening.params("greet");
    assert_eq!((params.network.as_str(), params.token.as_str()), ("unix", ""));
    assert_eq!(params.listener_fd, 3);
    let (_socket, reach) = listening.into_parts(4);
    assert_eq!(reach.generation, 4);
    assert!(
        matches!(reach.address, ChildAddress::Unix(path) if path.starts_with(directory.path()))
    );
}

#[test]
fn tcp_is_on_loopback_and_has_a_token_of_each_start() {
    let one = Listening::new(Transport::Tcp, Path::new("/")).unwrap();
    let two = Listening::new(Transport::Tcp, Path::new("/")).unwrap();
    assert!(matches!(one.address, ChildAddress::Tcp(address) if address.ip().is_loopback()));
    assert_eq!(one.params("x").token.len(), 64);
    assert_ne!(one.params("x").token, two.params("x").token);
}
