//! One line of the access log.

use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use host_types::{PluginName, ReplyReason};

use crate::{escape::push_json_string, time::push_rfc3339};

/// Bytes that one text of a line may have; the rest is cut off.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Plugins that one line names; the rest is left out.
const PLUGINS_MAX: usize = 64;

/// What the access log says of one stream, or of one connection that is passed on as bytes.
/// What is `None` is left out of the line.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// When it began.
    pub time: SystemTime,
    /// The listener.
    pub listener: &'a str,
    /// The protocol, as `Protocol::label` of `host-extension` gives it.
    pub protocol: &'a str,
    /// The client.
    pub peer: SocketAddr,
    /// The method.
    pub method: Option<&'a str>,
    /// Host and port that the client asked for.
    pub authority: Option<&'a str>,
    /// Path with query as the client sent it.
    pub path: Option<&'a str>,
    /// The status that the client was sent.
    pub status: Option<u16>,
    /// True where nobody waited for an answer: where the upstream was asked, 200 says then that the
    /// request was handed on. Left out where it is false.
    pub one_way: bool,
    /// Why it ended as it did; the plugin that answered or failed is taken from it.
    pub reason: &'a ReplyReason,
    /// More words on the reason.
    pub details: Option<&'a str>,
    /// The time spent in each plugin.
    pub plugins: &'a [PluginTime<'a>],
    /// The route.
    pub route: Option<&'a str>,
    /// The cluster.
    pub cluster: Option<&'a str>,
    /// The endpoint.
    pub upstream: Option<SocketAddr>,
    /// What `x-request-id` carries.
    pub request_id: Option<&'a str>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// From the head of the request to the end of the response.
    pub duration: Duration,
    /// From the request's way upstream to the head of the response.
    pub upstream_time: Option<Duration>,
    /// The `user-agent` field, whose bytes may be anything.
    pub user_agent: Option<&'a [u8]>,
}

/// The time that one plugin took of one stream.
#[derive(Clone, Copy, Debug)]
pub struct PluginTime<'a> {
    /// Which plugin.
    pub name: &'a PluginName,
    /// How long.
    pub time: Duration,
}

/// Writes the line with its end.
pub(super) fn push_line(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    push_rfc3339(out, record.time);
    out.push(b'"');
    push_text(out, "listener", Some(record.listener));
    push_text(out, "protocol", Some(record.protocol));
    push_address(out, "peer", Some(record.peer));
    push_text(out, "method", record.method);
    push_text(out, "authority", record.authority);
    push_text(out, "path", record.path);
    push_number(out, "status", record.status.map(u64::from));
    if record.one_way {
        out.extend_from_slice(b",\"one_way\":true");
    }
    push_text(out, "reason", Some(record.reason.label()));
    push_text(out, "details", record.details);
    push_text(out, "plugin", record.reason.plugin().map(PluginName::as_str));
    push_plugins(out, record.plugins);
    push_text(out, "route", record.route);
    push_text(out, "cluster", record.cluster);
    push_address(out, "upstream", record.upstream);
    push_text(out, "request_id", record.request_id);
    push_number(out, "request_bytes", Some(record.request_bytes));
    push_number(out, "response_bytes", Some(record.response_bytes));
    push_number(out, "duration_us", Some(micros(record.duration)));
    push_number(out, "upstream_us", record.upstream_time.map(micros));
    let user_agent = record.user_agent.map(String::from_utf8_lossy);
    push_text(out, "user_agent", user_agent.as_deref());
    out.extend_from_slice(b"}\n");
}

fn push_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_text(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        push_key(out, key);
        push_json_string(out, value, TEXT_BYTES_MAX);
    }
}

fn push_number(out: &mut Vec<u8>, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        push_key(out, key);
        push_digits(out, value);
    }
}

fn push_address(out: &mut Vec<u8>, key: &str, value: Option<SocketAddr>) {
    let Some(address) = value else { return };
    push_key(out, key);
    out.push(b'"');
    match address {
        SocketAddr::V4(address) => {
            // Cheaper than the formatting of the standard library, and every line has two.
            for (octet, end) in address.ip().octets().into_iter().zip(*b"...:") {
                push_digits(out, u64::from(octet));
                out.push(end);
            }
            push_digits(out, u64::from(address.port()));
        }
        SocketAddr::V6(address) => {
            write!(out, "{address}").expect("a vector takes every write");
        }
    }
    out.push(b'"');
}

fn push_plugins(out: &mut Vec<u8>, plugins: &[PluginTime<'_>]) {
    if plugins.is_empty() {
        return;
    }
    push_key(out, "plugins");
    let mut before = b'[';
    for plugin in plugins.iter().take(PLUGINS_MAX) {
        out.push(before);
        out.extend_from_slice(b"{\"name\":");
        push_json_string(out, plugin.name.as_str(), TEXT_BYTES_MAX);
        push_number(out, "us", Some(micros(plugin.time)));
        out.push(b'}');
        before = b',';
    }
    out.push(b']');
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Cheaper than the formatting of the standard library, and there are many numbers in a line.
fn push_digits(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    let mut rest = number;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
