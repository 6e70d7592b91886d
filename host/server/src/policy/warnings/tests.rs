use plugins_policy::Capability;

use super::*;

fn warning(plugin: &str, oddity: Oddity) -> LoadWarning {
    LoadWarning { plugin: plugin.into(), policy: "strict".into(), oddity }
}

fn may_use(capability: Capability, is_asked: bool) -> Oddity {
    Oddity::MayUse { capability, is_asked }
}

#[test]
fn what_one_plugin_may_use_is_one_line() {
    let warnings = [
        warning("a", Oddity::NotGranted("log".parse().unwrap())),
        warning("a", may_use(Capability::HttpCall, true)),
        warning("b", may_use(Capability::HttpCall, true)),
        warning("a", may_use(Capability::Queues, true)),
        warning("a", may_use(Capability::Route, false)),
        warning("a", may_use(Capability::Reply, false)),
    ];
    let lines: Vec<_> = told(&warnings).into_iter().map(|(_plugin, line)| line).collect();
    assert_eq!(lines[0], warnings[0].to_string());
    assert_eq!(
        lines[1],
        "plugin `a` may use `http_call`, `queues`, which are not allowed: to grant one, add it to \
         `grants` of the policy `strict`"
    );
    assert_eq!(lines[2], warnings[2].to_string());
    assert_eq!(
        lines[3],
        "plugin `a` may use `route`, `reply`, which its plugin.toml does not ask for \
         (`permissions`)"
    );
    assert_eq!(lines.len(), 4);
    assert!(told(&[]).is_empty());
}
