use host_types::FieldList;
use http::{HeaderMap, HeaderValue};

use super::*;

fn head(method: &str, path: &str, fields: &[(&'static str, &'static str)]) -> Headers {
    let request = RequestHead {
        method: method.parse().unwrap(),
        scheme: http::uri::Scheme::HTTP,
        authority: Some("example.com".parse().unwrap()),
        path: path.parse().unwrap(),
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_static(value));
    }
    Headers::request(request, map)
}

#[track_caller]
fn check(condition: &RouteCondition, head: &Headers, expect: bool) {
    let holds = condition.matches(head.as_request().unwrap(), head);
    assert_eq!(holds, expect, "{condition:?} on {head:?}");
}

#[track_caller]
fn check_path(path: PathMatch, taken: &[&str], left: &[&str]) {
    let condition = RouteCondition::path(path);
    for path in taken {
        check(&condition, &head("GET", path, &[]), true);
    }
    for path in left {
        check(&condition, &head("GET", path, &[]), false);
    }
}

#[test]
fn a_prefix_takes_whole_segments() {
    let prefix = |text: &str| PathMatch::Prefix(text.into());
    check_path(prefix("/"), &["/", "/x", "//", "/?q"], &["*"]);
    check_path(prefix("/api"), &["/api", "/api/", "/api/x", "/api?q"], &["/apix", "/ap", "/API"]);
    check_path(prefix("/api/"), &["/api/", "/api/x", "/api//"], &["/api", "/apix"]);
}

#[test]
fn an_exact_path_is_the_whole_path_without_the_query() {
    check_path(PathMatch::Exact("/a".into()), &["/a", "/a?b=c"], &["/a/", "/ab", "/%61"]);
    check_path(PathMatch::Exact("*".into()), &["*"], &["/"]);
}

#[test]
fn a_path_expression_matches_the_whole_path() {
    let regex = PathMatch::Regex(Pattern::new("/v[0-9]+/.*").unwrap());
    check_path(regex, &["/v1/", "/v22/x?q"], &["/x/v1/", "/v/", "/v1"]);
}

#[test]
fn methods_narrow_a_route() {
    let mut condition = RouteCondition::path(PathMatch::Prefix("/".into()));
    condition.methods = vec![Method::GET, Method::HEAD];
    check(&condition, &head("GET", "/", &[]), true);
    check(&condition, &head("POST", "/", &[]), false);
    check(&condition, &head("get", "/", &[]), false);
}

#[track_caller]
fn check_header(
    name: &str,
    test: &ValueTest,
    fields: &[(&'static str, &'static str)],
    expect: bool,
) {
    for invert in [false, true] {
        let mut condition = RouteCondition::path(PathMatch::Prefix("/".into()));
        condition.headers = vec![HeaderMatch::new(name, test.clone(), invert).unwrap()];
        check(&condition, &head("GET", "/", fields), expect != invert);
    }
}

#[test]
fn header_tests_say_what_they_are_named_for() {
    let bytes = |text: &str| text.as_bytes().into();
    let fields = &[("x-a", "one"), ("x-a", "two")];
    check_header("X-A", &ValueTest::Exact(bytes("two")), fields, true);
    check_header("x-a", &ValueTest::Exact(bytes("one,two")), fields, false);
    check_header("x-a", &ValueTest::Prefix(bytes("on")), fields, true);
    check_header("x-a", &ValueTest::Prefix(bytes("ne")), fields, false);
    check_header("x-a", &ValueTest::Suffix(bytes("wo")), fields, true);
    check_header("x-a", &ValueTest::Suffix(bytes("w")), fields, false);
    check_header("x-a", &ValueTest::Contains(bytes("w")), fields, true);
    check_header("x-a", &ValueTest::Contains(bytes("")), fields, true);
    check_header("x-a", &ValueTest::Contains(bytes("z")), fields, false);
    check_header("x-a", &ValueTest::Regex(Pattern::new("o.e").unwrap()), fields, true);
    check_header("x-a", &ValueTest::Regex(Pattern::new("o.").unwrap()), fields, false);
    check_header("x-a", &ValueTest::Present, fields, true);
    check_header("x-a", &ValueTest::Absent, fields, false);
    check_header("x-b", &ValueTest::Present, fields, false);
    check_header("x-b", &ValueTest::Absent, fields, true);
    check_header("x-b", &ValueTest::Exact(bytes("")), fields, false);
}

