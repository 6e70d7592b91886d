//! What the proxy does with heads, replies and names, whatever backend a plugin runs with.

use std::time::Duration;

use super::{Made, STREAM};
use crate::{
    Action, Fields, Host, HostError, HttpAnswer, HttpRequest, Phases, Plugin, Refusal, Response,
    Stream, StreamFilter,
    testing::{TestHost, request, response},
};

const ALL: u16 = Phases::ALL.bits();

/// A host whose streams have the default filter of a type.
fn host_of<F: StreamFilter + Default + 'static>() -> TestHost {
    STREAM.set(Some(|| Box::new(F::default())));
    TestHost::start::<Made<ALL>>("").expect("it starts")
}

fn lines(fields: &Fields) -> Vec<String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let rest = fields.iter().filter(|(name, _)| !name.starts_with(b":"));
    rest.map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

#[test]
fn names_come_in_lower_case_and_values_of_one_name_together() {
    #[derive(Default)]
    struct Reader;
    impl StreamFilter for Reader {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let request = stream.request();
            for name in ["X-Key", "x-key"] {
                assert_eq!(request.header_str(name).as_deref(), Some("1"));
            }
            assert_eq!(request.header_str("host").as_deref(), Some("other.test"));
            assert_eq!(lines(&request.headers()), ["x-key: 1", "x-key: 3", "b: 2"]);
            stream.http_call(&HttpRequest::get("a", "a", "/")).expect("sent");
            Action::Pause
        }

        fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
            assert_eq!(stream.request().trailer("X-End").as_deref(), Some(&b"1"[..]));
            assert_eq!(lines(&stream.request().trailers()), ["x-end: 1"]);
            Action::Continue
        }

        fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let fields = Fields::default().header("b", "1").header("A", "2").header("B", "3");
            assert_eq!(stream.response().set_headers(&fields), Ok(()));
            assert_eq!(lines(&stream.response().headers()), ["b: 1", "b: 3", "a: 2"]);
            assert_eq!(stream.response().add_header("b", "4"), Ok(()));
            Action::Continue
        }

        fn on_http_answer(
            &mut self,
            stream: &Stream<'_>,
            _call: crate::CallId,
            answer: Result<HttpAnswer, crate::CallFailure>,
        ) {
            assert_eq!(lines(&answer.expect("an answer").headers), ["x-user: ada"]);
            stream.resume_request();
        }
    }

    let host = host_of::<Reader>();
    let head = request("GET", "/").header("X-Key", "1").header("b", "2").header("x-KEY", "3");
    let mut head = head.header("Host", "gone.test");
    head.0.retain(|(name, _)| name != b":authority");
    let stream = host.stream(head.header("host", "other.test"));
    assert_eq!(stream.request_headers(false), Action::Pause);
    let (call, _) = host.calls().remove(0);
    host.answer(call, Ok(HttpAnswer::new(200).header("X-User", "ada")));
    let trailers = Fields::default().header("X-End", "1");
    assert_eq!(stream.request_trailers(trailers), Action::Continue);
    assert_eq!(stream.response_headers(response(200), true), Action::Continue);
    let head = stream.answered().head.expect("a head");
    assert_eq!(lines(&head), ["b: 1", "b: 3", "b: 4", "a: 2"]);
}

#[test]
fn what_is_not_there_is_told_from_what_cannot_be_seen() {
    #[derive(Default)]
    struct Asker;
    impl StreamFilter for Asker {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            assert_eq!(stream.request().try_header("x-none"), Ok(None));
            assert_eq!(stream.response().try_header("x-none"), Err(HostError::WrongPhase));
            assert_eq!(stream.response().header("x-none"), None);
            assert!(stream.response().headers().is_empty());
            assert_eq!(stream.try_property(&["x", "none"]), Ok(None));
            assert_eq!(stream.try_property(&[]), Err(HostError::BadArgument));
            assert_eq!(stream.host().try_property(&["x", "none"]), Ok(None));
            let nobody = stream.host().stream(crate::StreamId(77));
            assert_eq!(nobody.request().try_header(":path"), Err(HostError::NotFound));
            assert_eq!(nobody.try_property(&["x"]), Err(HostError::NotFound));
            Action::Continue
        }
    }

    let stream = host_of::<Asker>().stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Continue);
}

#[test]
fn who_is_removed_is_replaced_by_the_last_one() {
    #[derive(Default)]
    struct Remover;
    impl StreamFilter for Remover {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let request = stream.request();
            for (name, expect) in [
                ("x-none", &["a: 1", "a: 2", "b: 1", "c: 1", "d: 1", "d: 2"][..]),
                ("A", &["d: 1", "d: 2", "b: 1", "c: 1"]),
                ("c", &["d: 1", "d: 2", "b: 1"]),
                ("d", &["b: 1"]),
                ("b", &[]),
            ] {
                assert_eq!(request.remove_header(name), Ok(()));
                assert_eq!(lines(&request.headers()), expect, "{name}");
            }
            Action::Continue
        }
    }

    let head = ["a: 1", "a: 2", "b: 1", "c: 1", "d: 1", "d: 2"];
    let head = head.iter().filter_map(|line| line.split_once(": "));
    let head = head.fold(request("GET", "/"), |head, (name, value)| head.header(name, value));
    let stream = host_of::<Remover>().stream(head);
    assert_eq!(stream.request_headers(true), Action::Continue);
}

