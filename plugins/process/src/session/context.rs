//! What a session keeps for one stream or connection.

use std::{cell::Cell, rc::Rc};

use abi_process::v1;
use host_extension::{Connection, FaultKind, Phases, PluginFault, Step, Stream, Subject, Verdict};

use super::{
    Instance,
    codec::Asked,
    hook::{self, Hook},
    way::{Dir, OnPause, Waiting, Way},
};
use crate::host_calls::Changed;

/// A stream or connection of an instance.
#[derive(Debug)]
pub(crate) struct Context {
    /// Its number, which no other one of the session ever has.
    pub(crate) id: u64,
    /// Whose it is.
    pub(crate) instance: Rc<Instance>,
    /// What it is for.
    pub(crate) of: Of,
    /// The connection to the child on which it was opened, by its number.
    opened: Cell<Option<u64>>,
    is_over: Cell<bool>,
    /// It takes one of the places that its instance has.
    is_counted: Cell<bool>,
    ways: [Way; 2],
    /// What a codec was asked.
    pub(super) asked: Asked,
}

/// What a context is for.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// A stream.
    Stream(Rc<Stream>),
    /// A connection.
    Connection(Rc<Connection>),
    /// A codec, which knows only bytes.
    Codec,
}

/// Whether a context can be served now.
#[derive(Debug)]
pub(super) enum Door {
    Open,
    /// The child is about to be ready.
    Soon,
    Shut(PluginFault),
}

impl Context {
    pub(super) fn new(id: u64, instance: Rc<Instance>, of: Of) -> Rc<Self> {
        instance.count(true);
        let (opened, is_over, ways, asked) = Default::default();
        let is_counted = Cell::new(true);
        Rc::new(Self { id, instance, of, opened, is_over, is_counted, ways, asked })
    }

