//! Which restrictions hold, by how a plugin runs and what the kernel offers.
//!
//! A restriction that an operator states and that nobody can enforce must not be weaker in
//! silence: the load is refused, unless the policy names it under `allow_unenforced`. Facts in,
//! findings out; nothing here asks the kernel. Start reading at [`Enforcement::unenforced`].

use std::{fmt, path::Path};

use abi_manifest::Capability;

use crate::{Policy, Restriction, readable};

/// How a plugin runs, as far as restrictions go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Runs {
    /// As a Wasm module: it has nothing but what it is given.
    Wasm,
    /// As a child process, or as a library in one.
    Child {
        /// False where the operator said `sandbox: none`.
        confined: bool,
    },
    /// As a library in the proxy's own process, or compiled into it.
    InProxy,
}

/// What the kernel offers to confine children.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not by itself")]
pub struct KernelFacts {
    /// Landlock is there: what files a child reads can be restricted.
    pub landlock: bool,
    /// Filters of system calls are there.
    pub seccomp: bool,
    /// A cgroup can be made whose memory is limited: all that a child and what it starts hold.
    /// The kernel's limit of a process is for its private memory, and for each process anew.
    pub cgroup_memory: bool,
    /// A cgroup can be made whose processor time is limited.
    pub cgroup_cpu: bool,
    /// Processes of a child are counted apart, by a cgroup. The kernel's limit for a user does
    /// not do that, even where the child has one of its own: it has to leave room for others.
    pub counts_processes: bool,
}

/// How a plugin runs, and on what: all that decides which restrictions hold.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Enforcement {
    /// How it runs.
    pub runs: Runs,
    /// What the kernel offers.
    pub kernel: KernelFacts,
}

/// A restriction that was stated and does not hold. Shows itself with the reason and with what
/// to do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Unenforced {
    /// Which.
    pub restriction: Restriction,
    /// Why it does not hold.
    pub reason: &'static str,
    /// What would make it hold.
    pub advice: &'static str,
    /// True where the policy has it under `allow_unenforced`.
    pub is_allowed: bool,
}

/// The restrictions for whose sake a plugin is not loaded.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct UnenforcedError(pub Vec<Unenforced>);

impl Enforcement {
    /// The restrictions that a policy states and that do not hold, those included that need
    /// not, for a plugin that lies in the directories `own`, which a child may read.
    ///
    /// Stated are [`Policy::stated`], what a policy denies of clocks, random numbers, files and
    /// the environment, and for confined children files and network. How many processes a child
    /// makes counts only where a policy states it: not every kernel can count those of root.
    #[must_use]
    pub fn unenforced(&self, policy: &Policy, own: &[&Path]) -> Vec<Unenforced> {
        let stated = Restriction::ALL.into_iter().filter(|one| self.is_stated(policy, *one));
        let found = stated.filter_map(|restriction| {
            let in_vain = || self.denies_in_vain(restriction, policy, own);
            let (reason, advice) = self.obstacle(restriction).or_else(in_vain)?;
            let is_allowed = policy.allow_unenforced.contains(&restriction);
            Some(Unenforced { restriction, reason, advice, is_allowed })
        });
        found.collect()
    }

    /// Whether a plugin may be loaded under this policy, as for [`Self::unenforced`]. Gives the
    /// restrictions that do not hold and need not.
    ///
    /// # Errors
    /// Some must hold, and do not.
    pub fn check(
        &self,
        policy: &Policy,
        own: &[&Path],
    ) -> Result<Vec<Unenforced>, UnenforcedError> {
        let (allowed, refused): (Vec<_>, Vec<_>) =
            self.unenforced(policy, own).into_iter().partition(|one| one.is_allowed);
        if refused.is_empty() { Ok(allowed) } else { Err(UnenforcedError(refused)) }
    }

    /// Whether a restriction holds here, whoever states it.
    #[must_use]
    pub fn holds(&self, restriction: Restriction) -> bool {
        self.obstacle(restriction).is_none()
    }

