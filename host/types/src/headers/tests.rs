use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{HeaderError, Headers, RequestHead};
use crate::FieldList;

fn request() -> Headers {
    let mut map = HeaderMap::new();
    map.insert(HOST, HeaderValue::from_static("ignored"));
    map.append("x-many", HeaderValue::from_static("1"));
    map.append("x-many", HeaderValue::from_static("2"));
    let head = RequestHead {
        method: Method::GET,
        scheme: Scheme::HTTP,
        authority: Some(Authority::from_static("a.example")),
        path: PathAndQuery::from_static("/p?q=1"),
    };
    Headers::request(head, map)
}

fn text(headers: &Headers) -> Vec<String> {
    let line = |(name, value): (&[u8], &[u8])| {
        format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    };
    headers.iter().map(line).collect()
}

#[test]
fn pseudo_fields_come_first_and_host_is_the_authority() {
    let headers = request();
    let expect = [
        ":method=GET",
        ":scheme=http",
        ":authority=a.example",
        ":path=/p?q=1",
        "x-many=1",
        "x-many=2",
    ];
    assert_eq!(text(&headers), expect);
    assert_eq!(headers.len(), expect.len());
    assert_eq!(headers.get(b"Host"), Some(&b"a.example"[..]));
    assert_eq!(headers.get(b"X-MANY"), Some(&b"1"[..]));
    assert_eq!(headers.get(b"x-none"), None);
}

#[track_caller]
fn check_write(name: &str, value: &[u8], expect: Result<(), HeaderError>) {
    let mut headers = request();
    assert_eq!(headers.replace(name.as_bytes(), value), expect, "{name}");
    if expect.is_ok() {
        assert_eq!(headers.get(name.as_bytes()), Some(value), "{name}");
    } else {
        assert_eq!(text(&headers), text(&request()), "{name}");
    }
}

#[test]
fn only_well_formed_fields_can_be_written() {
    check_write("x-a", b"b", Ok(()));
    check_write("x-a", b"", Ok(()));
    check_write("host", b"b.example:81", Ok(()));
    check_write(":path", b"/other", Ok(()));
    check_write(":path", b"other", Err(HeaderError::Value));
    check_write(":path", b"/a b", Err(HeaderError::Value));
    check_write(":path", "/\u{e9}".as_bytes(), Err(HeaderError::Value));
    check_write(":path", "/?\u{e9}".as_bytes(), Err(HeaderError::Value));
    check_write(":method", b"G T", Err(HeaderError::Value));
    check_write(":method", b"CONNECT", Err(HeaderError::Value));
    check_write(":authority", b"user@b.example", Err(HeaderError::Value));
    check_write("host", b"user:word@b.example", Err(HeaderError::Value));
    check_write(":status", b"200", Err(HeaderError::Pseudo));
    check_write(":made-up", b"1", Err(HeaderError::Pseudo));
    check_write("x a", b"1", Err(HeaderError::Name));
    check_write("", b"1", Err(HeaderError::Name));
    check_write("x-a", b"1\r\nevil: 1", Err(HeaderError::Value));
    check_write("x-a", b"\0", Err(HeaderError::Value));
}

#[test]
fn a_status_is_final() {
    let mut headers = Headers::response(StatusCode::OK, HeaderMap::new());
    assert_eq!(headers.replace(b":status", b"404"), Ok(()));
    assert_eq!(headers.status(), Some(StatusCode::NOT_FOUND));
    assert_eq!(headers.replace(b":status", b"101"), Err(HeaderError::Value));
    assert_eq!(headers.replace(b":status", b"99"), Err(HeaderError::Value));
    assert_eq!(headers.remove(b":status"), Err(HeaderError::Pseudo));
}

