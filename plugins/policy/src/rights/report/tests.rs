use super::*;
use crate::Policy;

fn permissions(texts: &[&str]) -> Vec<Permission> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn report(
    (preset, grants, denials): (Preset, &[&str], &[&str]),
    asked: Option<&[&str]>,
    word: &str,
) -> CapabilityReport {
    let (grants, denials) = (permissions(grants), permissions(denials));
    let policy = Policy { grants, denials, ..Policy::of(preset) };
    let asked = asked.map(permissions);
    let rights = Rights::new(&policy, asked.as_deref(), "own");
    let capability = Capability::ALL.into_iter().find(|one| one.word() == word).unwrap();
    rights.report_of(capability)
}

/// What is in force of a capability, in words.
#[track_caller]
fn check(policy: (Preset, &[&str], &[&str]), asked: Option<&[&str]>, (word, expect): (&str, &str)) {
    assert_eq!(report(policy, asked, word).to_string(), expect, "{policy:?} {asked:?} {word}");
}

#[test]
fn what_is_in_force_is_what_is_asked_and_granted_and_not_denied() {
    let read = "headers.request.read";
    check((Preset::Default, &[], &[]), None, (read, "all"));
    check((Preset::Default, &[], &["headers.request.read:cookie"]), None, (read, "all but cookie"));
    check((Preset::Default, &[], &[]), Some(&["headers.request.read:x-*"]), (read, "x-*"));
    check((Preset::None, &["headers:x-a*"], &[]), Some(&["headers:x-*"]), (read, "x-a*"));
    check(
        (Preset::None, &["headers:*-id"], &[]),
        Some(&["headers:x-*"]),
        (read, "x-* within *-id"),
    );
    check((Preset::None, &["headers:a", "headers:b"], &[]), Some(&["headers"]), (read, "a, b"));
    check((Preset::None, &["headers:a", "headers"], &[]), None, (read, "all"));
    check((Preset::Default, &[], &[]), None, ("shared_data.read", "its own"));
    check((Preset::Trusted, &[], &[]), None, ("shared_data.read", "all"));
    check((Preset::None, &["queues:*"], &[]), Some(&["queues"]), ("queues", "its own"));
    check(
        (Preset::None, &["files.read:/etc"], &[]),
        Some(&["files.read:/etc/ssl"]),
        ("files.read", "/etc/ssl"),
    );
    check((Preset::Default, &[], &[]), None, ("log", "all"));
}

#[test]
fn where_nothing_is_in_force_the_reason_is_said() {
    check(
        (Preset::Default, &[], &[]),
        Some(&[]),
        ("log", "none: the manifest does not ask for it"),
    );
    check((Preset::Default, &[], &[]), None, ("http_call", "none: the policy does not grant it"));
    check(
        (Preset::None, &["http_call:a"], &[]),
        Some(&["http_call:b"]),
        ("http_call", "none: the manifest asks for other names than the policy grants"),
    );
    check(
        (Preset::None, &["http_call:x-*"], &[]),
        Some(&["http_call:y-*"]),
        ("http_call", "none: the manifest asks for other names than the policy grants"),
    );
    check((Preset::Default, &[], &["log"]), None, ("log", "none: the policy denies it"));
    let denied = (Preset::None, &["http_call:a"][..], &["http_call:*"][..]);
    check(denied, None, ("http_call", "none: the policy denies it"));
}

#[test]
fn fields_of_the_host_are_named_as_exceptions() {
    let write = "headers.response.write";
    let by_default = report((Preset::Default, &[], &[]), None, write);
    assert_eq!(by_default.except.len(), ROUTING.len() + FRAMING.len());
    let named =
        report((Preset::Default, &["headers.response.write:te", "route"], &[]), None, write);
    assert_eq!(named.except.len(), FRAMING.len() - 1);
    assert!(report((Preset::Trusted, &[], &[]), None, write).except.is_empty());
}

#[test]
fn rules_are_told_with_what_they_grant() {
    let report = report((Preset::ReadOnly, &["log"], &[]), Some(&["log"]), "log");
    let grant = Source::Grant("log".parse().unwrap());
    let by_preset = (Names::All, Source::Preset(Preset::ReadOnly));
    assert_eq!(report.granted, [by_preset, (Names::All, grant)]);
    assert_eq!(report.asked, Some(vec![Names::All]));
}

#[test]
fn every_capability_is_reported() {
    let rights = Rights::new(&Policy::default(), None, "own");
    let words: Vec<_> = rights.report().iter().map(|one| one.capability.word()).collect();
    assert_eq!(words, Capability::ALL.map(Capability::word));
}
