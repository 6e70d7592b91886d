use mortise_sdk::{
    Action,
    testing::{TestHost, request, response},
};

use super::BodyUpper;

#[test]
fn every_chunk_goes_on_at_once_in_upper_case() {
    let host = TestHost::start::<BodyUpper>("").expect("it needs no configuration");
    let stream = host.stream(request("POST", "/"));
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("quiet Word, \u{e9} ", false), Action::Continue);
    assert_eq!(stream.forwarded().body, "QUIET WORD, \u{e9} ".as_bytes());
    assert_eq!(stream.request_body("LOUD", true), Action::Continue);
    assert_eq!(stream.forwarded().body, "QUIET WORD, \u{e9} LOUD".as_bytes());

    assert_eq!(stream.response_headers(response(200), false), Action::Continue);
    assert_eq!(stream.response_body("answer", true), Action::Continue);
    let answered = stream.answered();
    assert_eq!((answered.body.as_slice(), answered.ended), (&b"ANSWER"[..], true));
}

#[test]
fn a_configuration_is_refused_that_says_something() {
    assert!(TestHost::start::<BodyUpper>("{}").is_ok());
    let refused = TestHost::start::<BodyUpper>(r#"{ "lower": true }"#).expect_err("it refuses");
    assert!(refused.to_string().contains("unknown field `lower`"), "{refused}");
}
