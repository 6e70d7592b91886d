//! Whole sections: what is seen of them, and what a write of one leaves.

use host_extension::PropertyValue;

use super::*;

const HEAD: HeaderMapKind = HeaderMapKind::RequestHeaders;
const FIELDS: [(&str, &str); 4] =
    [("accept", "*/*"), ("content-length", "3"), ("cookie", "secret"), ("x-a", "1")];

/// A bench whose host has a request with these fields.
fn with_fields(policy: Policy, fields: &[(&'static str, &'static str)]) -> Bench {
    let bench = set_up(Setup { policy, fields: fields.to_vec(), ..Setup::default() });
    bench.host.works.set(true);
    bench
}

fn lines(headers: &Headers) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

fn seen(bench: &Bench) -> Vec<String> {
    let mut seen = Vec::new();
    bench.guard.headers(&bench.stream, HEAD, &mut |headers| seen = lines(headers)).unwrap();
    seen
}

fn stands(bench: &Bench) -> Vec<String> {
    lines(bench.stream.request.headers.borrow().as_ref().unwrap())
}

#[test]
fn a_section_shows_what_may_be_read_and_hides_the_rest_without_a_word() {
    let bench = with_fields(granting(&["headers.request.read:x-*"]), &FIELDS);
    assert_eq!(seen(&bench), ["x-a: 1"]);
    assert!(denied(&bench).is_empty() && bench.told.borrow().is_empty());
    assert_eq!(counted(&bench, HostCall::Headers), (1, 0));
    let bench = with_fields(denying(&["headers.request.read:cookie"]), &FIELDS);
    assert_eq!(seen(&bench).len(), 7);
    assert!(!seen(&bench).contains(&"cookie: secret".to_owned()));
    assert!(seen(&with_fields(Policy::of(Preset::None), &FIELDS)).is_empty());
    assert_eq!(seen(&with_fields(Policy::of(Preset::ReadOnly), &FIELDS)).len(), 8);
}

#[test]
fn the_host_of_a_request_is_hidden_and_shown_by_both_of_its_names() {
    for denial in ["headers.request.read:host", "headers.request.read::authority"] {
        let bench = with_fields(denying(&[denial]), &FIELDS);
        assert!(!seen(&bench).contains(&":authority: a.example".to_owned()), "{denial}");
        for name in [&b"host"[..], b"Host", b":authority"] {
            let read = bench.guard.header(&bench.stream, HEAD, name, &mut |_| {});
            assert_eq!(read, Err(CallError::NotFound), "{denial}");
        }
    }
    for grant in ["headers.request.read:host", "headers.request.read::authority"] {
        let bench = with_fields(granting(&[grant]), &FIELDS);
        assert_eq!(seen(&bench), [":authority: a.example"], "{grant}");
        assert_eq!(bench.guard.header(&bench.stream, HEAD, b"host", &mut |_| {}), Ok(()));
    }
}

#[test]
fn a_permissive_policy_shows_all_of_a_section_and_tells_what_it_would_hide() {
    let bench = with_fields(permissive(denying(&["headers.request.read:cookie"])), &FIELDS);
    assert!(seen(&bench).contains(&"cookie: secret".to_owned()));
    assert_eq!(denied(&bench), [(Capability::HeadersRequestRead, 1)]);
    assert!(bench.told.borrow()[0].starts_with("`headers.request.read:cookie` would not"));
    let bench = with_fields(permissive(granting(&["headers.request.read:x-*"])), &FIELDS);
    assert_eq!(seen(&bench).len(), 8);
    assert_eq!(denied(&bench), [(Capability::HeadersRequestRead, 7)], "each by its name");
    assert_eq!(counted(&bench, HostCall::Headers), (1, 0));
}

#[test]
fn a_field_without_a_name_is_not_there_and_no_denial_that_asks_for_all_of_them() {
    let bench = with_fields(granting(&["properties.read"]), &FIELDS);
    let read = bench.guard.header(&bench.stream, HEAD, b"", &mut |_| {});
    assert_eq!(read, Err(CallError::NotFound));
    let path: [&[u8]; 3] = [b"request", b"headers", b""];
    let read = bench.guard.property(Subject::Stream(&bench.stream), &path);
    assert_eq!(read, Err(CallError::NotFound));
    assert!(denied(&bench).is_empty());
}

