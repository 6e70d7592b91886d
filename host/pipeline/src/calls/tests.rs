mod property;

use host_extension::{FieldWrite as Write, HeaderMapKind as Map};
use http::StatusCode;

use super::*;
use crate::testing::{calls, fields, stream, told};

const MAPS: [Map; 4] =
    [Map::RequestHeaders, Map::RequestTrailers, Map::ResponseHeaders, Map::ResponseTrailers];

fn read(stream: &Stream, map: Map, name: &str) -> CallResult<String> {
    let mut found = String::new();
    calls().header(stream, map, name.as_bytes(), &mut |value| {
        found = String::from_utf8_lossy(value).into_owned();
    })?;
    Ok(found)
}

fn count(stream: &Stream, map: Map) -> CallResult<usize> {
    let mut found = 0;
    calls().headers(stream, map, &mut |headers| found = headers.len())?;
    Ok(found)
}

fn write(stream: &Stream, map: Map, write: Write<'_>) -> CallResult<()> {
    calls().write_header(stream, map, write)
}

fn body(stream: &Stream, side: Side) -> CallResult<Vec<u8>> {
    let mut found = Vec::new();
    calls().body(stream, side, &mut |bytes| found = bytes.to_vec())?;
    Ok(found)
}

/// A stream whose response has not come.
fn early() -> Rc<Stream> {
    let stream = stream();
    stream.response.headers.replace(None);
    stream
}

#[test]
fn what_has_not_come_is_in_the_wrong_phase() {
    let stream = early();
    for map in [Map::RequestTrailers, Map::ResponseHeaders, Map::ResponseTrailers] {
        assert_eq!(read(&stream, map, "x"), Err(CallError::WrongPhase), "{map:?}");
        assert_eq!(count(&stream, map), Err(CallError::WrongPhase), "{map:?}");
        for change in [Write::Add(b"x", b"1"), Write::Remove(b"x"), Write::SetAll(&[])] {
            assert_eq!(write(&stream, map, change), Err(CallError::WrongPhase), "{map:?}");
        }
    }
    for side in [Side::Request, Side::Response] {
        assert_eq!(body(&stream, side), Err(CallError::WrongPhase));
        let written = calls().write_body(&stream, side, 0, 0, b"x");
        assert_eq!(written, Err(CallError::WrongPhase));
    }
}

#[test]
fn an_open_head_is_read_and_changed() {
    let stream = early();
    let map = Map::RequestHeaders;
    assert_eq!(read(&stream, map, "x"), Err(CallError::NotFound));
    assert_eq!(write(&stream, map, Write::Add(b"X", b"1")), Ok(()));
    assert_eq!(write(&stream, map, Write::Add(b"x", b"2")), Ok(()));
    assert_eq!((read(&stream, map, "x").as_deref(), count(&stream, map)), (Ok("1"), Ok(6)));
    assert_eq!(write(&stream, map, Write::Replace(b"x", b"3")), Ok(()));
    assert_eq!((read(&stream, map, "x").as_deref(), count(&stream, map)), (Ok("3"), Ok(5)));
    assert_eq!(write(&stream, map, Write::Remove(b"x")), Ok(()));
    assert_eq!(write(&stream, map, Write::Remove(b"x")), Ok(()), "no more is no error");
    assert_eq!(read(&stream, map, ":path").as_deref(), Ok("/path?query"));
    assert_eq!(write(&stream, map, Write::SetAll(&[(b":path", b"/n"), (b"y", b"1")])), Ok(()));
    assert_eq!(read(&stream, map, ":path").as_deref(), Ok("/n"));
    assert_eq!(read(&stream, map, "host").as_deref(), Ok("app.test"));
}

