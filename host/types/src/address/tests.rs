use super::Address;

#[track_caller]
fn check(text: &str, local: Option<bool>) {
    let parsed = text.parse::<Address>();
    assert_eq!(parsed.as_ref().ok().map(Address::is_local), local, "{text}: {parsed:?}");
    if let Ok(address) = parsed {
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn an_address_is_an_ip_with_a_port_or_an_absolute_socket_path() {
    check("127.0.0.1:80", Some(true));
    check("[::1]:80", Some(true));
    check("0.0.0.0:80", Some(false));
    check("unix:/run/x.sock", Some(true));
    check("unix:x.sock", None);
    check("localhost:80", None);
    check("127.0.0.1", None);
    check("", None);
}
