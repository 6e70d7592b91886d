//! Plugins by name: load, verify, warm, swap, fail, restart.

mod plan;

pub use plan::{BackendKind, PluginPlan};