#[test]
fn a_section_of_which_nothing_may_be_read_is_empty_and_a_denial() {
    for (policy, says) in [
        (Policy::of(Preset::None), "grants: [\"headers.request.read\"]"),
        (denying(&["headers.request.read"]), "`denials` of the policy"),
    ] {
        let bench = with_fields(policy, &FIELDS);
        assert!(seen(&bench).is_empty());
        assert_eq!(counted(&bench, HostCall::Headers), (1, 1));
        assert_eq!(denied(&bench), [(Capability::HeadersRequestRead, 1)]);
        let told = bench.told.take();
        assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
    }
    let asked = permissions(&["headers.request.read:x-*"]);
    let hides_all = |asked: &[Permission], policy: &Policy| {
        Rights::new(policy, Some(asked), "greet").withholds(Capability::HeadersRequestRead)
    };
    assert!(hides_all(&asked, &granting(&["headers.request.read:y-*"])), "no name is of both");
    assert!(!hides_all(&asked, &Policy::default()));
    assert!(!hides_all(&[], &Policy::default()), "what it does not ask for it does not miss");
}

#[test]
fn a_property_of_which_nothing_may_be_read_is_empty_and_a_denial() {
    let path: [&[u8]; 2] = [b"request", b"headers"];
    let read = |bench: &Bench| bench.guard.property(Subject::Stream(&bench.stream), &path);
    let bench = with_fields(granting(&["properties.read"]), &FIELDS);
    assert_eq!(read(&bench), Ok(PropertyValue::Map(Vec::new())));
    assert_eq!(denied(&bench), [(Capability::HeadersRequestRead, 1)]);
    assert_eq!(counted(&bench, HostCall::Property), (1, 1));
    let bench = with_fields(permissive(granting(&["properties.read"])), &FIELDS);
    let Ok(PropertyValue::Map(fields)) = read(&bench) else { panic!("it is a map") };
    assert_eq!((fields.len(), denied(&bench)), (8, vec![(Capability::HeadersRequestRead, 8)]));
    assert_eq!(counted(&bench, HostCall::Property), (1, 0));
}

#[test]
fn a_property_that_is_denied_is_not_in_the_map_of_them_either() {
    let path: [&[u8]; 2] = [b"request", b"headers"];
    let names = |policy| {
        let bench = with_fields(policy, &FIELDS);
        let read = bench.guard.property(Subject::Stream(&bench.stream), &path);
        let Ok(PropertyValue::Map(fields)) = read else { panic!("it is a map") };
        let names = fields.into_iter().map(|(name, _value)| String::from_utf8(name).unwrap());
        (names.collect::<Vec<_>>(), denied(&bench))
    };
    let (seen, told) = names(denying(&["properties.read:request.headers.cookie"]));
    assert_eq!((seen.len(), seen.contains(&"cookie".to_owned()), told), (7, false, Vec::new()));
    let (seen, told) = names(permissive(denying(&["properties.read:request.headers.cookie"])));
    assert_eq!((seen.len(), told), (8, vec![(Capability::PropertiesRead, 1)]));
    let (seen, _told) = names(granting(&["properties.read:request.headers", "headers"]));
    assert_eq!(seen.len(), 8, "who may read the map may read what is in it");
}

#[test]
fn properties_that_tell_of_fields_take_the_permission_for_them() {
    let read = |policy: Policy, path: &[&[u8]]| {
        let bench = with_fields(policy, &FIELDS);
        let read = bench.guard.property(Subject::Stream(&bench.stream), path).map(|_value| ());
        (read, denied(&bench))
    };
    let narrow = || granting(&["properties.read", "headers.request.read:x-*"]);
    let paths: [(&[&[u8]], Capability); 4] = [
        (&[b"response", b"code"], Capability::HeadersResponseRead),
        (&[b"response", b"grpc_status"], Capability::HeadersResponseRead),
        (&[b"response", b"total_size"], Capability::HeadersResponseRead),
        (&[b"request", b"total_size"], Capability::HeadersRequestRead),
    ];
    for (path, capability) in paths {
        assert_eq!(read(narrow(), path), (Err(CallError::NotFound), vec![(capability, 1)]));
        assert_eq!(read(Policy::default(), path), (Ok(()), Vec::new()));
        assert_eq!(read(permissive(narrow()), path), (Ok(()), vec![(capability, 1)]));
    }
    let hidden = denying(&["headers.response.read:grpc-status"]);
    assert_eq!(read(hidden.clone(), paths[1].0).0, Err(CallError::NotFound));
    assert_eq!(read(hidden, paths[0].0).0, Ok(()));
}

