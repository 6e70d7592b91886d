//! What an attack is: a plugin, how it is provoked, and what must come of it.

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Its name, which is also the plugin's.
    pub name: &'static str,
    /// What it does, for a person.
    pub about: &'static str,
    /// The plugin.
    pub form: Form,
    /// The policy of the plugin, as entries of a YAML map without its braces.
    pub policy: &'static str,
    /// Further entries of the plugin, as for the policy.
    pub settings: &'static str,
    /// How it is provoked.
    pub drive: Drive,
    /// How long it may take by its policy, in milliseconds.
    pub budget_ms: u64,
    /// The replies that contain it.
    pub replies: &'static [Answer],
    /// What must be counted of it.
    pub counted: Counted,
    /// One of these words stands in a line of the log that names the plugin.
    pub named: &'static [&'static str],
    /// What holds it.
    pub held_by: HeldBy,
}

/// A plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// The Wasm module of this name.
    Module(&'static str),
    /// A child process that tries this.
    Child(&'static str),
}

/// How an attack is provoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drive {
    /// By one request with everything, through its route.
    Exchange,
    /// The same; the plugin tells in the response what it could do.
    Report,
    /// By some bytes, through its listener.
    Bytes,
}

/// What a client gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// A whole response with this status; of bytes: 200 where they came back.
    Status(u16),
    /// A response or a connection that breaks off.
    Broken,
}

/// What must be counted of an attack, of the plugin's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// A fault of one of these kinds.
    Fault(&'static [&'static str]),
    /// A denial of this permission.
    Denied(&'static str),
    /// A call of this kind that was refused, by the policy or by a limit.
    Refused(&'static str),
}

/// What holds an attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeldBy {
    /// A limit on processor time or on waiting.
    Budget,
    /// A limit on memory, on a table, on the stack.
    Memory,
    /// The permissions of its policy.
    Policy,
    /// A limit on how much it may ask.
    Quota,
    /// The sandbox of Wasm.
    Sandbox,
    /// The kernel, which confines the child. What it refuses nobody can count; so these attacks
    /// ask the proxy to do it for them, too, which their policy denies.
    Kernel,
    /// The supervisor, which sees the child end.
    Supervisor,
}

impl Form {
    /// The word of the backend.
    #[must_use]
    pub const fn backend(self) -> &'static str {
        match self {
            Self::Module(_) => "wasm",
            Self::Child(_) => "process",
        }
    }
}

impl HeldBy {
    /// A word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Memory => "memory limit",
            Self::Policy => "policy",
            Self::Quota => "quota",
            Self::Sandbox => "sandbox",
            Self::Kernel => "kernel",
            Self::Supervisor => "supervisor",
        }
    }
}