    /// Why a restriction does not hold here; `None` where it does.
    #[must_use]
    pub fn why_not(&self, restriction: Restriction) -> Option<&'static str> {
        self.obstacle(restriction).map(|(reason, _advice)| reason)
    }

    fn is_stated(&self, policy: &Policy, restriction: Restriction) -> bool {
        let denies = |capability: Capability| {
            policy.denials.iter().any(|denial| denial.capabilities().any(|one| one == capability))
        };
        let is_confined = self.runs == Runs::Child { confined: true };
        policy.stated.contains(&restriction)
            || match restriction {
                Restriction::Clock => denies(Capability::Clock),
                Restriction::Random => denies(Capability::Random),
                Restriction::Environment => denies(Capability::Environment),
                Restriction::Files => is_confined || denies(Capability::FilesRead),
                Restriction::Network => is_confined,
                Restriction::Memory
                | Restriction::Cpu
                | Restriction::CpuPerCall
                | Restriction::Table
                | Restriction::Processes => false,
            }
    }

    /// A sandbox leaves some places open to each child. A policy that denies one of them denies
    /// more than is kept.
    fn denies_in_vain(
        &self,
        restriction: Restriction,
        policy: &Policy,
        own: &[&Path],
    ) -> Option<(&'static str, &'static str)> {
        let is_confined = self.runs == Runs::Child { confined: true };
        let is_vain = is_confined
            && restriction == Restriction::Files
            && readable::denies_readable(policy, own);
        is_vain.then_some((
            "`denials` has a place that each child can read: programs and libraries of the \
             system, some facts of the machine, its own directory (`mortise policy catalogue`)",
            "deny a place that is none of these, or leave it out: what no grant names and is none \
             of these is closed; or run it as Wasm",
        ))
    }

    /// Why a restriction does not hold, and what would help; `None` where it does.
    fn obstacle(&self, restriction: Restriction) -> Option<(&'static str, &'static str)> {
        // Only Wasm has tables at all.
        if restriction == Restriction::Table {
            return None;
        }
        match self.runs {
            Runs::Wasm => None,
            // Whatever the sandbox is, it begins with no variables.
            Runs::Child { .. } if restriction == Restriction::Environment => None,
            Runs::Child { confined: true } => self.obstacle_of_child(restriction),
            Runs::Child { confined: false } => Some((
                "a child process without a sandbox does what its user may do",
                "do not set `sandbox: none`",
            )),
            Runs::InProxy => Some((
                "a library in the proxy's own process does what the proxy may do",
                "run it in a child (`native: { run_in: runner }`), or as Wasm",
            )),
        }
    }

    fn obstacle_of_child(&self, restriction: Restriction) -> Option<(&'static str, &'static str)> {
        let holds = match restriction {
            Restriction::Table | Restriction::Environment => true,
            Restriction::Memory => self.kernel.cgroup_memory,
            Restriction::Cpu => self.kernel.cgroup_cpu,
            Restriction::Files => self.kernel.landlock,
            Restriction::Network => self.kernel.seccomp,
            Restriction::Processes => self.kernel.counts_processes,
            // A child answers when it likes; what it spent meanwhile is no call's.
            Restriction::CpuPerCall | Restriction::Clock | Restriction::Random => false,
        };
        if holds {
            return None;
        }
        Some(match restriction {
            Restriction::Memory => (
                "there is no cgroup that limits what a child holds, shared memory and other \
                 processes included; only the private memory of each process is limited",
                "give the proxy a cgroup of its own with the controller `memory`, or run it as Wasm",
            ),
            Restriction::Cpu => (
                "there is no cgroup that limits a child's processor time",
                "give the proxy a cgroup of its own with the controller `cpu`, or run it as Wasm",
            ),
            Restriction::CpuPerCall => (
                "nobody can tell what one call of a child costs",
                "limit its second (`cpu_ms_per_second`) and how long an answer may take \
                 (`process.call_timeout_ms`), or run it as Wasm",
            ),
            Restriction::Files => (
                "this kernel has no Landlock",
                "use a kernel with Landlock (5.13 or newer, `lsm=landlock`), or run it as Wasm",
            ),
            Restriction::Network => (
                "this kernel has no seccomp filters",
                "use a kernel with CONFIG_SECCOMP_FILTER, or run it as Wasm",
            ),
            Restriction::Processes => (
                "this kernel does not count a child's processes apart",
                "give the proxy a cgroup of its own with the controller `pids`, or run it as Wasm",
            ),
            Restriction::Table
            | Restriction::Environment
            | Restriction::Clock
            | Restriction::Random => (
                "nobody stands between a child process and the kernel's clocks and random numbers",
                "run it as Wasm",
            ),
        })
    }
}

impl fmt::Display for Unenforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reason, advice) = (self.restriction.word(), self.reason, self.advice);
        write!(f, "the restriction `{word}` cannot be enforced: {reason}; {advice}")?;
        if self.is_allowed { Ok(()) } else { write!(f, ", or say `allow_unenforced: [{word}]`") }
    }
}

fn lines(found: &[Unenforced]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
