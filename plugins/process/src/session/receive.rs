//! What a child says, carried out.
//!
//! A reply for something that is not there any more is nothing bad: it crossed with the end of
//! what it is for. It is dropped and counted. A reply that no child may send ends the session.

use std::rc::Rc;

use abi_process::v1;
use host_extension::{Capability, FaultKind, HostCalls, LogLevel, PluginFault, Verdict};
use tokio::time::Instant;

use super::{
    Instance, Session,
    context::Context,
    way::{Dir, Ruling},
};
use crate::host_calls;

impl Session {
    /// Carries a reply out.
    ///
    /// # Errors
    /// No child may send such a one.
    pub(super) fn receive(self: &Rc<Self>, reply: v1::Reply) -> Result<(), PluginFault> {
        use v1::reply::Kind;
        match reply.kind {
            // What is not known is ignored, as the protocol says.
            None => {}
            Some(Kind::Hello(_)) => return Err(self.broke("it said hello twice")),
            Some(Kind::Configured(configured)) => self.configured(configured),
            Some(Kind::Answer(answer)) => self.answered(answer),
            Some(Kind::Act(act)) => self.act(act),
            Some(Kind::Call(call)) => self.call(call),
            Some(Kind::Log(log)) => self.log(&log),
            Some(Kind::Pong(pong)) => self.health.borrow_mut().ponged(pong.number),
            Some(Kind::Failed(failed)) => self.failed(&failed),
            Some(Kind::Codec(answer)) => self.codec_answered(answer),
        }
        Ok(())
    }

    /// Anything came of the child, so it lives.
    pub(super) fn heard(&self) {
        self.health.borrow_mut().heard(Instant::now());
    }

    /// The child answered for its plugin, so that works, if slowly.
    fn note_answer(&self) {
        if self.health.borrow_mut().answered() {
            tracing::info!(plugin = %self.link.name, "the plugin's child answers again");
        }
    }

    /// The fault of a child that broke the rules; `what` ends a sentence.
    pub(super) fn broke(&self, what: &str) -> PluginFault {
        let name = &self.link.name;
        PluginFault::new(
            FaultKind::Protocol,
            format!("the child of plugin `{name}` broke off: {what}"),
        )
    }

    fn configured(&self, configured: v1::Configured) {
        let Some(instance) = self.instance(configured.instance) else {
            return self.stray("an instance that is not there");
        };
        self.note_answer();
        self.starting.borrow_mut().retain(|(_, id)| *id != instance.id);
        instance.configured(configured);
        self.changed.notify_waiters();
    }

    fn answered(self: &Rc<Self>, answer: v1::Answer) {
        let v1::Answer { generation, context, exchange, changes, verdict } = answer;
        if generation != self.generation.get() {
            return self.stray("an answer of another child");
        }
        self.note_answer();
        let Some(context) = self.context(context) else {
            return self.stray("an answer for a context that is not there");
        };
        let verdict = verdict.unwrap_or_default();
        let Some(dir) = context.awaiting(exchange) else {
            // Nobody waits, but the instance is gone all the same.
            if verdict.go() == v1::Go::Failed {
                self.fail_beside(&context.instance, &verdict.error);
            }
            return self.stray("an answer that nobody waits for");
        };
        host_calls::change_all(&context, changes);
        if context.is_over() {
            return self.completed(&context, dir, &verdict);
        }
        let failed = verdict.go() == v1::Go::Failed;
        let keeps = context.way(dir).rule(ruling(&context, verdict));
        if keeps {
            context.keep(dir);
        }
        if failed {
            context.instance.lose();
        }
        self.trim();
    }

    fn codec_answered(&self, answer: v1::CodecAnswer) {
        use v1::codec_answer::Kind;
        let v1::CodecAnswer { generation, context, exchange, kind } = answer;
        if generation != self.generation.get() {
            return self.stray("an answer of another child");
        }
        self.note_answer();
        let Some(context) = self.context(context) else {
            return self.stray("an answer for a context that is not there");
        };
        let instance = &context.instance;
        match kind {
            Some(Kind::Failed(error)) => {
                let fault = instance.fault(FaultKind::Trapped, &error);
                if context.asked.answer(exchange, Err(fault)) {
                    instance.lose();
                } else {
                    self.fail_beside(instance, &error);
                }
            }
            Some(kind) if context.asked.awaits(exchange) => {
                // Who does not wait any more misses nothing.
                context.asked.answer(exchange, Ok(kind));
            }
            Some(_) => return self.stray("an answer that nobody waits for"),
            None => {
                let fault = instance.lied("an answer", "answered nothing");
                context.asked.answer(exchange, Err(fault));
            }
        }
        self.trim();
    }

    /// The child has written its log of a context that is over. Nobody but the instance hears of
    /// a fault.
    fn completed(&self, context: &Context, dir: Dir, verdict: &v1::Verdict) {
        context.way(dir).rule(Ruling::Now(Verdict::Continue));
        context.end();
        if verdict.go() == v1::Go::Failed {
            self.fail_beside(&context.instance, &verdict.error);
        }
        self.trim();
    }

