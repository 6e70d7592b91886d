use host_config::{Format, parse};

use super::*;

/// The lines about a policy with these keys, each with where it stands.
#[track_caller]
fn lines(policy: &str) -> Vec<String> {
    let text = format!(
        "listeners:
  - {{ address: 127.0.0.1:0, protocol: tcp, cluster: app }}
clusters: [{{ name: app, endpoints: [127.0.0.1:9] }}]
plugins:
  - {{ name: inside, backend: builtin, source: inside, policy: mine }}
policies:
  - {{ name: mine, {policy} }}
"
    );
    let folder = tempfile::tempdir().unwrap();
    let loaded = parse("mortise", &text, Format::Yaml, folder.path()).unwrap();
    let useless = useless(&loaded).into_iter();
    useless.inspect(|one| assert!(one.place.unwrap().line >= 7)).map(|one| one.line).collect()
}

#[track_caller]
fn nothing(policy: &str) {
    assert_eq!(lines(policy), Vec::<String>::new());
}

#[track_caller]
fn told(policy: &str, grant: &str, why: &str) {
    let line = format!("the grant `{grant}` of the policy `mine` grants nothing: {why}");
    assert_eq!(lines(policy), [line]);
}

#[test]
fn fields_that_route_take_more_than_to_be_named() {
    for field in [":path", "Host"] {
        let grant = format!("headers.request.write:{field}");
        let why = "the field routes requests, which takes `route`";
        told(&format!("grants: [\"{grant}\"]"), &grant, why);
    }
    nothing("grants: [\"headers.request.write:x-*\", \"headers.request.read:host\", route]");
}

#[test]
fn what_the_same_policy_denies_is_not_granted() {
    let why = |denial: &str| format!("`denials` has `{denial}`");
    for (grant, denial) in [
        ("log", "log"),
        ("headers.request.read:Cookie", "headers.request.read:cook*"),
        ("headers.request.read:cookie", "headers"),
        ("http_call:app", "http_call:*"),
        ("shared_data.read", "shared_data"),
        ("files.read:/srv", "files.read"),
    ] {
        let policy = format!("grants: [\"{grant}\"], denials: [\"{denial}\"]");
        told(&policy, grant, &why(denial));
    }
    for (grant, denial) in [
        ("headers.request.read", "headers.request.read:cookie"),
        ("headers.request", "headers.request.read"),
        ("shared_data.read:other", "shared_data"),
        ("http_call:app", "http_call:auth"),
        ("files.read:/srv", "files.read:/srv/secret"),
    ] {
        nothing(&format!("grants: [\"{grant}\"], denials: [\"{denial}\"]"));
    }
}

#[test]
fn a_call_goes_to_a_cluster_that_there_is() {
    told("grants: [\"http_call:nosuch\"]", "http_call:nosuch", "there is no cluster `nosuch`");
    told("grants: [\"grpc_call:nosuch\"]", "grpc_call:nosuch", "there is no cluster `nosuch`");
    nothing("grants: [\"http_call:app\", \"grpc_call:no*\"]");
}

#[test]
fn a_policy_that_nobody_has_is_told() {
    let found = lines("grants: [log] }\n  - { name: other, grants: [\"http_call:nosuch\"]");
    assert_eq!(found, ["no plugin has the policy `other`"]);
}
