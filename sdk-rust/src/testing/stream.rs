//! A stream in a test: its messages pass the filter by the rules of the proxy.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use super::{
    Core,
    head::{self, normal},
    message::{Message, Part, Passed, Wait},
    world::Properties,
};
use crate::{
    Action, CallFailure, CallId, Fields, Host, HostError, HttpAnswer, Phases, Response, Side,
    Stream, StreamFilter, StreamId,
    backend::{ContextId, Section, final_status, sendable},
};

/// One request with its response, driven by a test.
///
/// Each method puts a part of a message in and answers what the filter said of it; parts that
/// the plugin does not ask for, by its [`Phases`], pass it unseen. What comes behind a part
/// that waits is queued, answered with [`Action::Pause`], and shown once the filter resumes.
/// A local reply passes the filter as a response, as in the proxy.
///
/// When it is dropped the stream is over, and the filter is told so.
pub struct TestStream {
    core: Rc<Core>,
    state: Rc<StreamState>,
}

/// What a test and the host see of a stream.
pub(super) struct StreamState {
    id: ContextId,
    request: RefCell<Message>,
    response: RefCell<Message>,
    pub(super) properties: Properties,
    filter: RefCell<Filter>,
    duty: Cell<Duty>,
    /// What the filter said of its stream by a host call; the first one stands.
    said: RefCell<Option<Action>>,
    /// The filter was shown a response.
    answered: Cell<bool>,
    reset: Cell<bool>,
}

enum Filter {
    Unmade,
    /// The plugin serves no streams, or it is being called.
    Absent,
    Live(Box<dyn StreamFilter>),
}

/// Which callback of the stream runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Duty {
    #[default]
    None,
    /// One whose answer says how the stream goes on.
    Hook,
    /// The last.
    End,
}

impl TestStream {
    pub(super) fn new(core: &Rc<Core>, request: Fields) -> Self {
        let state = Rc::new(StreamState {
            id: core.world.id(),
            request: RefCell::new(Message::new(Section::RequestHeaders, request)),
            response: RefCell::default(),
            properties: Properties::default(),
            filter: RefCell::new(Filter::Unmade),
            duty: Cell::default(),
            said: RefCell::default(),
            answered: Cell::default(),
            reset: Cell::default(),
        });
        core.world.streams.borrow_mut().insert(state.id, Rc::clone(&state));
        Self { core: Rc::clone(core), state }
    }

    /// The request's head, which stands first; `end` says that nothing follows.
    pub fn request_headers(&self, end: bool) -> Action {
        self.put(Side::Request, Part::Head { end })
    }

    /// The next bytes of the request's body.
    pub fn request_body(&self, bytes: impl AsRef<[u8]>, end: bool) -> Action {
        self.put(Side::Request, Part::Body { bytes: bytes.as_ref().to_vec(), end })
    }

    /// The request's trailers.
    pub fn request_trailers(&self, trailers: Fields) -> Action {
        self.put(Side::Request, Part::Trailers(normal(Section::RequestTrailers, trailers)))
    }

    /// The response's head.
    ///
    /// # Panics
    /// The client was answered already.
    pub fn response_headers(&self, head: Fields, end: bool) -> Action {
        let response = Message::new(Section::ResponseHeaders, head);
        let before = self.state.response.replace(response);
        assert!(before.head.is_none() && !before.sent, "the client was answered already");
        self.put(Side::Response, Part::Head { end })
    }

    /// The next bytes of the response's body.
    pub fn response_body(&self, bytes: impl AsRef<[u8]>, end: bool) -> Action {
        self.put(Side::Response, Part::Body { bytes: bytes.as_ref().to_vec(), end })
    }

    /// The response's trailers.
    pub fn response_trailers(&self, trailers: Fields) -> Action {
        self.put(Side::Response, Part::Trailers(normal(Section::ResponseTrailers, trailers)))
    }

    /// What the upstream got.
    #[must_use]
    pub fn forwarded(&self) -> Passed {
        self.state.request.borrow().passed.clone()
    }

    /// What the client got.
    #[must_use]
    pub fn answered(&self) -> Passed {
        self.state.response.borrow().passed.clone()
    }

    /// True where a direction waits to be resumed, or a filter holds bytes of it.
    #[must_use]
    pub fn is_waiting(&self, side: Side) -> bool {
        self.state.message(side).borrow().wait.is_some()
    }

