use http::Request;

use super::prepare;
use crate::{Body, UpstreamProtocol};

fn request(method: &str, uri: &str, host: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    request.body(Body::Empty).unwrap()
}

#[track_caller]
fn check(protocol: UpstreamProtocol, uri: &str, host: Option<&str>, expect: (&str, Option<&str>)) {
    let mut request = request("GET", uri, host);
    prepare(&mut request, protocol, "192.0.2.1:80".parse().unwrap()).unwrap();
    let host = request.headers().get("host").map(|host| host.to_str().unwrap());
    assert_eq!((request.uri().to_string().as_str(), host), expect);
}

#[test]
fn http1_has_the_authority_in_host_and_only_the_path_in_the_line() {
    let http1 = UpstreamProtocol::Http1;
    check(http1, "http://a.test/x?y=1", None, ("/x?y=1", Some("a.test")));
    check(http1, "http://a.test:81/", Some("b.test"), ("/", Some("a.test:81")));
    check(http1, "http://me:secret@a.test/", None, ("/", Some("a.test")));
    check(http1, "/x", Some("b.test"), ("/x", Some("b.test")));
    check(http1, "/x", None, ("/x", Some("192.0.2.1:80")));
    check(http1, "*", Some("b.test"), ("*", Some("b.test")));
}

#[test]
fn http2_has_both_in_the_uri() {
    let http2 = UpstreamProtocol::Http2;
    check(http2, "http://a.test/x?y=1", Some("b.test"), ("http://a.test/x?y=1", None));
    check(http2, "/x", Some("b.test:81"), ("http://b.test:81/x", None));
    check(http2, "/x", None, ("http://192.0.2.1:80/x", None));
}

#[test]
fn a_host_that_is_no_authority_is_refused() {
    let mut request = request("GET", "/", Some("a b"));
    let endpoint = "192.0.2.1:80".parse().unwrap();
    assert!(prepare(&mut request, UpstreamProtocol::Http2, endpoint).is_err());
}

#[test]
fn a_get_with_a_body_of_unknown_length_keeps_its_body() {
    let endpoint = "192.0.2.1:80".parse().unwrap();
    let body = || Body::stream(futures_util::stream::pending());
    for (method, expect) in [("GET", true), ("POST", false)] {
        let mut request = request(method, "/", None).map(|_| body());
        prepare(&mut request, UpstreamProtocol::Http1, endpoint).unwrap();
        assert_eq!(request.headers().contains_key("transfer-encoding"), expect, "{method}");
    }
    let mut none = request("GET", "/", None);
    prepare(&mut none, UpstreamProtocol::Http1, endpoint).unwrap();
    assert!(!none.headers().contains_key("transfer-encoding"));
}
