//! The guard: all that a backend ever holds of the host.

use std::{fmt, rc::Rc, sync::Arc, time::SystemTime};

use host_extension::{
    BodyKind, CallResult, FieldWrite, HeaderMapKind, HostCalls, LocalReply, LogLevel,
    PropertyValue, Stream, Subject,
};
use host_types::{Headers, PluginName};

use crate::{CallCounts, HostCall};

/// The host calls of one worker as one plugin may use them.
///
/// Every call passes `Guard::check` before it reaches the host. Calls that name a plugin are
/// made in the name of the guarded one, whatever the backend says, so that no plugin speaks
/// for another.
pub struct Guard {
    plugin: PluginName,
    calls: Rc<dyn HostCalls>,
    counts: Arc<CallCounts>,
}

impl Guard {
    /// Guards `calls` for `plugin`; what it asks for is counted in `counts`, which only
    /// guards of one thread may share.
    #[must_use]
    pub fn new(plugin: PluginName, calls: Rc<dyn HostCalls>, counts: Arc<CallCounts>) -> Self {
        Self { plugin, calls, counts }
    }

    /// Counts a call and says whether it may go on.
    fn check(&self, call: HostCall) -> CallResult<()> {
        let decision = self.decide(call);
        self.counts.count(call, decision.is_ok());
        decision
    }

    /// The policy: all that plugins can ask for today touches only the stream that they
    /// were put on, and is granted.
    fn decide(&self, _call: HostCall) -> CallResult<()> {
        Ok(())
    }
}

impl HostCalls for Guard {
    fn header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        self.check(HostCall::Header)?;
        self.calls.header(stream, map, name, show)
    }

    fn headers(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        self.check(HostCall::Headers)?;
        self.calls.headers(stream, map, show)
    }

    fn write_header(
        &self,
        stream: &Stream,
        map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        self.check(HostCall::WriteHeader)?;
        self.calls.write_header(stream, map, write)
    }

    fn body(&self, stream: &Stream, body: BodyKind, show: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        self.check(HostCall::Body)?;
        self.calls.body(stream, body, show)
    }

    fn write_body(
        &self,
        stream: &Stream,
        body: BodyKind,
        start: usize,
        length: usize,
        with: &[u8],
    ) -> CallResult<()> {
        self.check(HostCall::WriteBody)?;
        self.calls.write_body(stream, body, start, length, with)
    }

    fn property(&self, subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        self.check(HostCall::Property)?;
        self.calls.property(subject, path)
    }

    fn set_property(&self, subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.check(HostCall::SetProperty)?;
        self.calls.set_property(subject, path, value)
    }

    fn respond(&self, stream: &Rc<Stream>, _plugin: &str, reply: LocalReply) -> CallResult<()> {
        self.check(HostCall::Respond)?;
        self.calls.respond(stream, self.plugin.as_str(), reply)
    }

    fn reset(&self, stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        self.check(HostCall::Reset)?;
        self.calls.reset(stream, self.plugin.as_str())
    }

    fn log(&self, _plugin: &str, level: LogLevel, line: &str) {
        if self.check(HostCall::Log).is_ok() {
            self.calls.log(self.plugin.as_str(), level, line);
        }
    }

    /// The limit on lines is a refusal, too.
    fn log_dropped(&self, _plugin: &str) {
        self.counts.count(HostCall::Log, false);
    }

    /// Time is counted, but cannot be refused: a plugin has no way to go on without.
    fn now(&self) -> SystemTime {
        self.counts.count(HostCall::Now, true);
        self.calls.now()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