    /// True where the stream was broken off.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.state.reset.get()
    }

    /// Has the stream know a property. Those of heads are known without.
    pub fn set_property(&self, path: &[&str], value: impl Into<Vec<u8>>) {
        self.state.properties.borrow_mut().insert(owned(path), value.into());
    }

    /// A property as the plugin reads it, also one that it set itself.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.state.property(&owned(path))
    }

    /// Which stream, as the plugin knows it.
    #[must_use]
    pub fn id(&self) -> StreamId {
        StreamId(self.state.id)
    }

    /// Ends the stream.
    pub fn complete(self) {
        drop(self);
    }

    fn put(&self, side: Side, part: Part) -> Action {
        if self.state.message(side).borrow().over {
            return Action::Continue;
        }
        self.state.message(side).borrow_mut().put(part);
        let shown = self.state.run(&self.core, side);
        self.core.settle();
        // What stands behind a part that waits is not shown yet.
        shown.unwrap_or(Action::Pause)
    }
}

impl Drop for TestStream {
    fn drop(&mut self) {
        // A test that failed shall tell why, not what comes of it.
        if !std::thread::panicking() {
            self.state.complete(&self.core);
            self.core.settle();
        }
        self.core.world.forget(self.state.id);
    }
}

impl fmt::Debug for TestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStream")
            .field("id", &self.state.id)
            .field("request", &self.state.request)
            .field("response", &self.state.response)
            .finish_non_exhaustive()
    }
}

