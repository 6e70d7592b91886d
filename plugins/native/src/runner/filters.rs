//! The filters of an instance in a runner.

use std::rc::Rc;

use abi_native::number::Way;
use mortise_sdk::{
    Action, CallFailure, CallId, Connection, Flow, FlowAction, Host, HttpAnswer, NetworkFilter,
    Peer, Phases, Stream, StreamFilter,
};

use super::{
    desk::Duty,
    shared::{Outcome, Shared, with_answer},
};
use crate::{
    callbacks::{ConnectionHook, Kept, Opened, StreamHook},
    instance::Kind,
};

/// One stream.
pub(super) struct RunnerStream {
    shared: Rc<Shared>,
    /// Nothing before its first callback.
    opened: Option<Opened>,
    /// Its number; zero before.
    context: u64,
}

/// One connection.
pub(super) struct RunnerConnection {
    shared: Rc<Shared>,
    opened: Option<Opened>,
    /// Its number; zero before.
    context: u64,
}

impl RunnerStream {
    pub(super) fn new(shared: &Rc<Shared>) -> Self {
        Self { shared: Rc::clone(shared), opened: None, context: 0 }
    }

    /// What the library keeps for it, made where it was not yet.
    fn kept(&mut self, host: &Host<'_>, context: u64) -> Option<Kept> {
        if self.opened.is_none() {
            let callbacks = self.shared.callbacks;
            self.context = context;
            let opened = self.shared.open(host, (Kind::Stream, context), |object| {
                callbacks.open_stream(object, context)
            });
            self.opened = Some(opened);
        }
        self.opened.as_ref().and_then(Opened::kept)
    }

    fn call(
        &mut self,
        stream: &Stream<'_>,
        way: Option<Way>,
        phase: Phases,
        hook: StreamHook<'_>,
    ) -> Outcome {
        if !self.shared.wants(phase) {
            return Outcome::Continue;
        }
        let (host, context) = (stream.host(), stream.id().0);
        let Some(kept) = self.kept(&host, context) else { return Outcome::Continue };
        // An answer is for the instance to hear of, not a hook that could answer itself.
        let is_hook = !matches!(hook, StreamHook::HttpAnswer(..));
        let duty = if is_hook { Duty::of(context, way) } else { Duty::NONE };
        let callbacks = self.shared.callbacks;
        self.shared.call(&host, duty, |object| callbacks.stream(object, kept, context, hook))
    }

    fn ask(
        &mut self,
        stream: &Stream<'_>,
        way: Way,
        phase: Phases,
        hook: StreamHook<'_>,
    ) -> Action {
        match self.call(stream, Some(way), phase, hook) {
            Outcome::Continue => Action::Continue,
            Outcome::Pause => Action::Pause,
            Outcome::Respond(response) => Action::Respond(response),
            Outcome::Reset => Action::Reset,
        }
    }
}

impl StreamFilter for RunnerStream {
    fn on_request_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        self.ask(stream, Way::In, Phases::REQUEST_HEADERS, StreamHook::Headers(Way::In, end))
    }

    fn on_request_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        self.ask(stream, Way::In, Phases::REQUEST_BODY, StreamHook::Body(Way::In, end))
    }

    fn on_request_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.ask(stream, Way::In, Phases::REQUEST_TRAILERS, StreamHook::Trailers(Way::In))
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        self.ask(stream, Way::Out, Phases::RESPONSE_HEADERS, StreamHook::Headers(Way::Out, end))
    }

    fn on_response_body(&mut self, stream: &Stream<'_>, end: bool) -> Action {
        self.ask(stream, Way::Out, Phases::RESPONSE_BODY, StreamHook::Body(Way::Out, end))
    }

    fn on_response_trailers(&mut self, stream: &Stream<'_>) -> Action {
        self.ask(stream, Way::Out, Phases::RESPONSE_TRAILERS, StreamHook::Trailers(Way::Out))
    }

    fn on_http_answer(
        &mut self,
        stream: &Stream<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        with_answer(answer.ok().as_ref(), |answer| {
            let hook = StreamHook::HttpAnswer(call.0, answer);
            self.call(stream, None, Phases::NONE, hook);
        });
    }

    fn on_complete(&mut self, stream: &Stream<'_>) {
        self.call(stream, None, Phases::LOG, StreamHook::Complete);
    }
}

