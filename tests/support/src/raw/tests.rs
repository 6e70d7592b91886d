use super::*;

#[test]
fn responses_of_a_connection_are_told_apart() {
    let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n\
        HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nno";
    let replies = parse_replies(wire);
    let read: Vec<_> = replies.iter().map(|reply| (reply.status, &reply.body[..])).collect();
    let all: [(u16, &[u8]); 4] = [(100, b""), (200, b"hi"), (200, b"abcd"), (400, b"no")];
    assert_eq!(read, all);
    assert!(replies.iter().all(|reply| reply.complete));
}

#[test]
fn a_body_cut_short_is_not_complete() {
    for wire in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let replies = parse_replies(wire);
        assert!(replies.len() == 1 && !replies[0].complete);
    }
}

#[tokio::test]
async fn an_address_that_refuses_does_so_for_as_long_as_the_tests_run() {
    let address = RawUpstream::refused().await;
    let refused = TcpStream::connect(address).await.map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(io::ErrorKind::ConnectionRefused));
    assert!(TcpListener::bind(address).await.is_err(), "nobody else gets it");
}