    /// An instance failed while no stream waits to hear of it.
    fn fail_beside(&self, instance: &Instance, error: &str) {
        if instance.is_lost() {
            return;
        }
        let fault = instance.fault(FaultKind::Trapped, error);
        instance.lose();
        (instance.scope.on_fault)(&fault);
    }

    fn failed(&self, failed: &v1::Failed) {
        if failed.generation != self.generation.get() {
            return self.stray("the end of an instance of another child");
        }
        match self.instance(failed.instance) {
            Some(instance) => self.fail_beside(&instance, &failed.error),
            None => self.stray("the end of an instance that is not there"),
        }
    }

    fn act(&self, act: v1::Act) {
        use v1::act::Kind;
        if act.generation != self.generation.get() {
            return self.stray("an act of another child");
        }
        let Some(context) = self.context(act.context) else {
            return self.stray("an act on a context that is not there");
        };
        host_calls::change_all(&context, act.changes);
        match act.kind {
            Some(Kind::Resume(side)) if context.stream().is_some() => {
                context.way(way_of(side)).resume();
            }
            Some(Kind::ResumeFlow(flow)) if context.connection().is_some() => {
                context.way(way_of(flow)).resume();
            }
            Some(Kind::Resume(_) | Kind::ResumeFlow(_)) | None => {}
            Some(Kind::Respond(response)) => host_calls::respond(&context, response),
            Some(Kind::Reset(_) | Kind::Close(_)) => host_calls::close(&context),
        }
    }

    fn call(self: &Rc<Self>, call: v1::Call) {
        if call.generation != self.generation.get() {
            return self.stray("a call of another child");
        }
        let silent = call.silent;
        let result = match self.asking(call.context, call.instance) {
            Some((instance, context)) => host_calls::answer(&instance, context.as_deref(), call),
            None => {
                self.stray("a call for a context that is not there");
                let status = v1::Status::NotFound.into();
                v1::CallResult { id: call.id, status, ..v1::CallResult::default() }
            }
        };
        if !silent {
            self.tell(v1::event::Kind::CallResult(result));
        }
    }

    /// On whose behalf a call is made.
    fn asking(&self, context: u64, instance: u64) -> Option<Asking> {
        if context == 0 {
            return self.instance(instance).filter(|it| !it.is_lost()).map(|it| (it, None));
        }
        let context = self.context(context)?;
        Some((Rc::clone(&context.instance), Some(context)))
    }

    fn log(&self, log: &v1::Log) {
        let instance = self.instance(log.instance).or_else(|| self.living().into_iter().next());
        let Some(instance) = instance else { return };
        let level = match log.level() {
            v1::Level::Trace => LogLevel::Trace,
            v1::Level::Debug => LogLevel::Debug,
            v1::Level::Info => LogLevel::Info,
            v1::Level::Warn => LogLevel::Warn,
            v1::Level::Error => LogLevel::Error,
            v1::Level::Critical => LogLevel::Critical,
        };
        let calls: &dyn HostCalls = instance.calls();
        instance.lines.borrow_mut().write(calls, instance.plugin(), level, log.line.as_bytes());
    }

    /// Something came that means nothing here.
    fn stray(&self, what: &str) {
        let strays = self.strays.get() + 1;
        self.strays.set(strays);
        let plugin = &self.link.name;
        if strays == 1 {
            tracing::warn!(%plugin, "the plugin's child sent {what}; it is dropped, as all like it");
        } else {
            tracing::debug!(%plugin, strays, "the plugin's child sent {what}");
        }
    }
}

/// Who asks: an instance, and the context that it asks for.
type Asking = (Rc<Instance>, Option<Rc<Context>>);

/// A direction by its number: those that are not known count as the first one.
fn way_of(number: i32) -> Dir {
    if number == 1 { Dir::Out } else { Dir::In }
}

/// How a direction goes on by what the child said.
fn ruling(context: &Context, verdict: v1::Verdict) -> Ruling {
    Ruling::Now(match verdict.go() {
        v1::Go::Continue => Verdict::Continue,
        v1::Go::Pause => return Ruling::Pause,
        v1::Go::Reset => allowed(context, Capability::Close, Verdict::Reset),
        v1::Go::Failed => {
            Verdict::Failed(context.instance.fault(FaultKind::Trapped, &verdict.error))
        }
        v1::Go::Respond => {
            let response = verdict.response.unwrap_or_default();
            match host_calls::local_reply(&context.instance, response) {
                Ok(reply) => allowed(context, Capability::Reply, Verdict::Respond(Box::new(reply))),
                Err(status) => {
                    let plugin = context.instance.plugin();
                    let message = format!(
                        "plugin `{plugin}` answered with the status {status}, which is none for \
                         a whole response"
                    );
                    Verdict::Failed(PluginFault::new(FaultKind::Protocol, message))
                }
            }
        }
    })
}

/// A verdict that takes a permission. A child that gives it without is not heard of a status but
/// by what becomes of the stream.
fn allowed(context: &Context, what: Capability, verdict: Verdict) -> Verdict {
    match context.instance.calls().may(what) {
        Ok(()) => verdict,
        Err(_denied) => Verdict::Failed(context.instance.denied(what)),
    }
}
