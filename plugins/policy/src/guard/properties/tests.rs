use std::{cell::RefCell, rc::Rc};

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{DenialCounts, Permission, Policy, Preset, Rights, Ward};

fn part(path: &[&[u8]]) -> Option<(Capability, String)> {
    let text = |part| match part {
        Part::Field(name) => String::from_utf8(name.to_vec()).unwrap(),
        Part::Section => "(all)".to_owned(),
        Part::Sum => "(sum)".to_owned(),
    };
    part_of(path).map(|(read, part)| (read, text(part)))
}

#[test]
fn properties_that_tell_of_fields_are_known_as_such() {
    let request = |name: &str| Some((Capability::HeadersRequestRead, name.to_owned()));
    let response = |name: &str| Some((Capability::HeadersResponseRead, name.to_owned()));
    assert_eq!(part(&[b"request", b"headers", b"cookie"]), request("cookie"));
    assert_eq!(part(&[b"request", b"trailers", b"x", b"y"]), request("x"));
    assert_eq!(part(&[b"request", b"query"]), request(":path"));
    assert_eq!(part(&[b"request", b"host"]), request(":authority"));
    assert_eq!(part(&[b"request", b"useragent"]), request("user-agent"));
    assert_eq!(part(&[b"request", b"headers"]), request("(all)"));
    assert_eq!(part(&[b"request", b"total_size"]), request("(sum)"));
    assert_eq!(part(&[b"response", b"trailers"]), response("(all)"));
    assert_eq!(part(&[b"response", b"code"]), response(":status"));
    assert_eq!(part(&[b"response", b"grpc_status"]), response("grpc-status"));
    assert_eq!(part(&[b"response", b"total_size"]), response("(sum)"));
    for path in [&[b"request", &b"id"[..]], &[b"response", b"size"], &[b"source", b"address"]] {
        assert_eq!(part(path), None);
    }
}

#[test]
fn the_name_of_a_property_is_its_path() {
    assert_eq!(*join(&[b"Plain"]), *b"Plain");
    assert_eq!(*join(&[b"source", b"address"]), *b"source.address");
    assert_eq!(*join(&[b"request", b"headers", b"X-A"]), *b"request.headers.x-a");
    assert_eq!(*join(&[]), *b"");
}

/// A gate that nothing is held back by but these denials.
fn gate(denials: &[&str]) -> Gate {
    let denials = denials.iter().map(|text| text.parse::<Permission>().unwrap());
    let policy = Policy { denials: denials.collect(), ..Policy::of(Preset::Trusted) };
    let told = Rc::new(RefCell::new(0));
    Gate::new(Ward {
        plugin: "greet".into(),
        rights: Rights::new(&policy, None, "greet").into(),
        limits: Default::default(),
        counts: Default::default(),
        denials: DenialCounts::default().into(),
        on_denial: Rc::new(move |_denial| *told.borrow_mut() += 1),
        recorder: None,
    })
}

/// The path as a host that joins names by NUL finds it again.
fn as_found(path: &[&[u8]]) -> Vec<Vec<u8>> {
    path.join(&0).split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_name_with_a_nul_in_it_is_no_way_around_a_denial() {
    let gate = gate(&["properties.read:connection.*", "properties.write:connection.*"]);
    let forged: [&[u8]; 1] = [b"connection\0uri_san_peer_certificate"];
    assert_eq!(allow_read(&gate, &forged), Err(CallError::NotFound));
    assert_eq!(allow_write(&gate, &forged), Err(CallError::BadArgument));
    let honest: [&[u8]; 2] = [b"connection", b"uri_san_peer_certificate"];
    assert_eq!(allow_write(&gate, &honest), Err(CallError::Denied));
    let state = FilterState { path: "a\0b".to_owned() }.encode_to_vec();
    assert_eq!(allow_filter_state(&gate, &state), Err(CallError::BadArgument));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever path is let through is to the host what it was to the permissions.
    #[test]
    fn what_is_let_through_is_not_denied_by_any_other_way_to_write_it(
        names in vec(vec(select(vec![0, b'.', b'a', b'b']), 0..4), 1..4),
    ) {
        let path: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let gate = gate(&["properties.read:a.*", "properties.write:a.*"]);
        let found = as_found(&path);
        let found = found.join(&b'.');
        let is_denied = found.starts_with(b"a.");
        prop_assert!(!is_denied || allow_read(&gate, &path).is_err(), "{:?} is read", names);
        prop_assert!(!is_denied || allow_write(&gate, &path).is_err(), "{:?} is set", names);
        let has_nul = names.iter().any(|name| name.contains(&0));
        prop_assert_eq!(is_denied || has_nul, allow_write(&gate, &path).is_err());
    }
}
