use std::time::Duration;

use tokio::net::TcpListener;

use super::{ConnectError, connect, limit_unacknowledged};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_connection_sends_small_writes_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = connect(listener.local_addr().unwrap(), LONG).await.unwrap();
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn a_refusal_names_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(address, LONG).await.unwrap_err();
    assert!(matches!(error, ConnectError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_silent_address_times_out() {
    // A full backlog: the kernel drops further connection requests without a word.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    let error = loop {
        match connect(address, Duration::from_millis(100)).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
        assert!(held.len() < 64, "the backlog has no limit here");
    };
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn the_wait_for_an_acknowledgement_can_be_limited() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = connect(listener.local_addr().unwrap(), LONG).await.unwrap();
    let limit = || socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
    assert_eq!(limit(), None);
    limit_unacknowledged(&stream, LONG).unwrap();
    assert_eq!(limit(), Some(LONG));
}
