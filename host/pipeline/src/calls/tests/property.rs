use std::time::Duration;

use PropertyValue as Value;
use host_extension::Subject;
use host_types::Headers;

use super::*;
use crate::{
    calls::property::{ATTRIBUTE_BYTES_MAX, ATTRIBUTE_OVERHEAD},
    testing::connection,
};

fn get(stream: &Stream, path: &str) -> CallResult<Value> {
    let path: Vec<&[u8]> = path.split('.').map(str::as_bytes).collect();
    calls().property(Subject::Stream(stream), &path)
}

fn set(stream: &Stream, path: &[&str], value: &[u8]) -> CallResult<()> {
    let path: Vec<&[u8]> = path.iter().map(|segment| segment.as_bytes()).collect();
    calls().set_property(Subject::Stream(stream), &path, value)
}

fn text(text: &str) -> CallResult<Value> {
    Ok(Value::Bytes(text.into()))
}

/// A stream of which everything is known.
fn known() -> Rc<Stream> {
    let stream = stream();
    let map = fields(&[("referer", "r"), ("user-agent", "u"), ("x", "1"), ("m", "1")]);
    let mut head = stream.request.headers.borrow_mut();
    head.as_mut().unwrap().map_mut().extend(map);
    head.as_mut().unwrap().add(b"m", b"2").unwrap();
    drop(head);
    stream.request.body_bytes.set(5);
    stream.response.body_bytes.set(7);
    let head = Headers::response(StatusCode::CREATED, fields(&[("y", "2")]));
    stream.response.headers.replace(Some(head));
    let end = Headers::trailers(fields(&[("grpc-status", "5")]));
    stream.response.trailers.replace(Some(end));
    let mut facts = stream.facts.borrow_mut();
    facts.request_id = Some("id".into());
    facts.virtual_host = Some("vh".into());
    facts.route = Some("route".into());
    facts.cluster = Some("cluster".into());
    facts.upstream = Some("198.51.100.1:81".parse().unwrap());
    facts.upstream_local = Some("192.0.2.3:4567".parse().unwrap());
    facts.reason = Some(ReplyReason::Timeout);
    facts.details = Some("details".into());
    drop(facts);
    stream
}

#[test]
fn every_known_path_has_its_value() {
    let stream = known();
    let table: &[(&str, CallResult<Value>)] = &[
        ("request.id", text("id")),
        ("request.protocol", text("HTTP/1.1")),
        ("request.path", text("/path?query")),
        ("request.url_path", text("/path")),
        ("request.query", text("query")),
        ("request.host", text("app.test")),
        ("request.scheme", text("http")),
        ("request.method", text("GET")),
        ("request.referer", text("r")),
        ("request.useragent", text("u")),
        ("request.headers.x", text("1")),
        ("request.headers.M", text("1,2")),
        ("request.headers.:path", text("/path?query")),
        ("request.time", Ok(Value::Nanoseconds(1_000_000_000))),
        ("request.size", Ok(Value::Integer(5))),
        ("response.code", Ok(Value::Integer(201))),
        ("response.code_details", text("details")),
        ("response.size", Ok(Value::Integer(7))),
        ("response.total_size", Ok(Value::Integer(7 + 10 + 2 + 12))),
        ("response.flags", Ok(Value::Integer(4))),
        ("response.grpc_status", Ok(Value::Integer(5))),
        ("response.trailers.grpc-status", text("5")),
        ("response.headers.y", text("2")),
        ("source.address", text("192.0.2.1:1234")),
        ("source.port", Ok(Value::Integer(1234))),
        ("destination.address", text("192.0.2.2:80")),
        ("destination.port", Ok(Value::Integer(80))),
        ("connection.mtls", Ok(Value::Boolean(false))),
        ("upstream.address", text("198.51.100.1:81")),
        ("upstream.port", Ok(Value::Integer(81))),
        ("upstream.local_address", text("192.0.2.3:4567")),
        ("connection.requested_server_name", text("")),
        ("xds.listener_name", text("main")),
        ("xds.listener_direction", Ok(Value::Integer(0))),
        ("metadata", text("")),
        ("xds.cluster_metadata", text("")),
        ("route_metadata", text("")),
        ("xds.upstream_host_metadata", text("")),
        ("listener_name", text("main")),
        ("cluster_name", text("cluster")),
        ("xds.cluster_name", text("cluster")),
        ("route_name", text("route")),
        ("xds.route_name", text("route")),
        ("xds.virtual_host_name", text("vh")),
    ];
    for (path, expect) in table {
        assert_eq!(get(&stream, path), *expect, "{path}");
    }
    let id = stream.connection.id.as_u64();
    assert_eq!(get(&stream, "connection.id"), Ok(Value::Unsigned(id)));
    assert_eq!(get(&stream, "connection_id"), Ok(Value::Unsigned(id)));
    let Ok(Value::Nanoseconds(duration)) = get(&stream, "request.duration") else { panic!() };
    assert!(duration > 0);
    let Ok(Value::Map(map)) = get(&stream, "request.headers") else { panic!() };
    assert!(map.contains(&(b"x".to_vec(), b"1".to_vec())));
    assert!(map.contains(&(b"m".to_vec(), b"1,2".to_vec())), "repeated ones are joined");
    assert_eq!(map.iter().filter(|(name, _)| name == b"m").count(), 1);
    let Ok(Value::Integer(size)) = get(&stream, "request.total_size") else { panic!() };
    assert!(size > 5);
}

