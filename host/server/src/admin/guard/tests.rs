use axum::http::Request;

use super::{Origin, refusal};

#[track_caller]
fn check(origin: Origin, uri: &str, fields: &[(&str, &str)], expect: Option<u16>) {
    let mut request = Request::builder().uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let refused = refusal(origin, request.uri(), request.headers());
    assert_eq!(refused.map(|(status, _text)| status.as_u16()), expect, "{uri} {fields:?}");
}

#[test]
fn over_tcp_only_names_of_the_loopback_are_answered() {
    for host in ["localhost", "LOCALHOST:9901", "127.0.0.1:80", "127.9.9.9", "[::1]", "[::1]:80"] {
        check(Origin::Tcp, "/metrics", &[("host", host)], None);
    }
    for host in [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "[::2]",
        "0.0.0.0",
        "user@localhost",
        "localhost@evil.example",
        "::1",
        "local host",
    ] {
        check(Origin::Tcp, "/metrics", &[("host", host)], Some(403));
    }
    check(Origin::Tcp, "/metrics", &[], Some(403));
    check(Origin::Tcp, "/metrics", &[("host", "localhost"), ("host", "localhost")], Some(403));
    let target = "http://evil.example/metrics";
    check(Origin::Tcp, target, &[("host", "localhost")], Some(403));
    check(Origin::Tcp, "http://localhost/metrics", &[("host", "localhost")], None);
}

#[test]
fn over_a_unix_socket_any_name_is_answered() {
    check(Origin::Unix, "/metrics", &[("host", "mortise")], None);
    check(Origin::Unix, "/metrics", &[], None);
}

#[test]
fn a_body_is_refused() {
    check(Origin::Unix, "/", &[("content-length", "0")], None);
    check(Origin::Unix, "/", &[("content-length", "1")], Some(413));
    check(Origin::Unix, "/", &[("transfer-encoding", "chunked")], Some(413));
}
