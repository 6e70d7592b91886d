use super::{Made, STREAM};
use crate::{
    Action, CallFailure, CallId, Fields, HostError, HttpAnswer, HttpRequest, Phases, Response,
    Side, Stream, StreamFilter,
    testing::{TestHost, TestStream, request, response},
};

const ALL: u16 = Phases::ALL.bits();
const HEADS: u16 = Phases::REQUEST_HEADERS.and(Phases::RESPONSE_HEADERS).bits();

/// A stream whose filter is the default one of a type.
fn stream_of<F: StreamFilter + Default + 'static, const PHASES: u16>() -> (TestHost, TestStream) {
    STREAM.set(Some(|| Box::new(F::default())));
    let host = TestHost::start::<Made<PHASES>>("").expect("it starts");
    let stream = host.stream(request("POST", "/a?b=c"));
    (host, stream)
}

#[test]
fn a_message_without_callbacks_passes_as_it_is() {
    #[derive(Default)]
    struct Nothing;
    impl StreamFilter for Nothing {}

    let (_host, stream) = stream_of::<Nothing, ALL>();
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("one ", false), Action::Continue);
    assert_eq!(stream.request_body("two", false), Action::Continue);
    assert_eq!(stream.request_trailers(Fields::default().header("x-t", "1")), Action::Continue);
    let passed = stream.forwarded();
    assert_eq!(passed.head, Some(request("POST", "/a?b=c")));
    assert_eq!(passed.body, b"one two");
    assert_eq!(passed.trailers.expect("trailers").get_str("x-t"), Some("1"));
    assert!(passed.ended);
    assert!(!stream.answered().ended);
}

#[test]
fn what_is_not_asked_for_is_never_shown() {
    #[derive(Default)]
    struct Loud;
    impl StreamFilter for Loud {
        fn on_request_body(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
            Action::Reset
        }

        fn on_complete(&mut self, stream: &Stream<'_>) {
            stream.host().log(crate::LogLevel::Info, "over");
        }
    }

    let (host, stream) = stream_of::<Loud, HEADS>();
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("x", true), Action::Continue);
    assert_eq!(stream.forwarded().body, b"x");
    stream.complete();
    assert!(host.log().is_empty());

    let (host, stream) = stream_of::<Loud, ALL>();
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("x", true), Action::Reset);
    assert!(stream.is_reset());
    stream.complete();
    assert_eq!(host.log(), [(crate::LogLevel::Info, "over".to_owned())]);
}

#[test]
fn a_head_is_changed_until_it_is_passed_on() {
    #[derive(Default)]
    struct Writer;
    impl StreamFilter for Writer {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let request = stream.request();
            assert_eq!(request.set_header(":path", "/new"), Ok(()));
            assert_eq!(request.set_header("Host", "other.test"), Ok(()));
            assert_eq!(request.add_header("x-a", "1"), Ok(()));
            assert_eq!(request.add_header("x-a", "2"), Ok(()));
            assert_eq!(request.set_header("x-b", "a\nb"), Err(HostError::BadArgument));
            assert_eq!(request.remove_header(":path"), Err(HostError::BadArgument));
            assert_eq!(request.set_trailer("x-t", "1"), Err(HostError::WrongPhase));
            assert_eq!(request.body(), Err(HostError::WrongPhase));
            assert_eq!(stream.response().header(":status"), None);
            Action::Continue
        }

        fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let late = stream.request().set_header("x-a", "3");
            assert_eq!(late, Err(HostError::WrongPhase));
            assert_eq!(stream.request().header("x-a"), None, "nobody asked to keep it");
            assert_eq!(
                stream.property(&["request", "path"]).expect("known").as_str(),
                Some("/new")
            );
            assert_eq!(stream.response().set_header(":status", "201"), Ok(()));
            assert_eq!(stream.response().remove_header("server"), Ok(()));
            Action::Continue
        }
    }

    let (_host, stream) = stream_of::<Writer, HEADS>();
    assert_eq!(stream.request_headers(true), Action::Continue);
    let head = stream.forwarded().head.expect("a head");
    assert_eq!(head.get_str(":path"), Some("/new"));
    assert_eq!(head.get_str(":authority"), Some("other.test"));
    assert_eq!(head.get_str("x-a"), Some("1"));
    assert_eq!(head.len(), 6);
    let head = response(200).header("server", "x");
    assert_eq!(stream.response_headers(head, true), Action::Continue);
    assert_eq!(stream.answered().head, Some(response(201)));
}

