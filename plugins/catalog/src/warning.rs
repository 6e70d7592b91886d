//! What an operator should know of a plugin that was loaded all the same.

use std::{fmt, path::PathBuf, sync::Arc};

use host_types::PluginName;
use plugins_policy::{Capability, GrantsOf, Permission, Unenforced};

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

/// What is odd about a plugin's permissions.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Oddity {
    /// Its code may use something of which nothing is allowed.
    MayUse {
        /// What.
        capability: Capability,
        /// False where its manifest does not ask for it, so that no policy can grant it.
        is_asked: bool,
    },
    /// Its manifest asks for something that the policy does not grant.
    NotGranted(Permission),
    /// The configuration gives it a variable that it may not see.
    Variable(Arc<str>),
    /// The configuration lets it read a place that it may not.
    Place(PathBuf),
    /// A restriction that its policy states does not hold, and need not.
    Unenforced(Unenforced),
}

impl fmt::Display for LoadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, policy, oddity } = self;
        match oddity {
            Oddity::MayUse { capability, is_asked } => {
                let word = capability.word();
                write!(f, "plugin `{plugin}` may use `{word}`, which ")?;
                if !is_asked {
                    return f.write_str("its plugin.toml does not ask for (`permissions`)");
                }
                f.write_str("is not allowed")?;
                advise(f, word, policy)
            }
            Oddity::NotGranted(permission) => {
                write!(f, "plugin `{plugin}` asks for `{permission}`, which is not granted")?;
                advise(f, &permission.to_string(), policy)
            }
            Oddity::Variable(name) => {
                write!(
                    f,
                    "plugin `{plugin}` does not see its environment variable `{}`",
                    name.escape_debug()
                )?;
                advise(f, &format!("environment:{}", name.escape_debug()), policy)
            }
            Oddity::Place(place) => {
                let place = place.display().to_string();
                let place = place.escape_debug();
                write!(f, "plugin `{plugin}` cannot read `{place}` of its `sandbox.read`")?;
                advise(f, &format!("files.read:{place}"), policy)
            }
            Oddity::Unenforced(unenforced) => write!(f, "plugin `{plugin}`: {unenforced}"),
        }
    }
}

fn advise(f: &mut fmt::Formatter<'_>, permission: &str, policy: &str) -> fmt::Result {
    write!(f, ": to grant it, add \"{permission}\" to {}", GrantsOf(policy))
}