#[test]
fn the_length_of_a_body_that_may_be_changed_goes_without_a_grant() {
    let remove = |policy: Policy, name: &str| {
        let bench = with_fields(policy, &FIELDS);
        let write = FieldWrite::Remove(name.as_bytes());
        let removed = bench.guard.write_header(&bench.stream, HEAD, write);
        let is_there = stands(&bench).contains(&"content-length: 3".to_owned());
        (removed, is_there, denied(&bench).len())
    };
    let gone = (Ok(()), false, 0);
    assert_eq!(remove(Policy::default(), "Content-Length"), gone);
    assert_eq!(remove(granting(&["body.request.write"]), "content-length"), gone);
    let refused = (Err(CallError::Denied), true, 1);
    assert_eq!(remove(Policy::of(Preset::ReadOnly), "content-length"), refused);
    assert_eq!(remove(granting(&["body.response.write"]), "content-length"), refused);
    let denying = denying(&["headers.request.write:content-*"]);
    assert_eq!(remove(denying, "content-length"), refused, "a denial holds");
    assert_eq!(remove(Policy::default(), "transfer-encoding"), refused);
    // To write one is another thing.
    let bench = with_fields(Policy::default(), &FIELDS);
    let write = FieldWrite::Replace(b"content-length", b"4");
    assert_eq!(bench.guard.write_header(&bench.stream, HEAD, write), Err(CallError::Denied));
    let trailers = HeaderMapKind::RequestTrailers;
    let write = FieldWrite::Remove(b"content-length");
    assert_eq!(bench.guard.write_header(&bench.stream, trailers, write), Err(CallError::Denied));
}

#[test]
fn properties_that_are_fields_take_the_permission_for_the_field_too() {
    let policy = granting(&["properties.read", "headers.request.read:x-*"]);
    let read =
        |bench: &Bench, path: &[&[u8]]| bench.guard.property(Subject::Stream(&bench.stream), path);
    let bench = with_fields(policy, &FIELDS);
    let all = read(&bench, &[b"request", b"headers"]).unwrap();
    assert_eq!(all, PropertyValue::Map(vec![(b"x-a".to_vec(), b"1".to_vec())]));
    assert!(read(&bench, &[b"request", b"headers", b"X-A"]).is_ok());
    for path in [&[b"request", &b"headers"[..], b"Cookie"][..], &[b"request", b"query"]] {
        assert_eq!(read(&bench, path), Err(CallError::NotFound), "{path:?}");
    }
    assert_eq!(counted(&bench, HostCall::Property), (4, 2));
    assert_eq!(denied(&bench), [(Capability::HeadersRequestRead, 2)]);
    let denying = denying(&["properties.read:request.headers.cookie"]);
    let path: [&[u8]; 3] = [b"request", b"headers", b"COOKIE"];
    assert_eq!(read(&with_fields(denying, &FIELDS), &path), Err(CallError::Denied));
}

const PSEUDO: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/p")];

/// Writes all fields as they are, changed by `change`, and tells what stands there then.
#[track_caller]
fn check(
    policy: Policy,
    change: fn(&mut Vec<(&'static str, &'static str)>),
    expect: Result<&[&str], CallError>,
) {
    let bench = with_fields(policy, &FIELDS);
    let before = stands(&bench);
    let mut pairs: Vec<_> = PSEUDO.into_iter().chain(FIELDS).collect();
    change(&mut pairs);
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let written = bench.guard.write_header(&bench.stream, HEAD, FieldWrite::SetAll(&pairs));
    assert_eq!(written, expect.map(|_fields| ()));
    let was_denied = written == Err(CallError::Denied);
    assert_eq!(counted(&bench, HostCall::WriteHeader), (1, u64::from(was_denied)));
    assert_eq!(denied(&bench).len(), usize::from(was_denied));
    match expect {
        Ok(fields) => assert_eq!(stands(&bench)[4..], *fields),
        Err(_refused) => assert_eq!(stands(&bench), before),
    }
}

const UNCHANGED: [&str; 4] = ["accept: */*", "content-length: 3", "cookie: secret", "x-a: 1"];

#[test]
fn a_section_written_as_it_was_read_is_no_change_of_what_may_not_be_written() {
    for policy in [
        Policy::of(Preset::Trusted),
        Policy::default(),
        granting(&["headers.request.read", "headers.request.write:x-*"]),
        granting(&["headers.request.read"]),
    ] {
        check(policy, |_as_it_is| {}, Ok(&UNCHANGED));
    }
    let host = |pairs: &mut Vec<_>| pairs[2] = ("Host", "a.example");
    check(Policy::default(), host, Ok(&UNCHANGED));
}

