use mortise_sdk::{
    Action, LogLevel,
    testing::{TestHost, request, response},
};
use serde_json::{Value, json};

use super::AccessJson;

#[test]
fn every_request_is_a_line_when_it_is_over() {
    let host = TestHost::start::<AccessJson>("").expect("it needs no configuration");
    let stream = host.stream(request("POST", "/hello?a=1"));
    stream.set_property(&["source", "address"], "10.0.0.9:4711");
    stream.set_property(&["request", "duration"], 1_234_567_i64.to_le_bytes());
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("a body", true), Action::Continue);
    assert_eq!(stream.response_headers(response(200), false), Action::Continue);
    assert_eq!(stream.response_body("an answer", true), Action::Continue);
    assert_eq!(host.log(), [], "it is not over");
    stream.complete();

    let log = host.log();
    let [(LogLevel::Info, line)] = log.as_slice() else { panic!("one line: {log:?}") };
    let line = line.strip_prefix("access-json: ").expect("its name");
    let line: Value = serde_json::from_str(line).expect("JSON");
    let expect = json!({
        "method": "POST", "path": "/hello?a=1", "host": "test", "protocol": null,
        "source": "10.0.0.9:4711", "upstream": null, "status": 200, "request_bytes": 6,
        "response_bytes": 9, "duration_us": 1234,
    });
    assert_eq!(line, expect);
}

#[test]
fn what_a_client_sends_cannot_break_the_line() {
    let host = TestHost::start::<AccessJson>("").expect("it needs no configuration");
    let stream = host.stream(request("GET", "/\"}\\").header("x", "y"));
    stream.set_property(&["source", "address"], [b'"', 0xff, b'\n']);
    assert_eq!(stream.request_headers(true), Action::Continue);
    stream.complete();
    let (_level, line) = host.log().remove(0);
    let line = line.strip_prefix("access-json: ").expect("its name");
    assert!(!line.contains('\n'), "{line}");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["path"], &line["status"]), (&json!("/\"}\\"), &Value::Null));
}
