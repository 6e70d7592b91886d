use super::*;

#[track_caller]
fn check(service: &str, method: &str, expect: &str) {
    let mut frame = Frame { service: service.into(), method: method.into(), ..Frame::default() };
    let headers = request_head(&mut frame, &scheme_of(&"bolt".into()));
    assert_eq!(headers.get(b":path"), Some(expect.as_bytes()));
    assert_eq!(headers.get(b":method"), Some(&b"POST"[..]));
    assert_eq!(headers.get(b":scheme"), Some(&b"bolt"[..]));
    assert_eq!(headers.get(b":authority"), None);
}

#[test]
fn service_and_method_are_two_segments_of_a_path() {
    check("com.demo.Echo:1.0", "say", "/com.demo.Echo:1.0/say");
    check("", "", "/-/-");
    check("-", "--", "/%2D/--");
    check(".", "..", "/%2E/%2E%2E");
    check("...", ".a", "/.../.a");
    check("a/b?c#d%e", "f g", "/a%2Fb%3Fc%23d%25e/f%20g");
    check("Größe", "\u{0}", "/Gr%C3%B6%C3%9Fe/%00");
}

#[test]
fn a_name_that_is_too_long_makes_the_request_malformed() {
    let name = "x".repeat(NAME_BYTES_MAX);
    let mut frame = Frame { service: name.as_str().into(), ..Frame::default() };
    let _head = request_head(&mut frame, &scheme_of(&"bolt".into()));
    assert_eq!(frame.malformed, None);
    frame.method = (name + "x").into();
    let head = request_head(&mut frame, &scheme_of(&"bolt".into()));
    assert!(frame.malformed.is_some());
    assert_eq!(head.get(b":path"), Some(&b"/-/-"[..]));
}

#[test]
fn a_protocol_whose_name_is_no_scheme_is_called_rpc() {
    assert_eq!(scheme_of(&"my_protocol".into()).as_str(), "rpc");
    assert_eq!(scheme_of(&"my-protocol".into()).as_str(), "my-protocol");
}
