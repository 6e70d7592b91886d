//! What the store of a guest holds: everything that its host calls reach.

use std::{rc::Rc, sync::Arc};

use host_extension::{HostCalls, LogLevel, Side, Verdict, WorkerScope};
use host_types::{PluginLimits, PluginName};
use wasmtime::{Memory, TypedFunc};

use crate::{
    contexts::{Contexts, ROOT},
    deadline::Deadline,
    limiter::Limiter,
    log_gate::{LogGate, Pass},
};

/// The host's side of one guest.
pub(crate) struct VmData {
    pub(crate) plugin: PluginName,
    pub(crate) calls: Rc<dyn HostCalls>,
    pub(crate) config: Arc<[u8]>,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    pub(crate) contexts: Contexts,
    pub(crate) stage: GuestStage,
    /// Set once the guest is instantiated.
    pub(crate) memory: Option<Memory>,
    /// As [`VmData::memory`]: the guest's allocator.
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// The context that calls without one mean; a guest can change it.
    pub(crate) effective: u32,
    /// The host calls of this callback, for the story of a fault.
    pub(crate) last_calls: LastCalls,
    /// A buffer for values on their way to the guest.
    pub(crate) scratch: Vec<u8>,
    duty: Duty,
    /// What the guest wants its own stream to be answered with; the first one stands.
    answer: Option<Verdict>,
    log: LogGate,
    /// What the guest last wrote to the log; kept while it starts only.
    pub(crate) last_line: Option<String>,
    pub(crate) is_starting: bool,
}

/// Which callback runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duty {
    /// Its export's name.
    pub(crate) callback: &'static str,
    /// The context that it is for.
    pub(crate) context: u32,
    /// The direction that waits for its answer, where one does.
    pub(crate) side: Option<Side>,
}

/// What a guest may call at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GuestStage {
    /// It is being instantiated and its start functions run: only what touches no context.
    Starting,
    /// `proxy_on_configure` runs: everything, and its configuration can be read.
    Configuring,
    /// A callback runs: everything.
    Running,
    /// Its allocator runs on our behalf, inside a host call: as [`GuestStage::Starting`].
    Allocating,
}

/// What a callback called last. A guest that gives up over a refusal logs why first, so the
/// last refusal says more than the last call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastCalls {
    pub(crate) any: Option<MadeCall>,
    pub(crate) refused: Option<MadeCall>,
}

/// A host call that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MadeCall {
    pub(crate) name: &'static str,
    pub(crate) status: u32,
}

impl LastCalls {
    /// Remembers a call; zero is "ok" in all interfaces.
    pub(crate) fn note(&mut self, name: &'static str, status: u32) {
        let call = MadeCall { name, status };
        self.any = Some(call);
        if status != 0 {
            self.refused = Some(call);
        }
    }
}

impl VmData {
    pub(crate) fn new(
        plugin: &PluginName,
        limits: &PluginLimits,
        scope: &WorkerScope,
        config: &Arc<[u8]>,
    ) -> Self {
        Self {
            plugin: plugin.clone(),
            calls: Rc::clone(&scope.calls),
            config: Arc::clone(config),
            limiter: Limiter::new(limits),
            deadline: Deadline::default(),
            contexts: Contexts::new(limits.contexts_max),
            stage: GuestStage::Starting,
            memory: None,
            allocate: None,
            effective: ROOT,
            last_calls: LastCalls::default(),
            scratch: Vec::new(),
            duty: Duty { callback: "", context: ROOT, side: None },
            answer: None,
            log: LogGate::new(limits),
            last_line: None,
            is_starting: true,
        }
    }

    /// A callback begins.
    pub(crate) fn enter(&mut self, duty: Duty) {
        self.duty = duty;
        self.effective = duty.context;
        self.answer = None;
        self.last_calls = LastCalls::default();
        self.limiter.forget();
        if let Some(side) = duty.side
            && let Some(context) = self.contexts.get_mut(duty.context)
        {
            context.begin(side);
        }
    }

    /// It ended; answers with what the guest wants its stream to be answered with.
    pub(crate) fn leave(&mut self) -> Option<Verdict> {
        self.answer.take()
    }

    /// The callback that runs.
    pub(crate) fn duty(&self) -> Duty {
        self.duty
    }

    /// True where the effective context is the one whose hook runs, and so can be answered
    /// by that hook.
    pub(crate) fn answers_itself(&self) -> bool {
        self.duty.side.is_some() && self.effective == self.duty.context
    }

    /// Keeps an answer for the hook that runs; only the first counts.
    pub(crate) fn answer_with(&mut self, verdict: Verdict) {
        self.answer.get_or_insert(verdict);
    }

    /// Writes a line of the guest to the log, if it may still write one.
    pub(crate) fn write_line(&mut self, level: LogLevel, line: &[u8]) {
        let plugin = self.plugin.as_str();
        let Pass::After(dropped) = self.log.pass(self.calls.now()) else {
            self.calls.log_dropped(plugin);
            return;
        };
        if dropped > 0 {
            let note = format!("{dropped} log lines were dropped: too many in a second");
            self.calls.log(plugin, LogLevel::Warn, &note);
        }
        let text = self.log.text(line);
        self.calls.log(plugin, level, &text);
        if self.is_starting {
            self.last_line = Some(text.into_owned());
        }
    }

    /// The most bytes of a log line.
    pub(crate) fn log_line_bytes_max(&self) -> usize {
        self.log.line_bytes_max()
    }
}
