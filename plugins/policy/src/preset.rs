//! Presets: grants that have a name.
//!
//! Each holds all that the one before it holds. They are the first thing that an operator
//! chooses; `grants` add to them and `denials` take away.

use abi_manifest::Permission;

/// Grants that have a name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Preset {
    /// Nothing at all: `grants` say everything.
    None,
    /// See messages, log and count.
    ReadOnly,
    /// Change ordinary fields and bodies, answer, keep state of its own. Nothing that reaches
    /// out, to where a request goes, or to other plugins.
    #[default]
    Default,
    /// Call clusters, too.
    Network,
    /// Everything.
    Trusted,
}

const READ_ONLY: &[&str] = &[
    "headers.request.read",
    "headers.response.read",
    "body.request.read",
    "body.response.read",
    "properties.read",
    "tcp.downstream.read",
    "tcp.upstream.read",
    "metrics",
    "log",
    "clock",
    "random",
    "ticks",
    "environment",
];
const DEFAULT: &[&str] = &[
    "headers.request.write",
    "headers.response.write",
    "body.request.write",
    "body.response.write",
    "properties.write",
    "tcp.downstream.write",
    "tcp.upstream.write",
    "reply",
    "close",
    "shared_data",
    "queues",
];
const NETWORK: &[&str] = &["http_call", "grpc_call"];
const TRUSTED: &[&str] = &["route", "foreign", "shared_data:*", "queues:*", "files.read:/"];

impl Preset {
    /// All presets, from the narrowest to the widest.
    pub const ALL: [Self; 5] =
        [Self::None, Self::ReadOnly, Self::Default, Self::Network, Self::Trusted];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReadOnly => "read_only",
            Self::Default => "default",
            Self::Network => "network",
            Self::Trusted => "trusted",
        }
    }

    /// The preset of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// What it lets through, in a sentence.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::None => "Nothing: what `grants` name is all.",
            Self::ReadOnly => "See messages, bytes and properties; log and count.",
            Self::Default => {
                "As `read_only`, and change ordinary fields and bodies, answer requests, close \
                 connections, and keep shared data and queues of its own."
            }
            Self::Network => "As `default`, and call clusters.",
            Self::Trusted => {
                "Everything, also where requests go, framing fields, and what other plugins share."
            }
        }
    }

    /// What it grants, as written in a configuration.
    #[must_use]
    pub fn grants(self) -> Vec<Permission> {
        let parts: &[&[&str]] = match self {
            Self::None => &[],
            Self::ReadOnly => &[READ_ONLY],
            Self::Default => &[READ_ONLY, DEFAULT],
            Self::Network => &[READ_ONLY, DEFAULT, NETWORK],
            Self::Trusted => &[READ_ONLY, DEFAULT, NETWORK, TRUSTED],
        };
        parts.iter().copied().flatten().filter_map(|text| text.parse().ok()).collect()
    }

    /// True where framing fields need not be named.
    pub(crate) fn covers_framing(self) -> bool {
        self == Self::Trusted
    }
}

#[cfg(test)]
mod tests;
