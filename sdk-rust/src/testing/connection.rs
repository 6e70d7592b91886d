//! A connection in a test: its bytes pass the filter by the rules of the proxy.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
};

use super::{
    Core,
    message::{HELD_BYTES_MAX, Wait},
    world::Properties,
};
use crate::{
    CallFailure, CallId, Connection, ConnectionId, Flow, FlowAction, Host, HttpAnswer,
    NetworkFilter, Peer, Phases, backend::ContextId,
};

/// One connection, driven by a test.
///
/// Each method puts something in and answers what the filter said of it; what the plugin does
/// not ask for, by its [`Phases`], passes it unseen. Bytes that come behind some that wait for
/// a resume are queued, answered with [`FlowAction::Pause`], and shown later.
///
/// When it is dropped the connection is over, and the filter is told so.
pub struct TestConnection {
    core: Rc<Core>,
    state: Rc<ConnectionState>,
}

/// What a test and the host see of a connection.
pub(super) struct ConnectionState {
    id: ContextId,
    downstream: RefCell<FlowState>,
    upstream: RefCell<FlowState>,
    pub(super) properties: Properties,
    filter: RefCell<Option<Box<dyn NetworkFilter>>>,
    opening: Cell<Opening>,
    closed: Cell<bool>,
}

/// How far the beginning of the connection has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Opening {
    #[default]
    Expected,
    Waiting,
    Done,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct FlowState {
    queue: VecDeque<(Vec<u8>, bool)>,
    pub(super) in_hand: Option<Vec<u8>>,
    wait: Option<Wait>,
    /// It was said to go on since the newest callback began.
    pub(super) resumed: bool,
    ended: bool,
    passed: Vec<u8>,
}

impl TestConnection {
    pub(super) fn new(core: &Rc<Core>) -> Self {
        let state = Rc::new(ConnectionState {
            id: core.world.id(),
            downstream: RefCell::default(),
            upstream: RefCell::default(),
            properties: Properties::default(),
            filter: RefCell::default(),
            opening: Cell::default(),
            closed: Cell::default(),
        });
        core.world.connections.borrow_mut().insert(state.id, Rc::clone(&state));
        Self { core: Rc::clone(core), state }
    }

    /// The connection is there; this stands first.
    ///
    /// # Panics
    /// It was opened already.
    pub fn open(&self) -> FlowAction {
        assert!(self.state.opening.get() == Opening::Expected, "a connection is opened once");
        let action = self.state.open(&self.core);
        self.core.settle();
        action
    }

    /// The next bytes of a direction; `end` says that nothing of it follows.
    ///
    /// # Panics
    /// The connection was not opened, or the direction has ended.
    pub fn data(&self, flow: Flow, bytes: impl AsRef<[u8]>, end: bool) -> FlowAction {
        if self.state.closed.get() {
            return FlowAction::Close;
        }
        assert!(self.state.opening.get() != Opening::Expected, "a connection is opened first");
        self.state.flow(flow).borrow_mut().put(bytes.as_ref(), end);
        let shown = self.state.run(&self.core, flow);
        self.core.settle();
        shown.unwrap_or(FlowAction::Pause)
    }

    /// A side was closed: [`Flow::Downstream`] is the client's.
    pub fn close(&self, flow: Flow, by: Peer) {
        if self.core.phases.contains(Phases::CLOSE) {
            self.state.with_filter(&self.core, |filter, connection| {
                filter.on_close(connection, flow, by);
            });
        }
        self.core.settle();
    }

    /// The bytes that went on in a direction.
    #[must_use]
    pub fn passed(&self, flow: Flow) -> Vec<u8> {
        self.state.flow(flow).borrow().passed.clone()
    }

    /// True where a direction waits to be resumed, or the filter holds bytes of it.
    #[must_use]
    pub fn is_waiting(&self, flow: Flow) -> bool {
        let opens = flow == Flow::Downstream && self.state.opening.get() == Opening::Waiting;
        opens || self.state.flow(flow).borrow().wait.is_some()
    }

    /// True where the plugin closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.closed.get()
    }

    /// Has the connection know a property.
    pub fn set_property(&self, path: &[&str], value: impl Into<Vec<u8>>) {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        self.state.properties.borrow_mut().insert(path, value.into());
    }

    /// A property of the connection, also one that the plugin set.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        let path: Vec<_> = path.iter().map(|segment| (*segment).to_owned()).collect();
        self.state.properties.borrow().get(&path).cloned()
    }

    /// Which connection, as the plugin knows it.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        ConnectionId(self.state.id)
    }

    /// Ends the connection.
    pub fn complete(self) {
        drop(self);
    }
}

impl Drop for TestConnection {
    fn drop(&mut self) {
        // A test that failed shall tell why, not what comes of it.
        if !std::thread::panicking() {
            self.state.complete(&self.core);
            self.core.settle();
        }
        self.core.world.forget(self.state.id);
    }
}

impl fmt::Debug for TestConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestConnection")
            .field("id", &self.state.id)
            .field("downstream", &self.state.downstream)
            .field("upstream", &self.state.upstream)
            .finish_non_exhaustive()
    }
}

impl ConnectionState {
    pub(super) fn flow(&self, flow: Flow) -> &RefCell<FlowState> {
        match flow {
            Flow::Downstream => &self.downstream,
            Flow::Upstream => &self.upstream,
        }
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        for flow in [&self.downstream, &self.upstream] {
            let mut flow = flow.borrow_mut();
            flow.queue.clear();
            flow.in_hand = None;
            flow.wait = None;
        }
    }