#[test]
fn a_section_keeps_what_may_not_be_written_and_what_cannot_be_seen() {
    let narrow = || granting(&["headers.request.read", "headers.request.write:x-*"]);
    let only_x = ["x-a: 2", "accept: */*", "content-length: 3", "cookie: secret"];
    check(narrow(), |pairs| *pairs = vec![("x-a", "2")], Ok(&only_x));
    check(narrow(), Vec::clear, Ok(&UNCHANGED[..3]));
    // Framing and routing fields stay where any other may be written.
    check(Policy::default(), Vec::clear, Ok(&["content-length: 3"]));
    check(Policy::of(Preset::Trusted), Vec::clear, Ok(&[]));
    let blind = || denying(&["headers.request.read:cookie"]);
    check(blind(), Vec::clear, Ok(&["cookie: secret"]));
    check(blind(), |pairs| *pairs = vec![("cookie", "new")], Ok(&["cookie: new"]));
}

#[test]
fn a_section_that_changes_what_may_not_be_written_is_refused_as_a_whole() {
    let denied = Err(CallError::Denied);
    check(Policy::default(), |pairs| pairs[3] = (":path", "/other"), denied);
    check(Policy::default(), |pairs| pairs[2] = ("host", "b.example"), denied);
    check(Policy::default(), |pairs| pairs.push((":path", "/p")), denied);
    check(Policy::default(), |pairs| pairs.push(("transfer-encoding", "chunked")), denied);
    check(Policy::default(), |pairs| pairs[5] = ("Content-Length", "4"), denied);
    let narrow = || granting(&["headers.request.read", "headers.request.write:x-*"]);
    check(narrow(), |pairs| pairs[6] = ("cookie", "other"), denied);
    check(narrow(), |pairs| pairs.push(("accept", "text/html")), denied);
    check(narrow(), |pairs| pairs.push(("new", "1")), denied);
    // What it cannot see it cannot guess.
    let blind = granting(&["headers.request.read:x-*", "headers.request.write:x-*"]);
    check(blind, |pairs| *pairs = vec![("cookie", "secret")], denied);
}

#[test]
fn a_section_that_is_not_there_yet_takes_what_may_be_written() {
    let write = |policy: Policy, name: &str| {
        let bench = with_fields(policy, &[]);
        let pairs = [(name.as_bytes(), &b"1"[..])];
        let trailers = HeaderMapKind::RequestTrailers;
        bench.guard.write_header(&bench.stream, trailers, FieldWrite::SetAll(&pairs))
    };
    assert_eq!(write(Policy::default(), "x-a"), Ok(()));
    assert_eq!(write(Policy::default(), "te"), Err(CallError::Denied));
    assert_eq!(write(granting(&["headers.request.write:x-*"]), "y"), Err(CallError::Denied));
}

#[test]
fn a_permissive_policy_writes_a_section_as_it_was_given() {
    let bench = with_fields(permissive(Policy::default()), &FIELDS);
    let pairs: [(&[u8], &[u8]); 2] = [(b":path", b"/other"), (b"x-b", b"2")];
    bench.guard.write_header(&bench.stream, HEAD, FieldWrite::SetAll(&pairs)).unwrap();
    assert_eq!(stands(&bench)[3..], [":path: /other", "x-b: 2"]);
    assert_eq!(denied(&bench), [(Capability::Route, 1)]);
    assert_eq!(counted(&bench, HostCall::WriteHeader), (1, 0));
}

#[test]
fn only_the_fields_that_a_section_changes_are_noted() {
    let recorder = Some(Arc::new(Recorder::default()));
    let policy = permissive(Policy::of(Preset::None));
    let bench = set_up(Setup { policy, recorder, fields: FIELDS.to_vec(), ..Setup::default() });
    bench.host.works.set(true);
    let _all = seen(&bench);
    let pairs: [(&[u8], &[u8]); 4] =
        [(b"accept", b"*/*"), (b"content-length", b"3"), (b"cookie", b"gone"), (b"x-b", b"2")];
    bench.guard.write_header(&bench.stream, HEAD, FieldWrite::SetAll(&pairs)).unwrap();
    let grants: Vec<_> = bench.recorder.unwrap().grants().iter().map(ToString::to_string).collect();
    assert_eq!(
        grants,
        [
            "headers.request.read",
            "headers.request.write:cookie",
            "headers.request.write:x-a",
            "headers.request.write:x-b"
        ]
    );
}

#[test]
fn a_section_of_too_many_fields_is_refused_before_it_is_compared() {
    let bench = with_fields(Policy::default(), &FIELDS);
    let pairs = vec![(&b"x-a"[..], &b"1"[..]); 1025];
    let write = |pairs: &[(&[u8], &[u8])]| {
        bench.guard.write_header(&bench.stream, HEAD, FieldWrite::SetAll(pairs))
    };
    assert_eq!(write(&pairs), Err(CallError::LimitReached));
    assert_eq!(write(&pairs[..1024]), Ok(()));
    assert_eq!(counted(&bench, HostCall::WriteHeader), (2, 1));
}
