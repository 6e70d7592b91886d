//! Why a stream ended as it did. Every stream ends with exactly one reason.

use crate::PluginName;

/// The reason for the reply that the client got: it gives the default status, the metric
/// label and the flag in the access log.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ReplyReason {
    /// The upstream answered.
    Upstream,
    /// The route itself answers: a redirect or a direct response.
    Route,
    /// A plugin answered in the upstream's place.
    Plugin(PluginName),
    /// A plugin failed and its `on_error` is not `open`.
    PluginFailed(PluginName),
    /// No virtual host or no route matches.
    NoRoute,
    /// The cluster has no endpoint.
    NoEndpoint,
    /// The upstream could not be connected, or broke off before it answered.
    UpstreamFailed,
    /// The route's timeout ran out.
    Timeout,
    /// A limit was reached: connections, streams, pending requests, held bytes.
    Overload,
    /// The request was refused because it is malformed or ambiguous.
    Malformed,
    /// The host refused the request by policy.
    Denied,
    /// The proxy is draining.
    Drain,
    /// The client went away before the end.
    ClientGone,
    /// A bug of ours.
    Internal,
}

impl ReplyReason {
    /// The status of a reply that the proxy makes for this reason; an upstream's, a
    /// route's and a plugin's replies carry their own.
    #[must_use]
    pub fn default_status(&self) -> u16 {
        match self {
            Self::Upstream | Self::Route | Self::Plugin(_) => 200,
            Self::PluginFailed(_)
            | Self::NoEndpoint
            | Self::UpstreamFailed
            | Self::Overload
            | Self::Drain => 503,
            Self::NoRoute => 404,
            Self::Timeout => 504,
            Self::Malformed => 400,
            Self::Denied => 403,
            // Nobody reads it; nginx's number says the same in logs.
            Self::ClientGone => 499,
            Self::Internal => 500,
        }
    }

    /// A short stable word for metrics and logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Route => "route",
            Self::Plugin(_) => "plugin",
            Self::PluginFailed(_) => "plugin_failed",
            Self::NoRoute => "no_route",
            Self::NoEndpoint => "no_endpoint",
            Self::UpstreamFailed => "upstream_failed",
            Self::Timeout => "timeout",
            Self::Overload => "overload",
            Self::Malformed => "malformed",
            Self::Denied => "denied",
            Self::Drain => "drain",
            Self::ClientGone => "client_gone",
            Self::Internal => "internal",
        }
    }

    /// All labels, in the order of [`ReplyReason::index`].
    pub const LABELS: [&'static str; 14] = [
        "upstream",
        "route",
        "plugin",
        "plugin_failed",
        "no_route",
        "no_endpoint",
        "upstream_failed",
        "timeout",
        "overload",
        "malformed",
        "denied",
        "drain",
        "client_gone",
        "internal",
    ];

    /// The place of this reason's label in [`ReplyReason::LABELS`].
    #[must_use]
    pub fn index(&self) -> usize {
        let label = self.label();
        Self::LABELS.iter().position(|known| *known == label).unwrap_or(Self::LABELS.len() - 1)
    }

    /// The plugin that answered or failed, if it was one.
    #[must_use]
    pub fn plugin(&self) -> Option<&PluginName> {
        match self {
            Self::Plugin(name) | Self::PluginFailed(name) => Some(name),
            Self::Upstream
            | Self::Route
            | Self::NoRoute
            | Self::NoEndpoint
            | Self::UpstreamFailed
            | Self::Timeout
            | Self::Overload
            | Self::Malformed
            | Self::Denied
            | Self::Drain
            | Self::ClientGone
            | Self::Internal => None,
        }
    }
}

#[cfg(test)]
mod tests;