#[test]
fn who_asks_for_the_end_reads_heads_to_the_end() {
    #[derive(Default)]
    struct Reader;
    impl StreamFilter for Reader {
        fn on_complete(&mut self, stream: &Stream<'_>) {
            let path = stream.request().header_str(":path").expect("kept");
            let status = stream.response().header_str(":status").expect("kept");
            stream.host().log(crate::LogLevel::Info, format!("{path} {status}"));
            assert_eq!(stream.respond(&Response::new(500)), Err(HostError::BadArgument));
        }
    }

    let (host, stream) = stream_of::<Reader, { Phases::LOG.bits() }>();
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.response_headers(response(204), true), Action::Continue);
    drop(stream);
    assert_eq!(host.log().first().expect("a line").1, "/a?b=c 204");
}

/// Asks a cluster with the request's head, and lets go or refuses by its answer.
#[derive(Default)]
struct Authorizer(Option<CallId>);

impl StreamFilter for Authorizer {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.0 = stream.http_call(&HttpRequest::get("auth", "auth.test", "/check")).ok();
        Action::Pause
    }

    fn on_request_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        let body = stream.request().body().expect("in hand");
        stream.request().set_body(body.to_ascii_uppercase()).expect("in hand");
        Action::Continue
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        assert_eq!(self.0, Some(call));
        match answer {
            Ok(answer) if answer.status() == 200 => {
                let user = answer.headers.get("x-user").unwrap_or_default();
                stream.request().set_header("x-user", user).expect("the head is here");
                stream.resume_request();
            }
            _ => stream.respond(&Response::text(403, "no")).expect("nobody answered"),
        }
    }
}

#[test]
fn what_comes_behind_a_head_that_waits_is_shown_once_it_is_resumed() {
    let (host, stream) = stream_of::<Authorizer, ALL>();
    assert_eq!(stream.request_headers(false), Action::Pause);
    assert_eq!(stream.request_body("later", true), Action::Pause);
    assert!(stream.is_waiting(Side::Request));
    assert_eq!(stream.forwarded().head, None);

    let (call, asked) = host.calls().remove(0);
    assert_eq!((asked.cluster.as_str(), asked.path.as_str()), ("auth", "/check"));
    host.answer(call, Ok(HttpAnswer::new(200).header("x-user", "ada")));
    assert!(!stream.is_waiting(Side::Request));
    let passed = stream.forwarded();
    assert_eq!(passed.head.expect("it passed").get_str("x-user"), Some("ada"));
    assert_eq!((passed.body.as_slice(), passed.ended), (&b"LATER"[..], true));
    assert!(host.calls().is_empty());
}

#[test]
fn a_stream_that_waits_is_answered_from_beside_its_callbacks() {
    for answer in [Err(CallFailure), Ok(HttpAnswer::new(401))] {
        let (host, stream) = stream_of::<Authorizer, ALL>();
        assert_eq!(stream.request_headers(true), Action::Pause);
        let (call, _) = host.calls().remove(0);
        host.answer(call, answer);
        assert_eq!(stream.forwarded().head, None);
        let answered = stream.answered();
        let head = answered.head.expect("an answer");
        assert_eq!(head.get_str(":status"), Some("403"));
        assert_eq!(head.get_str("content-length"), Some("2"));
        assert_eq!((answered.body.as_slice(), answered.ended), (&b"no"[..], true));
        // The rest of the request goes nowhere.
        assert!(!stream.is_waiting(Side::Request));
    }
}

