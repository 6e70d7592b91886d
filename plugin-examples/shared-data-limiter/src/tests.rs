use std::time::Duration;

use mortise_sdk::{
    Action,
    testing::{TestHost, request, response},
};

use super::{Limiter, Window, stored_under};

const CONFIG: &str = r#"{ "requests": 2, "window_seconds": 10, "key_header": "x-key" }"#;

/// How many more would pass, or nothing where this one does not.
fn left(host: &TestHost, key: &str) -> Option<String> {
    let stream = host.stream(request("GET", "/").header("x-key", key));
    match stream.request_headers(true) {
        Action::Continue => {
            assert_eq!(stream.response_headers(response(200), true), Action::Continue);
            let head = stream.answered().head.expect("it passed");
            Some(head.get_str("x-limit-left").expect("it was counted").to_owned())
        }
        Action::Respond(response) => {
            assert_eq!(
                (response.status, response.body.as_slice()),
                (429, &b"too many requests\n"[..])
            );
            None
        }
        action => panic!("{action:?}"),
    }
}

#[test]
fn each_key_has_a_count_over_all_copies() {
    let host = TestHost::start::<Limiter>(CONFIG).expect("a good configuration");
    let other = host.another().expect("a good configuration");
    assert_eq!(left(&host, "a").as_deref(), Some("1"));
    assert_eq!(left(&other, "a").as_deref(), Some("0"));
    assert_eq!(left(&host, "a"), None);
    assert_eq!(left(&other, "a"), None);
    assert_eq!(left(&other, "b").as_deref(), Some("1"));
}

#[test]
fn a_window_ends_and_the_client_is_told_when() {
    let host = TestHost::start::<Limiter>(CONFIG).expect("a good configuration");
    for _ in 0..2 {
        left(&host, "a");
    }
    host.advance(Duration::from_secs(7));
    let stream = host.stream(request("GET", "/").header("x-key", "a"));
    let Action::Respond(refused) = stream.request_headers(true) else { panic!("it passed") };
    assert!(refused.headers.contains(&("retry-after".to_owned(), b"3".to_vec())), "{refused:?}");
    host.advance(Duration::from_secs(3));
    assert_eq!(left(&host, "a").as_deref(), Some("1"));
}

#[test]
fn a_count_that_cannot_be_read_begins_anew() {
    let host = TestHost::start::<Limiter>(CONFIG).expect("a good configuration");
    for stored in [&b""[..], b"short", b"longer than twelve bytes"] {
        host.set_shared_data(stored_under(b"a"), stored);
        assert_eq!(left(&host, "a").as_deref(), Some("1"));
    }
    let window = Window { since: 7, requests: 3 };
    assert_eq!(Window::read(&window.bytes()), Some(window));
}

#[test]
fn an_endless_window_is_no_overflow() {
    let config =
        format!(r#"{{ "requests": 0, "window_seconds": {}, "key_header": "x" }}"#, u64::MAX);
    let host = TestHost::start::<Limiter>(&config).expect("a good configuration");
    assert_eq!(left(&host, "a"), None);
}

#[test]
fn a_window_of_no_time_is_refused() {
    let config = r#"{ "requests": 1, "window_seconds": 0, "key_header": "x" }"#;
    let refused = TestHost::start::<Limiter>(config).expect_err("it refuses");
    assert_eq!(refused.to_string(), "bad configuration: `window_seconds` is 0");
}
