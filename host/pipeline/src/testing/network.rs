//! Scripted network filters, and connections for them.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use host_extension::{
    Bounds, CallResult, Capability, Connection, ConnectionFacts, FilterFactory, Flow,
    NetworkFilter, OnError, Peer, Phases, PluginFault, Protocol, Step,
};
use host_telemetry::{Metrics, PluginMetrics};
use host_types::ConnectionId;

use super::{Log, Terms};
use crate::chain::ChainEntry;

type OnNew = dyn Fn(&Rc<Connection>) -> Step;
type OnData = dyn Fn(&Rc<Connection>, Flow, bool) -> Step;

/// A network filter that does as it is told and writes down what it sees: `a new`, `a>bytes`,
/// `a<bytes.` with a dot at the end of a direction, `a closed > Remote`, `a done`.
#[derive(Clone)]
pub(crate) struct NetworkFake {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    phases: Phases,
    on_error: OnError,
    refuses: Option<PluginFault>,
    fails_at_end: Option<PluginFault>,
    terms: Terms,
    on_new: Rc<OnNew>,
    on_data: Rc<OnData>,
    pub(crate) faults: Rc<Cell<u32>>,
    pub(crate) metrics: Arc<PluginMetrics>,
}

impl NetworkFake {
    /// A filter that wants everything and lets everything pass.
    pub(crate) fn new(log: &Log, name: &'static str) -> Self {
        Self {
            name,
            log: Rc::clone(log),
            phases: Phases::ALL,
            on_error: OnError::Closed,
            refuses: None,
            fails_at_end: None,
            terms: Terms::default(),
            on_new: Rc::new(|_| Step::CONTINUE),
            on_data: Rc::new(|_, _, _| Step::CONTINUE),
            faults: Rc::default(),
            metrics: Metrics::new().worker(0).plugin(&name.into(), "fake"),
        }
    }

    pub(crate) fn phases(mut self, phases: Phases) -> Self {
        self.phases = phases;
        self
    }

    pub(crate) fn open(self) -> Self {
        self.on_error(OnError::Open)
    }

    pub(crate) fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    pub(crate) fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    /// No filter of it can be made.
    pub(crate) fn refusing(mut self, fault: PluginFault) -> Self {
        self.refuses = Some(fault);
        self
    }

    /// Fails when it is told that a side was closed.
    pub(crate) fn failing_at_end(mut self, fault: PluginFault) -> Self {
        self.fails_at_end = Some(fault);
        self
    }

    pub(crate) fn on_new(mut self, answer: impl Fn(&Rc<Connection>) -> Step + 'static) -> Self {
        self.on_new = Rc::new(answer);
        self
    }

    pub(crate) fn on_data(
        mut self,
        answer: impl Fn(&Rc<Connection>, Flow, bool) -> Step + 'static,
    ) -> Self {
        self.on_data = Rc::new(answer);
        self
    }

    /// Writes the bytes that it sees of a direction anew, and lets them pass.
    pub(crate) fn rewriting(self, wanted: Flow, rewrite: fn(&str) -> String) -> Self {
        self.on_data(move |connection, flow, _| {
            if flow == wanted {
                let text = rewrite(&in_hand(connection, flow));
                connection.flow(flow).bytes.borrow_mut().set(text.into());
            }
            Step::CONTINUE
        })
    }

    pub(crate) fn entry(&self) -> ChainEntry {
        ChainEntry {
            plugin: self.name.into(),
            on_error: self.on_error,
            factory: Rc::new(Factory(self.clone())),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn note(&self, what: String) {
        self.log.borrow_mut().push(what);
    }
}

struct Factory(NetworkFake);

struct Filter(NetworkFake);

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl FilterFactory for Factory {
    fn phases(&self) -> Phases {
        self.0.phases
    }

    fn network_filter(
        &self,
        _connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        match &self.0.refuses {
            Some(fault) => Err(fault.clone()),
            None => Ok(Box::new(Filter(self.0.clone()))),
        }
    }

    fn is_security(&self) -> bool {
        self.0.terms.is_security
    }

    fn bounds(&self) -> Bounds {
        self.0.terms.bounds.clone()
    }

    fn may(&self, what: Capability) -> CallResult<()> {
        self.0.terms.may(what)
    }

    fn on_fault(&self, _fault: &PluginFault) {
        self.0.faults.set(self.0.faults.get() + 1);
    }
}

impl NetworkFilter for Filter {
    fn on_new_connection(&mut self, connection: &Rc<Connection>) -> Step {
        self.0.note(format!("{} new", self.0.name));
        (self.0.on_new)(connection)
    }

    fn on_data(&mut self, connection: &Rc<Connection>, flow: Flow, end: bool) -> Step {
        let dot = if end { "." } else { "" };
        let text = in_hand(connection, flow);
        self.0.note(format!("{}{}{text}{dot}", self.0.name, arrow(flow)));
        (self.0.on_data)(connection, flow, end)
    }

    fn on_close(
        &mut self,
        _connection: &Rc<Connection>,
        flow: Flow,
        by: Peer,
    ) -> Result<(), PluginFault> {
        self.0.note(format!("{} closed {} {by:?}", self.0.name, arrow(flow)));
        self.0.fails_at_end.clone().map_or(Ok(()), Err)
    }

    fn on_complete(&mut self, _connection: &Rc<Connection>) -> Result<(), PluginFault> {
        self.0.note(format!("{} done", self.0.name));
        Ok(())
    }
}

fn arrow(flow: Flow) -> char {
    if flow == Flow::Downstream { '>' } else { '<' }
}

/// What the filter on duty has in hand.
pub(crate) fn in_hand(connection: &Connection, flow: Flow) -> String {
    let state = connection.flow(flow);
    assert!(state.on_duty.get(), "it is asked for in a hook");
    let bytes = state.bytes.borrow();
    String::from_utf8_lossy(bytes.as_slice()).into_owned()
}

/// A connection that was just accepted.
pub(crate) fn connection() -> Rc<Connection> {
    let facts = ConnectionFacts {
        id: ConnectionId::new(1, 7),
        listener: "main".into(),
        peer: "192.0.2.1:1234".parse().expect("an address"),
        local: "192.0.2.2:80".parse().expect("an address"),
        protocol: Protocol::Tcp,
    };
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    Rc::new(Connection::new(Rc::new(facts), started))
}
