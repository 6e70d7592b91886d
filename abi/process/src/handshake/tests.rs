use proptest::prelude::*;

use super::*;

fn unix(path: &str) -> Handshake {
    Handshake {
        app_version: 1,
        endpoint: Endpoint::Unix(path.into()),
        certificate: None,
        multiplexing: None,
    }
}

#[track_caller]
fn accepts(line: &str, expect: &Handshake) {
    assert_eq!(Handshake::parse(line.as_bytes()).as_ref(), Ok(expect), "{line:?}");
}

#[track_caller]
fn refuses(line: &[u8], expect: &HandshakeError) {
    assert_eq!(Handshake::parse(line).as_ref(), Err(expect), "{line:?}");
}

fn unrecognized(line: &str) -> HandshakeError {
    HandshakeError::Unrecognized { line: line.into() }
}

#[test]
fn what_go_and_python_print_is_read() {
    accepts("1|1|unix|/run/p/plugin123|grpc|\n", &unix("/run/p/plugin123"));
    accepts("1|1|unix|/run/p/plugin123|grpc\r\n", &unix("/run/p/plugin123"));
    let tcp = Handshake {
        app_version: 7,
        endpoint: Endpoint::Tcp(([127, 0, 0, 1], 1234).into()),
        certificate: None,
        multiplexing: None,
    };
    accepts("1|7|tcp|127.0.0.1:1234|grpc", &tcp);
    accepts("  1|7|tcp|127.0.0.1:1234|grpc||\t\n", &tcp);
}

#[test]
fn a_seventh_field_says_whether_it_multiplexes() {
    for (field, able) in [("true", Some(true)), ("0", Some(false)), ("perhaps", None)] {
        let expect = Handshake { multiplexing: able, ..unix("/p") };
        accepts(&format!("1|1|unix|/p|grpc||{field}"), &expect);
    }
    accepts(
        "1|1|unix|/p|grpc||true|what|else",
        &Handshake { multiplexing: Some(true), ..unix("/p") },
    );
}

#[test]
fn a_certificate_is_base64_with_or_without_padding() {
    let expect = Handshake { certificate: Some(vec![0x5a; 64]), ..unix("/p") };
    let bare = format!("1|1|unix|/p|grpc|{}", general_purpose::STANDARD_NO_PAD.encode([0x5a; 64]));
    let padded = format!("1|1|unix|/p|grpc|{}", general_purpose::STANDARD.encode([0x5a; 64]));
    assert_ne!(bare, padded);
    accepts(&bare, &expect);
    accepts(&padded, &expect);
    assert_eq!(expect.to_string(), bare);
    accepts("1|1|unix|/p|grpc|too short", &unix("/p"));
    refuses(
        format!("1|1|unix|/p|grpc|{}", "*".repeat(80)).as_bytes(),
        &HandshakeError::Certificate,
    );
}

#[test]
fn what_is_no_handshake_is_shown_escaped() {
    refuses(b"", &unrecognized(""));
    refuses(b"listening on 127.0.0.1:1234\n", &unrecognized("listening on 127.0.0.1:1234"));
    refuses(b"1|1|unix\n", &unrecognized("1|1|unix"));
    refuses(b"one|1|unix|/p|grpc", &unrecognized("one|1|unix|/p|grpc"));
    refuses(b"\x1b[31m\xff\x00x\n", &unrecognized("\\u{1b}[31m\\xff\\0x"));
    let long = "x".repeat(1 << 20);
    let Err(HandshakeError::Unrecognized { line }) = Handshake::parse(long.as_bytes()) else {
        panic!("taken");
    };
    assert!(line.len() < 200 && line.ends_with("..."), "{line}");
}

#[test]
fn a_line_that_is_too_long_is_refused_though_it_is_well_formed() {
    let line = format!("1|1|unix|/p|grpc|{}", "A".repeat(LINE_BYTES_MAX));
    assert!(matches!(Handshake::parse(line.as_bytes()), Err(HandshakeError::Unrecognized { .. })));
}

#[test]
fn versions_networks_addresses_and_protocols_that_are_not_known_are_refused() {
    refuses(b"2|1|unix|/p|grpc", &HandshakeError::CoreVersion { found: 2 });
    refuses(b"1|v1|unix|/p|grpc", &HandshakeError::AppVersion { found: "v1".into() });
    refuses(b"1|-1|unix|/p|grpc", &HandshakeError::AppVersion { found: "-1".into() });
    refuses(b"1|1|udp|/p|grpc", &HandshakeError::Network { found: "udp".into() });
    let bad = |network, found: &str| HandshakeError::Address { network, found: found.into() };
    refuses(b"1|1|unix|plugin.sock|grpc", &bad("unix", "plugin.sock"));
    refuses(b"1|1|unix||grpc", &bad("unix", ""));
    refuses(b"1|1|unix|/a\0b|grpc", &bad("unix", "/a\\0b"));
    let deep = format!("/{}", "d".repeat(107));
    refuses(format!("1|1|unix|{deep}|grpc").as_bytes(), &bad("unix", &deep));
    refuses(b"1|1|tcp|localhost:80|grpc", &bad("tcp", "localhost:80"));
    refuses(b"1|1|tcp|127.0.0.1:99999|grpc", &bad("tcp", "127.0.0.1:99999"));
    refuses(b"1|1|unix|/p", &HandshakeError::Protocol { found: "netrpc".into() });
    refuses(b"1|1|unix|/p|netrpc", &HandshakeError::Protocol { found: "netrpc".into() });
    refuses(b"1|1|unix|/p|", &HandshakeError::Protocol { found: "".into() });
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        "/[a-z/_.-]{0,40}[a-z]".prop_map(|path| Endpoint::Unix(path.into())),
        any::<([u8; 4], u16)>().prop_map(|address| Endpoint::Tcp(address.into())),
        any::<([u8; 16], u16)>().prop_map(|address| Endpoint::Tcp(address.into())),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        app_version in any::<u32>(),
        endpoint in endpoints(),
        certificate in proptest::option::of(proptest::collection::vec(any::<u8>(), 40..900)),
        multiplexing in any::<Option<bool>>(),
    ) {
        let handshake = Handshake { app_version, endpoint, certificate, multiplexing };
        prop_assert_eq!(Handshake::parse(handshake.to_string().as_bytes()), Ok(handshake));
    }

    #[test]
    fn any_bytes_are_judged_and_shown_within_bounds(
        bytes in proptest::collection::vec(any::<u8>(), 0..2048),
        prefix in prop_oneof![Just(""), Just("1|"), Just("1|1|unix|"), Just("1|1|tcp|[::1]:1|grpc|")],
    ) {
        let line = [prefix.as_bytes(), &bytes].concat();
        if let Err(error) = Handshake::parse(&line) {
            let text = error.to_string();
            prop_assert!(text.len() < 2048, "{}", text);
            prop_assert!(!text.contains(char::is_control), "{}", text);
        }
    }
}
