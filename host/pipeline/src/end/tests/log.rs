//! What filters can look at when a stream is over.

use std::cell::RefCell;

use host_extension::{
    CallError, FieldWrite, HeaderMapKind, HostCalls as _, Phases, PropertyValue, Stream, Subject,
};

use super::*;
use crate::testing::calls;

type Noted = Rc<RefCell<Vec<String>>>;

fn show(value: PropertyValue) -> String {
    match value {
        PropertyValue::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        PropertyValue::Integer(number) | PropertyValue::Nanoseconds(number) => number.to_string(),
        PropertyValue::Unsigned(_) | PropertyValue::Boolean(_) | PropertyValue::Map(_) | _ => {
            panic!("no path here is of another kind")
        }
    }
}

/// Reads one property.
fn read(stream: &Stream, path: &str) -> Option<String> {
    let path: Vec<&[u8]> = path.split('.').map(str::as_bytes).collect();
    calls().property(Subject::Stream(stream), &path).ok().map(show)
}

/// Reads a field of a section.
fn field_of(stream: &Stream, map: HeaderMapKind, name: &str) -> Option<String> {
    let mut found = None;
    let shown = calls().header(stream, map, name.as_bytes(), &mut |value| {
        found = Some(String::from_utf8(value.to_vec()).unwrap());
    });
    shown.ok().and(found)
}

const MAPS: [HeaderMapKind; 4] = [
    HeaderMapKind::RequestHeaders,
    HeaderMapKind::RequestTrailers,
    HeaderMapKind::ResponseHeaders,
    HeaderMapKind::ResponseTrailers,
];

/// Nothing can be changed any more.
fn nothing_can_be_written(stream: &Rc<Stream>) {
    for map in MAPS {
        let change = FieldWrite::Add(b"x", b"1");
        let written = calls().write_header(stream, map, change);
        assert_eq!(written, Err(CallError::WrongPhase), "{map:?}");
    }
    for side in [Side::Request, Side::Response] {
        let written = calls().write_body(stream, side, 0, 0, b"x");
        assert_eq!(written, Err(CallError::WrongPhase));
    }
    let reply = LocalReply::text(StatusCode::OK, "late");
    assert_eq!(calls().respond(stream, "a", reply), Ok(()), "too late to change anything");
}

/// A filter that looks back at its stream.
fn looking(log: &Log, noted: &Noted, phases: Phases) -> Fake {
    let notes = Rc::clone(noted);
    Fake::new(log, "a").phases(phases).at_end(move |stream| {
        nothing_can_be_written(stream);
        let paths = [
            "request.path",
            "request.size",
            "response.code",
            "response.size",
            "response.code_details",
            "route_name",
            "cluster_name",
        ];
        let mut seen: Vec<String> =
            paths.iter().map(|path| read(stream, path).unwrap_or_default()).collect();
        for (map, name) in MAPS.into_iter().zip(["x-q", "t-q", "x-r", "t-r"]) {
            seen.push(field_of(stream, map, name).unwrap_or_default());
        }
        assert!(read(stream, "request.duration").unwrap().parse::<i64>().unwrap() > 0);
        for path in ["upstream.address", "upstream.local_address", "upstream.port"] {
            let known = read(stream, path).is_some();
            assert_eq!(known, read(stream, "response.code").unwrap() == "201", "{path}");
        }
        notes.replace(seen);
    })
}

const UPLOAD: &str = "POST /p?q HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\nte: trailers\r\n\
    x-q: 1\r\ntransfer-encoding: chunked\r\ntrailer: t-q\r\n\r\n5\r\nhello\r\n0\r\nt-q: 2\r\n\r\n";

/// An upstream that reads the whole of it and answers with trailers.
async fn with_trailers() -> Setup {
    let (address, _) = upstream(|mut stream| async move {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"t-q: 2\r\n\r\n") {
            bytes.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 201 Created\r\nx-r: 3\r\ntrailer: t-r\r\n\
            transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nt-r: 4\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    Setup::to(address)
}

#[test]
fn who_looks_back_can_read_everything_and_write_nothing() {
    for phases in [Phases::LOG, Phases::ALL] {
        local(async {
            let (log, noted) = (Log::default(), Noted::default());
            let filters = vec![looking(&log, &noted, phases)];
            let world = Setup { listener_filters: filters, ..with_trailers().await }.start().await;
            let answer = world.ask(UPLOAD).await;
            assert!(answer.ends_with("0\r\nt-r: 4\r\n\r\n"), "{answer}");
            assert_eq!(line(world).await, ("upstream".to_owned(), Some(201), 2));
            let expect = ["/p?q", "5", "201", "2", "upstream", "/", "app", "1", "2", "3", "4"];
            assert_eq!(noted.take(), expect, "{phases:?}");
        });
    }
}

#[test]
fn of_a_stream_that_never_went_upstream_there_is_what_there_was() {
    local(async {
        let (log, noted) = (Log::default(), Noted::default());
        let answering = looking(&log, &noted, Phases::ALL).answering(|side, _, _| match side {
            Side::Request => {
                let mut reply = LocalReply::text(StatusCode::IM_A_TEAPOT, "no");
                reply.details = "refused".into();
                Verdict::Respond(Box::new(reply)).into()
            }
            Side::Response => Step::CONTINUE,
        });
        let setup = Setup { listener_filters: vec![answering], ..Setup::default() };
        let world = setup.start().await;
        let request = ask("GET", "/p").replace("connection", "x-q: 1\r\nconnection");
        let answer = world.ask(&request).await;
        assert!(answer.starts_with("HTTP/1.1 418"), "{answer}");
        assert_eq!(line(world).await, ("plugin".to_owned(), Some(418), 2));
        let expect = ["/p", "0", "418", "2", "refused", "", "", "1", "", "", ""];
        assert_eq!(noted.take(), expect);
    });
}