#[test]
fn nobody_is_told_of_an_answer_whose_stream_is_over() {
    let (host, stream) = stream_of::<Authorizer, ALL>();
    assert_eq!(stream.request_headers(true), Action::Pause);
    let (call, _) = host.calls().remove(0);
    drop(stream);
    host.answer(call, Ok(HttpAnswer::new(200)));
}

/// Keeps a body until it is whole, then puts its length in front.
#[derive(Default)]
struct Keeper;

impl StreamFilter for Keeper {
    fn on_request_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        let length = stream.request().body().expect("in hand").len();
        stream.request().splice_body(0, 0, format!("{length}:")).expect("it fits");
        stream.request().set_trailer("x-length", length.to_string()).expect("at the end");
        Action::Continue
    }
}

#[test]
fn a_body_that_is_held_is_shown_again_with_more() {
    let (_host, stream) = stream_of::<Keeper, ALL>();
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body("ab", false), Action::Pause);
    assert_eq!(stream.request_body("", false), Action::Continue, "nothing is new");
    assert_eq!(stream.request_body("cde", false), Action::Pause);
    assert!(stream.is_waiting(Side::Request));
    assert_eq!(stream.forwarded().body, b"");
    assert_eq!(stream.request_body("", true), Action::Continue);
    let passed = stream.forwarded();
    assert_eq!(passed.body, b"5:abcde");
    assert_eq!(passed.trailers.expect("added").get_str("x-length"), Some("5"));
}

#[test]
fn a_body_is_held_up_to_a_limit() {
    let (_host, stream) = stream_of::<Keeper, ALL>();
    assert_eq!(stream.request_headers(false), Action::Continue);
    assert_eq!(stream.request_body(vec![b'a'; 1 << 20], false), Action::Pause);
    assert_eq!(stream.request_body("b", false), Action::Pause);
    let head = stream.answered().head.expect("an answer");
    assert_eq!(head.get_str(":status"), Some("413"));
    assert_eq!(stream.request_body("c", false), Action::Continue, "nobody sees it");
    assert_eq!(stream.forwarded().body, b"");
}

#[test]
fn a_held_body_goes_on_when_it_is_resumed_from_beside() {
    #[derive(Default)]
    struct Slow;
    impl StreamFilter for Slow {
        fn on_response_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            stream.http_call(&HttpRequest::get("a", "a", "/")).expect("sent");
            Action::Pause
        }

        fn on_http_answer(
            &mut self,
            stream: &Stream<'_>,
            _call: CallId,
            _answer: Result<HttpAnswer, CallFailure>,
        ) {
            assert_eq!(stream.response().body().expect("held"), b"ab");
            stream.response().set_body("changed").expect("held");
            stream.resume_response();
        }
    }

    for end in [false, true] {
        let (host, stream) = stream_of::<Slow, ALL>();
        assert_eq!(stream.request_headers(true), Action::Continue);
        assert_eq!(stream.response_headers(response(200), false), Action::Continue);
        assert_eq!(stream.response_body("ab", end), Action::Pause);
        let (call, _) = host.calls().remove(0);
        host.answer(call, Ok(HttpAnswer::new(200)));
        let passed = stream.answered();
        assert_eq!((passed.body.as_slice(), passed.ended), (&b"changed"[..], end));
    }
}

/// Answers the request, and marks every response that it sees.
#[derive(Default)]
struct Answerer;

impl StreamFilter for Answerer {
    fn on_request_headers(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
        Response::text(42, "mine").header("X-Mine", "1").header("content-length", "9").into()
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        assert!(!end);
        stream.response().set_header("x-seen", "1").expect("the head is here");
        Action::Continue
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        assert!(end);
        stream.response().splice_body(4, 0, "!").expect("it fits");
        Action::Continue
    }
}

#[test]
fn a_local_reply_passes_the_filter_as_a_response() {
    let (_host, stream) = stream_of::<Answerer, ALL>();
    assert!(matches!(stream.request_headers(false), Action::Respond(_)));
    let answered = stream.answered();
    let head = answered.head.expect("an answer");
    assert_eq!(head.get_str(":status"), Some("500"), "42 is no status of a whole response");
    assert_eq!(head.get_str("x-mine"), Some("1"));
    assert_eq!(head.get_str("content-length"), Some("4"));
    assert_eq!(head.get_str("x-seen"), Some("1"));
    assert_eq!(answered.body, b"mine!");
    assert_eq!(stream.forwarded().head, None);
}

