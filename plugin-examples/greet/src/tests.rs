use mortise_sdk::{
    Action,
    testing::{TestHost, request, response},
};

use super::Greet;

#[test]
fn both_heads_carry_the_greeting() {
    let host = TestHost::start::<Greet>(r#"{ "header": "x-greeting", "value": "hello" }"#)
        .expect("a good configuration");
    let stream = host.stream(request("GET", "/").header("x-greeting", "old"));

    assert_eq!(stream.request_headers(true), Action::Continue);
    let head = stream.forwarded().head.expect("it passed");
    assert_eq!(head.get_str("x-greeting"), Some("hello"));

    assert_eq!(stream.response_headers(response(200), true), Action::Continue);
    let head = stream.answered().head.expect("it passed");
    assert_eq!(head.get_str("x-greeting"), Some("hello"));
}

#[test]
fn a_bad_configuration_is_refused_with_the_reason() {
    for (config, expect) in [
        ("", "missing field `header`"),
        (r#"{ "header": "x", "valu": "y" }"#, "unknown field `valu`"),
        (r#"{ "header": "X-Up", "value": "y" }"#, "`header` is not a lower-case header name"),
        (r#"{ "header": "x", "value": "a\nb" }"#, "`value` has a character"),
    ] {
        let refused = TestHost::start::<Greet>(config).expect_err("it refuses");
        assert!(refused.to_string().contains(expect), "{refused}");
    }
}
