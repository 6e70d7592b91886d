//! Routes: which requests they take and what happens to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listener::FilterConfig;

/// The routes of some domains.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VirtualHostConfig {
    /// Its name; unique in the listener. Default: its first domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// The domains: `example.com`, `*.example.com` or `*`, with `:port` or without. The most
    /// exact one wins, wherever it stands.
    #[schemars(length(min = 1, max = 10_000))]
    pub(crate) domains: Vec<String>,
    /// The routes; the first that matches wins.
    #[schemars(length(min = 1))]
    pub(crate) routes: Vec<RouteConfig>,
}

/// One route: a match with one of `cluster`, `clusters`, `redirect`, `respond`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteConfig {
    /// Its name, for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// Which requests it takes.
    #[serde(rename = "match")]
    pub(crate) condition: MatchConfig,
    /// The cluster that requests go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// Clusters that share the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub(crate) clusters: Option<Vec<WeightedClusterConfig>>,
    /// Where the client is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redirect: Option<RedirectConfig>,
    /// What the proxy itself answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) respond: Option<RespondConfig>,
    /// What becomes of the path on the way to a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rewrite: Option<RewriteConfig>,
    /// What becomes of the host on the way to a cluster: `endpoint`, or a fixed one.
    /// Default: the client's is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host_rewrite: Option<HostRewriteConfig>,
    /// Longest wait for the head of the response, from the end of the request, in milliseconds.
    /// 0 waits without limit. Bodies have `stall_timeout_ms` of the listener. Default: 15000.
    /// A frame of a codec has the lesser of this and what it says itself; where neither says (or
    /// this is 0), what is usual in its protocol, else 15000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400_000))]
    pub(crate) timeout_ms: Option<u32>,
    /// When a frame of a codec is sent again. Default: once, and only where nothing of it was
    /// sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<RetryConfig>,
    /// Filters of this route; they run after those of the listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) stream_filters: Vec<FilterConfig>,
}

/// Which requests a route takes: one of `prefix`, `path`, `regex`, `service`, and all else that it
/// says. The path is compared as it was sent, without the query. That of a frame is
/// `/service/method`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchConfig {
    /// Whole segments at the beginning of the path: `/api` takes `/api` and `/api/x`, not
    /// `/apix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) prefix: Option<String>,
    /// The whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) path: Option<String>,
    /// A regular expression for the whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) regex: Option<String>,
    /// The service that a frame of a codec or a request of gRPC is for; `-` where it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) service: Option<String>,
    /// The method of the service, with `service` or without; `-` where a frame names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) rpc_method: Option<String>,
    /// The methods of HTTP. Default: all. A frame has `POST`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) methods: Vec<String>,
    /// Header fields; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) headers: Vec<HeaderMatchConfig>,
    /// Query parameters; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) query: Vec<QueryMatchConfig>,
}

/// What must hold of a header field: one of `exact`, `prefix`, `suffix`, `contains`, `regex`,
/// `present`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderMatchConfig {
    /// The name of the field, in any case; of a frame also an attribute, as in `:version`.
    pub(crate) name: String,
    /// A value is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exact: Option<String>,
    /// A value starts so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    /// A value ends so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) suffix: Option<String>,
    /// A value has this inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contains: Option<String>,
    /// The whole of a value matches this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub(crate) regex: Option<String>,
    /// The field is there (`true`) or not (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<bool>,
    /// Turn the condition round: it holds where it would not.
    #[serde(default)]
    pub(crate) invert: bool,
}

/// What must hold of a query parameter: one of `exact`, `regex`, `present`. It is compared as
/// it was sent, with its percent signs.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryMatchConfig {
    /// The name of the parameter.
    pub(crate) name: String,
    /// A value is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exact: Option<String>,
    /// The whole of a value matches this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub(crate) regex: Option<String>,
    /// The parameter is there (`true`) or not (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<bool>,
}

/// When a frame of a codec is sent again, on another connection or to another endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryConfig {
    /// How often one frame is sent again at most; 0 is never.
    #[schemars(range(max = 10))]
    pub(crate) max: u32,
    /// Reasons beside that nothing was sent. What was sent may have been done: name them for
    /// calls only that may be done twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(crate) on: Vec<RetryReasonConfig>,
}

/// A reason to send a frame again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum RetryReasonConfig {
    /// What happened to it.
    Word(RetryReasonWord),
    /// The response has a status that is this in HTTP, such as 503 for an overload.
    Status(#[schemars(range(min = 400, max = 599))] u16),
}

/// What happened to a frame.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RetryReasonWord {
    /// The upstream ended the connection before it answered.
    Reset,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { max: 1, on: Vec::new() }
    }
}

/// A cluster with its share.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightedClusterConfig {
    /// The cluster.
    pub(crate) name: String,
    /// Its share beside the others; 0 sends it nothing.
    #[schemars(range(max = 1_000_000))]
    pub(crate) weight: u32,
}

/// Where the client is sent. What is not said stays as it was asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedirectConfig {
    /// The status.
    #[serde(default = "default_redirect_status")]
    #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
    pub(crate) status: u16,
    /// The scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scheme: Option<SchemeWord>,
    /// The host, without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) port: Option<u16>,
    /// The whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// What replaces the part of the path that the match names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    /// Drop the query.
    #[serde(default)]
    pub(crate) strip_query: bool,
}

/// A scheme.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SchemeWord {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// What the proxy itself answers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RespondConfig {
    /// The status.
    #[serde(default = "default_respond_status")]
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: u16,
    /// The body, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub(crate) body: Option<String>,
    /// Header fields. A body without a `content-type` is sent as plain text where HTTP is spoken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
}

/// What becomes of a path: `prefix`, or `regex` with `substitution`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RewriteConfig {
    /// What replaces the part of the path that the match names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub(crate) prefix: Option<String>,
    /// A regular expression; every place of the path that it finds is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) regex: Option<String>,
    /// What replaces them; `$1`, `${name}` stand for what a group found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub(crate) substitution: Option<String>,
}

/// What becomes of the host.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum HostRewriteConfig {
    /// The endpoint's is sent.
    Word(HostRewriteWord),
    /// A fixed one is sent.
    Fixed(FixedHost),
}

/// The endpoint's host is sent.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HostRewriteWord {
    /// The name or address of the endpoint.
    Endpoint,
}

/// A fixed host is sent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixedHost {
    /// The host, with a port or without.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) host: String,
}

fn default_redirect_status() -> u16 {
    302
}

fn default_respond_status() -> u16 {
    200
}
