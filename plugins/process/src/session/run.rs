//! The task of a session: it connects, reads, and looks after the time.
//!
//! It holds the session weakly. When the last use is gone it waits for what was said to be sent,
//! and ends.

use std::{
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use abi_process::v1;
use bytes::Bytes;
use host_extension::{FaultKind, PluginFault};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tonic::{Status, Streaming, transport::Channel};

use super::{
    Due, Line, Session,
    connect::{self, ConnectError},
    frame,
    health::Health,
    limits::{
        CALLS_MAX, ENDING_MAX, MESSAGE_BYTES_MAX, REPLIES_PER_TURN, RETRY_WAIT, RETRY_WAIT_MAX,
    },
    link::ChildLink,
    outbox::Outbox,
};
use crate::child::{ChildState, ChildWatch, Reach};

/// The version of the protocol that is spoken.
const VERSION: u32 = 1;

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
        let mut tries = 0;
        let mut has_rested = false;
        loop {
            let Some(reach) = self.next_child(last).await else { return };
            if last != Some(reach.generation) {
                tries = 0;
            } else if !has_rested {
                tries += 1;
                has_rested = true;
                if !self.pause(tries).await {
                    return;
                }
                continue; // by now there may be another one
            }
            has_rested = false;
            last = Some(reach.generation);
            match self.serve(&reach).await {
                End::Unused => return,
                End::Lost(fault) => {
                    tracing::debug!(plugin = %self.link.name, %fault, "a session ended");
                    let Some(session) = self.session.upgrade() else { return };
                    if fault.kind == FaultKind::Protocol || fault.kind == FaultKind::TimedOut {
                        self.link.watchdog.unresponsive(reach.generation);
                    }
                    session.lost(&fault);
                }
            }
        }
    }

    /// Waits for a child that serves; one that was there before only counts where no other is
    /// to come. `None` once nobody needs the session.
    async fn next_child(&mut self, last: Option<u32>) -> Option<Arc<Reach>> {
        loop {
            let state = self.watch.borrow_and_update().clone();
            let session = self.session.upgrade()?;
            match state {
                ChildState::Ready(reach) => {
                    if last != Some(reach.generation) {
                        session.set_line(Line::Opening);
                    }
                    return Some(reach);
                }
                ChildState::Starting => {}
                ChildState::Down(why) => {
                    let message = format!("plugin `{}` has no child: {why}", self.link.name);
                    let fault = PluginFault::new(FaultKind::Crashed, message);
                    session.set_line(Line::Down(fault));
                }
            }
            if self.watch.has_changed().is_err() {
                // The supervisor is gone, and all children with it.
                let message = format!("plugin `{}` has no child any more", self.link.name);
                session.set_line(Line::Down(PluginFault::new(FaultKind::Crashed, message)));
            }
            drop(session);
            tokio::select! {
                Ok(()) = self.watch.changed() => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Before the same child is reached again: it broke off, and may be about to end. False once
    /// nobody needs the session.
    async fn pause(&mut self, tries: u32) -> bool {
        let doublings = tries.saturating_sub(1).min(6);
        let wait = RETRY_WAIT.saturating_mul(1 << doublings).min(RETRY_WAIT_MAX);
        let over = sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                Ok(()) = self.watch.changed() => return true,
                () = self.wake.notified() => if self.session.upgrade().is_none() {
                    return false;
                },
            }
        }
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
        let far = Duration::from_hours(1);
        let timer = sleep(far);
        tokio::pin!(timer);
        loop {
            {
                let Some(session) = self.session.upgrade() else { return End::Unused };
                if let Some(fault) = session.ending.take() {
                    return End::Lost(fault);
                }
                let at = session.tend(Instant::now());
                timer.as_mut().reset(at.unwrap_or_else(|| Instant::now() + far));
            }
            tokio::select! {
                biased;
                message = inbound.message() => match message {
                    Ok(Some(message)) => {
                        if let Err(end) = self.carry_out(message).await {
                            return end;
                        }
                    }
                    Ok(None) => {
                        return End::Lost(fault_of(&self.link, FaultKind::Crashed, "it ended its session"));
                    }
                    Err(status) => return End::Lost(broken(&self.link, &status)),
                },
                () = self.wake.notified() => {}
                () = &mut timer => {}
            }
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

/// A session that a child has said hello on.
pub(super) struct Opened {
    pub(super) inbound: Streaming<Bytes>,
    /// What it said in one breath with that.
    pub(super) rest: Bytes,
    /// To be held as long as the session.
    pub(super) channel: Channel,
}

/// Connects, says hello and hears it back.
pub(super) async fn open(
    link: &ChildLink,
    reach: &Arc<Reach>,
    outbox: &Arc<Outbox>,
    worker: u32,
) -> Result<Opened, PluginFault> {
    let refused = |error: &ConnectError| {
        let kind = match error {
            ConnectError::Transport(_) => FaultKind::Crashed,
            ConnectError::Refused(_) | ConnectError::Token => FaultKind::LoadFailed,
        };
        fault_of(link, kind, &error.to_string())
    };
    let hello = v1::event::Kind::Hello(hello(link, reach.generation, worker));
    if let Err(error) = outbox.ask(hello) {
        return Err(fault_of(link, FaultKind::Protocol, &error.to_string()));
    }
    let channel = connect::dial(reach).await.map_err(|error| refused(&error))?;
    let opened = connect::open(channel.clone(), reach, outbox).await;
    let mut inbound = opened.map_err(|error| refused(&error))?;
    let mut rest = match inbound.message().await {
        Ok(Some(message)) => message,
        Ok(None) => return Err(fault_of(link, FaultKind::Crashed, "it ended its session")),
        Err(status) => return Err(broken(link, &status)),
    };
    check_hello(link, reach, &mut rest)?;
    Ok(Opened { inbound, rest, channel })
}

fn hello(link: &ChildLink, generation: u32, worker: u32) -> v1::Hello {
    let contexts_max = link.limits.contexts_max.saturating_add(ENDING_MAX);
    let limits = v1::Limits {
        message_bytes_max: narrow(MESSAGE_BYTES_MAX),
        calls_max: narrow(CALLS_MAX),
        contexts_max: narrow(contexts_max),
        answer_timeout_ms: u32::try_from(link.settings.call_timeout.as_millis())
            .unwrap_or(u32::MAX),
    };
    v1::Hello {
        versions: vec![VERSION],
        features: Vec::new(),
        generation,
        worker,
        plugin: link.name.as_str().to_owned(),
        limits: Some(limits),
    }
}

/// The first reply says hello.
fn check_hello(link: &ChildLink, reach: &Reach, message: &mut Bytes) -> Result<(), PluginFault> {
    let broke = |what: &str| fault_of(link, FaultKind::Protocol, what);
    let reply = frame::next_reply(message).map_err(|error| broke(&error.to_string()))?;
    let Some(v1::reply::Kind::Hello(hello)) = reply.and_then(|reply| reply.kind) else {
        return Err(broke("its first word is no hello"));
    };
    if hello.version != VERSION {
        let version = hello.version;
        let what = format!("it speaks version {version} of the protocol, and not {VERSION}");
        return Err(fault_of(link, FaultKind::LoadFailed, &what));
    }
    if hello.generation != reach.generation {
        return Err(broke("it takes itself for another start of the plugin"));
    }
    Ok(())
}

/// What the end of the stream means.
pub(super) fn broken(link: &ChildLink, status: &Status) -> PluginFault {
    use tonic::Code;
    let kind = match status.code() {
        // Of ours: a message that is too large, or is none.
        Code::OutOfRange | Code::ResourceExhausted | Code::Internal => FaultKind::Protocol,
        _ => FaultKind::Crashed,
    };
    fault_of(link, kind, &connect::story(status))
}

pub(super) fn fault_of(link: &ChildLink, kind: FaultKind, what: &str) -> PluginFault {
    let name = &link.name;
    PluginFault::new(kind, format!("the session with the child of plugin `{name}` ended: {what}"))
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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

    /// Looks after everything that has its time; answers when to look again.
    fn tend(&self, now: Instant) -> Option<Instant> {
        self.end_overdue(now);
        self.check_starts(now);
        let ping = self.health.borrow_mut().ping(now);
        if let Some(number) = ping {
            self.tell(v1::event::Kind::Ping(v1::Ping { number }));
        }
        if self.health.borrow_mut().give_up(now) {
            let generation = self.generation.get();
            let plugin = &self.link.name;
            tracing::warn!(%plugin, generation, "the plugin's child answers nothing any more");
            self.link.watchdog.unresponsive(generation);
        }
        let due = self.due.borrow().front().map(|due| due.at);
        let starting = self.starting.borrow().front().map(|(at, _)| *at);
        let health = self.health.borrow().next();
        let next = [due, starting, health].into_iter().flatten().min();
        self.armed.set(next);
        next
    }

    /// Exchanges that were answered have no time any more.
    pub(super) fn trim(&self) {
        let is_over = |due: &mut Due| !due.context.way(due.dir).awaits(due.exchange);
        loop {
            // One may be the last that holds its instance: it ends outside of the cell.
            let over = self.due.borrow_mut().pop_front_if(is_over);
            if over.is_none() {
                return;
            }
        }
    }

    fn end_overdue(&self, now: Instant) {
        loop {
            self.trim();
            let overdue = self.due.borrow_mut().pop_front_if(|due| due.at <= now);
            let Some(overdue) = overdue else { return };
            let name = &self.link.name;
            let (hook, wait) = (overdue.hook, self.link.settings.call_timeout.as_millis());
            let message = format!("plugin `{name}` did not answer `{hook}` within {wait} ms");
            let fault = PluginFault::new(FaultKind::TimedOut, message);
            overdue.context.way(overdue.dir).fail(&fault);
            if overdue.context.is_over() {
                overdue.context.end();
            }
            if self.health.borrow_mut().timed_out() {
                tracing::warn!(plugin = %name, "the plugin's child does not answer: {fault}");
            }
        }
    }

    fn check_starts(&self, now: Instant) {
        let late = self.starting.borrow().front().is_some_and(|(at, _)| *at <= now);
        if late {
            let wait = self.link.settings.start_timeout.as_millis();
            let what = format!("it did not start an instance within {wait} ms");
            self.give_up(fault_of(&self.link, FaultKind::TimedOut, &what));
        }
    }
}
