//! Queue-log: each request puts a line into a shared queue; a service takes them out and logs
//! them, away from the requests.
//!
//! One artifact with two plugins, by the root id of the use: `sender` is a stream filter,
//! `receiver` a service. Start reading at [`Sender`] and [`Receiver`].
#![forbid(unsafe_code)]

use std::{cell::Cell, rc::Rc};

use mortise_sdk::{
    Host, HostError, LogLevel, Phases, Plugin, Queue, QueueId, Refusal, Stream, StreamFilter,
};
use serde::Deserialize;

mortise_sdk::plugin! {
    "sender" => Sender,
    "receiver" => Receiver,
}

/// The configuration of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The queue's name; both parts name the same one.
    queue: String,
    /// The id of the machine whose queue it is; where it is not given, the plugin's own.
    #[serde(default)]
    vm_id: String,
}

/// The part that fills the queue.
#[derive(Debug)]
pub struct Sender(Rc<Outlet>);

impl Plugin for Sender {
    type Config = Rule;

    const PHASES: Phases = Phases::LOG;

    fn start(rule: Rule, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self(Rc::new(Outlet { rule, complained: Cell::new(false) })))
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(Request(Rc::clone(&self.0))))
    }
}

/// What all requests of one use share.
#[derive(Debug)]
struct Outlet {
    rule: Rule,
    /// Whether it said already that lines are lost.
    complained: Cell<bool>,
}

impl Outlet {
    fn send(&self, host: &Host<'_>, line: &str) {
        let queue = host.queue(&self.rule.vm_id, &self.rule.queue);
        let lost = match queue.and_then(|queue| queue.push(host, line)) {
            Ok(()) => return self.complained.set(false),
            Err(HostError::NotFound) => "nobody reads it".to_owned(),
            Err(error) => format!("it takes no line: {error}"),
        };
        // Once is enough until it works again: requests must not fill the log.
        if !self.complained.replace(true) {
            let queue = &self.rule.queue;
            let line = format!("queue-log: lines for the queue `{queue}` are lost: {lost}");
            host.log(LogLevel::Warn, line);
        }
    }
}

/// One request, told of when it is over.
struct Request(Rc<Outlet>);

impl StreamFilter for Request {
    fn on_complete(&mut self, stream: &Stream<'_>) {
        let field = |name| stream.property(&["request", name]).map(|value| value.0);
        let [method, path] = ["method", "path"].map(|name| field(name).unwrap_or_default());
        let [method, path] = [&method, &path].map(|value| String::from_utf8_lossy(value));
        self.0.send(&stream.host(), &format!("{method} {path}"));
    }
}

/// The part that empties the queue.
#[derive(Debug)]
pub struct Receiver(Queue);

impl Plugin for Receiver {
    type Config = Rule;

    const PHASES: Phases = Phases::NONE;

    fn start(rule: Rule, host: &Host<'_>) -> Result<Self, Refusal> {
        let queue = host.register_queue(&rule.queue);
        queue.map(Self).map_err(|error| Refusal::new(format!("no queue `{}`: {error}", rule.queue)))
    }

    /// Logs all that is there: one callback may stand for several lines, and then the next
    /// callbacks find nothing.
    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        if queue != self.0.0 {
            return;
        }
        loop {
            match self.0.pop(host) {
                Ok(Some(line)) => {
                    let line = String::from_utf8_lossy(&line);
                    host.log(LogLevel::Info, format!("queue-log: {line}"));
                }
                Ok(None) => return,
                Err(error) => {
                    return host.log(LogLevel::Error, format!("queue-log: cannot read: {error}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
