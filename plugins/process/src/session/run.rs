//! The task of a session: it connects, reads, and looks after the time.
//!
//! It holds the session weakly. When the last use is gone it waits for what was said to be sent,
//! and ends.

use std::{
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use host_extension::{FaultKind, PluginFault};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tonic::{Status, Streaming};

use super::{
    Line, Session, frame,
    health::Health,
    hello::{Opened, broken, fault_of, open},
    limits::{REPLIES_PER_TURN, RETRY_WAIT, RETRY_WAIT_MAX},
    link::ChildLink,
    outbox::Outbox,
};
use crate::child::{ChildState, ChildWatch, Reach};

/// A child that lets us wait for nothing is looked after anyway, now and then.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Starts the task of a session on this worker.
pub(super) fn spawn(session: &Rc<Session>) {
    let task = Task {
        link: Arc::clone(&session.link),
        watch: session.link.watch.clone(),
        wake: Rc::clone(&session.wake),
        session: Rc::downgrade(session),
    };
    tokio::task::spawn_local(task.run());
}

struct Task {
    link: Arc<ChildLink>,
    watch: ChildWatch,
    wake: Rc<Notify>,
    session: Weak<Session>,
}

/// The child that was served last, and how often in a row.
#[derive(Clone, Copy)]
struct Served {
    generation: u32,
    tries: u32,
}

impl Served {
    /// How long it is left alone.
    fn rest(self) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(6);
        RETRY_WAIT.saturating_mul(1 << doublings).min(RETRY_WAIT_MAX)
    }
}

fn tries_after(last: Option<Served>, reach: &Reach) -> u32 {
    match last {
        Some(last) if last.generation == reach.generation => last.tries.saturating_add(1),
        _ => 1,
    }
}

/// Why a connection is over.
enum End {
    /// Nobody needs the session any more.
    Unused,
    /// The child is gone, or to be left alone.
    Lost(PluginFault),
}

impl Task {
    async fn run(mut self) {
        let mut last = None;
        while let Some(reach) = self.next_child(last).await {
            last = Some(Served { generation: reach.generation, tries: tries_after(last, &reach) });
            let End::Lost(fault) = self.serve(&reach).await else { return };
            tracing::debug!(plugin = %self.link.name, %fault, "a session ended");
            self.lost(&fault, reach.generation);
        }
    }

    fn lost(&self, fault: &PluginFault, generation: u32) {
        // Such a child is of no use to anybody; of any other its end is known already.
        if matches!(fault.kind, FaultKind::Protocol | FaultKind::TimedOut) {
            self.link.watchdog.give_up(generation, &format!("failed a session ({fault})"));
        }
        if let Some(session) = self.session.upgrade() {
            session.lost(fault);
        }
    }

    /// Waits for a child that serves, and a while longer where it is the one that was there
    /// before: it broke off, and may be about to end. `None` once nobody needs the session.
    async fn next_child(&mut self, last: Option<Served>) -> Option<Arc<Reach>> {
        let rested = sleep(last.map_or(Duration::ZERO, Served::rest));
        tokio::pin!(rested);
        loop {
            let state = self.watch.borrow_and_update().clone();
            let session = self.session.upgrade()?;
            let is_again = |reach: &Reach| last.is_some_and(|it| it.generation == reach.generation);
            match state {
                ChildState::Ready(reach) if !is_again(&reach) => {
                    session.set_line(Line::Opening);
                    return Some(reach);
                }
                ChildState::Ready(reach) if rested.is_elapsed() => return Some(reach),
                ChildState::Ready(_) | ChildState::Starting => {}
                ChildState::Down(why) => session.set_line(Line::Down(self.no_child(&why))),
            }
            if self.watch.has_changed().is_err() {
                session.set_line(Line::Down(self.no_child("its supervisor is gone")));
            }
            drop(session);
            tokio::select! {
                Ok(()) = self.watch.changed() => {}
                () = self.wake.notified() => {}
                () = &mut rested, if !rested.is_elapsed() => {}
            }
        }
    }

    fn no_child(&self, why: &str) -> PluginFault {
        let message = format!("plugin `{}` has no child: {why}", self.link.name);
        PluginFault::new(FaultKind::Crashed, message)
    }

