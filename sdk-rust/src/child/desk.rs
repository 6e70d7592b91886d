//! What a plugin may ask for while one of its callbacks runs.
//!
//! What the host sent along with an event is in the plugin's hand: it is read here, changed here
//! by the host's rules, and the changes go out with the answer. All else is asked of the host,
//! which is one message there and one back. Before the host is asked about a stream it is sent
//! what was changed of it so far, so that it answers as if there were no process in between.
//!
//! The parts: `context` keeps what is known of streams and connections, `turn` which callback
//! runs, `section` are the fields in its hand, `bytes` its bodies; `calls` is
//! [`Backend`](crate::backend::Backend).

mod bytes;
mod calls;
mod context;
mod section;
mod turn;

use std::{
    cell::{RefCell, RefMut},
    collections::HashMap,
};

use abi_process::v1::{self, act, call, change, reply};

use self::turn::Turn;
pub(super) use self::{
    context::{Context, Of},
    section::SectionFields,
    turn::{Exchange, Hand},
};
use super::link::Link;
use crate::{
    HostError,
    backend::{ContextId, Outcome, Section},
};

/// The plugins' side of one session.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) link: Link,
    contexts: RefCell<HashMap<ContextId, Context>>,
    turn: RefCell<Turn>,
}

impl Desk {
    pub(super) fn new(link: Link) -> Self {
        Self { link, contexts: RefCell::default(), turn: RefCell::default() }
    }

    /// Takes a stream or connection up.
    pub(super) fn open(&self, id: ContextId, context: Context) {
        self.contexts.borrow_mut().insert(id, context);
    }

    /// Forgets a stream or connection.
    pub(super) fn forget(&self, id: ContextId) {
        self.contexts.borrow_mut().remove(&id);
    }

    /// Those of one instance.
    pub(super) fn contexts_of(&self, instance: u64) -> Vec<ContextId> {
        let contexts = self.contexts.borrow();
        let own = contexts.iter().filter(|(_id, context)| context.instance == instance);
        own.map(|(id, _context)| *id).collect()
    }

    /// What is known of one, to look at or change.
    pub(super) fn context(&self, id: ContextId) -> Option<RefMut<'_, Context>> {
        RefMut::filter_map(self.contexts.borrow_mut(), |all| all.get_mut(&id)).ok()
    }

    /// A callback of an instance begins, of which context and in which exchange.
    pub(super) fn begin(
        &self,
        instance: u64,
        context: Option<ContextId>,
        exchange: Option<Exchange>,
    ) {
        self.turn.replace(Turn { instance, context, exchange, seen: Vec::new() });
    }

    /// Gives the callback a section to read that is not in its hand any more.
    pub(super) fn show(&self, section: SectionFields) {
        let mut turn = self.turn.borrow_mut();
        if let Some(context) = turn.context {
            turn.keep(context, section);
        }
    }

    /// The callback is over; what came of its exchange.
    pub(super) fn end(&self) -> Option<Exchange> {
        self.turn.take().exchange
    }

    /// Sends the changes of the exchange under way, where they are of this context.
    fn send_changes(&self, id: ContextId) {
        let changes = self.turn.borrow_mut().exchange_of(id).map(Exchange::take);
        let changes = changes.unwrap_or_default();
        if !changes.is_empty() {
            self.act(id, changes, None);
        }
    }

    /// Notes a change of what is in hand: it goes out with the answer.
    fn note(&self, id: ContextId, kind: change::Kind) {
        let has_many = self.turn.borrow_mut().exchange_of(id).map(|exchange| exchange.note(kind));
        if has_many == Some(true) {
            self.send_changes(id);
        }
    }

    fn act(&self, context: ContextId, changes: Vec<v1::Change>, kind: Option<act::Kind>) {
        let generation = self.link.generation();
        self.link.send(reply::Kind::Act(v1::Act { generation, context, changes, kind }));
    }

    /// Asks the host about a stream or connection.
    fn ask_of(&self, id: ContextId, kind: call::Kind) -> Outcome<v1::CallResult> {
        self.send_changes(id);
        let instance = self.turn.borrow().instance;
        self.link.call((id, instance), kind)
    }

    /// Asks the host about anything else.
    fn ask(&self, kind: call::Kind) -> Outcome<v1::CallResult> {
        let instance = self.turn.borrow().instance;
        self.link.call((0, instance), kind)
    }

    /// Has the host change what is not in hand.
    fn ask_change(&self, id: ContextId, kind: change::Kind) -> Outcome<()> {
        self.ask_of(id, call::Kind::Change(v1::Change { kind: Some(kind) })).map(|_done| ())
    }

    /// That the running instance has such a stream or connection.
    fn check(&self, id: ContextId, of: Of) -> Outcome<()> {
        let instance = self.turn.borrow().instance;
        let context = self.context(id).filter(|context| context.instance == instance);
        match context {
            Some(context) if context.of == of => Ok(()),
            Some(_other_kind) => Err(HostError::BadArgument),
            None => Err(HostError::NotFound),
        }
    }

    /// Reads a section: the one in hand, or the host's.
    fn with_section<R>(
        &self,
        id: ContextId,
        section: Section,
        read: impl FnOnce(&SectionFields) -> R,
    ) -> Outcome<R> {
        self.check(id, Of::Stream)?;
        if let Some(fields) = self.turn.borrow().section(id, section) {
            return Ok(read(fields));
        }
        let kind = v1::GetFields { section: v1::Section::from(section).into() };
        let result = self.ask_of(id, call::Kind::GetFields(kind))?;
        let fields = SectionFields::new(section, result.fields);
        let answer = read(&fields);
        self.turn.borrow_mut().keep(id, fields);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