impl Drop for RunnerStream {
    fn drop(&mut self) {
        let callbacks = self.shared.callbacks;
        let kept = self.opened.take().as_ref().and_then(Opened::kept);
        self.shared.close(self.context, |object| {
            if let Some(kept) = kept {
                callbacks.free_stream(object, kept);
            }
        });
    }
}

impl RunnerConnection {
    pub(super) fn new(shared: &Rc<Shared>) -> Self {
        Self { shared: Rc::clone(shared), opened: None, context: 0 }
    }

    fn kept(&mut self, host: &Host<'_>, context: u64) -> Option<Kept> {
        if self.opened.is_none() {
            let callbacks = self.shared.callbacks;
            self.context = context;
            let opened = self.shared.open(host, (Kind::Connection, context), |object| {
                callbacks.open_connection(object, context)
            });
            self.opened = Some(opened);
        }
        self.opened.as_ref().and_then(Opened::kept)
    }

    fn call(
        &mut self,
        connection: &Connection<'_>,
        way: Option<Way>,
        phase: Phases,
        hook: ConnectionHook<'_>,
    ) -> FlowAction {
        if !self.shared.wants(phase) {
            return FlowAction::Continue;
        }
        let (host, context) = (connection.host(), connection.id().0);
        let Some(kept) = self.kept(&host, context) else { return FlowAction::Continue };
        let is_hook = !matches!(hook, ConnectionHook::HttpAnswer(..));
        let duty = if is_hook { Duty::of(context, way) } else { Duty::NONE };
        let callbacks = self.shared.callbacks;
        let call = |object: &_| callbacks.connection(object, kept, context, hook);
        match self.shared.call(&host, duty, call) {
            Outcome::Continue => FlowAction::Continue,
            Outcome::Pause => FlowAction::Pause,
            Outcome::Respond(_) | Outcome::Reset => FlowAction::Close,
        }
    }
}

impl NetworkFilter for RunnerConnection {
    fn on_new_connection(&mut self, connection: &Connection<'_>) -> FlowAction {
        self.call(connection, Some(Way::In), Phases::NEW_CONNECTION, ConnectionHook::New)
    }

    fn on_data(&mut self, connection: &Connection<'_>, flow: Flow, end: bool) -> FlowAction {
        let (way, phase) = match flow {
            Flow::Downstream => (Way::In, Phases::DOWNSTREAM_DATA),
            Flow::Upstream => (Way::Out, Phases::UPSTREAM_DATA),
        };
        self.call(connection, Some(way), phase, ConnectionHook::Data(way, end))
    }

    fn on_close(&mut self, connection: &Connection<'_>, flow: Flow, by: Peer) {
        let way = match flow {
            Flow::Downstream => Way::In,
            Flow::Upstream => Way::Out,
        };
        let by = match by {
            Peer::Unknown => 0,
            Peer::Local => 1,
            Peer::Remote => 2,
        };
        // Nothing waits for what it answers.
        let _passed = self.call(connection, None, Phases::CLOSE, ConnectionHook::Close(way, by));
    }

    fn on_http_answer(
        &mut self,
        connection: &Connection<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        with_answer(answer.ok().as_ref(), |answer| {
            let hook = ConnectionHook::HttpAnswer(call.0, answer);
            let _passed = self.call(connection, None, Phases::NONE, hook);
        });
    }

    fn on_complete(&mut self, connection: &Connection<'_>) {
        let _passed = self.call(connection, None, Phases::LOG, ConnectionHook::Complete);
    }
}

impl Drop for RunnerConnection {
    fn drop(&mut self) {
        let callbacks = self.shared.callbacks;
        let kept = self.opened.take().as_ref().and_then(Opened::kept);
        self.shared.close(self.context, |object| {
            if let Some(kept) = kept {
                callbacks.free_connection(object, kept);
            }
        });
    }
}