    /// Connects to a child and serves until that ends.
    async fn serve(&mut self, reach: &Arc<Reach>) -> End {
        let outbox = Arc::<Outbox>::default();
        let opened = self.open(reach, &outbox);
        let wait_max = self.link.settings.start_timeout;
        let opened = tokio::select! {
            opened = timeout(wait_max, opened) => opened,
            () = self.unused() => {
                outbox.close();
                return End::Unused;
            }
        };
        let Opened { mut inbound, rest, channel } = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(fault)) => return End::Lost(fault),
            Err(_elapsed) => {
                let what = format!("it said no hello within {} ms", wait_max.as_millis());
                return End::Lost(fault_of(&self.link, FaultKind::TimedOut, &what));
            }
        };
        {
            let Some(session) = self.session.upgrade() else { return End::Unused };
            session.up(reach.generation, &outbox);
        }
        let end = match self.carry_out(rest).await {
            Ok(()) => self.talk(&mut inbound).await,
            Err(end) => end,
        };
        if matches!(end, End::Unused) {
            finish(&mut inbound, self.link.settings.drain_timeout).await;
        }
        drop(channel);
        end
    }

    async fn unused(&self) {
        while self.session.strong_count() > 0 {
            self.wake.notified().await;
        }
    }

    async fn open(&self, reach: &Arc<Reach>, outbox: &Arc<Outbox>) -> Result<Opened, PluginFault> {
        let worker = self.session.upgrade().map_or(0, |session| session.worker);
        open(&self.link, reach, outbox, worker).await
    }

    /// Reads what the child says until the session ends.
    async fn talk(&self, inbound: &mut Streaming<Bytes>) -> End {
        let timer = sleep(LOOK_INTERVAL);
        tokio::pin!(timer);
        loop {
            match self.look() {
                Ok(at) => timer.as_mut().reset(at),
                Err(end) => return end,
            }
            let message = tokio::select! {
                biased;
                message = inbound.message() => self.read(message),
                () = self.wake.notified() => continue,
                () = &mut timer => continue,
            };
            let carried_out = match message {
                Ok(message) => self.carry_out(message).await,
                Err(end) => Err(end),
            };
            if let Err(end) = carried_out {
                return end;
            }
        }
    }

    /// Looks whether the session goes on, and after what has its time; tells when to look again.
    fn look(&self) -> Result<Instant, End> {
        let session = self.session.upgrade().ok_or(End::Unused)?;
        let now = Instant::now();
        let next = session.tend(now);
        if let Some(fault) = session.ending.take() {
            return Err(End::Lost(fault));
        }
        Ok(next.unwrap_or_else(|| now + LOOK_INTERVAL))
    }

    fn read(&self, message: Result<Option<Bytes>, Status>) -> Result<Bytes, End> {
        match message {
            Ok(Some(message)) => Ok(message),
            Ok(None) => {
                let what = "it ended its session";
                Err(End::Lost(fault_of(&self.link, FaultKind::Crashed, what)))
            }
            Err(status) => Err(End::Lost(broken(&self.link, &status))),
        }
    }

    async fn carry_out(&self, mut message: Bytes) -> Result<(), End> {
        let mut replies = 0_usize;
        loop {
            let Some(session) = self.session.upgrade() else { return Err(End::Unused) };
            if replies == 0 {
                session.heard();
            }
            match frame::next_reply(&mut message) {
                Ok(None) => return Ok(()),
                Ok(Some(reply)) => session.receive(reply).map_err(End::Lost)?,
                Err(malformed) => return Err(End::Lost(session.broke(&malformed.to_string()))),
            }
            if let Some(fault) = session.ending.take() {
                return Err(End::Lost(fault));
            }
            drop(session);
            replies += 1;
            if replies.is_multiple_of(REPLIES_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Drop for Task {
    /// With the worker's loop everything ends; contexts that are not done would hold the session.
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.lost(&fault_of(&self.link, FaultKind::Crashed, "the worker ends"));
        }
    }
}

/// Reads on until the child has taken note of the end, but not for ever.
async fn finish(inbound: &mut Streaming<Bytes>, wait_max: Duration) {
    let read = async { while let Ok(Some(_ignored)) = inbound.message().await {} };
    if timeout(wait_max, read).await.is_err() {
        tracing::debug!("a child did not end its session in time");
    }
}

impl Session {
    fn set_line(&self, line: Line) {
        self.line.replace(line);
        self.changed.notify_waiters();
    }

    /// A child is connected: all instances are started there.
    fn up(&self, generation: u32, outbox: &Arc<Outbox>) {
        self.generation.set(generation);
        self.outbox.replace(Arc::clone(outbox));
        self.health.replace(Health::new(Instant::now(), self.link.settings.unresponsive_timeout));
        self.ending.take();
        self.set_line(Line::Up);
        for instance in self.living() {
            if !instance.is_lost() {
                self.configure(&instance);
            }
        }
    }
}