#[test]
fn setting_all_fields_changes_everything_or_nothing() {
    let mut headers = request();
    let bad: [(&[u8], &[u8]); 2] = [(b"x-new", b"1"), (b"x bad", b"1")];
    assert_eq!(headers.set_all(bad.into_iter()), Err(HeaderError::Name));
    assert_eq!(text(&headers), text(&request()));
    let good: [(&[u8], &[u8]); 2] = [(b":path", b"/n"), (b"X-New", b"1")];
    assert_eq!(headers.set_all(good.into_iter()), Ok(()));
    let expect = [":method=GET", ":scheme=http", ":authority=a.example", ":path=/n", "x-new=1"];
    assert_eq!(text(&headers), expect);
}

#[test]
fn a_view_has_what_may_be_seen_and_nothing_else() {
    let view = request().view(|name| name == b":path" || name == b"x-many");
    assert_eq!(text(&view), [":path=/p?q=1", "x-many=1", "x-many=2"]);
    assert_eq!((view.len(), view.get(b":path")), (3, Some(&b"/p?q=1"[..])));
    assert_eq!(
        (view.get(b"host"), view.get(b":authority"), view.get(b":method")),
        (None, None, None)
    );
    assert!(view.as_request().is_none() && view.status().is_none());
    let nothing = view.view(|_name| false);
    assert!(nothing.is_empty() && nothing.byte_size() == 0);
}

#[test]
fn white_space_around_a_value_is_no_part_of_it() {
    let mut headers = Headers::trailers(HeaderMap::new());
    for (value, expect) in [(" a b\t", "a b"), ("\t \t", ""), ("a", "a"), (" ", "")] {
        headers.replace(b"x", value.as_bytes()).expect("a field");
        assert_eq!(headers.get(b"x"), Some(expect.as_bytes()), "{value:?}");
    }
}

fn rpc() -> Headers {
    let mut list = FieldList::default();
    list.push(b"Trace-Id", b"7");
    list.push_attribute(":version", b"1.0");
    let head = RequestHead {
        method: Method::POST,
        scheme: Scheme::try_from("bolt").unwrap(),
        authority: None,
        path: PathAndQuery::from_static("/demo.Echo/say"),
    };
    Headers::rpc_request(head, list)
}

#[test]
fn the_head_of_an_rpc_request_reads_as_one_of_http() {
    let head = rpc();
    assert_eq!(head.get(b":path"), Some(&b"/demo.Echo/say"[..]));
    assert_eq!(head.get(b":Scheme"), Some(&b"bolt"[..]));
    assert_eq!(head.get(b":version"), Some(&b"1.0"[..]));
    assert_eq!(head.get(b"trace-id"), Some(&b"7"[..]));
    assert_eq!(head.get(b"host"), None);
    assert_eq!(head.len(), head.iter().count());
    let names: Vec<_> = head.iter().map(|(name, _value)| name).collect();
    assert_eq!(names, [&b":method"[..], b":scheme", b":path", b":version", b"Trace-Id"]);
}

#[test]
fn the_head_of_an_rpc_request_takes_fields_but_no_pseudo_header_fields() {
    let mut head = rpc();
    head.add(b"X-Greeting", b"hello").unwrap();
    head.replace(b"trace-id", b"8").unwrap();
    assert_eq!(head.get(b"Trace-Id"), Some(&b"8"[..]));
    for name in [&b":path"[..], b":status", b":version"] {
        assert_eq!(head.replace(name, b"x"), Err(HeaderError::Pseudo));
    }
    let read: Vec<_> = head.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    head.set_all(read.iter().map(|(n, v)| (&n[..], &v[..]))).unwrap();
    let again: Vec<_> = head.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    assert_eq!(read, again, "a section that is written back as it was read stays the same");
    let other = [(&b":path"[..], &b"/x"[..])];
    assert_eq!(head.set_all(other.into_iter()), Err(HeaderError::Pseudo));
    assert!(head.take_list().is_some_and(|list| list.is_changed()));
}

#[test]
fn an_rpc_view_hides_what_is_not_kept() {
    let view = rpc().view(|name| name != b"Trace-Id" && name != b":path");
    assert_eq!((view.get(b"trace-id"), view.get(b":path")), (None, None));
    assert_eq!(view.get(b":version"), Some(&b"1.0"[..]));
}