#[test]
fn a_section_has_a_limit_of_fields_and_of_bytes() {
    #[derive(Default)]
    struct Greedy;
    impl StreamFilter for Greedy {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let request = stream.request();
            assert_eq!(request.set_header("x", vec![b'a'; 1 << 20]), Err(HostError::LimitReached));
            for _ in request.headers().len()..1024 {
                assert_eq!(request.add_header("x", "a"), Ok(()));
            }
            assert_eq!(request.add_header("x", "a"), Err(HostError::LimitReached));
            assert_eq!(request.set_header("y", "a"), Err(HostError::LimitReached));
            assert_eq!(request.set_header(":path", "/new"), Ok(()));
            assert_eq!(request.set_header("x", "b"), Ok(()), "it has room again");
            let many = Fields((0..1025).map(|_| (b"x".to_vec(), b"a".to_vec())).collect());
            assert_eq!(request.set_headers(&many), Err(HostError::LimitReached));
            assert_eq!(lines(&request.headers()), ["x: b"]);
            Action::Continue
        }
    }

    let stream = host_of::<Greedy>().stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.forwarded().head.expect("a head").get_str(":path"), Some("/new"));
}

#[test]
fn framing_and_what_no_message_can_carry_is_left_out_of_a_reply() {
    #[derive(Default)]
    struct Framer;
    impl StreamFilter for Framer {
        fn on_request_headers(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
            Response::text(403, "no")
                .header("Transfer-Encoding", "chunked")
                .header("connection", "close, X-Named")
                .header("x-named", "1")
                .header("upgrade", "h2c")
                .header("keep-alive", "5")
                .header("Content-Length", "77")
                .header(":status", "200")
                .header("bad name", "1")
                .header("x-bad", "a\r\nb: c")
                .header("x-good", "1")
                .into()
        }
    }

    let stream = host_of::<Framer>().stream(request("GET", "/"));
    assert!(matches!(stream.request_headers(true), Action::Respond(_)));
    let head = stream.answered().head.expect("an answer");
    assert_eq!(head.get_str(":status"), Some("403"));
    let expect = ["content-type: text/plain; charset=utf-8", "x-good: 1", "content-length: 2"];
    assert_eq!(lines(&head), expect);
}

#[test]
fn nothing_is_changed_at_the_end_of_a_stream() {
    #[derive(Default)]
    struct Late;
    impl StreamFilter for Late {
        fn on_request_headers(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
            Response::new(403).into()
        }

        fn on_complete(&mut self, stream: &Stream<'_>) {
            assert_eq!(stream.request().header_str(":path").as_deref(), Some("/"));
            for message in [stream.request(), stream.response()] {
                assert_eq!(message.set_header("x", "1"), Err(HostError::WrongPhase));
                assert_eq!(message.set_trailer("x", "1"), Err(HostError::WrongPhase));
                assert_eq!(message.set_body("x"), Err(HostError::WrongPhase));
            }
            stream.host().log(crate::LogLevel::Info, "over");
        }
    }

    let host = host_of::<Late>();
    let stream = host.stream(request("GET", "/"));
    assert!(matches!(stream.request_headers(true), Action::Respond(_)));
    drop(stream);
    assert_eq!(host.log().len(), 1);
}

#[test]
fn a_stream_that_is_over_has_no_calls() {
    /// Calls for each of its streams again at every tick.
    struct Caller(std::rc::Rc<std::cell::RefCell<Vec<crate::StreamId>>>);
    struct Visit(std::rc::Rc<std::cell::RefCell<Vec<crate::StreamId>>>);
    impl Plugin for Caller {
        type Config = ();

        fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
            host.set_tick_period(Some(Duration::from_secs(1)))?;
            Ok(Self(std::rc::Rc::default()))
        }

        fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
            Some(Box::new(Visit(std::rc::Rc::clone(&self.0))))
        }

        fn on_tick(&mut self, host: &Host<'_>) {
            for id in self.0.borrow().iter() {
                let called = host.stream(*id).http_call(&HttpRequest::get("a", "a", "/"));
                host.log(crate::LogLevel::Info, format!("{:?}", called.err()));
            }
        }
    }
    impl StreamFilter for Visit {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            self.0.borrow_mut().push(stream.id());
            Action::Pause
        }
    }

    let host = TestHost::start::<Caller>("").expect("it starts");
    let stream = host.stream(request("GET", "/"));
    assert_eq!(stream.request_headers(true), Action::Pause);
    host.advance(Duration::from_secs(1));
    let (call, _) = host.calls().remove(0);
    drop(stream);
    assert!(host.calls().is_empty());
    host.answer(call, Ok(HttpAnswer::new(200)));
    host.advance(Duration::from_secs(1));
    assert!(host.calls().is_empty());
    let lines: Vec<_> = host.log().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["None", "Some(NotFound)"]);
}

#[test]
fn names_of_queues_and_metrics_have_limits_and_so_has_their_number() {
    struct Namer;
    impl Plugin for Namer {
        type Config = ();

        fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
            let name = |length| "n".repeat(length);
            assert!(host.counter(&name(256)).is_ok());
            assert_eq!(host.counter(&name(257)), Err(HostError::LimitReached));
            for number in 1..1000 {
                assert!(host.gauge(&number.to_string()).is_ok());
            }
            assert_eq!(host.gauge("1000"), Err(HostError::LimitReached));
            assert!(host.gauge("999").is_ok(), "it is there");
            let queue = host.register_queue(&name(4096))?;
            assert_eq!(host.register_queue(&name(4097)), Err(HostError::LimitReached));
            for number in 1..64 {
                assert!(host.register_queue(&number.to_string()).is_ok());
            }
            assert_eq!(host.register_queue("64"), Err(HostError::LimitReached));
            assert_eq!(host.register_queue(&name(4096)), Ok(queue), "it has a place there");
            Ok(Self)
        }
    }

    TestHost::start::<Namer>("").expect("it starts");
}
