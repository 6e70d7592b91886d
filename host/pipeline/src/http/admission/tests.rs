use host_types::Limits;
use http::{Request, StatusCode, Version};

use super::admit;

fn parts(version: Version, method: &str, uri: &str, hosts: &[&str]) -> http::request::Parts {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for host in hosts {
        request = request.header("host", *host);
    }
    request.body(()).expect("a request").into_parts().0
}

#[track_caller]
fn check(method: &str, uri: &str, hosts: &[&str], expect: Result<(&str, &str), u16>) {
    let admitted = admit(parts(Version::HTTP_11, method, uri, hosts), &Limits::default());
    let found = match &admitted {
        Ok(headers) => {
            let head = headers.as_request().expect("a request");
            let authority = head.authority.as_ref().map_or("", |authority| authority.as_str());
            Ok((authority, head.path.as_str()))
        }
        Err(refused) => Err(refused.status.as_u16()),
    };
    assert_eq!(found, expect, "{method} {uri} {hosts:?}");
}

#[test]
fn one_host_is_let_in_and_no_disagreement() {
    check("GET", "/a?b=c", &["h.example"], Ok(("h.example", "/a?b=c")));
    check("GET", "http://h.example/a", &["H.example"], Ok(("h.example", "/a")));
    check("GET", "http://h.example?q", &["h.example"], Ok(("h.example", "/?q")));
    check("GET", "http://h.example/a", &[], Ok(("h.example", "/a")));
    check("OPTIONS", "*", &["h"], Ok(("h", "*")));
    check("GET", "*", &["h"], Err(400));
    check("GET", "/", &[], Err(400));
    check("GET", "/", &["a", "a"], Err(400));
    check("GET", "/", &["a b"], Err(400));
    check("GET", "/", &["user@a"], Err(400));
    check("GET", "/", &["a:x"], Err(400));
    check("GET", "/", &["a:65536"], Err(400));
    check("GET", "/", &["[::1]:80"], Ok(("[::1]:80", "/")));
    check("GET", "http://a/", &["b"], Err(400));
    check("GET", "/", &["a:x"], Err(400));
    check("GET", "/", &["a:99999"], Err(400));
    check("GET", "/", &["[::1]:80"], Ok(("[::1]:80", "/")));
    check("CONNECT", "a:1", &["a:1"], Err(405));
}

#[test]
fn http_1_0_needs_no_host() {
    assert!(admit(parts(Version::HTTP_10, "GET", "/", &[]), &Limits::default()).is_ok());
}

#[test]
fn a_head_over_the_limits_is_refused_and_dropped() {
    let limits = Limits { header_count_max: 3, header_bytes_max: 100, ..Limits::default() };
    let mut many = parts(Version::HTTP_11, "GET", "/", &["h"]);
    for number in 0..3 {
        many.headers.append("x", number.into());
    }
    let refused = admit(many, &limits).expect_err("four fields");
    assert_eq!(refused.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(refused.headers.map().is_empty());
    let mut large = parts(Version::HTTP_11, "GET", "/", &["h"]);
    large.headers.append("x", "y".repeat(100).parse().expect("a value"));
    assert!(admit(large, &limits).is_err());
}
