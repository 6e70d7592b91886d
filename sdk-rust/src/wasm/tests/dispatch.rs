use super::{fake, module, started};
use crate::{Action, Flow, FlowAction, HttpRequest, Phases, Response, Stream, StreamId};

const PAUSE: u32 = 1;

#[track_caller]
fn request(context: u32) -> u32 {
    fake::serve(context);
    module::on_stream(context, Phases::REQUEST_HEADERS, |filter, stream| {
        filter.on_request_headers(stream, true)
    })
}

#[test]
fn the_first_callback_tells_what_a_context_is_for() {
    started(&[(1, "both")]);
    fake::serve(2);
    module::create(2, 1);
    module::create(3, 1);
    assert_eq!(fake::said(), [""; 0]);
    assert_eq!(request(2), PAUSE);
    assert_eq!(fake::said(), ["2 log Info make stream", "2 log Info request true"]);
    fake::serve(3);
    let data = module::on_connection(3, Phases::UPSTREAM_DATA, |filter, connection| {
        filter.on_data(connection, Flow::Upstream, false)
    });
    assert_eq!(data, PAUSE);
    let said = fake::said();
    assert_eq!(said[0], "3 log Info make connection");
    assert_eq!(said[1..], ["3 log Info data Upstream false", "3 close Downstream"]);
}

#[test]
fn a_plugin_of_one_kind_makes_its_filter_at_once_and_sees_what_it_asked_for() {
    started(&[(1, "heads")]);
    fake::serve(2);
    module::create(2, 1);
    assert_eq!(fake::said(), ["2 log Info make stream"]);
    assert_eq!(request(2), PAUSE);
    let body = module::on_stream(2, Phases::REQUEST_BODY, |_filter, _stream| Action::Reset);
    assert_eq!(body, 0);
    module::complete(2);
    assert_eq!(fake::said(), ["2 log Info request true"]);
}

#[test]
fn who_serves_no_streams_lets_them_pass() {
    started(&[(1, "none")]);
    module::create(2, 1);
    assert_eq!(request(2), 0);
    module::complete(2);
    module::delete(2);
    // A context that nobody made, or that is gone.
    assert_eq!(request(2), 0);
    assert_eq!(request(77), 0);
}

#[test]
fn a_refusal_is_logged_with_the_name_of_the_package() {
    module::declare(&super::DECLARATION);
    fake::answer("property", Ok(b"both".to_vec()));
    fake::answer("buffer", Ok(b"!".to_vec()));
    module::create(1, 0);
    assert!(!module::configure(1));
    let said = fake::said();
    assert!(
        said.last()
            .expect("a line")
            .ends_with("log Error tried: bad configuration: it starts with `!`")
    );
    fake::answer("property", Ok(b"other".to_vec()));
    assert!(!module::configure(1));
    let said = fake::said();
    assert!(said.last().expect("a line").contains("no plugin has the root_id `other`"));
}

