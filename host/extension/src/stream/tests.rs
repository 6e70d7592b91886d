use std::{rc::Rc, time::SystemTime};

use host_types::{ConnectionId, Headers, ReplyReason, StreamId};
use http::HeaderMap;

use super::{ConnectionFacts, Interrupt, Protocol, Side, Stage, Stream};

fn stream() -> Stream {
    let address = "127.0.0.1:1".parse().expect("an address");
    let connection = ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: "l".into(),
        peer: address,
        local: address,
        protocol: Protocol::Http11,
    };
    let headers = Headers::trailers(HeaderMap::new());
    Stream::new(StreamId::new(0, 1), Rc::new(connection), SystemTime::UNIX_EPOCH, headers)
}

#[test]
fn a_new_stream_has_an_open_request_and_no_response() {
    let stream = stream();
    assert_eq!(stream.message(Side::Request).stage.get(), Stage::Open);
    assert_eq!(stream.message(Side::Response).stage.get(), Stage::Expected);
}

#[test]
fn an_interrupt_stands_until_it_is_taken_and_the_first_reason_for_good() {
    let stream = stream();
    stream.interrupt(Interrupt::Reset(ReplyReason::Denied));
    stream.interrupt(Interrupt::Reset(ReplyReason::Drain));
    assert!(matches!(stream.take_interrupt(), Some(Interrupt::Reset(ReplyReason::Denied))));
    assert!(stream.take_interrupt().is_none());
    stream.interrupt(Interrupt::Reset(ReplyReason::Drain));
    assert!(matches!(stream.take_interrupt(), Some(Interrupt::Reset(ReplyReason::Drain))));

    stream.note_reason(ReplyReason::Timeout);
    stream.note_reason(ReplyReason::Upstream);
    assert_eq!(stream.facts.borrow().reason, Some(ReplyReason::Timeout));
}
