//! Shared-data-limiter: lets so many requests of a key pass in a window of time, over all
//! workers of the proxy.
//!
//! The count of each key is shared data; it is changed with compare-and-set, and read again
//! where another worker was faster. A window begins with the first request of a key. Start
//! reading at [`Window`].
#![forbid(unsafe_code)]

use std::{
    hash::{DefaultHasher, Hasher},
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mortise_sdk::{
    Action, Host, HostError, LogLevel, Phases, Plugin, Refusal, Response, Stream, StreamFilter,
};
use serde::Deserialize;

mortise_sdk::plugin!(Limiter);

/// How often a count is read again that others changed at the same time.
const ATTEMPTS_MAX: u32 = 16;

/// The version that is expected of a key without a value.
const NO_VERSION: u32 = u32::MAX;

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How many requests pass in a window.
    requests: u32,
    /// How long a window is.
    window_seconds: u64,
    /// The field whose value is the key; requests without it have the empty key.
    key_header: String,
}

/// What one instance of the plugin keeps: its configuration.
#[derive(Debug)]
pub struct Limiter(Rc<Rule>);

impl Plugin for Limiter {
    type Config = Rule;

    const PHASES: Phases = Phases::REQUEST_HEADERS.and(Phases::RESPONSE_HEADERS);

    fn start(rule: Rule, _host: &Host<'_>) -> Result<Self, Refusal> {
        if rule.window_seconds == 0 {
            return Err(Refusal::config("`window_seconds` is 0"));
        }
        Ok(Self(Rc::new(rule)))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Guest { rule: Rc::clone(&self.0), left: None }))
    }
}

/// The requests of one key since a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Window {
    since: u64,
    requests: u32,
}

impl Window {
    fn new(now: u64) -> Self {
        Self { since: now, requests: 0 }
    }

    /// As it was stored: eight bytes of time in seconds, four of a count.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (since, requests) = bytes.split_at_checked(8)?;
        let since = u64::from_be_bytes(since.try_into().ok()?);
        Some(Self { since, requests: u32::from_be_bytes(requests.try_into().ok()?) })
    }

    fn bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (since, requests) = bytes.split_at_mut(8);
        since.copy_from_slice(&self.since.to_be_bytes());
        requests.copy_from_slice(&self.requests.to_be_bytes());
        bytes
    }
}

/// What the limiter says to one request.
#[derive(Clone, Copy, Debug)]
enum Decision {
    /// It passes, and so many more would.
    Pass { left: u32 },
    /// It does not, for so many seconds.
    Wait { seconds: u64 },
}

/// One request.
struct Guest {
    rule: Rc<Rule>,
    left: Option<u32>,
}

impl Guest {
    /// Counts this request; an error where nobody could say whether it is one too many.
    fn count(&self, host: &Host<'_>, key: &str) -> Result<Decision, HostError> {
        let now = seconds(host.now());
        let ends = |window: &Window| window.since.saturating_add(self.rule.window_seconds);
        for _ in 0..ATTEMPTS_MAX {
            let stored = host.shared_data(key)?;
            // No value ever has this version, and a key without a value takes every one: so of
            // two workers that count first, one finds the other's count.
            let version = stored.as_ref().map_or(NO_VERSION, |stored| stored.version);
            let window = stored.and_then(|stored| Window::read(&stored.bytes));
            let mut window = window.filter(|old| ends(old) > now).unwrap_or(Window::new(now));
            if window.requests >= self.rule.requests {
                return Ok(Decision::Wait { seconds: ends(&window) - now });
            }
            window.requests += 1;
            match host.set_shared_data(key, window.bytes(), Some(version)) {
                Ok(()) => {
                    return Ok(Decision::Pass { left: self.rule.requests - window.requests });
                }
                Err(HostError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(HostError::Conflict)
    }
}

impl StreamFilter for Guest {
    fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        let key = stream.request().header(&self.rule.key_header).unwrap_or_default();
        match self.count(&stream.host(), &stored_under(&key)) {
            Ok(Decision::Pass { left }) => {
                self.left = Some(left);
                Action::Continue
            }
            Ok(Decision::Wait { seconds }) => Response::new(429)
                .header("retry-after", seconds.to_string())
                .header("x-limit-left", "0")
                .body("too many requests\n")
                .into(),
            // A limiter that cannot count lets pass: it protects, it does not guard.
            Err(error) => {
                let line = format!("shared-data-limiter: not counted: {error}");
                stream.host().log(LogLevel::Warn, line);
                Action::Continue
            }
        }
    }

    fn on_response_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
        if let Some(left) = self.left {
            // The count holds, whether the client is told of it or not.
            stream.response().set_header("x-limit-left", left.to_string()).ok();
        }
        Action::Continue
    }
}

/// What a count is stored under. Clients choose their keys: one that is too long for the host to
/// store would not be counted, so a digest of it is taken. It is the same in all instances.
fn stored_under(key: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    format!("limit:{:016x}", hasher.finish())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests;