impl StreamState {
    pub(super) fn message(&self, side: Side) -> &RefCell<Message> {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    /// The filter says by a host call how the stream ends.
    pub(super) fn end_with(&self, action: Action) -> Result<(), HostError> {
        if self.duty.get() == Duty::End {
            return Err(HostError::BadArgument);
        }
        self.said.borrow_mut().get_or_insert(action);
        Ok(())
    }

    pub(super) fn property(&self, path: &[String]) -> Option<Vec<u8>> {
        let set = self.properties.borrow().get(path).cloned();
        set.or_else(|| {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            super::property::of_stream(&self.request.borrow(), &self.response.borrow(), &path)
        })
    }

    /// Shows the filter what can be shown; answers what it said of the last part.
    fn run(&self, core: &Core, side: Side) -> Option<Action> {
        let mut last = None;
        loop {
            let part = self.message(side).borrow_mut().next();
            let Some(part) = part else { return last };
            last = Some(self.show(core, side, &part));
        }
    }

    fn show(&self, core: &Core, side: Side, part: &Part) -> Action {
        if side == Side::Request {
            self.make(core);
        }
        let wanted = core.phases.contains(phase(side, part));
        let (at_end, wait) = match part {
            Part::Head { end } => (false, Wait::Head { end: *end }),
            Part::Body { end, .. } => (*end, if *end { Wait::End } else { Wait::More }),
            Part::Trailers(_) => (true, Wait::End),
        };
        if wanted && part.is_nothing() {
            return Action::Continue; // nothing is new for it
        }
        self.message(side).borrow_mut().show(part, at_end && wanted);
        let action = if wanted { self.call(core, side, part) } else { Action::Continue };
        self.apply(core, side, wait, &action);
        action
    }

    fn apply(&self, core: &Core, side: Side, wait: Wait, action: &Action) {
        match action {
            Action::Continue => self.pass(core, side, wait),
            Action::Pause if self.message(side).borrow().resumed => {
                self.pass(core, side, wait);
            }
            Action::Pause => {
                if !self.message(side).borrow_mut().hold(wait) {
                    self.respond(core, &too_large(side));
                }
            }
            Action::Respond(response) => self.respond(core, &sendable(response.clone())),
            Action::Reset => self.break_off(),
        }
    }

    /// Sends on what the filter has in hand.
    fn pass(&self, core: &Core, side: Side, what: Wait) {
        let keeps = core.phases.contains(Phases::LOG);
        let mut message = self.message(side).borrow_mut();
        message.wait = None;
        match what {
            Wait::Head { end } => message.pass_head(keeps, end),
            Wait::More => message.pass_body(),
            Wait::End => message.pass_end(keeps),
        }
    }

    fn make(&self, core: &Core) {
        if matches!(*self.filter.borrow(), Filter::Unmade) {
            let host = Host::new(&core.world);
            let made = core.instance.borrow_mut().stream_filter(&host);
            *self.filter.borrow_mut() = made.map_or(Filter::Absent, Filter::Live);
        }
    }

    fn call(&self, core: &Core, side: Side, part: &Part) -> Action {
        self.answered.set(self.answered.get() || side == Side::Response);
        let action = self.with_filter(core, Duty::Hook, |filter, stream| match (side, part) {
            (Side::Request, Part::Head { end }) => filter.on_request_headers(stream, *end),
            (Side::Request, Part::Body { end, .. }) => filter.on_request_body(stream, *end),
            (Side::Request, Part::Trailers(_)) => filter.on_request_trailers(stream),
            (Side::Response, Part::Head { end }) => filter.on_response_headers(stream, *end),
            (Side::Response, Part::Body { end, .. }) => filter.on_response_body(stream, *end),
            (Side::Response, Part::Trailers(_)) => filter.on_response_trailers(stream),
        });
        let said = self.said.borrow_mut().take();
        said.or(action).unwrap_or_default()
    }

    /// Takes the filter out, calls it and puts it back.
    fn with_filter<R>(
        &self,
        core: &Core,
        duty: Duty,
        call: impl FnOnce(&mut dyn StreamFilter, &Stream<'_>) -> R,
    ) -> Option<R> {
        let taken = std::mem::replace(&mut *self.filter.borrow_mut(), Filter::Absent);
        let (called, filter) = match taken {
            Filter::Live(mut filter) => {
                self.duty.set(duty);
                let called = call(&mut *filter, &Stream::new(&core.world, self.id));
                self.duty.set(Duty::None);
                (Some(called), Filter::Live(filter))
            }
            other @ (Filter::Unmade | Filter::Absent) => (None, other),
        };
        *self.filter.borrow_mut() = filter;
        called
    }

    /// Answers the client, through the filter where it has not seen a response yet.
    fn respond(&self, core: &Core, response: &Response) {
        if self.response.borrow().sent {
            return self.break_off();
        }
        self.request.borrow_mut().stop();
        let (head, body) = reply(response);
        let end = body.is_empty();
        let unseen = self.answered.get();
        *self.response.borrow_mut() = Message::new(Section::ResponseHeaders, head);
        let mut message = self.response.borrow_mut();
        if unseen {
            message.in_hand = Some(body);
            message.pass_head(core.phases.contains(Phases::LOG), false);
            message.pass_end(false);
            message.stop();
            return;
        }
        message.put(Part::Head { end });
        if !end {
            message.put(Part::Body { bytes: body, end: true });
        }
        drop(message);
        self.run(core, Side::Response);
    }

    fn break_off(&self) {
        self.reset.set(true);
        self.request.borrow_mut().stop();
        self.response.borrow_mut().stop();
    }

    /// Goes on with what was resumed, and ends what was ended from beside. True where
    /// something was done.
    pub(super) fn settle(&self, core: &Core) -> bool {
        let said = self.said.borrow_mut().take();
        match said {
            Some(Action::Respond(response)) => {
                self.respond(core, &response);
                return true;
            }
            Some(_) => {
                self.break_off();
                return true;
            }
            None => {}
        }
        [Side::Request, Side::Response].into_iter().any(|side| {
            let resumed = self.message(side).borrow().resumed_wait();
            if let Some(wait) = resumed {
                self.pass(core, side, wait);
                self.run(core, side);
            }
            resumed.is_some()
        })
    }

    pub(super) fn http_answer(
        &self,
        core: &Core,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.with_filter(core, Duty::None, |filter, stream| {
            filter.on_http_answer(stream, call, answer);
        });
    }

    fn complete(&self, core: &Core) {
        // From here on everything can be read and nothing changed.
        self.request.borrow_mut().close();
        self.response.borrow_mut().close();
        if core.phases.contains(Phases::LOG) {
            self.with_filter(core, Duty::End, |filter, stream| filter.on_complete(stream));
        }
        // Outside of the cell: what a filter drops may ask for something.
        let filter = std::mem::replace(&mut *self.filter.borrow_mut(), Filter::Absent);
        drop(filter);
    }
}

fn phase(side: Side, part: &Part) -> Phases {
    match (side, part) {
        (Side::Request, Part::Head { .. }) => Phases::REQUEST_HEADERS,
        (Side::Request, Part::Body { .. }) => Phases::REQUEST_BODY,
        (Side::Request, Part::Trailers(_)) => Phases::REQUEST_TRAILERS,
        (Side::Response, Part::Head { .. }) => Phases::RESPONSE_HEADERS,
        (Side::Response, Part::Body { .. }) => Phases::RESPONSE_BODY,
        (Side::Response, Part::Trailers(_)) => Phases::RESPONSE_TRAILERS,
    }
}

/// What the proxy says where a filter holds too much.
fn too_large(side: Side) -> Response {
    Response::new(match side {
        Side::Request => 413,
        Side::Response => 502,
    })
}

/// A local reply as the client gets it.
fn reply(response: &Response) -> (Fields, Vec<u8>) {
    let head = head::reply(final_status(response), &response.headers);
    let head = head.header("content-length", response.body.len().to_string());
    (head, response.body.clone())
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|segment| (*segment).to_owned()).collect()
}
