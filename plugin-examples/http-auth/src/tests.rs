use std::time::Duration;

use mortise_sdk::{
    Action, CallFailure, HttpAnswer, LogLevel, Side,
    testing::{TestHost, TestSetup, TestStream, request, response},
};

use super::HttpAuth;

const CONFIG: &str = r#"{ "cluster": "auth", "path": "/verify", "timeout_ms": 300 }"#;
const LENIENT: &str = r#"{ "cluster": "auth", "path": "/verify", "on_failure": "allow" }"#;

/// A request that says who it is, and waits.
fn waiting(config: &str) -> (TestHost, TestStream) {
    let host = TestHost::start::<HttpAuth>(config).expect("a good configuration");
    let head = request("POST", "/").header("authorization", "good").header("x-auth-user", "eve");
    let stream = host.stream(head);
    assert_eq!(stream.request_headers(false), Action::Pause);
    assert_eq!(stream.request_body("a body", true), Action::Pause);
    assert!(stream.is_waiting(Side::Request) && stream.forwarded().head.is_none());
    (host, stream)
}

fn answer(host: &TestHost, answer: Result<HttpAnswer, CallFailure>) {
    let calls = host.calls();
    let [(call, _)] = calls.as_slice() else { panic!("one question: {calls:?}") };
    host.answer(*call, answer);
}

fn with(status: u16, user: Option<&str>) -> Result<HttpAnswer, CallFailure> {
    let headers = response(status);
    let headers = user.into_iter().fold(headers, |head, user| head.header("x-auth-user", user));
    Ok(HttpAnswer { headers, ..HttpAnswer::default() })
}

#[track_caller]
fn refused(stream: &TestStream, text: &str) {
    let answered = stream.answered();
    assert_eq!(
        answered.head.and_then(|head| head.get_str(":status").map(str::to_owned)),
        Some("403".into())
    );
    assert_eq!(String::from_utf8_lossy(&answered.body), text);
    assert!(stream.forwarded().head.is_none(), "the upstream sees nothing");
}

#[test]
fn the_question_carries_what_the_configuration_names() {
    let (host, _stream) = waiting(CONFIG);
    let (_call, question) = host.calls().remove(0);
    let line = (question.cluster.as_str(), question.method.as_str(), question.path.as_str());
    assert_eq!(line, ("auth", "GET", "/verify"));
    assert_eq!(question.authority, "auth");
    assert_eq!(question.headers, [("authorization".to_owned(), b"good".to_vec())]);
    assert_eq!(question.timeout, Some(Duration::from_millis(300)));
    answer(&host, with(200, Some("ada")));
}

#[test]
fn who_is_known_passes_and_the_upstream_learns_who() {
    let (host, stream) = waiting(CONFIG);
    answer(&host, with(200, Some("ada")));
    let forwarded = stream.forwarded();
    let head = forwarded.head.expect("it passed");
    let users: Vec<_> = head.iter().filter(|(name, _)| *name == b"x-auth-user").collect();
    assert_eq!(users, [(&b"x-auth-user"[..], &b"ada"[..])]);
    assert_eq!(forwarded.body, b"a body");
}

#[test]
fn who_is_not_known_is_refused() {
    for told in [with(401, None), with(200, None), with(200, Some("")), with(403, Some("ada"))] {
        let (host, stream) = waiting(CONFIG);
        answer(&host, told);
        refused(&stream, "not for you\n");
    }
}

#[test]
fn without_an_answer_the_configuration_decides() {
    for told in [|| Err(CallFailure), || with(500, Some("ada")), || with(504, None)] {
        let (host, stream) = waiting(CONFIG);
        answer(&host, told());
        refused(&stream, "nobody can say who you are\n");

        let (host, stream) = waiting(LENIENT);
        answer(&host, told());
        let head = stream.forwarded().head.expect("it passed");
        assert_eq!(head.get("x-auth-user"), None, "as nobody");
    }
}

#[test]
fn an_unknown_cluster_is_told_and_counts_as_no_answer() {
    let start = |config| TestSetup::new().cluster("other").start::<HttpAuth>(config);
    let host = start(CONFIG).expect("a good configuration");
    let stream = host.stream(request("GET", "/"));
    assert!(matches!(stream.request_headers(true), Action::Respond(_)));
    refused(&stream, "nobody can say who you are\n");
    let log = host.log();
    let [(LogLevel::Error, line)] = log.as_slice() else { panic!("one line: {log:?}") };
    assert!(line.starts_with("http-auth: cannot ask `auth`: "), "{line}");

    let host = start(LENIENT).expect("a good configuration");
    let stream = host.stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Continue);
}

#[test]
fn what_is_no_text_is_not_carried() {
    let host = TestHost::start::<HttpAuth>(CONFIG).expect("a good configuration");
    let stream = host.stream(request("GET", "/").header("authorization", [0xff, 0xfe]));
    assert_eq!(stream.request_headers(true), Action::Pause);
    assert_eq!(host.calls().remove(0).1.headers, []);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for (config, expect) in [
        (r#"{ "path": "/" }"#, "missing field `cluster`"),
        (r#"{ "cluster": "a", "path": "x" }"#, "`path` does not start with `/`: \"x\""),
        (r#"{ "cluster": "a", "path": "/", "timeout_ms": 0 }"#, "`timeout_ms` is 0"),
        (r#"{ "cluster": "a", "path": "/", "on_failure": "hope" }"#, "unknown variant `hope`"),
    ] {
        let refused = TestHost::start::<HttpAuth>(config).expect_err(config).to_string();
        assert!(refused.contains(expect), "{refused}");
    }
}
