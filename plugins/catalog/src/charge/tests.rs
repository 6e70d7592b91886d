use plugins_policy::{Access, Mode, Policy, Preset, Rule};

use super::*;
use crate::fake::lines;

fn tell(log: &DenialLog, capability: Capability, name: &'static str, seconds: u64) -> Vec<String> {
    let access = Access::to(capability, name.as_bytes());
    let denial = Denial { access, rule: Rule::NotGranted, was_let: false, policy: "strict" };
    lines(|| log.tell(&"auth".into(), Duration::from_secs(seconds), &denial))
}

#[test]
fn a_denial_is_told_at_once_and_then_seldom_with_the_number_in_between() {
    let log = DenialLog::default();
    let line = "`http_call:a` is not allowed: to grant it, add \"http_call:a\" to `grants` of the \
                policy `strict`";
    let fields = " plugin=auth permission=\"http_call\"";
    assert_eq!(tell(&log, Capability::HttpCall, "a", 100), [format!("{line}{fields}")]);
    assert!(tell(&log, Capability::HttpCall, "a", 101).is_empty());
    assert!(tell(&log, Capability::HttpCall, "b", 109).is_empty(), "whatever the name");
    let later = format!("{line} (2 more since the last line){fields}");
    assert_eq!(tell(&log, Capability::HttpCall, "a", 110), [later]);
    assert_eq!(tell(&log, Capability::HttpCall, "a", 120), [format!("{line}{fields}")]);
}

#[test]
fn denials_of_different_permissions_do_not_hide_each_other() {
    let log = DenialLog::default();
    for capability in Capability::ALL {
        assert_eq!(tell(&log, capability, "a", 5).len(), 1, "{}", capability.word());
        assert!(tell(&log, capability, "a", 6).is_empty());
    }
}

#[test]
fn a_name_from_a_plugin_forges_no_line() {
    let log = DenialLog::default();
    let told = tell(&log, Capability::HttpCall, "a\nplugin=\u{1b}[2J\u{202e}", 5);
    assert_eq!(told.len(), 1);
    assert!(told[0].chars().all(|one| one.is_ascii() && !one.is_ascii_control()), "{told:?}");
}

#[test]
fn lines_of_a_child_are_denied_where_it_may_not_log() {
    let lines_under = |policy: Policy| {
        let rights = Arc::new(Rights::new(&policy, None, "auth"));
        let charge = Charge { rights, denials: Arc::default(), recorder: None };
        charge.denied_lines(&Account::default())
    };
    assert!(lines_under(Policy::of(Preset::Default)).is_none());
    let denying = Policy {
        denials: vec!["log".parse().expect("a permission")],
        ..Policy::of(Preset::Trusted)
    };
    let denied = lines_under(denying.clone()).expect("they are denied");
    assert!(denied.story.starts_with("lines of its child: `log` is not allowed"), "{denied:?}");
    assert!(!denied.are_let);
    let lets = Policy { mode: Mode::Permissive, ..denying };
    assert!(lines_under(lets).expect("they would be").are_let);
}