    fn complete(&self, core: &Core) {
        if core.phases.contains(Phases::LOG) {
            self.with_filter(core, |filter, connection| filter.on_complete(connection));
        }
        // Outside of the cell: what a filter drops may ask for something.
        let filter = self.filter.borrow_mut().take();
        drop(filter);
    }

    fn open(&self, core: &Core) -> FlowAction {
        let host = Host::new(&core.world);
        let made = core.instance.borrow_mut().network_filter(&host);
        *self.filter.borrow_mut() = made;
        let action = if core.phases.contains(Phases::NEW_CONNECTION) {
            let called =
                self.with_filter(core, |filter, connection| filter.on_new_connection(connection));
            called.unwrap_or_default()
        } else {
            FlowAction::Continue
        };
        let resumed = std::mem::take(&mut self.downstream.borrow_mut().resumed);
        match action {
            FlowAction::Pause if !resumed => self.opening.set(Opening::Waiting),
            FlowAction::Pause | FlowAction::Continue => self.opening.set(Opening::Done),
            FlowAction::Close => self.close(),
        }
        action
    }

    /// Shows the filter what can be shown; answers what it said of the last bytes.
    fn run(&self, core: &Core, flow: Flow) -> Option<FlowAction> {
        let mut last = None;
        loop {
            let is_stopped = self.opening.get() != Opening::Done || self.closed.get();
            let next = if is_stopped { None } else { self.flow(flow).borrow_mut().next() };
            let Some((bytes, end)) = next else { return last };
            last = Some(self.show(core, flow, &bytes, end));
        }
    }

    fn show(&self, core: &Core, flow: Flow, bytes: &[u8], end: bool) -> FlowAction {
        let phase = match flow {
            Flow::Downstream => Phases::DOWNSTREAM_DATA,
            Flow::Upstream => Phases::UPSTREAM_DATA,
        };
        if !core.phases.contains(phase) {
            self.flow(flow).borrow_mut().passed.extend(bytes);
            return FlowAction::Continue;
        }
        if bytes.is_empty() && !end {
            return FlowAction::Continue; // nothing is new for it
        }
        self.flow(flow).borrow_mut().show(bytes);
        let called =
            self.with_filter(core, |filter, connection| filter.on_data(connection, flow, end));
        let action = called.unwrap_or_default();
        let mut state = self.flow(flow).borrow_mut();
        match action {
            FlowAction::Close => {
                drop(state);
                self.close();
            }
            FlowAction::Pause if !state.resumed => {
                let held = state.in_hand.as_ref().map_or(0, Vec::len);
                state.wait = Some(if end { Wait::End } else { Wait::More });
                if !end && held > HELD_BYTES_MAX {
                    drop(state);
                    self.close();
                }
            }
            FlowAction::Pause | FlowAction::Continue => state.pass(),
        }
        action
    }

    /// Takes the filter out, calls it and puts it back.
    fn with_filter<R>(
        &self,
        core: &Core,
        call: impl FnOnce(&mut dyn NetworkFilter, &Connection<'_>) -> R,
    ) -> Option<R> {
        let mut filter = self.filter.borrow_mut().take()?;
        let called = call(&mut *filter, &Connection::new(&core.world, self.id));
        *self.filter.borrow_mut() = Some(filter);
        Some(called)
    }

    /// Goes on with what was resumed. True where something was done.
    pub(super) fn settle(&self, core: &Core) -> bool {
        if self.closed.get() {
            return false;
        }
        if self.opening.get() == Opening::Waiting
            && std::mem::take(&mut self.downstream.borrow_mut().resumed)
        {
            self.opening.set(Opening::Done);
            self.run(core, Flow::Downstream);
            self.run(core, Flow::Upstream);
            return true;
        }
        [Flow::Downstream, Flow::Upstream].into_iter().any(|flow| {
            let is_resumed = self.flow(flow).borrow_mut().pass_resumed();
            if is_resumed {
                self.run(core, flow);
            }
            is_resumed
        })
    }

    pub(super) fn http_answer(
        &self,
        core: &Core,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        self.with_filter(core, |filter, connection| {
            filter.on_http_answer(connection, call, answer);
        });
    }
}

impl FlowState {
    /// Puts bytes in, behind those that wait.
    fn put(&mut self, bytes: &[u8], end: bool) {
        assert!(!self.ended, "bytes came behind the end of the direction");
        self.ended = end;
        self.queue.push_back((bytes.to_vec(), end));
    }

    /// The next bytes, where nothing is waited for that must come before them.
    fn next(&mut self) -> Option<(Vec<u8>, bool)> {
        if self.wait == Some(Wait::End) { None } else { self.queue.pop_front() }
    }

    /// Puts bytes into the filter's hands.
    fn show(&mut self, bytes: &[u8]) {
        self.in_hand.get_or_insert_default().extend(bytes);
        self.wait = None;
        self.resumed = false;
    }

    /// Sends on what waits, where it was resumed since.
    fn pass_resumed(&mut self) -> bool {
        let is_resumed = self.wait.is_some() && self.resumed;
        if is_resumed {
            self.pass();
        }
        is_resumed
    }

    /// Sends on what the filter has in hand.
    fn pass(&mut self) {
        self.wait = None;
        let bytes = self.in_hand.take().unwrap_or_default();
        self.passed.extend(bytes);
    }
}
