use plugins_policy::{Mode, Policy, Preset};

use super::*;

fn permissions(words: &[&str]) -> Vec<Permission> {
    words.iter().map(|word| word.parse().expect("a permission")).collect()
}

fn policy(preset: Preset, grants: &[&str], denials: &[&str]) -> Policy {
    Policy { grants: permissions(grants), denials: permissions(denials), ..Policy::of(preset) }
}

/// What is missing, in words: `asks WORD`, `uses WORD`, `uses WORD unasked`.
fn told(policy: &Policy, asked: Option<&[&str]>, uses: &[Capability]) -> Vec<String> {
    let asked = asked.map(permissions);
    let rights = Rights::new(policy, asked.as_deref(), "own");
    let missing = missing(uses, asked.as_deref(), &rights);
    let told = missing.into_iter().map(|oddity| match oddity {
        Oddity::NotGranted(permission) => format!("asks {permission}"),
        Oddity::MayUse { capability, is_asked: true } => format!("uses {}", capability.word()),
        Oddity::MayUse { capability, is_asked: false } => {
            format!("uses {} unasked", capability.word())
        }
        other @ (Oddity::Variable(_) | Oddity::Place(_) | Oddity::Unenforced(_)) => {
            panic!("{other:?}")
        }
    });
    told.collect()
}

#[test]
fn what_is_granted_in_part_is_not_missing() {
    let some = policy(
        Preset::None,
        &["headers.request.write:x-*", "http_call:auth", "shared_data", "queues:other"],
        &["headers.request.write:x-secret"],
    );
    let uses = [
        Capability::HeadersRequestWrite,
        Capability::HttpCall,
        Capability::SharedDataRead,
        Capability::Queues,
    ];
    assert!(told(&some, None, &uses).is_empty());
    let asked = ["headers.request.write:x-a", "http_call:*", "shared_data", "queues:other"];
    assert!(told(&some, Some(&asked), &uses).is_empty());
}

#[test]
fn what_a_module_uses_and_may_not_is_told_once() {
    let default = Policy::default();
    let uses = [Capability::Log, Capability::HttpCall, Capability::GrpcCall];
    assert_eq!(told(&default, None, &uses), ["uses http_call", "uses grpc_call"]);
    let denied = policy(Preset::Trusted, &[], &["http_call:*"]);
    assert_eq!(told(&denied, None, &uses), ["uses http_call"]);
}

#[test]
fn what_a_manifest_asks_for_in_vain_is_told_as_it_asks_and_not_again_as_used() {
    let default = Policy::default();
    let asked = ["log", "http_call:auth", "foreign", "headers.request.read:x-*"];
    let uses = [Capability::HttpCall, Capability::GrpcCall];
    assert_eq!(
        told(&default, Some(&asked), &uses),
        ["asks http_call:auth", "asks foreign", "uses grpc_call unasked"]
    );
}

#[test]
fn of_a_word_for_several_what_is_missing_is_told_by_itself() {
    let reading = Policy::of(Preset::ReadOnly);
    assert_eq!(told(&reading, Some(&["headers.request"]), &[]), ["asks headers.request.write"]);
}

#[test]
fn a_permissive_policy_misses_nothing() {
    let lets = Policy { mode: Mode::Permissive, ..Policy::of(Preset::None) };
    assert!(told(&lets, Some(&["http_call"]), &[Capability::Log]).is_empty());
}