#[test]
fn what_is_not_known_yet_is_not_found() {
    let stream = early();
    for path in [
        "request.id",
        "request.referer",
        "request.useragent",
        "request.headers.x",
        "response.code",
        "response.code_details",
        "response.headers",
        "response.headers.y",
        "response.trailers",
        "response.grpc_status",
        "connection.termination_details",
        "upstream.local_address",
        "xds.cluster_metadata",
        "route_metadata",
        "upstream.address",
        "upstream.port",
        "cluster_name",
        "route_name",
        "xds.cluster_name",
        "xds.route_name",
        "xds.virtual_host_name",
    ] {
        assert_eq!(get(&stream, path), Err(CallError::NotFound), "{path}");
    }
    stream.request.headers.replace(None);
    for path in ["request.path", "request.headers", "request.headers.x", "request.method"] {
        assert_eq!(get(&stream, path), Err(CallError::NotFound), "{path}");
    }
    stream.facts.borrow_mut().status = Some(204);
    assert_eq!(get(&stream, "response.code"), Ok(Value::Integer(204)), "the head is gone");
}

#[test]
fn an_unknown_path_is_not_found_and_no_path_panics() {
    let stream = known();
    for path in [
        "",
        ".",
        "request",
        "request.",
        "request.nothing",
        "request.headers.x.y",
        "response",
        "response.nothing",
        "source",
        "source.nothing",
        "connection",
        "connection.nothing",
        "upstream",
        "upstream.nothing",
        "xds",
        "listener_name.x",
        "plugin",
        "\0",
        "request\0path",
    ] {
        assert_eq!(get(&stream, path), Err(CallError::NotFound), "{path:?}");
    }
    assert_eq!(calls().property(Subject::Stream(&stream), &[]), Err(CallError::NotFound));
    assert_eq!(calls().property(Subject::Host, &[b"request", b"path"]), Err(CallError::NotFound));
}

#[test]
fn attributes_are_set_and_read_but_not_where_the_host_has_its_own() {
    let stream = known();
    assert_eq!(set(&stream, &["mine", "a"], b"1"), Ok(()));
    assert_eq!(set(&stream, &["mine", "a"], b"2"), Ok(()));
    assert_eq!(get(&stream, "mine.a"), text("2"));
    assert_eq!(get(&stream, "mine"), Err(CallError::NotFound));
    assert_eq!(stream.facts.borrow().attributes.len(), 1);
    for root in [
        "request",
        "response",
        "source",
        "destination",
        "connection",
        "connection_id",
        "upstream",
        "xds",
        "listener_name",
        "cluster_name",
        "route_name",
        "metadata",
        "plugin_root_id",
    ] {
        assert_eq!(set(&stream, &[root], b"1"), Err(CallError::BadArgument), "{root}");
        assert_eq!(set(&stream, &[root, "new"], b"1"), Err(CallError::BadArgument), "{root}");
    }
    for empty in [&[][..], &[""], &["", ""]] {
        assert_eq!(set(&stream, empty, b"1"), Err(CallError::BadArgument));
    }
}

#[test]
fn a_name_with_a_nul_in_it_is_no_way_to_another_path() {
    let stream = known();
    for forged in ["connection\0uri_san_peer_certificate", "request\0id", "mine\0a", "\0"] {
        assert_eq!(set(&stream, &[forged], b"1"), Err(CallError::BadArgument), "{forged:?}");
        assert_eq!(set(&stream, &["mine", forged], b"1"), Err(CallError::BadArgument));
    }
    assert_eq!(get(&stream, "connection.uri_san_peer_certificate"), Err(CallError::NotFound));
    assert_eq!(get(&stream, "mine.a"), Err(CallError::NotFound));
    // What is kept under a path is not found under another one either.
    assert_eq!(set(&stream, &["mine", "a"], b"1"), Ok(()));
    assert_eq!(get(&stream, "mine\0a"), Err(CallError::NotFound));
    let connection = connection();
    let subject = || Subject::Connection(&connection);
    let path: [&[u8]; 1] = [b"connection\0uri_san_peer_certificate"];
    assert_eq!(calls().set_property(subject(), &path, b"1"), Err(CallError::BadArgument));
    assert_eq!(connection.attributes.borrow().len(), 0);
}

