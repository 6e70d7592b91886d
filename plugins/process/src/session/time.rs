//! What of a session has its time: exchanges, starts, pings, a child that is silent.

use abi_process::v1;
use host_extension::{FaultKind, PluginFault};
use tokio::time::Instant;

use super::{Due, Session, hello::fault_of};

impl Session {
    /// Looks after everything that has its time; answers when to look again.
    pub(super) fn tend(&self, now: Instant) -> Option<Instant> {
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
            let limit = self.link.settings.unresponsive_timeout;
            self.link.watchdog.give_up(generation, &format!("did not answer for {limit:?}"));
        }
        let due = self.due.borrow().front().map(|due| due.at);
        let starting = self.starting.borrow().front().map(|(at, _)| *at);
        let health = self.health.borrow().next();
        let next = [due, starting, health].into_iter().flatten().min();
        self.armed.set(next);
        next
    }

    /// Exchanges that were answered, or whose stream is gone, have no time any more.
    pub(super) fn trim(&self) {
        let is_over = |due: &mut Due| {
            let context = due.context.upgrade();
            context.is_none_or(|context| !context.owes(due.dir, due.exchange))
        };
        let mut due = self.due.borrow_mut();
        while due.pop_front_if(is_over).is_some() {}
    }

    fn end_overdue(&self, now: Instant) {
        loop {
            self.trim();
            let overdue = self.due.borrow_mut().pop_front_if(|due| due.at <= now);
            let Some(overdue) = overdue else { return };
            let Some(context) = overdue.context.upgrade() else { continue };
            let name = &self.link.name;
            let (hook, wait) = (overdue.hook, self.link.settings.call_timeout.as_millis());
            let message = format!("plugin `{name}` did not answer `{hook}` within {wait} ms");
            let fault = PluginFault::new(FaultKind::TimedOut, message);
            match overdue.dir {
                Some(dir) => context.way(dir).fail(&fault),
                None => _ = context.asked.answer(overdue.exchange, Err(fault.clone())),
            }
            if context.is_over() {
                context.end();
            }
            if self.health.borrow_mut().timed_out(now) {
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
