//! The pulse of the engine: one thread that moves the epoch on every millisecond.
//!
//! It rests while no module is loaded and while no guest is called, and ends with the
//! backend. How late or early it comes decides nothing alone: see `deadline`.
//!
//! A call says so before it begins, with two reads of shared memory that hardly ever changes,
//! and again each time that half of its budget is over. So when nobody said so for longer
//! than half of the longest budget, no guest runs. The ticker then sleeps until it is woken by
//! the next call, for at most [`REST_MAX`] at a time.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use host_extension::{FaultKind, PluginFault};
use host_types::PluginLimits;
use wasmtime::Engine;

/// The length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How much the ticker is preferred to other threads, where the process may say so.
const PREFERENCE: i32 = -10;
/// The longest sleep while modules are loaded. Whoever calls ends it.
const REST_MAX: Duration = Duration::from_millis(100);
/// Ticks without a call after the longest time that one can be silent.
const SLACK_TICKS: u64 = 50;

/// The thread; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

/// While one of these lives, the ticker ticks for whoever is called.
#[derive(Debug)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
}

/// Tells the ticker of calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beat(Option<Arc<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    pulses: AtomicUsize,
    ended: AtomicBool,
    /// Somebody called since the last tick.
    called: AtomicBool,
    /// The ticker sleeps, or is about to.
    resting: AtomicBool,
    /// Ticks that a running call can be silent for.
    silent_ticks_max: AtomicU64,
    thread: OnceLock<Thread>,
}

impl Ticker {
    pub(crate) fn new(engine: Engine) -> Result<Self, PluginFault> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("wasm-ticker".to_owned())
            .spawn(move || tick(&engine, &of_thread))
            .map_err(|error| {
                let message = format!("the Wasm ticker does not start: {error}");
                PluginFault::new(FaultKind::LoadFailed, message)
            })?;
        shared.thread.get_or_init(|| thread.thread().clone());
        Ok(Self { shared })
    }

    /// Makes the ticker tick for guests with these limits, for as long as the pulse lives.
    pub(crate) fn pulse(&self, limits: &PluginLimits) -> Pulse {
        let longest = limits.call_budget.max(limits.start_budget).as_millis();
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        self.shared.silent_ticks_max.fetch_max(longest, Ordering::AcqRel);
        self.shared.pulses.fetch_add(1, Ordering::AcqRel);
        self.shared.wake();
        Pulse { shared: Arc::clone(&self.shared) }
    }
}

impl Pulse {
    /// What tells the ticker of calls.
    pub(crate) fn beat(&self) -> Beat {
        Beat(Some(Arc::clone(&self.shared)))
    }
}

impl Beat {
    /// A call begins, or goes on.
    #[inline]
    pub(crate) fn now(&self) {
        let Some(shared) = &self.0 else { return };
        // Reads are cheap for all workers as long as nobody writes. In one order for all: either
        // this sees that the ticker rests, or the ticker sees the call before it does.
        if !shared.called.load(Ordering::Relaxed) {
            shared.called.store(true, Ordering::SeqCst);
        }
        if shared.resting.load(Ordering::SeqCst) {
            shared.wake();
        }
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Sleeps until a call, a module, or the end.
    fn rest(&self) {
        self.resting.store(true, Ordering::SeqCst);
        if self.pulses.load(Ordering::Acquire) == 0 {
            thread::park();
        } else if !self.called.load(Ordering::SeqCst) {
            thread::park_timeout(REST_MAX);
        }
        self.resting.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Guests may outlive the backend; without a pulse they could run for ever, so the
        // thread stays until the last one is gone, and only then sees that it is to end.
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if self.shared.pulses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.wake();
        }
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    // It does next to nothing, a thousand times a second; on a machine that is overloaded a
    // guest runs on for as long as this thread waits for a processor. Where the process may not
    // be preferred it waits its turn.
    if let Err(error) = rustix::process::nice(PREFERENCE) {
        tracing::debug!(%error, "the Wasm ticker is not preferred to other threads");
    }
    let mut quiet = 0_u64;
    loop {
        if shared.pulses.load(Ordering::Acquire) == 0 {
            if shared.ended.load(Ordering::Acquire) {
                return;
            }
            shared.rest();
            continue;
        }
        quiet = if shared.called.swap(false, Ordering::AcqRel) { 0 } else { quiet + 1 };
        let quiet_max = shared.silent_ticks_max.load(Ordering::Acquire).saturating_add(SLACK_TICKS);
        if quiet <= quiet_max {
            thread::park_timeout(TICK);
        } else {
            shared.rest();
        }
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests;
