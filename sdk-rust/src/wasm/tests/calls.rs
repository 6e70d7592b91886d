use std::time::Duration;

use abi_wasm::Status;

use super::{fake, module, started};
use crate::{
    Action, ConnectionId, Fields, Flow, FlowAction, Host, HostError, HttpRequest, MetricKind,
    Phases, QueueId, Response, Side, Stream, StreamId, backend::Backend, wasm::host::WasmHost,
};

/// Runs in a callback of stream 2 of root 1.
fn within(call: impl FnOnce(&Stream<'_>)) {
    started(&[(1, "both")]);
    fake::serve(2);
    module::create(2, 1);
    module::create(3, 1);
    module::on_stream(2, Phases::REQUEST_HEADERS, |_filter, stream| {
        fake::said();
        call(stream);
        Action::Continue
    });
}

#[test]
fn a_call_for_another_context_is_made_under_its_number() {
    within(|stream| {
        assert!(stream.request().header("x-a").is_some());
        let other = stream.host().stream(StreamId(3));
        assert!(other.request().header("x-b").is_some());
        other.resume_response();
        assert!(stream.host().property(&["node", "id"]).is_some());
        assert!(stream.request().header("x-c").is_some());
        let expect = [
            "2 field RequestHeaders x-a",
            "3 field RequestHeaders x-b",
            "3 resume Response",
            "1 property node/id",
            "2 field RequestHeaders x-c",
        ];
        assert_eq!(fake::said(), expect);
        assert_eq!(
            stream.host().stream(StreamId(9)).set_property(&["a"], ""),
            Err(HostError::NotFound)
        );
        let wide = stream.host().stream(StreamId(u64::MAX));
        assert_eq!(wide.set_property(&["a"], ""), Err(HostError::NotFound));
        assert_eq!(fake::said(), [""; 0]);
    });
}

#[test]
fn a_stream_is_no_connection_and_the_other_way_round() {
    within(|stream| {
        let no_connection = stream.host().connection(ConnectionId(2));
        assert_eq!(no_connection.data(Flow::Upstream), Err(HostError::BadArgument));
        assert_eq!(no_connection.set_data(Flow::Upstream, ""), Err(HostError::BadArgument));
        module::on_connection(3, Phases::NEW_CONNECTION, |_filter, connection| {
            let no_stream = connection.host().stream(StreamId(3));
            let refused = Err(HostError::BadArgument);
            assert_eq!(no_stream.request().set_header("x-a", "1"), refused);
            assert_eq!(no_stream.request().set_body("1"), refused);
            assert_eq!(no_stream.respond(&Response::new(403)), refused);
            assert_eq!(no_stream.request().header("x-a"), None);
            FlowAction::Continue
        });
        let asked: Vec<_> =
            fake::said().into_iter().filter(|line| !line.contains(" log ")).collect();
        assert_eq!(asked, [""; 0]);
    });
}

#[test]
fn a_refused_change_says_whether_it_was_bad_or_late() {
    within(|stream| {
        let request = stream.request();
        assert_eq!(request.set_header("x a", "1"), Err(HostError::BadArgument));
        assert_eq!(request.remove_header(":path"), Err(HostError::BadArgument));
        assert_eq!(fake::said(), [""; 0], "it is not even asked");
        for (status, expect) in [
            (Status::BadArgument, HostError::WrongPhase),
            (Status::InternalFailure, HostError::LimitReached),
            (Status::NotFound, HostError::NotFound),
            (Status::Unimplemented, HostError::Unsupported),
        ] {
            for call in ["set_field", "add_field", "remove_field", "set_map"] {
                fake::answer(call, Err(status));
            }
            assert_eq!(request.set_header("x-a", "1"), Err(expect));
            assert_eq!(request.add_header("x-a", "1"), Err(expect));
            assert_eq!(request.remove_header("x-a"), Err(expect));
            assert_eq!(request.set_headers(&Fields::default().header("x-a", "1")), Err(expect));
        }
        let many = Fields(vec![(b"x".to_vec(), Vec::new()); 1025]);
        assert_eq!(request.set_headers(&many), Err(HostError::LimitReached));
    });
}

#[test]
fn a_field_that_is_not_there_is_none_and_sections_are_read_whole() {
    within(|stream| {
        fake::answer("field", Err(Status::NotFound));
        assert_eq!(WasmHost.field(2, crate::backend::Section::RequestHeaders, "a"), Ok(None));
        fake::answer("field", Err(Status::BadArgument));
        let late = WasmHost.field(2, crate::backend::Section::ResponseHeaders, "a");
        assert_eq!(late, Err(HostError::WrongPhase));
        fake::answer("map", Ok(b"\x01\0\0\0\x01\0\0\0\x02\0\0\0a\0\xffb\0".to_vec()));
        assert_eq!(stream.request().headers(), Fields::default().header("a", *b"\xffb"));
        fake::answer("map", Ok(vec![1, 2, 3]));
        assert!(stream.request().headers().is_empty());
    });
}

#[test]
fn bodies_are_read_in_pieces_and_written_as_the_host_takes_them() {
    within(|stream| {
        let long = vec![b'a'; (2 << 20) + 5];
        fake::answer("buffer", Ok(long.clone()));
        assert_eq!(stream.request().body(), Ok(long));
        assert_eq!(fake::said().len(), 3);
        fake::answer("buffer", Err(Status::NotFound));
        assert_eq!(stream.request().body(), Err(HostError::WrongPhase));
        assert_eq!(WasmHost.body(2, Side::Response), Err(HostError::WrongPhase));

        fake::answer("buffer", Ok(b"abcd".to_vec()));
        fake::said();
        assert_eq!(stream.request().splice_body(1, 2, "-"), Ok(()));
        assert_eq!(fake::said(), ["2 set_buffer RequestBody 1 -"]);
        fake::answer("set_buffer", Err(Status::BadArgument));
        assert_eq!(stream.request().splice_body(1, 2, "-"), Ok(()));
        let whole = fake::said().pop().expect("asked");
        assert_eq!(whole, "2 set_buffer RequestBody 0 a-d");
        fake::answer("set_buffer", Err(Status::NotFound));
        assert_eq!(stream.request().splice_body(1, 2, "-"), Err(HostError::WrongPhase));
    });
}

#[test]
fn shared_data_and_queues_have_their_own_words() {
    within(|stream| {
        let host = stream.host();
        assert_eq!(host.shared_data("k").expect("there").expect("some").version, 7);
        fake::answer("shared_data", Err(Status::NotFound));
        assert_eq!(host.shared_data("k"), Ok(None));
        fake::said();
        assert_eq!(host.set_shared_data("k", "v", Some(0)), Err(HostError::Conflict));
        assert_eq!(host.set_shared_data("k", "v", Some(4)), Ok(()));
        assert_eq!(host.set_shared_data("k", "v", None), Ok(()));
        assert_eq!(fake::said(), ["2 set_shared_data k v 4", "2 set_shared_data k v 0"]);
        fake::answer("set_shared_data", Err(Status::CasMismatch));
        assert_eq!(host.set_shared_data("k", "v", Some(4)), Err(HostError::Conflict));
        assert_eq!(host.set_shared_data("k", "v", None), Err(HostError::LimitReached));

        fake::said();
        let queue = host.register_queue("q").expect("registered");
        assert_eq!(queue.0, QueueId(3));
        assert_eq!(fake::said(), ["1 register_queue q"], "in the name of the root");
        fake::answer("dequeue", Err(Status::Empty));
        assert_eq!(queue.pop(&host), Ok(None));
        fake::answer("dequeue", Err(Status::NotFound));
        assert_eq!(queue.pop(&host), Err(HostError::NotFound));
        fake::answer("resolve_queue", Err(Status::NotFound));
        assert_eq!(host.queue("n", "q"), Err(HostError::NotFound));
    });
}

#[test]
fn times_are_whole_milliseconds_and_at_least_one() {
    within(|stream| {
        let host: Host<'_> = stream.host();
        let period = |period| {
            host.set_tick_period(period).expect("taken");
            fake::said().pop().expect("asked")
        };
        assert_eq!(period(None), "1 set_tick_period 0");
        assert_eq!(period(Some(Duration::from_nanos(1))), "1 set_tick_period 1");
        assert_eq!(period(Some(Duration::from_micros(1001))), "1 set_tick_period 2");
        assert_eq!(period(Some(Duration::MAX)), "1 set_tick_period 2147483647");
        let call = HttpRequest::post("c", "a", "/p", "b");
        stream.http_call(&call).expect("made");
        stream.http_call(&call.timeout(Duration::from_nanos(1))).expect("made");
        assert_eq!(fake::said(), ["2 http_call c /p b 0", "2 http_call c /p b 1"]);
        assert_eq!(host.now(), std::time::UNIX_EPOCH + Duration::from_secs(1));
    });
}

#[test]
fn metrics_and_properties_go_through() {
    within(|stream| {
        let host = stream.host();
        let counter = host.counter("c").expect("defined");
        counter.add(&host, 2);
        assert_eq!(counter.value(&host), Ok(9));
        let expect = ["2 define_metric Counter c", "2 increment_metric 5 2", "2 metric 5"];
        assert_eq!(fake::said(), expect);
        fake::answer("define_metric", Err(Status::BadArgument));
        let kind = WasmHost.define_metric(MetricKind::Gauge, "c");
        assert_eq!(kind, Err(HostError::BadArgument));
        fake::answer("property", Err(Status::NotFound));
        assert_eq!(stream.property(&["a"]), None);
        fake::said();
        assert_eq!((stream.property(&[]), stream.property(&["a\0b"])), (None, None));
        assert_eq!(stream.set_property(&["a\0b"], "v"), Err(HostError::BadArgument));
        assert!(fake::said().is_empty(), "it is not asked for what has no name");
        assert_eq!(stream.set_property(&["a", "b"], "v"), Ok(()));
        assert_eq!(fake::said().pop().expect("asked"), "2 set_property a/b v");
    });
}
