//! How a sandboxed plugin's virtual machines are made and shared.

use std::sync::Arc;

/// What the configuration says of a plugin's virtual machines.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct VmSettings {
    /// Uses of plugins with the same id share one machine on each worker, where their code,
    /// configuration of the machine, permissions, limits and environment are the same too.
    /// Shared data and queues are kept under this id. Without one each use has a machine of
    /// its own, and shared data is kept under the plugin's name.
    pub id: Option<Arc<str>>,
    /// The machine's own configuration, opaque to the host.
    pub configuration: Arc<[u8]>,
    /// Environment variables that the plugin sees; nothing of the host's own is among them.
    pub environment: Vec<(Arc<str>, Arc<str>)>,
    /// How many streams one machine serves.
    pub isolation: Isolation,
}

/// How many streams one machine serves.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Isolation {
    /// All streams of a worker.
    #[default]
    Shared,
    /// One: each stream (and each connection) gets a machine, which goes with it. A fault
    /// reaches no other stream, at the price of a start for each.
    PerStream,
}
