use super::*;

fn grant(capability: Capability, name: &[u8]) -> Option<String> {
    grant_for(Access::to(capability, name)).map(|grant| grant.to_string())
}

#[test]
fn a_grant_names_what_was_done_and_nothing_else() {
    let given = |capability, name: &str, expect: &str| {
        assert_eq!(grant(capability, name.as_bytes()).as_deref(), Some(expect));
    };
    given(Capability::HttpCall, "auth", "http_call:auth");
    given(Capability::HeadersRequestRead, "X-It's", "headers.request.read:x-it's");
    given(Capability::HeadersRequestRead, "", "headers.request.read");
    given(Capability::HeadersRequestRead, ":path", "headers.request.read::path");
    given(Capability::PropertiesWrite, "size.A", "properties.write:size.A");
    given(Capability::FilesRead, "/etc/ssl", "files.read:/etc/ssl");
    given(Capability::Log, "whatever", "log");
    let long = "a".repeat(200);
    given(Capability::HttpCall, &long, &format!("http_call:{long}"));
}

#[test]
fn no_grant_is_offered_that_would_let_more_through_or_break_a_text() {
    for name in [
        &b"*"[..],
        b"a*",
        b"",
        b"a b",
        b"a\nb",
        b"a\",\"route",
        b"a\\",
        b"a`b",
        b"\xff",
        "a\u{202e}b".as_bytes(),
        "gr\u{f6}\u{df}e".as_bytes(),
        &[b'a'; 300],
    ] {
        assert_eq!(grant(Capability::HttpCall, name), None, "{name:?}");
    }
    assert_eq!(grant(Capability::HeadersRequestRead, b"*"), None);
    assert_eq!(grant(Capability::FilesRead, b"etc"), None, "no absolute path");
}

#[test]
fn advice_says_where_to_write_what() {
    assert_eq!(
        advice(Rule::NotGranted, "http_call:auth", "strict"),
        "to grant it, add \"http_call:auth\" to `grants` of the policy `strict`"
    );
    assert_eq!(
        advice(Rule::NotGranted, "http_call:auth", "default"),
        "to grant it, add `{ name: NAME, preset: default, grants: [\"http_call:auth\"] }` to \
         `policies`, and `policy: NAME` to the plugin"
    );
    let denial: Permission = "http_call:a*".parse().unwrap();
    assert_eq!(
        advice(Rule::Denial(&denial), "http_call:auth", "strict"),
        "`denials` of the policy `strict` has `http_call:a*`: take it out, or narrow it down"
    );
    assert_eq!(
        advice(Rule::NotAsked, "log", "strict"),
        "the plugin's plugin.toml does not ask for it: its author adds \"log\" to `permissions`"
    );
    assert!(advice(Rule::Framing, "headers:te", "strict").contains("without a `*`: to grant it"));
    assert_eq!(
        advice(Rule::Limit("calls_max"), "http_call:auth", "strict"),
        "raise it in `limits` of the policy"
    );
    assert_eq!(
        advice(Rule::Limit("calls_max"), "http_call:auth", "default"),
        "raise it in `limits` of a policy that begins with this preset"
    );
}
