use super::*;

fn field(path: &[&[u8]]) -> Option<(Capability, Option<String>)> {
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    field_of(path).map(|(read, name)| (read, name.map(text)))
}

#[test]
fn properties_that_are_fields_are_known_as_such() {
    let request = |name: &str| Some((Capability::HeadersRequestRead, Some(name.to_owned())));
    assert_eq!(field(&[b"request", b"headers", b"cookie"]), request("cookie"));
    assert_eq!(field(&[b"request", b"trailers", b"x", b"y"]), request("x"));
    assert_eq!(field(&[b"request", b"query"]), request(":path"));
    assert_eq!(field(&[b"request", b"host"]), request(":authority"));
    assert_eq!(field(&[b"request", b"useragent"]), request("user-agent"));
    assert_eq!(field(&[b"request", b"headers"]), Some((Capability::HeadersRequestRead, None)));
    assert_eq!(field(&[b"response", b"trailers"]), Some((Capability::HeadersResponseRead, None)));
    for path in [&[b"request", &b"id"[..]], &[b"response", b"code"], &[b"source", b"address"]] {
        assert_eq!(field(path), None);
    }
}

#[test]
fn the_name_of_a_property_is_its_path() {
    assert_eq!(*join(&[b"Plain"]), *b"Plain");
    assert_eq!(*join(&[b"source", b"address"]), *b"source.address");
    assert_eq!(*join(&[b"request", b"headers", b"X-A"]), *b"request.headers.x-a");
    assert_eq!(*join(&[]), *b"");
}
