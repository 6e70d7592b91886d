//! What all connections of one worker share.
//!
//! Everything here lives on the worker's thread: plain cells, no lock, no atomic.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use host_codec::BuiltinCodec;
use host_extension::{FilterFactory, Signal};
use host_telemetry::{AccessLogWriter, Clock};
use host_types::{ConnectionId, StreamId};
use host_upstream::Clusters;

use crate::{alarm::Alarm, watch::Watch};

/// How often stalled streams are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// One worker, as its connections and streams see it.
pub struct Worker {
    /// Its number.
    pub number: u16,
    /// Its upstream pools.
    pub clusters: Clusters,
    /// Where finished streams are written, if anywhere.
    pub access_log: RefCell<Option<AccessLogWriter>>,
    /// The cheap clock.
    pub clock: Clock,
    /// Raised when connections should end as soon as their streams have.
    pub drain: Alarm,
    /// When `abort` follows `drain`, where that is known; set before `drain` is raised.
    pub drain_timeout: Cell<Option<Duration>>,
    /// Raised when connections must end now.
    pub abort: Alarm,
    connections: Cell<usize>,
    idle: RefCell<Rc<Signal>>,
    sequence: Cell<u64>,
    sweeps: Cell<u32>,
    watches: RefCell<Vec<Weak<Watch>>>,
    codecs: RefCell<HashMap<BuiltinCodec, Rc<dyn FilterFactory>>>,
}

impl Worker {
    /// A worker without connections.
    #[must_use]
    pub fn new(
        number: u16,
        clusters: Clusters,
        access_log: Option<AccessLogWriter>,
        clock: Clock,
    ) -> Self {
        Self {
            number,
            clusters,
            access_log: RefCell::new(access_log),
            clock,
            drain: Alarm::default(),
            drain_timeout: Cell::default(),
            abort: Alarm::default(),
            connections: Cell::default(),
            idle: RefCell::default(),
            sequence: Cell::default(),
            sweeps: Cell::default(),
            watches: RefCell::default(),
            codecs: RefCell::default(),
        }
    }

    /// Makes codecs of a protocol that is built in. Always the same factory for the same codec:
    /// whoever has it shares connections to upstreams, over listeners and reloads.
    pub(crate) fn codec_factory(&self, codec: BuiltinCodec) -> Rc<dyn FilterFactory> {
        Rc::clone(self.codecs.borrow_mut().entry(codec).or_insert_with(|| codec.factory()))
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId::new(self.number, self.next_number())
    }

    pub(crate) fn next_stream(&self) -> StreamId {
        StreamId::new(self.number, self.next_number())
    }

    fn next_number(&self) -> u64 {
        let number = self.sequence.get() + 1;
        self.sequence.set(number);
        number
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Waits until no connection is open.
    pub async fn until_idle(&self) {
        while self.connections.get() > 0 {
            let idle = Rc::clone(&self.idle.borrow());
            idle.wait().await;
        }
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.set(self.connections.get().saturating_sub(1));
        if self.connections.get() == 0 {
            self.idle.take().raise();
        }
    }

    /// The number of the sweep that comes next: a clock of [`SWEEP_INTERVAL`] a tick.
    pub(crate) fn sweep_number(&self) -> u32 {
        self.sweeps.get()
    }

    /// How many sweeps a time is, at least one.
    pub(crate) fn sweeps_in(time: Duration) -> u32 {
        let sweeps = time.as_millis().div_ceil(SWEEP_INTERVAL.as_millis()).max(1);
        u32::try_from(sweeps).unwrap_or(u32::MAX)
    }

    pub(crate) fn watch(&self, watch: &Rc<Watch>) {
        self.watches.borrow_mut().push(Rc::downgrade(watch));
    }

    /// Looks for stalled streams until the worker ends; one task per worker runs this.
    pub async fn sweep_forever(&self) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.sweep();
            if let Some(log) = &*self.access_log.borrow() {
                log.flush();
            }
        }
    }

    fn sweep(&self) {
        let now = self.sweeps.get().wrapping_add(1);
        self.sweeps.set(now);
        self.watches.borrow_mut().retain(|watch| match watch.upgrade() {
            Some(watch) => {
                watch.check(now);
                true
            }
            None => false,
        });
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number)
            .field("connections", &self.connections.get())
            .finish_non_exhaustive()
    }
}
