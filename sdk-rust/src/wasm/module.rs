//! What a module holds while it runs: its instances and their filters, by the numbers that the
//! host gives them, and how a hook finds the one that it is for.
//!
//! A number says nothing of what it is for: the first hook tells whether it is a stream or a
//! connection, where the plugin serves both. What is called is taken out of its table for that
//! long, so that nothing is borrowed while a plugin runs.

pub(super) mod numbers;

use std::cell::{Cell, RefCell};

use abi_wasm::{PeerType, StreamType};

use self::numbers::Table;
use super::{
    host::{self, WasmHost},
    imports,
};
use crate::{
    Action, CallFailure, CallId, Connection, Flow, FlowAction, Host, HttpAnswer, LogLevel,
    NetworkFilter, Peer, Phases, Response, Stream, StreamFilter,
    backend::{Backend, Declaration, Instance, sendable},
};

thread_local! {
    static MODULE: Module = const { Module::new() };
}

/// All that a module holds. There is one thread.
struct Module {
    declaration: Cell<Option<&'static Declaration>>,
    roots: RefCell<Table<Root>>,
    contexts: RefCell<Table<Context>>,
    calls: RefCell<Table<Asked>>,
    duty: Cell<Duty>,
}

/// Whom the host serves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Duty {
    /// The context that host calls mean.
    pub(super) context: u32,
    /// The root in whose name everything happens.
    pub(super) root: u32,
}

/// A use of a plugin.
#[derive(Default)]
struct Root {
    phases: Phases,
    /// Nothing before it is configured, and while it runs.
    instance: Option<Box<dyn Instance>>,
}

/// A stream or a connection.
struct Context {
    root: u32,
    phases: Phases,
    filter: Filter,
    /// As far as it is known.
    kind: Option<Kind>,
    /// It made an HTTP call.
    has_asked: bool,
}

enum Filter {
    /// What it is for is not known yet.
    Unmade,
    /// The plugin does not serve it, or it is being called.
    Absent,
    Stream(Box<dyn StreamFilter>),
    Connection(Box<dyn NetworkFilter>),
}

/// Who made an HTTP call.
#[derive(Clone, Copy, Debug)]
struct Asked {
    root: u32,
    context: Option<u32>,
}

/// What a context is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Stream,
    Connection,
}

const STREAM: Phases = Phases::REQUEST_HEADERS
    .and(Phases::REQUEST_BODY)
    .and(Phases::REQUEST_TRAILERS)
    .and(Phases::RESPONSE_HEADERS)
    .and(Phases::RESPONSE_BODY)
    .and(Phases::RESPONSE_TRAILERS);
const CONNECTION: Phases = Phases::NEW_CONNECTION
    .and(Phases::DOWNSTREAM_DATA)
    .and(Phases::UPSTREAM_DATA)
    .and(Phases::CLOSE);

impl Module {
    const fn new() -> Self {
        Self {
            declaration: Cell::new(None),
            roots: RefCell::new(numbers::table()),
            contexts: RefCell::new(numbers::table()),
            calls: RefCell::new(numbers::table()),
            duty: Cell::new(Duty { context: 0, root: 0 }),
        }
    }

    fn enter(&self, context: u32, root: u32) {
        self.duty.set(Duty { context, root });
    }

