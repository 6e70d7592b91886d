//! HTTP requests to clusters of the proxy.

use std::{fmt, time::Duration};

use crate::Fields;

/// Names a request under way until its answer came; unique in one started plugin.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub u64);

/// A request to a cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpRequest {
    /// The name of the cluster in the proxy's configuration.
    pub cluster: String,
    /// `:method`.
    pub method: String,
    /// `:path`, with the query.
    pub path: String,
    /// `:authority`.
    pub authority: String,
    /// Further fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The longest wait for the whole answer; `None` leaves it to the proxy's limit.
    pub timeout: Option<Duration>,
}

impl HttpRequest {
    /// A `GET` request.
    #[must_use]
    pub fn get(
        cluster: impl Into<String>,
        authority: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self {
            cluster: cluster.into(),
            method: "GET".to_owned(),
            path: path.into(),
            authority: authority.into(),
            ..Self::default()
        }
    }

    /// A `POST` request with a body.
    #[must_use]
    pub fn post(
        cluster: impl Into<String>,
        authority: impl Into<String>,
        path: impl Into<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let method = "POST".to_owned();
        Self { method, body: body.into(), ..Self::get(cluster, authority, path) }
    }

    /// With one more field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this limit on the wait, counted in whole milliseconds and at least one.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// The answer to a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpAnswer {
    /// Its head, `:status` among it.
    pub headers: Fields,
    /// Its body, whole.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Fields,
}

impl HttpAnswer {
    /// An answer with this status; for tests.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let headers = Fields::default().header(":status", status.to_string());
        Self { headers, ..Self::default() }
    }

    /// With one more field of the head.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers = self.headers.header(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status; 0 where there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.headers.get_str(":status").and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// No answer came: it broke off, or was no answer.
///
/// Where no endpoint is to be had, or none answers in time, the proxy answers in its place, with
/// 503 or 504; look at the status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallFailure;

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer came")
    }
}

impl std::error::Error for CallFailure {}
