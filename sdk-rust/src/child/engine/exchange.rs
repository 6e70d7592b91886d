//! Callbacks of one stream or connection, and their answers.

use abi_process::v1::{
    Answer, Body, Close, Complete, Data, Field, Go, Headers, NewConnection, Trailers, Verdict,
    reply,
};
use prost::Message;

use super::{Engine, Filter};
use crate::{
    Action, Connection, Flow, FlowAction, NetworkFilter, Peer, Phases, Response, Side, Stream,
    StreamFilter,
    backend::{ContextId, Section, sendable},
    child::{
        desk::{Exchange, Hand, SectionFields},
        panics::guard,
        wire,
    },
};

/// A callback of a stream.
type OnStream<'a> = &'a mut dyn FnMut(&mut dyn StreamFilter, &Stream<'_>) -> Action;
/// A callback of a connection.
type OnConnection<'a> = &'a mut dyn FnMut(&mut dyn NetworkFilter, &Connection<'_>) -> FlowAction;

/// What came of a callback.
enum Came {
    Of(Action),
    OfFlow(FlowAction),
    /// The plugin does not want this callback, made no filter, or it is one of the other kind of
    /// context.
    NotWanted,
    Refused(String),
}

/// An event that is answered: of what, and what the callback has in hand.
struct Asked {
    context: ContextId,
    exchange: u64,
    phase: Phases,
    hand: Hand,
}

impl Engine {
    pub(super) fn on_headers(&mut self, headers: Headers) {
        let (side, end) = (Side::from(headers.side()), headers.end);
        let fields = SectionFields::new(wire::section(side, false), headers.fields);
        let phase = match side {
            Side::Request => Phases::REQUEST_HEADERS,
            Side::Response => Phases::RESPONSE_HEADERS,
        };
        let (context, exchange) = (headers.context, headers.exchange);
        let asked = Asked { context, exchange, phase, hand: Hand::Section(fields) };
        self.ask_stream(asked, &mut |filter, stream| match side {
            Side::Request => filter.on_request_headers(stream, end),
            Side::Response => filter.on_response_headers(stream, end),
        });
    }

    pub(super) fn on_body(&mut self, body: &Body) {
        let (side, end) = (Side::from(body.side()), body.end);
        let (phase, direction) = match side {
            Side::Request => (Phases::REQUEST_BODY, 0),
            Side::Response => (Phases::RESPONSE_BODY, 1),
        };
        if let Some(mut context) = self.desk.context(body.context) {
            context.extend(direction, body.held, &body.bytes);
        }
        let hand = Hand::Bytes(direction);
        let asked = Asked { context: body.context, exchange: body.exchange, phase, hand };
        self.ask_stream(asked, &mut |filter, stream| match side {
            Side::Request => filter.on_request_body(stream, end),
            Side::Response => filter.on_response_body(stream, end),
        });
    }

    pub(super) fn on_trailers(&mut self, trailers: Trailers) {
        let side = Side::from(trailers.side());
        let phase = match side {
            Side::Request => Phases::REQUEST_TRAILERS,
            Side::Response => Phases::RESPONSE_TRAILERS,
        };
        let (context, exchange) = (trailers.context, trailers.exchange);
        let fields = SectionFields::new(wire::section(side, true), trailers.fields);
        let asked = Asked { context, exchange, phase, hand: Hand::Section(fields) };
        self.ask_stream(asked, &mut |filter, stream| match side {
            Side::Request => filter.on_request_trailers(stream),
            Side::Response => filter.on_response_trailers(stream),
        });
    }

    pub(super) fn on_new_connection(&mut self, new: &NewConnection) {
        let (context, exchange) = (new.context, new.exchange);
        let phase = Phases::NEW_CONNECTION;
        let asked = Asked { context, exchange, phase, hand: Hand::Nothing };
        self.ask_connection(asked, &mut |filter, connection| filter.on_new_connection(connection));
    }

    pub(super) fn on_data(&mut self, data: &Data) {
        let (flow, end) = (Flow::from(data.flow()), data.end);
        let (phase, direction) = match flow {
            Flow::Downstream => (Phases::DOWNSTREAM_DATA, 0),
            Flow::Upstream => (Phases::UPSTREAM_DATA, 1),
        };
        if let Some(mut context) = self.desk.context(data.context) {
            context.extend(direction, data.held, &data.bytes);
        }
        let hand = Hand::Bytes(direction);
        let asked = Asked { context: data.context, exchange: data.exchange, phase, hand };
        self.ask_connection(asked, &mut |filter, connection| filter.on_data(connection, flow, end));
    }

    pub(super) fn on_close(&mut self, close: &Close) {
        let (flow, by) = (Flow::from(close.flow()), Peer::from(close.by()));
        self.tell(close.context, Phases::CLOSE, &mut |filter, desk| {
            if let Filter::Connection(filter) = filter {
                filter.on_close(&Connection::new(desk, close.context), flow, by);
            }
        });
    }

    pub(super) fn on_complete(&mut self, complete: Complete) {
        let (id, exchange) = (complete.context, complete.exchange);
        let mut sections = Some(last_sections(complete));
        let told = self.call_beside(id, Phases::LOG, &mut |filter, desk| {
            for section in sections.take().unwrap_or_default() {
                desk.show(section);
            }
            match filter {
                Filter::Stream(filter) => filter.on_complete(&Stream::new(desk, id)),
                Filter::Connection(filter) => filter.on_complete(&Connection::new(desk, id)),
                Filter::Codec(_) | Filter::Absent | Filter::Refused(_) => {}
            }
        });
        let instance = self.desk.context(id).map(|context| context.instance);
        let Some(instance) = instance else { return self.note_stray() };
        self.desk.forget(id);
        let filter = self.filters.remove(&id);
        self.dispose(instance, filter);
        if exchange == 0 {
            return self.settle_beside(instance, told);
        }
        let verdict = told.map_or_else(wire::failed, |()| wire::go(Go::Continue));
        let has_failed = verdict.go() == Go::Failed;
        if self.answer(id, exchange, Vec::new(), verdict) || has_failed {
            self.let_go(instance);
        }
    }

    /// Tells a filter something that is not answered.
    fn tell(&mut self, id: ContextId, phase: Phases, call: CallBeside<'_>) {
        let Some(instance) = self.desk.context(id).map(|context| context.instance) else {
            return self.note_stray();
        };
        let told = self.call_beside(id, phase, call);
        self.settle_beside(instance, told);
    }

    fn call_beside(
        &mut self,
        id: ContextId,
        phase: Phases,
        call: CallBeside<'_>,
    ) -> Result<(), String> {
        let known = self.desk.context(id).map(|context| (context.instance, context.phases));
        let (Some((instance, phases)), Some(filter)) = (known, self.filters.get_mut(&id)) else {
            return Ok(());
        };
        if !phases.contains(phase) {
            return Ok(());
        }
        self.desk.begin(instance, Some(id), None);
        let called = guard(|| call(filter, &self.desk));
        self.desk.end();
        called
    }

    fn ask_stream(&mut self, asked: Asked, call: OnStream<'_>) {
        self.ask(asked, &mut |filter, desk, id| match filter {
            Filter::Stream(filter) => Came::Of(call(filter.as_mut(), &Stream::new(desk, id))),
            Filter::Connection(_) | Filter::Codec(_) | Filter::Absent => Came::NotWanted,
            Filter::Refused(error) => Came::Refused(error.clone()),
        });
    }

    fn ask_connection(&mut self, asked: Asked, call: OnConnection<'_>) {
        self.ask(asked, &mut |filter, desk, id| match filter {
            Filter::Connection(filter) => {
                Came::OfFlow(call(filter.as_mut(), &Connection::new(desk, id)))
            }
            Filter::Stream(_) | Filter::Codec(_) | Filter::Absent => Came::NotWanted,
            Filter::Refused(error) => Came::Refused(error.clone()),
        });
    }

    /// Calls a filter, and sends what came of it.
    fn ask(&mut self, asked: Asked, call: CallFilter<'_>) {
        let Asked { context: id, exchange, phase, hand } = asked;
        let known = self.desk.context(id).map(|context| (context.instance, context.phases));
        let (Some((instance, phases)), Some(filter)) = (known, self.filters.get_mut(&id)) else {
            return self.note_stray();
        };
        let direction = if let Hand::Bytes(direction) = hand { Some(direction) } else { None };
        self.desk.begin(instance, Some(id), Some(Exchange::new(hand)));
        let is_wanted = phases.contains(phase) || matches!(filter, Filter::Refused(_));
        let came =
            if is_wanted { guard(|| call(filter, &self.desk, id)) } else { Ok(Came::NotWanted) };
        let (changes, said, is_resumed) = match self.desk.end() {
            Some(Exchange { changes, verdict, is_resumed, .. }) => (changes, verdict, is_resumed),
            None => (Vec::new(), None, false),
        };
        let verdict = came.map_or_else(wire::failed, |came| said.unwrap_or_else(|| verdict(came)));
        let go = verdict.go();
        if let Some(direction) = direction
            && (go != Go::Pause || is_resumed)
            && let Some(mut context) = self.desk.context(id)
        {
            context.let_go(direction);
        }
        if self.answer(id, exchange, changes, verdict) || go == Go::Failed {
            self.let_go(instance);
        }
    }

    /// Sends an answer. True where it cannot be sent, which is the plugin's failure.
    fn answer(
        &self,
        context: ContextId,
        exchange: u64,
        changes: Vec<abi_process::v1::Change>,
        verdict: Verdict,
    ) -> bool {
        let generation = self.desk.link.generation();
        let mut answer = Answer { generation, context, exchange, changes, verdict: Some(verdict) };
        let is_response = answer.verdict.as_ref().is_some_and(|said| said.go() == Go::Respond);
        if is_response && self.desk.link.is_too_large(answer.encoded_len()) {
            // A plugin that wants to end a request must not fail over how.
            answer.verdict = Some(wire::respond(wire::response(&Response::new(500))));
        }
        let bytes = answer.encoded_len();
        let is_too_large = self.desk.link.is_too_large(bytes);
        if is_too_large {
            let error = format!("the plugin's answer has {bytes} bytes, more than the proxy takes");
            answer.changes.clear();
            answer.verdict = Some(wire::failed(error));
        }
        self.desk.link.send(reply::Kind::Answer(answer));
        is_too_large
    }
}

/// Calls a filter for something that is answered.
type CallFilter<'a> = &'a mut dyn FnMut(&mut Filter, &crate::child::desk::Desk, ContextId) -> Came;
/// Calls a filter for something that is not.
type CallBeside<'a> = &'a mut dyn FnMut(&mut Filter, &crate::child::desk::Desk);

fn verdict(came: Came) -> Verdict {
    match came {
        Came::Of(Action::Continue) | Came::OfFlow(FlowAction::Continue) | Came::NotWanted => {
            wire::go(Go::Continue)
        }
        Came::Of(Action::Pause) | Came::OfFlow(FlowAction::Pause) => wire::go(Go::Pause),
        Came::Of(Action::Reset) | Came::OfFlow(FlowAction::Close) => wire::reset(),
        Came::Of(Action::Respond(response)) => wire::respond(wire::response(&sendable(response))),
        Came::Refused(error) => wire::failed(error),
    }
}

/// Those that came along. A section that is empty may never have come: the host is asked for it.
fn last_sections(complete: Complete) -> Vec<SectionFields> {
    let sections: [(Section, Vec<Field>); 4] = [
        (Section::RequestHeaders, complete.request_headers),
        (Section::RequestTrailers, complete.request_trailers),
        (Section::ResponseHeaders, complete.response_headers),
        (Section::ResponseTrailers, complete.response_trailers),
    ];
    let sent = sections.into_iter().filter(|(_section, fields)| !fields.is_empty());
    sent.map(|(section, fields)| SectionFields::new(section, fields)).collect()
}
