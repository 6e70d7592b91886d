//! Shared-data-limiter: lets so many requests of a key pass in a window of time, over all
//! workers of the proxy.
//!
//! The count of each key is shared data; it is changed with compare-and-set, and read again
//! where another worker was faster. A window begins with the first request of a key. Start
//! reading at [`Window`].

use std::{
    hash::{DefaultHasher, Hasher},
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel, Status},
};
use serde::Deserialize;

/// How often a count is read again that others changed at the same time.
const ATTEMPTS_MAX: u32 = 16;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { rule: None }));
}}

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// How many requests pass in a window.
    requests: u32,
    /// How long a window is.
    window_seconds: u64,
    /// The field whose value is the key; requests without it have the empty key.
    key_header: String,
}

impl Rule {
    /// Reads the configuration, or says why it cannot serve.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let rule: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if rule.window_seconds == 0 {
            return Err("`window_seconds` is 0".to_owned());
        }
        Ok(rule)
    }
}

/// What one instance of the plugin keeps: its configuration.
struct Root {
    rule: Option<Rc<Rule>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Rule::parse(&bytes) {
            Ok(rule) => {
                self.rule = Some(Rc::new(rule));
                true
            }
            Err(why) => {
                log::error!("shared-data-limiter: bad configuration: {why}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Guest { rule: self.rule.clone()?, left: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// The requests of one key since a time.
#[derive(Clone, Copy, Debug)]
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
    fn count(&self, key: &str, now: u64) -> Result<Decision, Status> {
        for _ in 0..ATTEMPTS_MAX {
            let (stored, version) = hostcalls::get_shared_data(key)?;
            let window = stored.as_deref().and_then(Window::read);
            let ends = |window: &Window| window.since.saturating_add(self.rule.window_seconds);
            let mut window = window.filter(|old| ends(old) > now).unwrap_or(Window::new(now));
            if window.requests >= self.rule.requests {
                return Ok(Decision::Wait { seconds: ends(&window) - now });
            }
            window.requests += 1;
            match hostcalls::set_shared_data(key, Some(&window.bytes()), version) {
                Ok(()) => {
                    return Ok(Decision::Pass { left: self.rule.requests - window.requests });
                }
                Err(Status::CasMismatch) => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::CasMismatch)
    }
}

impl Context for Guest {}

impl HttpContext for Guest {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let key = self.get_http_request_header_bytes(&self.rule.key_header).unwrap_or_default();
        let decision = self.count(&stored_under(&key), seconds(self.get_current_time()));
        match decision {
            Ok(Decision::Pass { left }) => {
                self.left = Some(left);
                Action::Continue
            }
            Ok(Decision::Wait { seconds }) => {
                let seconds = seconds.to_string();
                let headers = vec![("retry-after", seconds.as_str()), ("x-limit-left", "0")];
                self.send_http_response(429, headers, Some(b"too many requests\n"));
                Action::Pause
            }
            // A limiter that cannot count lets pass: it protects, it does not guard.
            Err(status) => {
                log::warn!("shared-data-limiter: not counted: {status:?}");
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if let Some(left) = self.left {
            self.set_http_response_header("x-limit-left", Some(&left.to_string()));
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