#[test]
fn pseudo_header_fields_can_be_tested() {
    let exact = |text: &str| ValueTest::Exact(text.as_bytes().into());
    check_header("host", &exact("example.com"), &[], true);
    check_header(":Authority", &exact("example.com"), &[], true);
    check_header(":method", &exact("GET"), &[], true);
    check_header(":path", &exact("/"), &[], true);
}

fn frame(fields: &[(&str, &str)]) -> Headers {
    let request = RequestHead {
        method: Method::POST,
        scheme: "bolt".parse().unwrap(),
        authority: None,
        path: "/com.demo.Echo/say".parse().unwrap(),
    };
    let mut list = FieldList::default();
    for (name, value) in fields {
        if name.starts_with(':') {
            list.push_attribute(name, value.as_bytes());
        } else {
            list.push(name.as_bytes(), value.as_bytes());
        }
    }
    Headers::rpc_request(request, list)
}

#[track_caller]
fn check_frame(name: &str, value: &str, expect: bool) {
    let head = frame(&[(":group", "g"), ("Zone", "up"), ("zone", "low"), ("a b", "spaces")]);
    let test = ValueTest::Exact(value.as_bytes().into());
    for invert in [false, true] {
        let mut condition = RouteCondition::path(PathMatch::Prefix("/".into()));
        condition.headers = vec![HeaderMatch::of_frames(name, test.clone(), invert).unwrap()];
        check(&condition, &head, expect != invert);
    }
}

#[test]
fn fields_of_frames_are_found_in_any_case() {
    for name in ["Zone", "zone", "ZONE"] {
        check_frame(name, "up", true);
        check_frame(name, "low", true);
        check_frame(name, "left", false);
    }
}

#[test]
fn attributes_and_names_that_are_no_tokens_can_be_tested() {
    check_frame(":group", "g", true);
    check_frame(":version", "g", false);
    check_frame("a b", "spaces", true);
    check_frame(":path", "/com.demo.Echo/say", true);
    check_frame(":method", "POST", true);
    check_frame("host", "example.com", false);
    let of_frames = HeaderMatch::of_frames(":group", ValueTest::Present, false).unwrap();
    let mut condition = RouteCondition::path(PathMatch::Prefix("/".into()));
    condition.headers = vec![of_frames];
    check(&condition, &head("GET", "/", &[]), false);
    assert!(HeaderMatch::of_frames("", ValueTest::Present, false).is_err());
}

#[test]
fn frames_and_grpc_are_matched_by_service_and_method() {
    let names = RpcMatch { service: Some("com.demo.Echo".into()), method: Some("say".into()) };
    let condition = RouteCondition::path(PathMatch::Rpc(names));
    check(&condition, &frame(&[]), true);
    check(&condition, &head("POST", "/com.demo.Echo/say", &[]), true);
    check(&condition, &head("POST", "/com.demo.Echo/say?x", &[]), true);
    check(&condition, &head("POST", "/com.demo.Echo/other", &[]), false);
}

#[test]
fn a_name_that_no_field_has_is_refused() {
    for name in ["", "a b", ":status", ":x"] {
        assert!(HeaderMatch::new(name, ValueTest::Present, false).is_err(), "{name}");
    }
}

#[track_caller]
fn check_query(name: &str, test: ValueTest, path: &str, expect: bool) {
    let mut condition = RouteCondition::path(PathMatch::Prefix("/".into()));
    condition.query = vec![QueryMatch { name: name.into(), test }];
    check(&condition, &head("GET", path, &[]), expect);
}

#[test]
fn query_parameters_are_compared_as_sent() {
    let exact = |text: &str| ValueTest::Exact(text.as_bytes().into());
    check_query("a", exact("1"), "/?a=1", true);
    check_query("a", exact("1"), "/?b&a=2&a=1", true);
    check_query("a", exact("1"), "/?aa=1", false);
    check_query("a", exact("x=y"), "/?a=x=y", true);
    check_query("a", exact("b"), "/?a=%62", false);
    check_query("a", ValueTest::Present, "/?a", true);
    check_query("a", ValueTest::Present, "/?", false);
    check_query("a", ValueTest::Present, "/", false);
    check_query("a", ValueTest::Absent, "/", true);
    check_query("a", ValueTest::Regex(Pattern::new("[0-9]").unwrap()), "/?a=7", true);
}