#[test]
fn a_reply_in_the_place_of_a_response_goes_out_unseen_and_a_late_one_breaks_off() {
    #[derive(Default)]
    struct Refuser;
    impl StreamFilter for Refuser {
        fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let refused = stream.response().header_str("x-bad").is_some();
            if refused { Response::new(502).into() } else { Action::Continue }
        }

        fn on_response_body(&mut self, _stream: &Stream<'_>, _end: bool) -> Action {
            Response::new(502).into()
        }
    }

    let (_host, stream) = stream_of::<Refuser, ALL>();
    assert_eq!(stream.request_headers(true), Action::Continue);
    let bad = response(200).header("x-bad", "1");
    assert!(matches!(stream.response_headers(bad, false), Action::Respond(_)));
    let answered = stream.answered();
    assert_eq!(answered.head.expect("an answer").get_str(":status"), Some("502"));
    assert!(answered.ended && !stream.is_reset());

    let (_host, stream) = stream_of::<Refuser, ALL>();
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.response_headers(response(200), false), Action::Continue);
    assert!(matches!(stream.response_body("x", true), Action::Respond(_)));
    assert!(stream.is_reset() && !stream.answered().ended);
}

#[test]
fn a_resume_within_the_callback_takes_its_pause_back() {
    #[derive(Default)]
    struct Hasty;
    impl StreamFilter for Hasty {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            stream.resume_request();
            Action::Pause
        }
    }

    let (_host, stream) = stream_of::<Hasty, ALL>();
    assert_eq!(stream.request_headers(true), Action::Pause);
    assert!(!stream.is_waiting(Side::Request) && stream.forwarded().ended);
}

#[test]
fn properties_are_those_of_the_test_of_the_messages_and_of_the_plugin() {
    #[derive(Default)]
    struct Knower;
    impl StreamFilter for Knower {
        fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
            let text = |path: &[&str]| {
                stream.property(path).and_then(|value| value.as_str().map(str::to_owned))
            };
            assert_eq!(text(&["request", "url_path"]).as_deref(), Some("/a"));
            assert_eq!(text(&["request", "query"]).as_deref(), Some("b=c"));
            assert_eq!(text(&["source", "address"]).as_deref(), Some("192.0.2.1:5"));
            assert_eq!(text(&["request", "headers", "x-none"]), None);
            assert_eq!(stream.set_property(&["request", "x"], "1"), Err(HostError::BadArgument));
            assert_eq!(stream.set_property(&["mine"], "1"), Ok(()));
            let large = stream.set_property(&["large"], vec![0; 1 << 16]);
            assert_eq!(large, Err(HostError::LimitReached));
            Action::Continue
        }
    }

    let (_host, stream) = stream_of::<Knower, ALL>();
    stream.set_property(&["source", "address"], "192.0.2.1:5");
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.property(&["mine"]).as_deref(), Some(&b"1"[..]));
    assert_eq!(stream.response_headers(response(404), true), Action::Continue);
    assert_eq!(stream.property(&["response", "code"]), Some(404_u64.to_le_bytes().to_vec()));
}

#[test]
#[should_panic(expected = "the head comes first")]
fn a_body_before_its_head_is_a_mistake_of_the_test() {
    let (_host, stream) = stream_of::<Keeper, ALL>();
    assert_eq!(stream.request_body("x", true), Action::Continue);
}

#[test]
#[should_panic(expected = "behind the end of the message")]
fn a_body_behind_the_end_is_a_mistake_of_the_test() {
    let (_host, stream) = stream_of::<Answerer, { Phases::LOG.bits() }>();
    assert_eq!(stream.request_headers(true), Action::Continue);
    assert_eq!(stream.request_body("x", true), Action::Continue);
}
