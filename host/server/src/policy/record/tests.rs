use plugins_catalog::Records;

use super::*;

#[test]
fn what_no_grant_can_name_is_told_and_granted_to_nobody() {
    let records = Records::default();
    let recorder = records.of(&"asks".into());
    for name in [&b"*"[..], b"auth"] {
        recorder.note(Access::to(Capability::HttpCall, name));
    }
    assert_eq!(records.grants(), [("asks".into(), vec!["http_call:auth".parse().unwrap()])]);
    let json = json!({ "policies": [] });
    let mut report = CheckReport { is_clean: true, text: "policies: []\n".to_owned(), json };
    tell_left_out(&mut report, &records.left_out());
    let line = "plugin `asks`: `http_call` was used with names that no grant can have: look at \
                what the plugin does before granting it";
    assert_eq!(report.text, format!("policies: []\n# {line}\n"));
    assert_eq!(report.json["left_out"], json!([line]));
}
