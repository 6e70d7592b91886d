//! The arguments of `mortise policy`. The comments here are the help texts.

use std::path::PathBuf;

use clap::Subcommand;
use plugins_policy::Permission;

use super::Output;

/// What there is to do with policies.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what each plugin may do, and why not more.
    ///
    /// Reads the configuration and the plugin.toml of packages; no plugin is started.
    Show {
        /// The configuration file [default: ./mortise.yaml, then /etc/mortise/mortise.yaml]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How it is written.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Say whether a plugin may do something, by which rule, and how to change that.
    ///
    /// Ends with 0 where it may, and with 1 where it may not.
    Explain {
        /// The name of the plugin.
        plugin: String,
        /// What it would do: `http_call:auth`, `headers.request.read:cookie`, `log`. Without a
        /// name behind it: with every name there is.
        #[arg(value_parser = one_permission)]
        permission: Permission,
        /// The configuration file [default: ./mortise.yaml, then /etc/mortise/mortise.yaml]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How it is written.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Run the proxy, let plugins do what they will, and print the policies that they need.
    ///
    /// Runs until SIGTERM or SIGINT. Whatever a policy forbids is carried out meanwhile, and
    /// logged: use it where plugins can do no harm. Only what happens while it runs is seen.
    Record {
        /// The configuration file [default: ./mortise.yaml, then /etc/mortise/mortise.yaml]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Stop after so many seconds.
        #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
        seconds: Option<u64>,
    },
    /// Print all permissions, presets and restrictions, in Markdown.
    Catalogue,
}

impl PolicyCommand {
    /// Where the configuration is, for commands that need one.
    pub(super) fn config_mut(&mut self) -> Option<&mut Option<PathBuf>> {
        match self {
            Self::Show { config, .. }
            | Self::Explain { config, .. }
            | Self::Record { config, .. } => Some(config),
            Self::Catalogue => None,
        }
    }

    pub(super) fn output(&self) -> Output {
        match self {
            Self::Show { output, .. } | Self::Explain { output, .. } => *output,
            Self::Record { .. } | Self::Catalogue => Output::Text,
        }
    }
}

/// A permission that names one thing, or none.
fn one_permission(text: &str) -> Result<Permission, String> {
    let permission: Permission = text
        .parse()
        .map_err(|error| format!("{error} (`mortise policy catalogue` prints all permissions)"))?;
    match permission.pattern() {
        Some(pattern) if !pattern.is_exact() => {
            Err("name one thing, without a `*`; or none, for all there are".to_owned())
        }
        _ => Ok(permission),
    }
}
