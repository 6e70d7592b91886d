//! What an operator lets a plugin do, as the configuration has it.

use std::sync::Arc;

use abi_manifest::Permission;

use crate::Preset;

/// One policy, checked and complete. Its limits stand beside it
/// ([`PluginLimits`](host_types::PluginLimits)).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Policy {
    /// Its name, for people.
    pub name: Arc<str>,
    /// What is granted to begin with.
    pub preset: Preset,
    /// What is granted beside it.
    pub grants: Vec<Permission>,
    /// What is taken away again, whatever grants it.
    pub denials: Vec<Permission>,
    /// What happens to a call that is not allowed.
    pub mode: Mode,
    /// The restrictions that the operator stated, and therefore relies on.
    pub stated: Vec<Restriction>,
    /// Those of them that need not be enforced where the backend or the kernel cannot.
    pub allow_unenforced: Vec<Restriction>,
}

/// What happens to a call that is not allowed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// It is refused, counted and logged.
    #[default]
    Enforce,
    /// It is carried out, counted and logged, to learn what a plugin needs.
    Permissive,
}

impl Mode {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Permissive => "permissive",
        }
    }
}

/// A restriction that not every backend and kernel can enforce.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Restriction {
    /// Memory of an instance.
    Memory,
    /// Processor time of a second.
    Cpu,
    /// Processor time of one callback, and of start-up and configuration.
    CpuPerCall,
    /// Elements of a table.
    Table,
    /// Which files it reads.
    Files,
    /// That it reaches nothing but through the host.
    Network,
    /// How many processes and threads it makes.
    Processes,
    /// That it does not read a clock.
    Clock,
    /// That it does not draw random numbers.
    Random,
    /// That it sees no environment but its own.
    Environment,
}

impl Restriction {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Memory,
        Self::Cpu,
        Self::CpuPerCall,
        Self::Table,
        Self::Files,
        Self::Network,
        Self::Processes,
        Self::Clock,
        Self::Random,
        Self::Environment,
    ];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuPerCall => "cpu_per_call",
            Self::Table => "table",
            Self::Files => "files",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Environment => "environment",
        }
    }

    /// What it restricts, in a few words.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Memory => "memory of an instance",
            Self::Cpu => "processor time of a second",
            Self::CpuPerCall => "processor time of one callback, and of start-up",
            Self::Table => "elements of a table",
            Self::Files => "which files it reads, and that it writes none",
            Self::Network => "that it reaches nothing but through the proxy",
            Self::Processes => "how many processes and threads it makes",
            Self::Clock => "that it reads no clock",
            Self::Random => "that it draws no random numbers",
            Self::Environment => "that it sees no variables but those that it is given",
        }
    }
}

impl Policy {
    /// The policy of plugins that name none, and of those that name a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            name: preset.word().into(),
            preset,
            grants: Vec::new(),
            denials: Vec::new(),
            mode: Mode::Enforce,
            stated: Vec::new(),
            allow_unenforced: Vec::new(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(Preset::Default)
    }
}
