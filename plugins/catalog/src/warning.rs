//! What an operator should know of a plugin that was loaded all the same.

use std::{fmt, path::PathBuf, sync::Arc};

use host_types::PluginName;
use plugins_policy::{Capability, Permission, Rule, Unenforced, WhyNot, advice};

/// Something about a plugin's permissions that is likely not meant. Shows itself as a line that
/// says what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadWarning {
    /// The plugin.
    pub plugin: PluginName,
    /// The name of its policy.
    pub policy: Arc<str>,
    /// What is odd.
    pub oddity: Oddity,
}

/// What is odd about a plugin's permissions, with what to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Oddity {
    /// Its code may use something of which nothing is in force.
    MayUse {
        /// What.
        capability: Capability,
        /// Why nothing is.
        why_not: WhyNot,
    },
    /// Its manifest asks for something of which nothing is in force.
    NotAllowed {
        /// What it asks for.
        permission: Permission,
        /// What to do.
        advice: String,
    },
    /// The configuration gives it a variable that it may not see.
    Variable {
        /// The name of the variable.
        name: Arc<str>,
        /// By which rule, and what to do.
        denial: String,
    },
    /// The configuration lets it read a place that it may not.
    Place {
        /// The place.
        path: PathBuf,
        /// By which rule, and what to do.
        denial: String,
    },
    /// A restriction that its policy states does not hold, and need not.
    Unenforced(Unenforced),
    /// The configuration gives it what its policy, which is permissive, does not let it have.
    WasLet {
        /// What it takes.
        capability: Capability,
        /// What would not be allowed, as a line says it.
        denial: String,
    },
}

impl Oddity {
    /// What the plugin was denied by it, or would have been.
    pub(crate) fn denied(&self) -> Option<Capability> {
        match self {
            Self::Variable { .. } => Some(Capability::Environment),
            Self::Place { .. } => Some(Capability::FilesRead),
            Self::WasLet { capability, .. } => Some(*capability),
            Self::MayUse { .. } | Self::NotAllowed { .. } | Self::Unenforced(_) => None,
        }
    }
}

impl fmt::Display for LoadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, policy, oddity } = self;
        write!(f, "plugin `{plugin}`")?;
        match oddity {
            Oddity::MayUse { capability, why_not } => {
                let word = capability.word();
                write!(f, " may use `{word}`, which ")?;
                match why_not {
                    WhyNot::NotAsked => {
                        f.write_str("its plugin.toml does not ask for (`permissions`)")
                    }
                    WhyNot::Denied => write!(f, "`denials` of the policy `{policy}` take away"),
                    WhyNot::NotGranted | WhyNot::OtherNames | _ => {
                        write!(f, "is not allowed: {}", advice(Rule::NotGranted, word, policy))
                    }
                }
            }
            Oddity::NotAllowed { permission, advice } => {
                write!(f, " asks for `{permission}`, which is not allowed: {advice}")
            }
            Oddity::Variable { name, denial } => {
                let name = name.escape_debug();
                write!(f, " does not see its environment variable `{name}`: {denial}")
            }
            Oddity::Place { path, denial } => {
                let path = path.display().to_string();
                let path = path.escape_debug();
                write!(f, " cannot read `{path}` of its `sandbox.read`: {denial}")
            }
            Oddity::Unenforced(unenforced) => write!(f, ": {unenforced}"),
            Oddity::WasLet { denial, .. } => write!(f, ": {denial}"),
        }
    }
}