    /// What it is for, in the words of the host.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match &self.of {
            Of::Stream(stream) => Subject::Stream(stream),
            Of::Connection(connection) => Subject::Connection(connection),
            Of::Codec => Subject::Host,
        }
    }

    /// The stream, where it is one.
    pub(crate) fn stream(&self) -> Option<&Rc<Stream>> {
        match &self.of {
            Of::Stream(stream) => Some(stream),
            Of::Connection(_) | Of::Codec => None,
        }
    }

    /// The connection, where it is one.
    pub(crate) fn connection(&self) -> Option<&Rc<Connection>> {
        match &self.of {
            Of::Connection(connection) => Some(connection),
            Of::Stream(_) | Of::Codec => None,
        }
    }

    /// A direction of it.
    pub(crate) fn way(&self, dir: Dir) -> &Way {
        let [inwards, outwards] = &self.ways;
        match dir {
            Dir::In => inwards,
            Dir::Out => outwards,
        }
    }

    /// The direction that waits for the answer to an exchange.
    pub(super) fn awaiting(&self, exchange: u64) -> Option<Dir> {
        [Dir::In, Dir::Out].into_iter().find(|dir| self.way(*dir).awaits(exchange))
    }

    /// True while the child owes the answer to an exchange of a direction, or of a codec.
    pub(super) fn owes(&self, dir: Option<Dir>, exchange: u64) -> bool {
        match dir {
            Some(dir) => self.way(dir).awaits(exchange),
            None => self.asked.awaits(exchange),
        }
    }

    /// Shows the child an event, and waits for its answer.
    pub(crate) fn call(self: &Rc<Self>, hook: Hook) -> Step {
        match self.door() {
            Door::Shut(fault) => Verdict::Failed(fault).into(),
            Door::Open => match self.ask(hook) {
                Err(fault) => Verdict::Failed(fault).into(),
                Ok(None) => Step::CONTINUE,
                Ok(Some(waiting)) => Step::Later(Box::pin(waiting)),
            },
            Door::Soon => {
                let context = Rc::clone(self);
                Step::Later(Box::pin(async move { context.call_soon(hook).await }))
            }
        }
    }

    async fn call_soon(self: Rc<Self>, hook: Hook) -> Verdict {
        let asked = match self.until_open().await {
            Ok(()) => self.ask(hook),
            Err(fault) => Err(fault),
        };
        match asked {
            Err(fault) => Verdict::Failed(fault),
            Ok(None) => Verdict::Continue,
            Ok(Some(waiting)) => waiting.await,
        }
    }

    /// Asks; `None` where the child does not want to know.
    fn ask(self: &Rc<Self>, hook: Hook) -> Result<Option<Waiting>, PluginFault> {
        if self.is_over.get() || !self.instance.wants(hook.phase()) {
            return Ok(None);
        }
        let session = self.instance.session();
        self.open()?;
        let exchange = session.number();
        let (dir, event) = hook.event(self, exchange);
        session.ask(self, hook.name(), event)?;
        self.way(dir).begin(exchange, hook.on_pause());
        session.expect(self, dir, exchange, hook.name());
        Ok(Some(Waiting::new(Rc::clone(self), dir, exchange)))
    }

    /// Sends an event that nobody waits for.
    ///
    /// # Errors
    /// The child is gone, and with it all that it knew of this context.
    pub(crate) fn tell(self: &Rc<Self>, event: v1::event::Kind) -> Result<(), PluginFault> {
        match self.door() {
            Door::Shut(fault) => Err(fault),
            // A child that is not ready was never told of this context.
            Door::Soon => Ok(()),
            Door::Open => {
                self.open()?;
                self.instance.session().tell(event);
                Ok(())
            }
        }
    }

    /// The stream or connection is over. Where the plugin writes a log, the child hears of it even
    /// where it was shown nothing before, and its context stays until it has answered.
    ///
    /// # Errors
    /// The plugin cannot write its log, because its child is gone.
    pub(crate) fn complete(
        self: &Rc<Self>,
        last: impl FnOnce(&Self) -> v1::Complete,
    ) -> Result<(), PluginFault> {
        if self.is_over.replace(true) {
            return Ok(());
        }
        // Before it is ready nobody knows what it wants.
        let may_log = !matches!(self.of, Of::Codec);
        let wants_log = self.instance.wants(Phases::LOG) || matches!(self.door(), Door::Soon);
        let completed = if may_log && wants_log {
            self.complete_with_log(last)
        } else {
            if self.opened.get().is_some() {
                let complete = v1::Complete { context: self.id, ..v1::Complete::default() };
                // A child that is gone needs no telling.
                drop(self.tell(v1::event::Kind::Complete(complete)));
            }
            self.end();
            Ok(())
        };
        completed.inspect_err(|_fault| self.end())
    }

    fn complete_with_log(
        self: &Rc<Self>,
        last: impl FnOnce(&Self) -> v1::Complete,
    ) -> Result<(), PluginFault> {
        match self.door() {
            Door::Shut(fault) => Err(fault),
            Door::Soon => {
                let last = last(self);
                let completing = Rc::clone(self).complete_soon(last);
                // The context holds its place among those of the plugin until it is told.
                drop(tokio::task::spawn_local(completing));
                Ok(())
            }
            Door::Open => self.tell_complete(last(self)),
        }
    }

    /// As the child was not ready yet when the stream was over.
    async fn complete_soon(self: Rc<Self>, last: v1::Complete) {
        let told = match self.until_open().await {
            Ok(()) if self.instance.wants(Phases::LOG) => self.tell_complete(last),
            Ok(()) => {
                self.end();
                Ok(())
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = told {
            tracing::debug!(plugin = self.instance.plugin(), "no word of a stream's end: {fault}");
            self.end();
        }
    }

    fn tell_complete(self: &Rc<Self>, last: v1::Complete) -> Result<(), PluginFault> {
        self.open()?;
        let session = self.instance.session();
        let exchange = session.number();
        let complete = v1::Complete { context: self.id, exchange, ..last };
        session.tell(v1::event::Kind::Complete(complete));
        self.way(Dir::In).begin(exchange, OnPause::Wait);
        session.expect(self, Dir::In, exchange, "on_complete");
        Ok(())
    }

    /// True once its filter is gone, or about to be.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Nothing of it is known any more.
    pub(super) fn end(&self) {
        if self.is_counted.take() {
            self.instance.count(false);
        }
        self.asked.forget();
        self.instance.session().forget(self.id);
        self.instance.end_calls_of(self.id);
    }

    /// The child changed bytes of it.
    pub(crate) fn note_changed(&self, changed: Changed) {
        for dir in [Dir::In, Dir::Out] {
            let way = self.way(dir);
            if !changed.touches(dir) {
                continue;
            }
            way.note_change(changed.failed(dir));
            if way.is_holding() {
                self.keep(dir);
            }
        }
    }

    /// The child keeps the bytes in hand of a direction.
    pub(super) fn keep(&self, dir: Dir) {
        let way = self.way(dir);
        let in_hand = if way.is_hidden.get() { None } else { hook::in_hand(self, dir) };
        way.keep(in_hand.unwrap_or(0));
    }

    /// Whoever waits for the child hears of a fault.
    pub(crate) fn fail(&self, fault: &PluginFault) {
        self.ways.iter().for_each(|way| way.fail(fault));
        self.asked.fail(fault);
    }

    /// Makes the context known to the child, right before its first event.
    pub(super) fn open(self: &Rc<Self>) -> Result<(), PluginFault> {
        if self.opened.get().is_some() {
            return Ok(());
        }
        let session = self.instance.session();
        let held_bytes_max = match &self.of {
            Of::Stream(stream) => stream.held_bytes_max.get(),
            Of::Connection(connection) => connection.held_bytes_max.get(),
            Of::Codec => 0,
        };
        let own_max = session.link().limits.held_body_bytes_max.unwrap_or(usize::MAX);
        let open = v1::Open {
            instance: self.instance.id,
            context: self.id,
            properties: self.instance.properties_of(self),
            held_bytes_max: held_bytes_max.min(own_max) as u64,
        };
        session.ask(self, "open", v1::event::Kind::Open(open))?;
        self.opened.set(Some(session.epoch()));
        session.remember(self);
        Ok(())
    }

    pub(super) fn door(&self) -> Door {
        if self.instance.is_lost() {
            return Door::Shut(self.instance.lost());
        }
        let session = self.instance.session();
        if self.opened.get().is_some_and(|epoch| epoch != session.epoch()) {
            let name = &session.link().name;
            let message = format!("the child of plugin `{name}` ended under this stream");
            return Door::Shut(PluginFault::new(FaultKind::Crashed, message));
        }
        match session.down() {
            Some(fault) => Door::Shut(fault),
            None if self.instance.is_ready() => Door::Open,
            None => Door::Soon,
        }
    }

    /// Waits until the child is ready for this context, at most as long as it may take to start.
    pub(super) async fn until_open(&self) -> Result<(), PluginFault> {
        let session = self.instance.session();
        let wait_max = session.link().settings.start_timeout;
        let too_late = tokio::time::sleep(wait_max);
        tokio::pin!(too_late);
        loop {
            let changed = session.changed();
            match self.door() {
                Door::Open => return Ok(()),
                Door::Shut(fault) => return Err(fault),
                Door::Soon => {}
            }
            tokio::select! {
                () = changed => {}
                () = &mut too_late => {
                    let name = &session.link().name;
                    let message = format!(
                        "the child of plugin `{name}` was not ready within {} ms",
                        wait_max.as_millis(),
                    );
                    return Err(PluginFault::new(FaultKind::TimedOut, message));
                }
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.is_counted.take() {
            self.instance.count(false);
        }
    }
}
