//! What the store of a guest holds: everything that its host calls reach.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

use abi_manifest::Capability;
use abi_wasm::AbiVersion;
use host_extension::{CallError, CallResult, LogLevel, Verdict};
use host_telemetry::LineGate;
use host_types::{PluginLimits, VmSettings};
use wasmtime::{Memory, TypedFunc};

use crate::{
    codec::CodecState,
    contexts::{Context, Contexts, Way},
    deadline::Deadline,
    fault::Lines,
    limiter::Limiter,
    outbound::CallIds,
    places::Place,
    preview1::Output,
    received::Received,
    roots::Root,
    vm::Vm,
};

/// The host's side of one guest.
pub(crate) struct VmData {
    /// The guest itself, for callbacks to come; nothing until it has started.
    pub(crate) vm: Weak<Vm>,
    /// The newest version of the interface that it marks itself with.
    pub(crate) version: AbiVersion,
    /// How it was made.
    pub(crate) settings: VmSettings,
    /// The root of the effective context: in its name, and with its host calls, the guest
    /// asks.
    pub(crate) root: Rc<Root>,
    pub(crate) limiter: Limiter,
    /// The module's lines, for the story of a fault.
    pub(crate) lines: Option<Arc<Lines>>,
    pub(crate) deadline: Deadline,
    pub(crate) contexts: Contexts,
    pub(crate) stage: GuestStage,
    /// Set once the guest is instantiated.
    pub(crate) memory: Option<Memory>,
    /// As [`VmData::memory`]: the guest's allocator.
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// The context that calls without one mean; a guest can change it.
    effective: u32,
    /// The host calls of this callback, for the story of a fault.
    pub(crate) last_calls: LastCalls,
    /// A buffer for values on their way to the guest.
    pub(crate) scratch: Vec<u8>,
    /// What the callback that runs was called for.
    pub(crate) received: Received,
    /// For its codecs.
    pub(crate) codec: CodecState,
    /// The numbers of calls to clusters.
    pub(crate) call_ids: CallIds,
    duty: Duty,
    /// The root whose callback runs.
    on_duty: Rc<Root>,
    /// Contexts that said during the callback that they are done, with their roots.
    pub(crate) finished: Vec<(Rc<Root>, u32)>,
    /// What the guest wants its own stream to be answered with; the first one stands.
    answer: Option<Verdict>,
    /// What it may write, alone or with the guests of other streams.
    pub(crate) log: Rc<RefCell<LineGate>>,
    /// What it takes of limits that it has in common with other guests.
    pub(crate) places: Vec<Place>,
    /// What it wrote to its outputs and did not end yet.
    pub(crate) output: Output,
    /// Where a guest is that may not draw random numbers, in the row that it reads in their place.
    pub(crate) fixed_row: u64,
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
    pub(crate) way: Option<Way>,
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
    /// Of a guest whose first root is `root`.
    pub(crate) fn new(root: &Rc<Root>, limits: &PluginLimits, settings: &VmSettings) -> Self {
        Self {
            vm: Weak::new(),
            version: AbiVersion::V0_2_1,
            settings: settings.clone(),
            root: Rc::clone(root),
            limiter: Limiter::new(limits),
            lines: None,
            deadline: Deadline::default(),
            contexts: Contexts::new(limits.contexts_max),
            stage: GuestStage::Starting,
            memory: None,
            allocate: None,
            effective: root.id,
            last_calls: LastCalls::default(),
            scratch: Vec::new(),
            received: Received::default(),
            codec: CodecState::default(),
            call_ids: CallIds::default(),
            duty: Duty { callback: "", context: root.id, way: None },
            on_duty: Rc::clone(root),
            finished: Vec::new(),
            answer: None,
            log: Rc::new(RefCell::new(LineGate::new(limits))),
            places: Vec::new(),
            output: Output::default(),
            fixed_row: 0,
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
        let Some(context) = self.contexts.get_mut(duty.context) else { return };
        if let Some(way) = duty.way {
            context.begin(way);
        }
        self.root = Rc::clone(&context.root);
        self.on_duty = Rc::clone(&context.root);
    }

    /// Makes another context the effective one, and its root the one that asks. Zero means the
    /// guest itself, which asks in the name of the root whose callback runs.
    ///
    /// False where there is no such context.
    pub(crate) fn set_effective(&mut self, id: u32) -> bool {
        let id = if id == 0 { self.on_duty.id } else { id };
        let Some(context) = self.contexts.get(id) else { return false };
        self.root = Rc::clone(&context.root);
        self.effective = id;
        true
    }

    /// The effective context says that it is done; false where nobody waits for that.
    pub(crate) fn finish(&mut self) -> bool {
        let id = self.effective;
        let was_awaited =
            if id == self.root.id { self.root.finish() } else { self.root.stop_lingering(id) };
        if was_awaited {
            self.finished.push((Rc::clone(&self.root), id));
        }
        was_awaited
    }

    /// The effective context. Nothing while the guest is being instantiated.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.contexts.get(self.effective)
    }

    /// The effective context, to change.
    pub(crate) fn context_mut(&mut self) -> Option<&mut Context> {
        self.contexts.get_mut(self.effective)
    }

    /// The root whose callback runs.
    pub(crate) fn on_duty(&self) -> &Root {
        &self.on_duty
    }

    /// It ended; answers with what the guest wants its stream to be answered with.
    pub(crate) fn leave(&mut self) -> Option<Verdict> {
        self.flush_output();
        self.answer.take()
    }

    /// The callback that runs.
    pub(crate) fn duty(&self) -> Duty {
        self.duty
    }

    /// True where the effective context is the one whose hook runs, and so can be answered
    /// by that hook.
    pub(crate) fn answers_itself(&self) -> bool {
        self.duty.way.is_some() && self.is_effective_on_duty()
    }

    /// True where the callback that runs is one of the effective context.
    pub(crate) fn is_effective_on_duty(&self) -> bool {
        self.effective == self.duty.context
    }

    /// Keeps an answer for the hook that runs, where the plugin may give it; only the first
    /// counts.
    pub(crate) fn answer_with(&mut self, verdict: Verdict, takes: Capability) -> CallResult<()> {
        self.root.calls.may(takes)?;
        self.answer.get_or_insert(verdict);
        Ok(())
    }

    /// The effective context was to be answered or broken off, which came to this. A guest that
    /// was denied it and then waits would wait for ever.
    pub(crate) fn ended(&mut self, outcome: CallResult<()>) -> CallResult<()> {
        let way = if self.answers_itself() { self.duty.way } else { None };
        if outcome == Err(CallError::Denied)
            && let Some(context) = self.context_mut()
        {
            context.refuse(way);
        }
        outcome
    }

    /// Fills bytes with what a guest reads that may not draw random numbers: a row that is the
    /// same for every guest. It goes on from call to call, since guests may wait for a number
    /// that is unlike the last one.
    pub(crate) fn fill_fixed(row: &mut u64, bytes: &mut [u8]) {
        for byte in bytes {
            *row = row.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            *byte = row.to_le_bytes()[7];
        }
    }

    /// Writes a line of the guest to the log, if it may still write one.
    pub(crate) fn write_line(&mut self, level: LogLevel, line: &[u8]) {
        let root = &self.root;
        let plugin = root.plugin.as_str();
        let written = self.log.borrow_mut().write(&*root.calls, plugin, level, line);
        if self.is_starting
            && let Some(text) = written
        {
            self.last_line = Some(text.into_owned());
        }
    }

    /// The most bytes of a log line.
    pub(crate) fn log_line_bytes_max(&self) -> usize {
        self.log.borrow().line_bytes_max()
    }
}
