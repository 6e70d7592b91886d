//! The plugin that keeps book. It is compiled in, and so on the thread of its test.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use mortise_sdk::{
    Action, CallFailure, CallId, Connection, Flow, FlowAction, Host, HttpAnswer, HttpRequest,
    NetworkFilter, Peer, Plugin, Refusal, Response, Stream, StreamFilter,
    backend::{Declaration, Registration},
};

/// What it does in its next callback.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Command {
    #[default]
    GoOn,
    Pause,
    Resume,
    Respond,
    Reset,
    Call,
    Tick,
    Panic,
}

thread_local! {
    pub(super) static COMMAND: Cell<Command> = const { Cell::new(Command::GoOn) };
    /// What was wrong first.
    pub(super) static WRONG: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Filters and instances that are there.
    static LEFT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

pub(super) fn left() -> (u64, u64) {
    LEFT.get()
}

pub(crate) const KEEPER: Declaration =
    Declaration { name: "keeper", version: "1.0.0", plugins: &[Registration::of::<Keeper>("")] };

fn wrong(what: &str) {
    WRONG.with_borrow_mut(|wrong| wrong.get_or_insert_with(|| what.to_owned()).len());
}

struct Keeper {
    /// Its filters that are there.
    filters: Rc<Cell<u64>>,
}

impl Plugin for Keeper {
    type Config = ();

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        let (filters, instances) = LEFT.get();
        LEFT.set((filters, instances + 1));
        Ok(Self { filters: Rc::default() })
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Life::new(&self.filters)))
    }

    fn network_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        Some(Box::new(Life::new(&self.filters)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let (filters, instances) = LEFT.get();
        LEFT.set((filters, instances - 1));
        if self.filters.get() > 0 {
            wrong("an instance ended before its filters");
        }
    }
}

/// One stream or connection.
struct Life {
    filters: Rc<Cell<u64>>,
    /// The number that it was called by.
    number: Option<u64>,
    completed: bool,
}

impl Life {
    fn new(filters: &Rc<Cell<u64>>) -> Self {
        filters.set(filters.get() + 1);
        let (all, instances) = LEFT.get();
        LEFT.set((all + 1, instances));
        Self { filters: Rc::clone(filters), number: None, completed: false }
    }

    /// A callback for it.
    fn called(&mut self, number: u64) {
        if self.completed {
            wrong("a callback behind the end");
        }
        if *self.number.get_or_insert(number) != number {
            wrong("a callback for somebody else");
        }
    }

    fn complete(&mut self, number: u64) {
        self.called(number);
        self.completed = true;
    }

    fn obey(&mut self, stream: &Stream<'_>) -> Action {
        self.called(stream.id().0);
        match COMMAND.get() {
            Command::GoOn => Action::Continue,
            Command::Pause => Action::Pause,
            Command::Resume => {
                stream.resume_request();
                stream.resume_response();
                Action::Continue
            }
            Command::Respond => Action::Respond(Response::new(403)),
            Command::Reset => Action::Reset,
            Command::Call => {
                stream.http_call(&HttpRequest::get("app", "a", "/p")).expect("a call");
                Action::Pause
            }
            Command::Tick => {
                let period = Some(std::time::Duration::from_millis(10));
                stream.host().set_tick_period(period).expect("a timer");
                Action::Continue
            }
            Command::Panic => panic!("as it was told"),
        }
    }

    fn obey_flow(&mut self, connection: &Connection<'_>) -> FlowAction {
        self.called(connection.id().0);
        match COMMAND.get() {
            Command::GoOn | Command::Tick => FlowAction::Continue,
            Command::Pause => FlowAction::Pause,
            Command::Resume => {
                connection.resume(Flow::Downstream);
                connection.resume(Flow::Upstream);
                FlowAction::Continue
            }
            Command::Respond | Command::Reset => FlowAction::Close,
            Command::Call => {
                connection.http_call(&HttpRequest::get("app", "a", "/p")).expect("a call");
                FlowAction::Pause
            }
            Command::Panic => panic!("as it was told"),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.filters.set(self.filters.get() - 1);
        let (all, instances) = LEFT.get();
        LEFT.set((all - 1, instances));
    }
}

impl StreamFilter for Life {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.obey(stream)
    }

    fn on_request_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.obey(stream)
    }

    fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.obey(stream)
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.obey(stream)
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        self.obey(stream)
    }

    fn on_response_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.obey(stream)
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        _call: CallId,
        _answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.called(stream.id().0);
        stream.resume_request();
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        self.complete(stream.id().0);
    }
}

impl NetworkFilter for Life {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        self.obey_flow(connection)
    }

    fn on_data(&mut self, connection: &Connection<'_>, _flow: Flow, _end: bool) -> FlowAction {
        self.obey_flow(connection)
    }

    fn on_close(&mut self, connection: &Connection<'_>, _flow: Flow, _by: Peer) {
        self.called(connection.id().0);
    }

    fn on_http_answer(
        &mut self,
        connection: &Connection<'_>,
        _call: CallId,
        _answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.called(connection.id().0);
        connection.resume(Flow::Downstream);
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        self.complete(connection.id().0);
    }
}
