use plugins_policy::{Mode, Policy, Preset};

use super::*;

fn permissions(words: &[&str]) -> Vec<Permission> {
    words.iter().map(|word| word.parse().expect("a permission")).collect()
}

fn policy(preset: Preset, grants: &[&str], denials: &[&str]) -> Policy {
    Policy { grants: permissions(grants), denials: permissions(denials), ..Policy::of(preset) }
}

/// What is missing.
fn oddities(policy: &Policy, asked: Option<&[&str]>, uses: &[Capability]) -> Vec<Oddity> {
    let asked = asked.map(permissions);
    let rights = Rights::new(policy, asked.as_deref(), "own");
    missing(uses, asked.as_deref(), &rights)
}

/// What is missing, in words: `asks WORD`, `uses WORD`, `uses WORD unasked`, `uses WORD denied`.
fn told(policy: &Policy, asked: Option<&[&str]>, uses: &[Capability]) -> Vec<String> {
    let told = oddities(policy, asked, uses).into_iter().map(|oddity| match oddity {
        Oddity::NotAllowed { permission, .. } => format!("asks {permission}"),
        Oddity::MayUse { capability, why_not } => {
            let why = match why_not {
                WhyNot::NotAsked => " unasked",
                WhyNot::Denied => " denied",
                WhyNot::NotGranted | WhyNot::OtherNames | _ => "",
            };
            format!("uses {}{why}", capability.word())
        }
        other @ (Oddity::Variable { .. }
        | Oddity::Place { .. }
        | Oddity::Unenforced(_)
        | Oddity::WasLet { .. }) => {
            panic!("{other:?}")
        }
    });
    told.collect()
}

/// What is advised about the only thing that is missing.
#[track_caller]
fn advised(policy: &Policy, asked: &[&str]) -> String {
    match oddities(policy, Some(asked), &[]).as_slice() {
        [Oddity::NotAllowed { advice, .. }] => advice.clone(),
        other => panic!("{other:?}"),
    }
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
    assert_eq!(told(&denied, None, &uses), ["uses http_call denied"]);
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

#[test]
fn every_name_that_is_asked_for_in_vain_is_told_once() {
    let some = policy(Preset::None, &["http_call:a"], &[]);
    let asked = ["http_call:b", "http_call:a", "http_call:c", "http_call:b", "http_call:d*"];
    assert_eq!(
        told(&some, Some(&asked), &[Capability::HttpCall]),
        ["asks http_call:b", "asks http_call:c", "asks http_call:d*"]
    );
}

#[test]
fn patterns_that_may_meet_are_in_force_as_the_report_has_it() {
    let some = policy(Preset::None, &["headers.request.read:*-id"], &[]);
    let asked = ["headers.request.read:x-*"];
    assert!(told(&some, Some(&asked), &[Capability::HeadersRequestRead]).is_empty());
    let rights = Rights::new(&some, Some(&permissions(&asked)), "own");
    assert_eq!(rights.report_of(Capability::HeadersRequestRead).why_not, None);
    let apart = ["headers.request.read:y*"];
    let some = policy(Preset::None, &["headers.request.read:x*"], &[]);
    assert_eq!(told(&some, Some(&apart), &[]), ["asks headers.request.read:y*"]);
}

#[test]
fn advice_is_about_the_rule_that_is_in_the_way() {
    let strict = |grants: &[&str], denials: &[&str]| {
        let policy = policy(Preset::None, grants, denials);
        Policy { name: "strict".into(), ..policy }
    };
    let granted = strict(&["http_call", "headers.request"], &[]);
    let grant = |word: &str| format!("add \"{word}\" to `grants` of the policy `strict`");
    for word in ["log", "grpc_call:auth", "grpc_call:a*", "grpc_call", "queues"] {
        assert!(advised(&granted, &[word]).contains(&grant(word)), "{word}");
    }
    for word in ["http_call:auth", "http_call:a*", "http_call"] {
        let advice = advised(&strict(&["http_call"], &["http_call:x", "http_call"]), &[word]);
        assert!(advice.starts_with("`denials` of the policy `strict` has `http_call`"), "{advice}");
    }
    let length = "headers.request.write:content-length";
    let advice = advised(&granted, &[length]);
    assert!(advice.contains("without a `*`") && advice.contains(&grant(length)), "{advice}");
    // A field that routes takes `route`, of the manifest first.
    let path = "headers.request.write::path";
    let advice = advised(&granted, &[path]);
    assert!(advice.contains("plugin.toml") && advice.contains("\"route\""), "{advice}");
    let both = oddities(&granted, Some(&[path, "route"]), &[]);
    let [Oddity::NotAllowed { advice, .. }, _] = both.as_slice() else { panic!("{both:?}") };
    assert!(advice.contains(&grant("route")), "{advice}");
}
