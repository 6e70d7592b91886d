use mortise_sdk::{
    Action,
    testing::{TestHost, request},
};

use super::Deny;

#[track_caller]
fn check(paths: &str, path: &str, denied: bool) {
    let config = format!(r#"{{ "paths": {paths}, "status": 451, "body": "no" }}"#);
    let host = TestHost::start::<Deny>(&config).expect("a good configuration");
    let stream = host.stream(request("GET", path));
    let action = stream.request_headers(true);
    assert_eq!(matches!(action, Action::Respond(_)), denied, "{path}: {action:?}");
    assert_eq!(stream.forwarded().ended, !denied, "{path}");
    if denied {
        let answer = stream.answered();
        let head = answer.head.expect("an answer");
        assert_eq!(head.get_str(":status"), Some("451"));
        assert_eq!(head.get_str("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.body, b"no");
    }
}

#[test]
fn a_prefix_covers_whole_segments() {
    for path in ["/admin", "/admin/", "/admin/users", "/admin?x=/y", "/admin/users?x"] {
        check(r#"["/admin"]"#, path, true);
        check(r#"["/other", "/admin/"]"#, path, true);
    }
    for path in ["/", "/administrator", "/Admin", "/x/admin", "/?/admin"] {
        check(r#"["/admin"]"#, path, false);
    }
    check(r#"["/"]"#, "/anything", true);
}

#[test]
fn status_and_body_have_defaults() {
    let host = TestHost::start::<Deny>(r#"{ "paths": ["/"] }"#).expect("a good configuration");
    let stream = host.stream(request("GET", "/"));
    let Action::Respond(response) = stream.request_headers(true) else { panic!("it passed") };
    assert_eq!((response.status, response.body.len()), (403, 0));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for (config, expect) in [
        ("", "missing field `paths`"),
        (r#"{ "paths": [] }"#, "`paths` is empty"),
        (r#"{ "paths": ["admin"] }"#, "a path in `paths` does not start with `/`: \"admin\""),
        (r#"{ "paths": ["/"], "status": 600 }"#, "`status` is not between 200 and 599: 600"),
        (r#"{ "paths": ["/"], "code": 403 }"#, "unknown field `code`"),
    ] {
        let refused = TestHost::start::<Deny>(config).expect_err(config).to_string();
        assert!(
            refused.starts_with("bad configuration: ") && refused.contains(expect),
            "{refused}"
        );
    }
}
