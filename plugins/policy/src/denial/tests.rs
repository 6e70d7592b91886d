use super::*;

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
    let preset = Denial { access: call, rule: Rule::NotGranted, was_let: false, policy: "none" };
    assert_eq!(
        preset.to_string(),
        "`http_call:auth` is not allowed: to grant it, add \"http_call:auth\" to `grants` of a \
         policy for the plugin that begins with `preset: none`"
    );
    assert!(line(call, Rule::NotAsked).contains("plugin.toml does not ask"));
    assert_eq!(
        line(call, Rule::Limit("calls_max")),
        "`http_call:auth` reached `calls_max`, a limit of the policy `strict`"
    );
    let host = Access::to(Capability::HeadersRequestWrite, b"host");
    assert!(line(host, Rule::Routing).contains("add \"route\""));
}

#[test]
fn a_hostile_name_is_cut_and_escaped() {
    let name = [b'\n'; 500];
    let shown = line(Access::to(Capability::Foreign, &name), Rule::NotGranted);
    assert!(!shown.contains('\n') && shown.len() < 600, "{shown}");
}

#[test]
fn denials_are_counted_by_capability() {
    let counts = DenialCounts::default();
    counts.count(Capability::Log);
    assert_eq!((counts.of(Capability::Log), counts.of(Capability::Clock)), (1, 0));
}