    /// Takes an instance out, calls it and puts it back.
    fn with_instance<R>(
        &self,
        root: u32,
        call: impl FnOnce(&mut dyn Instance, &Host<'_>) -> R,
    ) -> Option<R> {
        let mut instance = self.roots.borrow_mut().get_mut(&root)?.instance.take()?;
        let called = call(&mut *instance, &Host::new(&WasmHost));
        // It is gone where the root was deleted meanwhile.
        if let Some(root) = self.roots.borrow_mut().get_mut(&root) {
            root.instance = Some(instance);
        }
        Some(called)
    }

    /// Has a filter made for a context.
    fn make(&self, root: u32, kind: Kind) -> Filter {
        let made = self.with_instance(root, |instance, host| match kind {
            Kind::Stream => instance.stream_filter(host).map(Filter::Stream),
            Kind::Connection => instance.network_filter(host).map(Filter::Connection),
        });
        made.flatten().unwrap_or(Filter::Absent)
    }

    /// Has a filter made for a stream, or for a connection where the plugin serves no streams.
    fn make_either(&self, root: u32) -> Filter {
        let filter = self.make(root, Kind::Stream);
        let is_absent = matches!(filter, Filter::Absent);
        if is_absent { self.make(root, Kind::Connection) } else { filter }
    }

    /// Takes a context's filter out, for a hook that the plugin wants. The host serves the
    /// context from here on.
    fn take(&self, id: u32, phase: Phases, kind: Option<Kind>) -> Option<Filter> {
        let (root, filter) = {
            let mut contexts = self.contexts.borrow_mut();
            let context = contexts.get_mut(&id)?;
            self.enter(id, context.root);
            context.kind = context.kind.or(kind);
            if !context.phases.contains(phase) {
                return None;
            }
            (context.root, std::mem::replace(&mut context.filter, Filter::Absent))
        };
        match kind {
            Some(kind) if matches!(filter, Filter::Unmade) => Some(self.make(root, kind)),
            Some(_) | None => Some(filter),
        }
    }

    /// Puts a filter back, unless its context was deleted meanwhile.
    fn put(&self, id: u32, filter: Filter) {
        if let Some(context) = self.contexts.borrow_mut().get_mut(&id) {
            context.filter = filter;
        }
    }

    fn configure(&self, root: u32) -> bool {
        self.enter(root, root);
        let Some(declaration) = self.declaration.get() else { return false };
        let config = host::configuration();
        let started = declaration.find(&host::root_id()).and_then(|registration| {
            let instance = (registration.start)(&config, &Host::new(&WasmHost))?;
            Ok(Root { phases: registration.phases, instance: Some(instance) })
        });
        match started {
            Ok(started) => {
                let before = self.roots.borrow_mut().insert(root, started);
                drop(before);
                true
            }
            Err(refusal) => {
                imports::log(LogLevel::Error, &format!("{}: {refusal}", declaration.name));
                false
            }
        }
    }

    fn create(&self, id: u32, root: u32) {
        if root == 0 {
            self.roots.borrow_mut().insert(id, Root::default());
            return;
        }
        self.enter(id, root);
        let phases = self.roots.borrow().get(&root).map_or(Phases::NONE, |root| root.phases);
        let mut kind = kind_of(phases);
        let filter = match kind {
            Some(kind) => self.make(root, kind),
            // It wants to hear of the end alone: no hook before that one tells what ends.
            None if phases == Phases::LOG => self.make_either(root),
            None => Filter::Unmade,
        };
        kind = kind.or(match filter {
            Filter::Stream(_) => Some(Kind::Stream),
            Filter::Connection(_) => Some(Kind::Connection),
            Filter::Unmade | Filter::Absent => None,
        });
        self.contexts
            .borrow_mut()
            .insert(id, Context { root, phases, filter, kind, has_asked: false });
    }

    fn http_answer(&self, serving: u32, token: u32, came: bool) {
        let asked = self.calls.borrow_mut().remove(&token);
        let Some(Asked { root, context }) = asked else { return };
        // What came can be read by whom the host serves.
        self.enter(serving, root);
        let answer = if came { Ok(host::answer()) } else { Err(CallFailure) };
        let call = CallId(token.into());
        let serve = context.unwrap_or(root);
        if serve != serving && imports::set_effective_context(serve).is_err() {
            return;
        }
        self.enter(serve, root);
        match context {
            None => {
                self.with_instance(root, |instance, host| {
                    instance.on_http_answer(host, call, answer)
                });
            }
            Some(context) => self.context_answer(context, call, answer),
        }
    }

    fn context_answer(&self, id: u32, call: CallId, answer: Result<HttpAnswer, CallFailure>) {
        let Some(mut filter) = self.take(id, Phases::NONE, None) else { return };
        match &mut filter {
            Filter::Stream(filter) => {
                filter.on_http_answer(&Stream::new(&WasmHost, id.into()), call, answer);
            }
            Filter::Connection(filter) => {
                filter.on_http_answer(&Connection::new(&WasmHost, id.into()), call, answer);
            }
            Filter::Unmade | Filter::Absent => {}
        }
        self.put(id, filter);
    }
}

/// Streams or connections, where the callbacks that a plugin wants leave no doubt.
fn kind_of(phases: Phases) -> Option<Kind> {
    let wants = |some: Phases| phases.bits() & some.bits() != 0;
    match (wants(STREAM), wants(CONNECTION)) {
        (true, false) => Some(Kind::Stream),
        (false, true) => Some(Kind::Connection),
        (true, true) | (false, false) => None,
    }
}

/// Says what the module holds.
pub(super) fn declare(declaration: &'static Declaration) {
    MODULE.with(|module| module.declaration.set(Some(declaration)));
}

/// Whom the host serves now.
pub(super) fn duty() -> Duty {
    MODULE.with(|module| module.duty.get())
}

/// True where a context is there and is one of the root that is served.
pub(super) fn is_own(context: u32) -> bool {
    let root = duty().root;
    MODULE.with(|module| {
        module.contexts.borrow().get(&context).is_some_and(|context| context.root == root)
    })
}

/// True where a context of the root that is served is known to be for something else.
pub(super) fn is_other(context: u32, kind: Kind) -> bool {
    let root = duty().root;
    let is_other =
        |context: &Context| context.root == root && context.kind.is_some_and(|known| known != kind);
    MODULE.with(|module| module.contexts.borrow().get(&context).is_some_and(is_other))
}

/// Remembers who made an HTTP call.
pub(super) fn note_call(token: u32, context: Option<u32>) {
    let asked = Asked { root: duty().root, context };
    MODULE.with(|module| {
        let mut contexts = module.contexts.borrow_mut();
        if let Some(context) = context.and_then(|id| contexts.get_mut(&id)) {
            context.has_asked = true;
        }
        module.calls.borrow_mut().insert(token, asked);
    });
}

/// How many HTTP calls wait for their answers.
#[cfg(test)]
pub(super) fn open_calls() -> usize {
    MODULE.with(|module| module.calls.borrow().len())
}

/// A root, where `root` is zero, or a stream or connection of one.
pub(super) fn create(context: u32, root: u32) {
    MODULE.with(|module| module.create(context, root));
}

/// Starts the plugin that a root means; false where it refuses.
pub(super) fn configure(root: u32) -> bool {
    MODULE.with(|module| module.configure(root))
}

/// Calls an instance; `None` where there is no such root, or it runs.
pub(super) fn with_instance<R>(
    root: u32,
    call: impl FnOnce(&mut dyn Instance, &Host<'_>) -> R,
) -> Option<R> {
    MODULE.with(|module| {
        module.enter(root, root);
        module.with_instance(root, call)
    })
}

/// Leads the answer of an HTTP call to who made it.
pub(super) fn http_answer(serving: u32, token: u32, came: bool) {
    MODULE.with(|module| module.http_answer(serving, token, came));
}

/// Calls a stream's filter; answers as the interface does.
pub(super) fn on_stream(
    id: u32,
    phase: Phases,
    call: impl FnOnce(&mut dyn StreamFilter, &Stream<'_>) -> Action,
) -> u32 {
    MODULE.with(|module| {
        let Some(mut filter) = module.take(id, phase, Some(Kind::Stream)) else { return CONTINUE };
        let action = match &mut filter {
            Filter::Stream(filter) => call(&mut **filter, &Stream::new(&WasmHost, id.into())),
            Filter::Connection(_) | Filter::Unmade | Filter::Absent => Action::Continue,
        };
        module.put(id, filter);
        settle(id, action)
    })
}

/// Calls a connection's filter; answers as the interface does.
pub(super) fn on_connection(
    id: u32,
    phase: Phases,
    call: impl FnOnce(&mut dyn NetworkFilter, &Connection<'_>) -> FlowAction,
) -> u32 {
    MODULE.with(|module| {
        let taken = module.take(id, phase, Some(Kind::Connection));
        let Some(mut filter) = taken else { return CONTINUE };
        let action = match &mut filter {
            Filter::Connection(filter) => {
                call(&mut **filter, &Connection::new(&WasmHost, id.into()))
            }
            Filter::Stream(_) | Filter::Unmade | Filter::Absent => FlowAction::Continue,
        };
        module.put(id, filter);
        match action {
            FlowAction::Continue => CONTINUE,
            FlowAction::Pause => PAUSE,
            FlowAction::Close => {
                imports::close(StreamType::Downstream).ok();
                PAUSE
            }
        }
    })
}

/// Tells a connection's filter of a close.
pub(super) fn close(id: u32, flow: Flow, by: u32) {
    let by = match PeerType::try_from(by) {
        Ok(PeerType::Local) => Peer::Local,
        Ok(PeerType::Remote) => Peer::Remote,
        Ok(PeerType::Unknown) | Err(_) => Peer::Unknown,
    };
    on_connection(id, Phases::CLOSE, |filter, connection| {
        filter.on_close(connection, flow, by);
        FlowAction::Continue
    });
}

/// Tells a filter that its stream or connection is over.
pub(super) fn complete(id: u32) {
    MODULE.with(|module| {
        let Some(mut filter) = module.take(id, Phases::LOG, None) else { return };
        match &mut filter {
            Filter::Stream(filter) => filter.on_complete(&Stream::new(&WasmHost, id.into())),
            Filter::Connection(filter) => {
                filter.on_complete(&Connection::new(&WasmHost, id.into()));
            }
            Filter::Unmade | Filter::Absent => {}
        }
        module.put(id, filter);
    });
}

/// Lets go of a root, a stream or a connection.
pub(super) fn delete(id: u32) {
    MODULE.with(|module| {
        // Outside of the tables: what is dropped may ask for something.
        let context = module.contexts.borrow_mut().remove(&id);
        // No number is one of both.
        let root = if context.is_some() { None } else { module.roots.borrow_mut().remove(&id) };
        module.enter(id, context.as_ref().map_or(id, |context| context.root));
        // Nobody hears of the answers to who is gone.
        if root.is_some() {
            module.calls.borrow_mut().retain(|_token, asked| asked.root != id);
        } else if context.as_ref().is_some_and(|context| context.has_asked) {
            module.calls.borrow_mut().retain(|_token, asked| asked.context != Some(id));
        }
        drop((context, root));
    });
}

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// Makes an answer of the interface of a plugin's.
fn settle(id: u32, action: Action) -> u32 {
    match action {
        Action::Continue => return CONTINUE,
        Action::Pause => {}
        Action::Respond(response) => {
            let response = sendable(response);
            if WasmHost.respond(id.into(), &response).is_err() {
                // A plugin that wants to end a request must not fail over how.
                WasmHost.respond(id.into(), &Response::new(500)).ok();
            }
        }
        Action::Reset => {
            imports::close(StreamType::Request).ok();
        }
    }
    PAUSE
}
