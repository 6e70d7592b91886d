use plugins_policy::{Capability, WhyNot};

use super::*;

fn warning(plugin: &str, oddity: Oddity) -> LoadWarning {
    LoadWarning { plugin: plugin.into(), policy: "strict".into(), oddity }
}

fn may_use(capability: Capability, why_not: WhyNot) -> Oddity {
    Oddity::MayUse { capability, why_not }
}

#[test]
fn what_one_plugin_may_use_is_one_line() {
    let warnings = [
        warning(
            "a",
            Oddity::NotAllowed { permission: "log".parse().unwrap(), advice: "grant it".into() },
        ),
        warning("a", may_use(Capability::HttpCall, WhyNot::NotGranted)),
        warning("b", may_use(Capability::HttpCall, WhyNot::NotGranted)),
        warning("a", may_use(Capability::Queues, WhyNot::NotGranted)),
        warning("a", may_use(Capability::Route, WhyNot::NotAsked)),
        warning("a", may_use(Capability::Reply, WhyNot::NotAsked)),
        warning("a", may_use(Capability::Close, WhyNot::Denied)),
        warning("a", may_use(Capability::Log, WhyNot::Denied)),
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
    assert_eq!(
        lines[4],
        "plugin `a` may use `close`, `log`, which `denials` of the policy `strict` take away"
    );
    assert_eq!(lines.len(), 5);
    assert!(told(&[]).is_empty());
}
