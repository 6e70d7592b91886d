//! Which service a provider calls, and requests that would have it call another one.

use super::*;
use crate::wire::DOUBLE;

/// A call without arguments: the path and the version in front, and these attachments.
fn named(path: &str, version: &str, attachments: &[u8]) -> Frame {
    let front = strings(&["2.0.2", path, version, "say", ""]);
    frame(&wire(REQUEST_FLAGS, 0, &[&front[..], attachments].concat()))
}

fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let texts: Vec<&str> = pairs.iter().flat_map(|(name, value)| [*name, *value]).collect();
    [b"H", &strings(&texts)[..], b"Z"].concat()
}

#[track_caller]
fn check_malformed(request: &Frame, expect: &str) {
    assert_eq!(request.malformed.as_deref(), Some(expect));
    assert_eq!((request.kind, request.id), (FrameKind::Request, 7), "it can be refused");
}

#[test]
fn another_service_in_the_attachments_is_malformed() {
    let path = "the attachments name another path";
    check_malformed(&named("Public", "1", &map(&[("path", "Admin")])), path);
    check_malformed(&named("Public", "1", &map(&[("path", "")])), path);
    check_malformed(&named("Public", "1", &map(&[("path", "public")])), path);
    check_malformed(&named("Public", "1", b"H\x04pathNZ"), path);
    let version = "the attachments name another version";
    check_malformed(&named("Public", "1", &map(&[("version", "2")])), version);
    check_malformed(&named("Public", "1", &map(&[("version", "0.0.0")])), version);
    check_malformed(&named("Public", "", &map(&[("version", "1")])), version);
    check_malformed(&named("Public", "1", b"H\x07versionNZ"), version);
}

#[test]
fn the_same_service_in_the_attachments_is_sound() {
    for (version, attachment) in [("1", "1"), ("", "0.0.0"), ("0.0.0", ""), ("", "")] {
        let attachments = map(&[("version", attachment), ("path", "Public"), ("Path", "Admin")]);
        let request = named("Public", version, &attachments);
        assert_eq!((&*request.service, request.malformed), ("Public", None));
    }
    let alone = named("", "1", &map(&[("path", "Admin")]));
    assert_eq!((&*alone.service, &alone.malformed), ("Admin", &None));
    assert_eq!(field(&alone, ":interface"), "Admin");
    let null = named("Public", "", b"H\x05groupN\x07versionN\x09interfaceNZ");
    assert_eq!((null.fields.get(b":group"), null.malformed.as_deref()), (None, None));
    let other_case = named("Public", "1", &map(&[("Group", "g"), ("INTERFACE", "x")]));
    assert_eq!(other_case.fields.get(b":group"), None);
    assert_eq!(field(&other_case, ":interface"), "Public");
}

#[test]
fn a_name_that_stands_twice_is_malformed() {
    for name in ["path", "version", "group", "interface", "timeout", "x", ":x"] {
        let twice = map(&[(name, "1"), ("a", "b"), (name, "1")]);
        check_malformed(&named("1", "1", &twice), DOUBLE);
        for value in [&b"\x91"[..], b"N", b"HZ"] {
            let name = strings(&[name]);
            let twice = [b"H", &name[..], b"\x011", &name[..], value, b"Z"].concat();
            check_malformed(&named("1", "1", &twice), DOUBLE);
        }
    }
    let response = frame(&wire(head::HESSIAN, OK, b"\x95H\x01a\x01b\x01a\x01cZ"));
    assert_eq!(response.malformed.as_deref(), Some(DOUBLE));
}

#[test]
fn a_service_in_another_form_than_a_string_is_malformed() {
    let expect = "an attachment that names the service is no string";
    for name in ["path", "version", "group", "interface"] {
        for value in [&b"\x91"[..], b"HZ", b"Q\x90", b"C\x01c\x90\x01x", b"T"] {
            let pair = [b"H", &strings(&[name])[..], value, b"Z"].concat();
            check_malformed(&named("Public", "1", &pair), expect);
        }
    }
    let behind_a_class = b"HC\x01c\x90\x04path\x05AdminZ";
    check_malformed(
        &named("Public", "1", behind_a_class),
        "the name of an attachment is no string",
    );
    let expect = "the attachments are no map";
    for other in [&b"Q\x90"[..], b"C\x01m\x91\x04path\x60\x05Admin", b"\x01x", b"W\x01aZ"] {
        check_malformed(&named("Public", "1", other), expect);
    }
}

#[test]
fn no_filter_sends_a_request_to_another_service() {
    let request = named("Public", "1", &map(&[("path", "Public")]));
    for (name, value, is_sent) in [
        ("path", "Admin", false),
        ("path", "Public", true),
        ("version", "2", false),
        ("version", "1", true),
        ("group", "g", true),
    ] {
        let mut changed = request.clone();
        changed.fields.replace(name.as_bytes(), value.as_bytes()).unwrap();
        assert_eq!(encode(&changed, false).is_some(), is_sent, "{name}: {value}");
        let mut changed = request.clone();
        changed.fields.add(name.as_bytes(), value.as_bytes()).unwrap();
        let written = encode(&changed, false);
        assert_eq!(written.is_some(), is_sent, "{name}: {value}");
        assert!(written.is_none_or(|written| frame(&written).malformed.is_none()));
    }
    let mut without = request.clone();
    without.fields.remove(b"path").unwrap();
    assert!(encode(&without, false).is_some());
}

#[test]
fn of_fastjson_the_attachments_are_looked_at() {
    let json = |rest: &str| {
        let payload = format!("\"2.0.2\"\n\"Public\"\n\"1\"\n\"say\"\n{rest}");
        frame(&wire(REQUEST | TWO_WAY | head::FASTJSON, 0, payload.as_bytes()))
    };
    for sound in ["\"I\"\n1\n{\"path\":\"Public\"}\n", "\"\"\nnull\n", "\"\"\r\n{}\r\n"] {
        let request = json(sound);
        assert_eq!((&*request.service, &request.malformed), ("Public", &None), "{sound}");
    }
    let other = json("\"I\"\n{}\n{\"path\":\"Admin\"}\n");
    check_malformed(&other, "the attachments name another path");
    for unread in
        ["\"\"\n{path:\"Admin\"}\n", "\"I\"\n[1,\r{}\r\n]\n{}\n", "\"int\"\n1\n{}\n", "null\r1\n"]
    {
        let request = json(unread);
        assert_eq!((&*request.service, &request.malformed), ("", &None), "{unread}");
    }
}
