use super::{Made, NETWORK};
use crate::{
    CallFailure, CallId, Connection, Flow, FlowAction, HostError, HttpAnswer, HttpRequest,
    LogLevel, NetworkFilter, Peer, Phases,
    testing::{TestConnection, TestHost},
};

const ALL: u16 = Phases::ALL.bits();

fn connection_of<F: NetworkFilter + Default + 'static, const PHASES: u16>()
-> (TestHost, TestConnection) {
    NETWORK.set(Some(|| Box::new(F::default())));
    let host = TestHost::start::<Made<PHASES>>("").expect("it starts");
    let connection = host.connection();
    (host, connection)
}

/// Holds lines until they are whole, and closes over a bad one.
#[derive(Default)]
struct Lines;

impl NetworkFilter for Lines {
    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        let bytes = connection.data(flow).expect("in hand");
        let other = if flow == Flow::Downstream { Flow::Upstream } else { Flow::Downstream };
        assert_eq!(connection.data(other), Err(HostError::WrongPhase));
        if bytes.starts_with(b"bad") {
            return FlowAction::Close;
        }
        if !end && !bytes.ends_with(b"\n") {
            return FlowAction::Pause;
        }
        connection.splice_data(flow, 0, 0, "> ").expect("it fits");
        FlowAction::Continue
    }

    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        connection.host().log(LogLevel::Info, format!("{flow:?} {by:?}"));
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        connection.host().log(LogLevel::Info, "over");
    }
}

#[test]
fn bytes_are_held_until_the_filter_lets_them_go() {
    let (host, connection) = connection_of::<Lines, ALL>();
    assert_eq!(connection.open(), FlowAction::Continue);
    assert_eq!(connection.data(Flow::Downstream, "a", false), FlowAction::Pause);
    assert!(connection.is_waiting(Flow::Downstream));
    assert_eq!(connection.data(Flow::Downstream, "b\n", false), FlowAction::Continue);
    assert_eq!(connection.passed(Flow::Downstream), b"> ab\n");
    assert_eq!(connection.data(Flow::Upstream, "c", true), FlowAction::Continue);
    assert_eq!(connection.passed(Flow::Upstream), b"> c");
    connection.close(Flow::Upstream, Peer::Remote);
    connection.complete();
    let lines: Vec<_> = host.log().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["Upstream Remote", "over"]);
}

#[test]
fn a_filter_closes_its_connection_and_holds_up_to_a_limit() {
    let (_host, connection) = connection_of::<Lines, ALL>();
    assert_eq!(connection.open(), FlowAction::Continue);
    assert_eq!(connection.data(Flow::Upstream, "bad", false), FlowAction::Close);
    assert!(connection.is_closed());
    assert_eq!(connection.data(Flow::Upstream, "more", false), FlowAction::Close);
    assert_eq!(connection.passed(Flow::Upstream), b"");

    let (_host, connection) = connection_of::<Lines, ALL>();
    assert_eq!(connection.open(), FlowAction::Continue);
    let much = vec![b'a'; (1 << 20) + 1];
    assert_eq!(connection.data(Flow::Upstream, much, false), FlowAction::Pause);
    assert!(connection.is_closed());
}

#[test]
fn bytes_that_nobody_asked_for_pass() {
    let (host, connection) = connection_of::<Lines, { Phases::UPSTREAM_DATA.bits() }>();
    assert_eq!(connection.open(), FlowAction::Continue);
    assert_eq!(connection.data(Flow::Downstream, "bad", false), FlowAction::Continue);
    assert_eq!(connection.passed(Flow::Downstream), b"bad");
    connection.close(Flow::Downstream, Peer::Local);
    drop(connection);
    assert!(host.log().is_empty());
}

/// Asks somebody before anything passes.
#[derive(Default)]
struct Gate;

impl NetworkFilter for Gate {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        connection.http_call(&HttpRequest::get("gate", "gate", "/")).expect("sent");
        FlowAction::Pause
    }

    fn on_http_answer(
        &mut self,
        connection: &Connection<'_>,
        _call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        match answer {
            Ok(_) => connection.resume(Flow::Downstream),
            Err(_) => connection.close(),
        }
    }
}

#[test]
fn a_connection_waits_at_its_beginning() {
    let (host, connection) = connection_of::<Gate, ALL>();
    assert_eq!(connection.open(), FlowAction::Pause);
    assert_eq!(connection.data(Flow::Downstream, "early", false), FlowAction::Pause);
    assert!(connection.is_waiting(Flow::Downstream));
    assert_eq!(connection.passed(Flow::Downstream), b"");
    let (call, _) = host.calls().remove(0);
    host.answer(call, Ok(HttpAnswer::new(200)));
    assert_eq!(connection.passed(Flow::Downstream), b"early");

    let (host, connection) = connection_of::<Gate, ALL>();
    assert_eq!(connection.open(), FlowAction::Pause);
    let (call, _) = host.calls().remove(0);
    host.answer(call, Err(CallFailure));
    assert!(connection.is_closed());
}
