//! The conformance kit: a probe without an SDK, cases for every host function, their runner.
//!
//! The probe is a Proxy-Wasm module that does what scripts say; a case is a script with the
//! traffic that drives it and with what must come of it. The same probe and the same cases are
//! run against this proxy and against others.
//!
//! It knows no host: it sends requests to a proxy and reads what the probe noted. Start reading
//! at [`Kit`], then `case`.

mod call;
mod case;
mod cases;
mod exchange;
pub mod guests;
mod judge;
mod phase;
mod probe;
mod report;
mod run;
mod script;
pub mod setup;
mod target;
mod upstream;

use abi_wasm::AbiVersion;

use self::{case::Case, probe::Functions, script::Script};
pub use self::{
    phase::Phase,
    report::{Report, Verdict},
    target::Target,
    upstream::Upstream,
};

/// All cases for one version of the interface.
#[derive(Debug)]
pub struct Kit {
    abi: AbiVersion,
    cases: Vec<Case>,
}

impl Kit {
    /// The cases for a version.
    #[must_use]
    pub fn new(abi: AbiVersion) -> Self {
        Self { abi, cases: cases::all(abi) }
    }

    /// With cases for guests that the proxy has, too.
    #[must_use]
    pub fn with_guests(mut self, found: &[guests::Guest]) -> Self {
        // Before those that take the probe down.
        self.cases.splice(0..0, guests::cases(found));
        self
    }

    /// The probe as a module.
    #[must_use]
    pub fn probe(&self) -> Vec<u8> {
        let script = Script { tag: run::START_TAG, steps: run::start_steps(&self.cases) };
        // That all scripts can be written down is a test of this crate.
        let start = script.encode(&Functions::of(self.abi)).unwrap_or_default();
        probe::module(self.abi, &start)
    }

    /// Runs the cases whose names hold `filter`, and hands each verdict to `tell`.
    pub async fn run(&self, target: &Target, filter: &str, tell: impl FnMut(&Verdict)) -> Report {
        run::run(&self.cases, target, filter, tell).await
    }

    /// How many cases there are for each function in each callback, as a table.
    #[must_use]
    pub fn coverage(&self) -> String {
        report::coverage(&self.cases)
    }
}

#[cfg(test)]
mod tests;