#[test]
fn attributes_take_only_so_many_bytes_and_a_refusal_keeps_what_was() {
    let stream = early();
    let half = vec![0; ATTRIBUTE_BYTES_MAX / 2];
    assert_eq!(set(&stream, &["a"], &half), Ok(()));
    assert_eq!(set(&stream, &["b"], &half), Err(CallError::LimitReached));
    assert_eq!(set(&stream, &["a"], &vec![0; ATTRIBUTE_BYTES_MAX]), Err(CallError::LimitReached));
    assert_eq!(get(&stream, "a"), Ok(Value::Bytes(half)));
    assert_eq!(set(&stream, &["a"], b""), Ok(()));
    let mut number = 0;
    while set(&stream, &[&number.to_string()], b"").is_ok() {
        number += 1;
    }
    assert!(number < ATTRIBUTE_BYTES_MAX / ATTRIBUTE_OVERHEAD, "names cost, too: {number}");
}

#[test]
fn a_clock_that_was_set_back_gives_no_negative_time() {
    let stream = early();
    let path: [&[u8]; 2] = [b"request", b"duration"];
    let before = stream.started - Duration::from_secs(1);
    assert_eq!(
        super::super::property::read(Subject::Stream(&stream), &path, before),
        Ok(Value::Nanoseconds(0))
    );
}

#[test]
fn the_request_line_stays_known_when_the_head_is_gone() {
    let stream = early();
    let head = stream.request.headers.take().unwrap();
    stream.facts.borrow_mut().request_line = Some(Box::new(head.as_request().unwrap().clone()));
    assert_eq!(get(&stream, "request.path"), text("/path?query"));
    assert_eq!(get(&stream, "request.method"), text("GET"));
    assert_eq!(get(&stream, "request.headers"), Err(CallError::NotFound));
    assert_eq!(get(&stream, "request.referer"), Err(CallError::NotFound));
}

#[test]
fn a_connection_has_properties_and_attributes_of_its_own() {
    let connection = connection();
    let subject = || Subject::Connection(&connection);
    let read = |path: &str| {
        let path: Vec<&[u8]> = path.split('.').map(str::as_bytes).collect();
        calls().property(subject(), &path)
    };
    assert_eq!(read("source.address"), text("192.0.2.1:1234"));
    assert_eq!(read("destination.port"), Ok(Value::Integer(80)));
    assert_eq!(read("listener_name"), text("main"));
    assert_eq!(read("connection.id"), Ok(Value::Unsigned(connection.facts.id.as_u64())));
    let later = ["upstream.address", "upstream.local_address", "cluster_name", "cluster_metadata"];
    for unknown in later.into_iter().chain(["request.path", "mine", ""]) {
        assert_eq!(read(unknown), Err(CallError::NotFound), "{unknown}");
    }
    connection.upstream_address.set(Some("198.51.100.1:81".parse().unwrap()));
    connection.upstream_local.set(Some("192.0.2.3:4567".parse().unwrap()));
    connection.cluster.set("app".into()).unwrap();
    assert_eq!(read("upstream.address"), text("198.51.100.1:81"));
    assert_eq!(read("upstream.local_address"), text("192.0.2.3:4567"));
    assert_eq!(read("cluster_name"), text("app"));
    assert_eq!(read("xds.cluster_name"), text("app"));
    assert_eq!(read("cluster_metadata"), text(""));
    assert_eq!(read("connection.termination_details"), Err(CallError::NotFound));
    connection.close(ReplyReason::Drain);
    assert_eq!(read("connection.termination_details"), text("drain"));

    assert_eq!(calls().set_property(subject(), &[b"mine"], b"1"), Ok(()));
    assert_eq!(read("mine"), text("1"));
    let reserved = calls().set_property(subject(), &[b"source", b"address"], b"1");
    assert_eq!(reserved, Err(CallError::BadArgument));
    let large = vec![0; ATTRIBUTE_BYTES_MAX];
    let refused = calls().set_property(subject(), &[b"mine"], &large);
    assert_eq!(refused, Err(CallError::LimitReached));
    assert_eq!(calls().set_property(Subject::Host, &[b"mine"], b"1"), Err(CallError::NotFound));
}

#[test]
fn what_a_network_filter_set_can_be_read_from_its_streams() {
    let (stream, carrier) = (early(), connection());
    assert_eq!(get(&stream, "mine"), Err(CallError::NotFound));
    stream.carrier.set(Rc::clone(&carrier)).unwrap();
    calls().set_property(Subject::Connection(&carrier), &[b"mine"], b"carried").unwrap();
    assert_eq!(get(&stream, "mine"), text("carried"));
    assert_eq!(set(&stream, &["mine"], b"own"), Ok(()));
    assert_eq!(get(&stream, "mine"), text("own"), "the stream's own stands before it");
    let path: [&[u8]; 1] = [b"mine"];
    assert_eq!(calls().property(Subject::Connection(&carrier), &path), text("carried"));
    carrier.close(ReplyReason::ClientGone);
    assert_eq!(get(&stream, "connection.termination_details"), text("client_gone"));
}