#[test]
fn a_field_that_no_message_can_carry_is_refused_and_changes_nothing() {
    let stream = early();
    let map = Map::RequestHeaders;
    let before = count(&stream, map);
    let bad: [(&[u8], &[u8]); 9] = [
        (b"", b"1"),
        (b"a b", b"1"),
        (b"a\r\nb", b"1"),
        (b"a", b"1\r\nevil: 1"),
        (b"a", b"1\0"),
        (b":status", b"200"),
        (b":unknown", b"1"),
        (b":path", b"no-slash"),
        (b":method", b"G E T"),
    ];
    for (name, value) in bad {
        for change in [
            Write::Add(name, value),
            Write::Replace(name, value),
            Write::SetAll(&[(b"good", b"1"), (name, value)]),
        ] {
            assert_eq!(write(&stream, map, change), Err(CallError::BadArgument), "{change:?}");
        }
    }
    assert_eq!(write(&stream, map, Write::Remove(b":path")), Err(CallError::BadArgument));
    assert_eq!(
        (count(&stream, map), read(&stream, map, "good")),
        (before, Err(CallError::NotFound))
    );
}

#[test]
fn a_response_never_gets_an_interim_status() {
    let stream = stream();
    stream.response.stage.set(Stage::Open);
    for status in [&b"100"[..], b"101", b"199", b"99", b"abc"] {
        let change = Write::Replace(b":status", status);
        assert_eq!(write(&stream, Map::ResponseHeaders, change), Err(CallError::BadArgument));
    }
    assert_eq!(write(&stream, Map::ResponseHeaders, Write::Replace(b":status", b"404")), Ok(()));
    assert_eq!(read(&stream, Map::ResponseHeaders, ":status").as_deref(), Ok("404"));
}

#[test]
fn a_head_that_was_sent_can_be_read_but_not_changed() {
    let stream = stream();
    stream.request.stage.set(Stage::Sent);
    stream.response.stage.set(Stage::Sent);
    for map in [Map::RequestHeaders, Map::ResponseHeaders] {
        assert!(count(&stream, map).is_ok());
        assert_eq!(write(&stream, map, Write::Add(b"x", b"1")), Err(CallError::WrongPhase));
    }
}

#[test]
fn trailers_can_be_changed_when_they_came_and_added_at_the_end() {
    let stream = stream();
    for (side, map) in
        [(Side::Request, Map::RequestTrailers), (Side::Response, Map::ResponseTrailers)]
    {
        let message = stream.message(side);
        message.trailers.replace(Some(Headers::trailers(fields(&[("t", "1")]))));
        let early = write(&stream, map, Write::Add(b"u", b"2"));
        assert_eq!(early, Err(CallError::WrongPhase), "kept, but not on duty");
        message.end_on_duty.set(true);
        assert_eq!(write(&stream, map, Write::Add(b"u", b"2")), Ok(()));
        assert_eq!((read(&stream, map, "u").as_deref(), count(&stream, map)), (Ok("2"), Ok(2)));
        let pseudo = Write::Add(b":path", b"/");
        assert_eq!(write(&stream, map, pseudo), Err(CallError::BadArgument));

        message.trailers.replace(None);
        assert_eq!(read(&stream, map, "u"), Err(CallError::WrongPhase), "there are none yet");
        assert_eq!(write(&stream, map, Write::Add(b"u", b"2")), Ok(()));
        assert_eq!(read(&stream, map, "u").as_deref(), Ok("2"));
    }
}

#[test]
fn a_section_takes_only_so_many_fields() {
    let stream = stream();
    stream.response.stage.set(Stage::Open);
    for message in [&stream.request, &stream.response] {
        message.trailers.replace(Some(Headers::trailers(HeaderMap::new())));
        message.end_on_duty.set(true);
    }
    for map in MAPS {
        let mut number = 0;
        let refused = loop {
            let name = format!("x-{number}");
            let add = Write::Add(b"x-same", b"1");
            let replace = Write::Replace(name.as_bytes(), b"1");
            let change = if number % 2 == 0 { add } else { replace };
            if let Err(refused) = write(&stream, map, change) {
                break refused;
            }
            number += 1;
        };
        assert_eq!(refused, CallError::LimitReached);
        assert_eq!(count(&stream, map), Ok(HEADER_COUNT_MAX));
        assert_eq!(
            write(&stream, map, Write::Replace(b"x-new", b"1")),
            Err(CallError::LimitReached)
        );
        assert_eq!(write(&stream, map, Write::Replace(b"x-1", b"2")), Ok(()), "it is there");
        let pairs: Vec<(&[u8], &[u8])> = vec![(b"a", b"1"); HEADER_COUNT_MAX + 1];
        assert_eq!(write(&stream, map, Write::SetAll(&pairs)), Err(CallError::LimitReached));
    }
}

