use super::*;

fn names() -> Names {
    Names { service: "Echo".into(), version: "1".into(), ..Names::default() }
}

#[track_caller]
fn check(line: &str, expect: Option<Read<()>>) {
    let settled = Pairs::read(line.as_bytes()).map(|pairs| pairs.settle(&mut names()));
    assert_eq!(settled, expect, "{line}");
}

#[test]
fn what_is_plain_is_read() {
    for line in [
        "",
        "null",
        "{}",
        "{ }",
        r#"{"path":"Echo"}"#,
        r#"{ "path" : "Echo" , "version":"1","group":null,"a":"\"}","n":-1.5e3,"b":true}"#,
        r#"{"a":{"path":"Other","b":[1,{"c":"]"}]},"interface":"x"}"#,
    ] {
        check(line, Some(Ok(())));
    }
}

#[test]
fn another_service_is_malformed() {
    check(r#"{"path":"Other"}"#, Some(Err("the attachments name another path")));
    check(r#"{"path":null}"#, Some(Err("the attachments name another path")));
    check(r#"{"version":"2"}"#, Some(Err("the attachments name another version")));
    check(r#"{"a":1,"a":2}"#, Some(Err(DOUBLE)));
    let expect = Some(Err("an attachment that names the service is no plain string"));
    check(r#"{"path":"\u0045cho"}"#, expect);
    check(r#"{"version":1}"#, expect);
    check(r#"{"group":{}}"#, expect);
}

#[test]
fn what_is_not_plain_is_not_read() {
    for line in [
        "{",
        "[]",
        "{}{}",
        "{,}",
        r#"{"a":1,}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1 "b":2}"#,
        r#"{'path':"Other"}"#,
        r#"{path:"Other"}"#,
        r#"{"pa\u0074h":"Other"}"#,
        r#"{/**/"path":"Other"}"#,
        r#"{"a":[}]}"#,
        r#"{"a":[1}"#,
        r#"{"a":"b}"#,
        r#"{"a":new Date(1)}"#,
        r#"{"@type":"x"}"#,
        r#"{"$ref":"$"}"#,
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\\\x01\"}",
    ] {
        check(line, None);
    }
    check(&format!(r#"{{"a":{}}}"#, "[".repeat(DEPTH_MAX + 1)), None);
}
