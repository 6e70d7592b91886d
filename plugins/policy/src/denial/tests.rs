use super::*;
use crate::{Policy, Preset, Rights};

fn line(access: Access<'_>, rule: Rule<'_>) -> String {
    Denial { access, rule, was_let: false, policy: "strict" }.to_string()
}

#[test]
fn a_denial_says_what_is_missing_and_how_to_give_it() {
    let call = Access::to(Capability::HttpCall, b"auth");
    assert_eq!(
        line(call, Rule::NotGranted),
        "`http_call:auth` is not allowed: to grant it, add \"http_call:auth\" to `grants` of the \
         policy `strict`"
    );
    let preset = Denial { access: call, rule: Rule::NotGranted, was_let: true, policy: "none" };
    assert_eq!(
        preset.to_string(),
        "`http_call:auth` would not be allowed: to grant it, add `{ name: NAME, preset: none, \
         grants: [\"http_call:auth\"] }` to `policies`, and `policy: NAME` to the plugin"
    );
    assert!(line(call, Rule::NotAsked).contains("plugin.toml does not ask"));
    assert_eq!(
        line(call, Rule::Limit("calls_max")),
        "`http_call:auth` reached `calls_max`, a limit of the policy `strict`: raise it in `limits` \
         of the policy"
    );
    let host = Access::to(Capability::HeadersRequestWrite, b"host");
    assert!(line(host, Rule::Routing).contains("add \"route\""));
}

#[test]
fn what_is_offered_as_a_grant_is_one_for_that_name() {
    let name = format!("x-it's-{}", "a".repeat(100));
    let access = Access::to(Capability::HeadersRequestRead, name.as_bytes());
    let denial = Denial { access, rule: Rule::NotGranted, was_let: false, policy: "strict" };
    let grant = denial.permission().parse().unwrap();
    let policy = Policy { grants: vec![grant], ..Policy::of(Preset::None) };
    assert!(Rights::new(&policy, None, "").allows(access), "{denial}");
    assert!(denial.to_string().contains(&format!("add \"headers.request.read:{name}\"")));
}

#[test]
fn a_hostile_name_is_cut_and_escaped_and_offered_as_no_grant() {
    for name in [&[b'\n'; 500][..], b"*", b"a*", b"a\",\"route", &[b'a'; 500], b""] {
        let shown = line(Access::to(Capability::Foreign, name), Rule::NotGranted);
        assert!(!shown.contains('\n') && shown.len() < 300, "{shown}");
        assert!(!shown.contains("to grant it") && shown.contains("no grant can name"), "{shown}");
        let shown = line(Access::to(Capability::Foreign, name), Rule::NotAsked);
        assert!(shown.contains("no grant can name"), "{shown}");
    }
    let denial = "foreign".parse().unwrap();
    let shown = line(Access::to(Capability::Foreign, b"*"), Rule::Denial(&denial));
    assert!(shown.contains("`denials` of the policy `strict` has `foreign`"), "{shown}");
}

#[test]
fn denials_are_counted_by_capability() {
    let counts = DenialCounts::default();
    counts.count(Capability::Log);
    assert_eq!((counts.of(Capability::Log), counts.of(Capability::Clock)), (1, 0));
}