#[test]
fn an_answer_goes_to_who_asked_and_to_nobody_where_he_is_gone() {
    started(&[(1, "both"), (5, "both")]);
    for context in [2, 3] {
        fake::serve(context);
        module::create(context, 1);
        assert_eq!(request(context), PAUSE);
    }
    let call = HttpRequest::get("a", "a", "/x");
    fake::serve(2);
    module::on_stream(2, Phases::RESPONSE_HEADERS, |_filter, stream: &Stream<'_>| {
        assert_eq!(stream.http_call(&call).map(|id| id.0), Ok(1));
        assert_eq!(stream.host().http_call(&call).map(|id| id.0), Ok(2));
        assert_eq!(stream.host().stream(StreamId(3)).http_call(&call).map(|id| id.0), Ok(3));
        // One of another use of the module.
        assert!(stream.host().stream(StreamId(5)).http_call(&call).is_err());
        Action::Continue
    });
    fake::said();
    for token in [1, 2, 3, 3] {
        fake::serve(1);
        module::http_answer(1, token, true);
    }
    let said: Vec<_> = fake::said().into_iter().filter(|line| !line.contains(" map ")).collect();
    let expect = [
        "1 buffer HttpCallResponseBody 0",
        "2 log Info stream answer 1 true",
        "2 resume Request",
        "1 buffer HttpCallResponseBody 0",
        "1 log Info answer 2 true",
        "1 buffer HttpCallResponseBody 0",
        "3 log Info stream answer 3 true",
        "3 resume Request",
    ];
    assert_eq!(said, expect);

    fake::serve(2);
    module::on_stream(2, Phases::RESPONSE_HEADERS, |_filter, stream| {
        stream.http_call(&call).expect("made");
        Action::Continue
    });
    assert_eq!(module::open_calls(), 1);
    module::delete(3);
    assert_eq!(module::open_calls(), 1);
    module::delete(2);
    assert_eq!(module::open_calls(), 0, "the host answers no call of who is gone");
    fake::answer("set_effective_context", Err(abi_wasm::Status::BadArgument));
    fake::said();
    module::http_answer(1, 4, false);
    assert_eq!(fake::said(), [""; 0]);
}

#[test]
fn answers_of_callbacks_become_host_calls() {
    started(&[(1, "both")]);
    fake::serve(2);
    module::create(2, 1);
    request(2);
    fake::said();
    let settle = |action: Action| {
        let code = module::on_stream(2, Phases::REQUEST_HEADERS, |_filter, _stream| action);
        (code, fake::said())
    };
    assert_eq!(settle(Action::Continue), (0, vec![]));
    assert_eq!(settle(Action::Reset), (PAUSE, vec!["2 close Request".to_owned()]));
    let response = Response::text(403, "no").details("why").grpc_status(7);
    let (code, said) = settle(response.into());
    assert_eq!((code, said), (PAUSE, vec!["2 respond 403 1 no Some(7) why".to_owned()]));
    let (code, said) = settle(Response::new(42).into());
    assert_eq!((code, said), (PAUSE, vec!["2 respond 500 0  None".to_owned()]));

    let many = (0..1025).fold(Response::new(200), |all, _| all.header("a", ""));
    let (code, said) = settle(many.into());
    assert_eq!((code, said), (PAUSE, vec!["2 respond 500 0  None".to_owned()]));

    // Where the host does not take it, a plain one ends the request.
    fake::answer("respond", Err(abi_wasm::Status::BadArgument));
    let (_code, said) = settle(Response::text(403, "no").into());
    assert_eq!(said, ["2 respond 403 1 no None", "2 respond 500 0  None"]);
    let pause = module::on_connection(2, Phases::NEW_CONNECTION, |_f, _c| FlowAction::Pause);
    assert_eq!(pause, 0, "a stream is no connection");
}

#[test]
fn a_root_is_called_by_its_number_until_it_is_gone() {
    started(&[(1, "both"), (4, "none")]);
    for root in [1, 4, 9] {
        fake::serve(root);
        module::with_instance(root, |instance, host| instance.on_tick(host));
    }
    module::delete(1);
    module::with_instance(1, |instance, host| instance.on_tick(host));
    assert_eq!(fake::said(), ["1 log Info tick"]);
}

#[test]
fn the_end_of_a_connection_is_told_with_who_closed_it() {
    started(&[(1, "both")]);
    fake::serve(2);
    module::create(2, 1);
    for (flow, by) in [(Flow::Downstream, 1), (Flow::Upstream, 2), (Flow::Upstream, 99)] {
        module::close(2, flow, by);
    }
    module::complete(2);
    module::delete(2);
    let expect = [
        "2 log Info make connection",
        "2 log Info close Downstream Local",
        "2 log Info close Upstream Remote",
        "2 log Info close Upstream Unknown",
        "2 log Info complete",
    ];
    assert_eq!(fake::said(), expect);
}
