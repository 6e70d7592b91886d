//! The pulse of the engine: one thread that moves the epoch on every millisecond.
//!
//! It rests while no module is loaded, and ends with the backend. How late or early it comes
//! decides nothing alone: see `deadline`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use host_extension::{FaultKind, PluginFault};
use wasmtime::Engine;

/// The length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The thread; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// While one of these lives, the ticker ticks.
#[derive(Debug)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pulses: AtomicUsize,
    ended: AtomicBool,
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
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Makes the ticker tick for as long as the pulse lives.
    pub(crate) fn pulse(&self) -> Pulse {
        self.shared.pulses.fetch_add(1, Ordering::AcqRel);
        if let Some(thread) = self.thread.as_ref().map(JoinHandle::thread) {
            Thread::unpark(thread);
        }
        Pulse { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Guests may outlive the backend; without a pulse they could run for ever, so the
        // thread stays until the last one is gone, and only then sees that it is to end.
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.pulses.fetch_sub(1, Ordering::AcqRel);
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    loop {
        if shared.pulses.load(Ordering::Acquire) > 0 {
            thread::park_timeout(TICK);
            engine.increment_epoch();
        } else if shared.ended.load(Ordering::Acquire) {
            return;
        } else {
            thread::park();
        }
    }
}
