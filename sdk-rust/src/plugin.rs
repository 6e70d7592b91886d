//! The plugin itself: what is started once for each use of it.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{
    CallFailure, CallId, Codec, CodecProfile, Host, HostError, HttpAnswer, NetworkFilter, Phases,
    QueueId, StreamFilter,
};

/// A plugin, started for one use of it on one worker of the proxy.
pub trait Plugin: Sized + 'static {
    /// Its configuration, read from what the use says under `config`. Refuse what you do not
    /// know (`#[serde(deny_unknown_fields)]`): a misspelt key is an error that is told at once.
    type Config: DeserializeOwned;

    /// The callbacks that it wants. Name no more than are written: a body that nobody asks for
    /// passes without being looked at.
    const PHASES: Phases = Phases::ALL;

    /// The properties that its filters read of every stream or connection, by path. Those that
    /// stay as they are from its beginning (`source`, `destination`, the connection's id, the
    /// listener's name, `node`) come to a child process with it, which then need not ask for
    /// them. It is a matter of speed, and of child processes: any property can be read anywhere.
    const PROPERTIES: &'static [&'static [&'static str]] = &[];

    /// Reads the configuration: JSON, where nothing at all is taken for `{}` and then for
    /// `null`. To be replaced by who is configured with text of another kind.
    ///
    /// # Errors
    /// It cannot be read; the proxy shows the reason.
    fn parse(config: &[u8]) -> Result<Self::Config, Refusal> {
        if config.is_empty() {
            // Who takes neither is told what he misses of a map.
            return serde_json::from_str("{}")
                .or_else(|missing| serde_json::from_str("null").map_err(|_no_unit| missing))
                .map_err(|why| Refusal::config(without_place(&why)));
        }
        serde_json::from_slice(config).map_err(|why| Refusal::config(without_place(&why)))
    }

    /// Starts. Called once; what it opens lives as long as the plugin.
    ///
    /// # Errors
    /// The plugin cannot serve; the proxy shows the reason and applies `on_error`.
    fn start(config: Self::Config, host: &Host<'_>) -> Result<Self, Refusal>;

    /// Makes a filter for a request, which is about to begin. With `None` this one request and
    /// its response pass as if the plugin were not there; the next request is asked about again.
    fn stream_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        let _ = host;
        None
    }

    /// Makes a filter for a connection, which is about to begin. With `None` this one connection
    /// passes as if the plugin were not there; the next one is asked about again.
    fn network_filter(&mut self, host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        let _ = host;
        None
    }

    /// What holds of the protocol whose codec it makes.
    const CODEC: CodecProfile = CodecProfile::DEFAULT;

    /// Makes a codec for a connection, of a client or to an upstream; `None` where the plugin
    /// serves no protocol, which closes the connection.
    fn codec(&mut self, host: &Host<'_>) -> Option<Box<dyn Codec>> {
        let _ = host;
        None
    }

    /// The period that [`Host::set_tick_period`] asked for has passed.
    fn on_tick(&mut self, host: &Host<'_>) {
        let _ = host;
    }

    /// An item is in a queue that [`Host::register_queue`] registered.
    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        let _ = (host, queue);
    }

    /// The answer to a request that was sent with [`Host::http_call`] of the plugin, not of a
    /// stream or connection.
    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        let _ = (host, call);
        drop(answer);
    }
}

/// Why a plugin does not start, in one line for a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(String);

impl Refusal {
    /// A refusal for this reason.
    #[must_use]
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// A refusal of the configuration, which says that it is one.
    #[must_use]
    pub fn config(why: impl fmt::Display) -> Self {
        Self(format!("bad configuration: {why}"))
    }
}

/// Why JSON could not be read, without the line and column: the operator wrote another text.
fn without_place(why: &serde_json::Error) -> String {
    let told = why.to_string();
    let place = format!(" at line {} column {}", why.line(), why.column());
    told.strip_suffix(&place).unwrap_or(&told).to_owned()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl<T: Into<String>> From<T> for Refusal {
    fn from(why: T) -> Self {
        Self(why.into())
    }
}

impl From<HostError> for Refusal {
    fn from(why: HostError) -> Self {
        Self(format!("the host refused what the plugin needs: {why}"))
    }
}
