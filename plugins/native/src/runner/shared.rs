//! What the filters of one instance in a runner have in common: the library's object, and the
//! desk that it asks at.

use std::{cell::Cell, fmt, rc::Rc};

use abi_native::{
    number::Action,
    table::{self, Field, Fields},
};
use mortise_sdk::{Host, HttpAnswer, Refusal};

use super::{
    codec::Told,
    desk::{Duty, RunnerDesk},
};
use crate::{
    callbacks::{Callbacks, InstanceHook, Kept, Object, Opened},
    desk::DeskHandle,
    instance::Kind,
    lines::harmless,
};

/// One instance.
pub(super) struct Shared {
    pub(super) callbacks: Callbacks,
    desk: Rc<RunnerDesk>,
    /// Lives as long as the object, which holds a pointer to it.
    _handle: Box<DeskHandle<RunnerDesk>>,
    object: Cell<Option<Object>>,
    phases: u16,
    /// The number of the newest codec. They are of no stream or connection that the child knows.
    last_codec: Cell<u64>,
}

/// Codecs are counted from here, where nothing else is.
const CODECS_FROM: u64 = 1 << 63;

/// What a callback came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Continue,
    Pause,
    Respond(mortise_sdk::Response),
    Reset,
}

impl Shared {
    pub(super) fn start(
        callbacks: Callbacks,
        host: &Host<'_>,
        root_id: &str,
        config: &[u8],
    ) -> Result<Rc<Self>, Refusal> {
        let desk = Rc::new(RunnerDesk::default());
        let handle = DeskHandle::new(Rc::as_ptr(&desk));
        let wanted = callbacks.phases();
        let mut phases = u32::from(wanted);
        let start = || callbacks.start(handle.as_ptr(), root_id, config, &mut phases);
        let object = desk.during(host, Duty::NONE, start);
        let said = desk.take_said();
        let object = object.ok_or_else(|| Refusal::new(why(said)))?;
        let phases = u16::try_from(phases).unwrap_or(u16::MAX) & wanted;
        let object = Cell::new(Some(object));
        let last_codec = Cell::new(CODECS_FROM);
        Ok(Rc::new(Self { callbacks, desk, _handle: handle, object, phases, last_codec }))
    }

    /// True where the instance wants all of these callbacks.
    pub(super) fn wants(&self, phase: mortise_sdk::Phases) -> bool {
        self.phases & phase.bits() == phase.bits()
    }

    /// Runs a callback. One that fails ends as a panic does, with its own words: so the child
    /// tells of it and lets the instance go.
    pub(super) fn call(
        &self,
        host: &Host<'_>,
        duty: Duty,
        callback: impl FnOnce(&Object) -> Option<u32>,
    ) -> Outcome {
        let Some(object) = self.object.take() else { fail("it was called within a callback") };
        let number = self.desk.during(host, duty, || callback(&object)).unwrap_or_default();
        self.object.set(Some(object));
        let (answer, said) = (self.desk.take_answer(), self.desk.take_said());
        match (Action::of(number), answer) {
            (Some(Action::Failed), _) => fail(&why(said)),
            (_, _) if said.is_some() => fail(&why(said)),
            (None, _) => fail(&format!("it answered with {number}, which is no action")),
            (Some(_), Some(outcome)) => outcome,
            (Some(Action::Continue), None) => Outcome::Continue,
            (Some(Action::Pause), None) => Outcome::Pause,
            (Some(Action::Reset), None) => Outcome::Reset,
            (Some(Action::Respond), None) => {
                fail("it wants a client to be answered, and did not say with what")
            }
        }
    }

    /// Makes a codec; `None` where the library serves no protocol.
    pub(super) fn open_codec(&self, host: &Host<'_>) -> Option<(Kept, u64)> {
        if !self.callbacks.has_codecs() {
            return None;
        }
        let context = self.last_codec.get() + 1;
        self.last_codec.set(context);
        let open = |object: &Object| self.callbacks.open_codec(object, context);
        let kept = self.open(host, (Kind::Codec, context), open).kept();
        if kept.is_none() {
            self.desk.closed(context);
        }
        Some((kept?, context))
    }

    /// Runs a callback of a codec, which can only fail or tell what it was asked for.
    pub(super) fn call_codec(
        &self,
        told: Told,
        callback: impl FnOnce(&Object) -> Option<u32>,
    ) -> Told {
        let Some(object) = self.object.take() else { fail("it was called within a callback") };
        let (number, told) = self.desk.during_codec(told, || callback(&object));
        self.object.set(Some(object));
        let number = number.unwrap_or_default();
        match (Action::of(number), self.desk.take_said()) {
            (Some(Action::Continue), None) => told,
            (_, Some(said)) => fail(&why(Some(said))),
            (Some(Action::Failed), None) => fail(&why(None)),
            (_, None) => fail(&format!("it answered with {number}, which is none of a codec")),
        }
    }

    pub(super) fn deliver(&self, host: &Host<'_>, hook: InstanceHook<'_>) {
        self.call(host, Duty::NONE, |object| self.callbacks.instance(object, hook));
    }

    /// Has the library told of a context.
    pub(super) fn open(
        &self,
        host: &Host<'_>,
        (kind, context): (Kind, u64),
        open: impl FnOnce(&Object) -> Opened,
    ) -> Opened {
        self.desk.opened(context, kind);
        let mut opened = Opened::Absent;
        self.call(host, Duty::of(context, None), |object| {
            opened = open(object);
            None
        });
        opened
    }

    /// A context is over: gives back what the library kept for it.
    pub(super) fn close(&self, context: u64, free: impl FnOnce(&Object)) {
        self.desk.closed(context);
        if let Some(object) = self.object.take() {
            free(&object);
            self.object.set(Some(object));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.callbacks.free(object);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

fn why(said: Option<String>) -> String {
    said.map_or_else(|| "it did not say why".to_owned(), |said| harmless(&said))
}

pub(super) fn fail(why: &str) -> ! {
    std::panic::resume_unwind(Box::new(why.to_owned()))
}

/// Lends an answer as the table has it.
pub(super) fn with_answer<T>(
    answer: Option<&HttpAnswer>,
    lend: impl FnOnce(Option<&table::HttpAnswer>) -> T,
) -> T {
    let Some(answer) = answer else { return lend(None) };
    let headers = fields(&answer.headers);
    let trailers = fields(&answer.trailers);
    lend(Some(&table::HttpAnswer {
        size: u32::try_from(size_of::<table::HttpAnswer>()).unwrap_or(u32::MAX),
        reserved: 0,
        headers: Fields::of(&headers),
        body: table::Bytes::of(&answer.body),
        trailers: Fields::of(&trailers),
    }))
}

fn fields(fields: &mortise_sdk::Fields) -> Vec<Field> {
    let lend =
        |(name, value)| Field { name: table::Bytes::of(name), value: table::Bytes::of(value) };
    fields.iter().map(lend).collect()
}
