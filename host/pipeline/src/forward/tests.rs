use http::{HeaderMap, HeaderName, HeaderValue};

use super::{drop_forbidden_trailers, join_cookies, remove_hop_by_hop, trim_values, upgrade_token};

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

#[track_caller]
fn check_hop(fields: &[(&'static str, &'static str)], expect: &[(&'static str, &'static str)]) {
    let mut left = map(fields);
    remove_hop_by_hop(&mut left);
    assert_eq!(left, map(expect));
}

#[test]
fn fields_of_one_hop_are_removed_and_framing_cannot_be_nominated() {
    check_hop(&[("connection", "close, x-a"), ("x-a", "1"), ("x-b", "2")], &[("x-b", "2")]);
    check_hop(
        &[("connection", "content-length, Host, x-forwarded-for"), ("content-length", "3")],
        &[("content-length", "3")],
    );
    check_hop(&[("keep-alive", "5"), ("upgrade", "h2c"), ("http2-settings", "x")], &[]);
    check_hop(&[("te", "gzip, Trailers")], &[("te", "trailers")]);
    check_hop(&[("te", "gzip")], &[]);
}

#[test]
fn each_field_of_one_hop_is_found_alone_among_others() {
    let hop = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    for name in hop.into_iter().chain(["http2-settings", "te"]) {
        check_hop(&[("accept", "a"), (name, "x"), ("x-b", "2")], &[("accept", "a"), ("x-b", "2")]);
    }
    check_hop(&[("tx", "1"), ("x-keep-aliv", "2")], &[("tx", "1"), ("x-keep-aliv", "2")]);
}

#[track_caller]
fn check_upgrade(connection: &'static str, upgrade: &'static str, expect: bool) {
    let fields = map(&[("connection", connection), ("upgrade", upgrade)]);
    assert_eq!(upgrade_token(&fields).is_some(), expect, "{connection} / {upgrade}");
}

#[test]
fn an_upgrade_is_asked_for_in_both_fields_and_never_to_http() {
    check_upgrade("Upgrade", "websocket", true);
    check_upgrade("keep-alive, upgrade", "WebSocket", true);
    check_upgrade("keep-alive", "websocket", false);
    check_upgrade("upgrade", "h2c", false);
    check_upgrade("upgrade", "websocket, h2c", false);
    check_upgrade("upgrade", "HTTP/2.0", false);
}

#[test]
fn cookies_of_several_fields_become_one() {
    let mut fields = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
    join_cookies(&mut fields);
    assert_eq!(fields, map(&[("cookie", "a=1; b=2")]));
}

#[test]
fn trailers_cannot_smuggle_framing() {
    let mut fields = map(&[("transfer-encoding", "chunked"), ("grpc-status", "0")]);
    drop_forbidden_trailers(&mut fields);
    assert_eq!(fields, map(&[("grpc-status", "0")]));
}

#[test]
fn white_space_around_the_values_of_a_reply_goes() {
    let mut left = map(&[("x-a", " a b\t"), ("x-b", "b"), ("x-c", " "), ("x-a", "c ")]);
    trim_values(&mut left);
    assert_eq!(left, map(&[("x-a", "a b"), ("x-b", "b"), ("x-c", ""), ("x-a", "c")]));
}
