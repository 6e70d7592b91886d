use proptest::prelude::*;

use super::{FramingScanner, Position, Refusal};

fn scan(pieces: &[&[u8]]) -> (Result<(), Refusal>, Position) {
    let mut scanner = FramingScanner::new(16 * 1024);
    for piece in pieces {
        if let Err(fault) = scanner.scan(piece) {
            return (Err(fault.refusal), scanner.position());
        }
    }
    (Ok(()), scanner.position())
}

#[track_caller]
fn check(request: &str, expect: Result<(), Refusal>) {
    let whole = scan(&[request.as_bytes()]).0;
    assert_eq!(whole, expect, "{request:?}");
    let bytes: Vec<&[u8]> = request.as_bytes().chunks(1).collect();
    assert_eq!(scan(&bytes).0, expect, "byte by byte: {request:?}");
}

#[test]
fn what_every_parser_reads_alike_passes() {
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(()));
    check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", Ok(()));
    check("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\n\n#\r\nGET / HTTP/1.1\r\n\r\n", Ok(()));
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nab\ncd\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        Ok(()),
    );
    check("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nany \n bytes", Ok(()));
    check("CONNECT a:1 HTTP/1.1\r\n\r\nany \n bytes", Ok(()));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    check(
        &post("Content-Length: 1\r\ntransfer-encoding: chunked"),
        Err(Refusal::LengthAndEncoding),
    );
    check(
        &post("Transfer-Encoding: chunked\r\nContent-Length: 1"),
        Err(Refusal::LengthAndEncoding),
    );
    check(&post("Content-Length: 1\r\nContent-Length: 1"), Err(Refusal::RepeatedLength));
    check(&post("Content-Length: 1, 1"), Err(Refusal::BadLength));
    check(&post("Content-Length: +1"), Err(Refusal::BadLength));
    check(&post("Content-Length: 99999999999999999999"), Err(Refusal::BadLength));
    check(&post("Transfer-Encoding: ,chunked"), Err(Refusal::BadEncoding));
    check(&post("Transfer-Encoding: gzip, chunked"), Err(Refusal::BadEncoding));
    check(
        &post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        Err(Refusal::BadEncoding),
    );
    check(&post("Host: b"), Err(Refusal::RepeatedHost));
    check("GET / HTTP/1.1\nHost: a\r\n\r\n", Err(Refusal::BareLineFeed));
    check("GET / HTTP/1.1\r\nHost: a\n\r\n", Err(Refusal::BareLineFeed));
    check("GET / HTTP/1.1\r\nHost: a\r\n\n", Err(Refusal::BareLineFeed));
    check("GET /#f HTTP/1.1\r\n\r\n", Err(Refusal::Fragment));
    let chunked =
        |body: &str| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    check(&chunked("\r\n"), Err(Refusal::BadChunk));
    check(&chunked("0x5\r\n"), Err(Refusal::BadChunk));
    check(&chunked(" 5\r\n"), Err(Refusal::BadChunk));
    check(&chunked("5 \r\n"), Err(Refusal::BadChunk));
    check(&chunked("5\n"), Err(Refusal::BareLineFeed));
    check(&chunked("5;a\rb\r\n"), Err(Refusal::BadChunk));
    check(&chunked("fffffffffffffffff\r\n"), Err(Refusal::BadChunk));
}

#[test]
fn a_line_without_end_is_refused_at_the_limit() {
    let mut scanner = FramingScanner::new(10);
    assert!(scanner.scan(b"GET /abcde").is_ok());
    assert!(scanner.scan(b"f").is_err());
}

#[test]
fn the_position_follows_the_message() {
    let at = |text: &str| scan(&[text.as_bytes()]).1;
    assert_eq!(at(""), Position::Between);
    assert_eq!(at("GE"), Position::Head);
    assert_eq!(at("GET / HTTP/1.1\r\n"), Position::Head);
    assert_eq!(at("GET / HTTP/1.1\r\n\r\n"), Position::Between);
    assert_eq!(at("GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"), Position::Body);
    assert_eq!(at("GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"), Position::Between);
}

proptest! {
    #[test]
    fn any_bytes_in_any_split_give_the_same_answer(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b"GET / HTTP/1.1\r\n".to_vec()),
                Just(b"Content-Length: 3\r\n".to_vec()), Just(b"5\r\n".to_vec()),
                Just(b"Transfer-Encoding: chunked\r\n".to_vec()), Just(b"0\r\n".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..8),
            ], 0..20),
        cut in 1_usize..7,
    ) {
        let bytes = bytes.concat();
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(scan(&[&bytes]).0, scan(&pieces).0);
    }
}