#[test]
fn a_section_takes_only_so_many_bytes() {
    let stream = early();
    let map = Map::RequestHeaders;
    let half = vec![b'a'; HEADER_BYTES_MAX / 2];
    assert_eq!(write(&stream, map, Write::Add(b"x", &half)), Ok(()));
    assert_eq!(write(&stream, map, Write::Add(b"y", &half)), Err(CallError::LimitReached));
    assert_eq!(write(&stream, map, Write::Replace(b"y", &half)), Err(CallError::LimitReached));
    let pairs: [(&[u8], &[u8]); 2] = [(b"x", &half), (b"y", &half)];
    assert_eq!(write(&stream, map, Write::SetAll(&pairs)), Err(CallError::LimitReached));
    assert_eq!(write(&stream, map, Write::Remove(b"x")), Ok(()));
    assert_eq!(write(&stream, map, Write::Add(b"y", &half)), Ok(()));
}

#[test]
fn a_body_on_duty_is_read_and_spliced_up_to_a_limit() {
    let stream = stream();
    for side in [Side::Request, Side::Response] {
        let message = stream.message(side);
        message.body.borrow_mut().set("hello".into());
        message.body_on_duty.set(true);
        assert_eq!(body(&stream, side).as_deref(), Ok(&b"hello"[..]));
        assert_eq!(calls().write_body(&stream, side, 0, 0, b">"), Ok(()));
        assert_eq!(calls().write_body(&stream, side, usize::MAX, usize::MAX, b"<"), Ok(()));
        assert_eq!(body(&stream, side).as_deref(), Ok(&b">hello<"[..]));
        stream.held_bytes_max.set(100);
        let large = vec![0; 100];
        let written = calls().write_body(&stream, side, 0, 0, &large);
        assert_eq!(written, Err(CallError::LimitReached));
        assert_eq!(body(&stream, side).map(|body| body.len()), Ok(7));
        assert_eq!(calls().write_body(&stream, side, 0, usize::MAX, &large), Ok(()));
        stream.held_bytes_max.set(10);
        let shrunk = calls().write_body(&stream, side, 0, 50, b"x");
        assert_eq!(shrunk, Ok(()), "it may shrink, whatever it was");
        let grown = calls().write_body(&stream, side, 0, 0, b"x");
        assert_eq!(grown, Err(CallError::LimitReached));
    }
}

#[test]
fn a_reply_from_beside_interrupts_whatever_was_sent() {
    let reply = |status| LocalReply::text(StatusCode::from_u16(status).unwrap(), "x");
    let stream = stream();
    let interim = calls().respond(&stream, "p", reply(103));
    assert_eq!(interim, Err(CallError::BadArgument));
    assert!(stream.take_interrupt().is_none());
    assert_eq!(calls().respond(&stream, "p", reply(418)), Ok(()));
    let interrupt = stream.take_interrupt().expect("a reply");
    assert_eq!(told(&interrupt), (ReplyReason::Plugin("p".into()), Some(418)));
    stream.response.stage.set(Stage::Sent);
    assert_eq!(calls().respond(&stream, "p", reply(418)), Ok(()), "plugins expect no refusal");
    let interrupt = stream.take_interrupt().expect("a reply, which comes to a reset");
    assert_eq!(told(&interrupt), (ReplyReason::Plugin("p".into()), Some(418)));
    assert_eq!(calls().reset(&stream, "p"), Ok(()));
    let interrupt = stream.take_interrupt().expect("a reset");
    assert_eq!(told(&interrupt), (ReplyReason::Plugin("p".into()), None));
}

#[test]
fn the_clock_runs_and_lines_of_any_level_are_logged() {
    assert!(calls().now() > SystemTime::UNIX_EPOCH);
    for level in [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
        LogLevel::Critical,
    ] {
        calls().log("p", level, "a line\r\nwith \x1b[31m and \u{202e}");
    }
}
