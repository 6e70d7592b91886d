//! The end of a stream: noted exactly once, wherever it comes from.

use std::{cell::Cell, rc::Rc, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use host_extension::{Interrupt, Stage, Stream, StreamFacts};
use host_telemetry::{AccessRecord, PluginTime, Tick};
use host_types::{ClusterName, Headers, ReplyReason, RequestHead};
use host_upstream::BodyError;
use http::{HeaderValue, StatusCode, header::USER_AGENT};
use http_body::Frame;

use crate::{
    chain::Chain, connection::Carried, listener::ListenerState, source::note, watch::Watch,
};

/// Ends a stream exactly once: tells the filters, counts, and writes the access log.
#[derive(Default)]
pub(crate) struct StreamEnd(Option<Box<Ending>>);

struct Ending {
    listener: Rc<ListenerState>,
    stream: Rc<Stream>,
    chain: Rc<Chain>,
    watch: Rc<Watch>,
    /// Counts it as open on its connection, and keeps that counted: a tunnel outlives the task
    /// of its connection.
    carried: Carried,
    started: Tick,
    upstream_time: Cell<Option<Duration>>,
    sent_bytes: u64,
    /// Bytes that the response's head announced.
    announced_bytes: Option<u64>,
    /// The response's body was given out to its end.
    complete: bool,
    /// The response's body broke off, for a reason that is noted.
    broken: bool,
    close: Cell<bool>,
    /// Nobody waits for a response.
    one_way: bool,
    request: Option<RequestHead>,
    user_agent: Option<HeaderValue>,
}

impl StreamEnd {
    /// The end of a stream that begins now.
    pub(crate) fn new(
        listener: &Rc<ListenerState>,
        stream: &Rc<Stream>,
        chain: &Rc<Chain>,
        watch: Rc<Watch>,
        carried: &Carried,
    ) -> Self {
        listener.metrics.streams_active.increment();
        carried.open_streams.fetch_add(1, Ordering::Relaxed);
        let section = stream.request.headers.borrow();
        Self(Some(Box::new(Ending {
            listener: Rc::clone(listener),
            stream: Rc::clone(stream),
            chain: Rc::clone(chain),
            watch,
            carried: carried.clone(),
            started: listener.worker.clock.tick(),
            upstream_time: Cell::new(None),
            sent_bytes: 0,
            announced_bytes: None,
            complete: false,
            broken: false,
            close: Cell::new(false),
            one_way: false,
            request: section.as_ref().and_then(Headers::as_request).cloned(),
            user_agent: section.as_ref().and_then(|head| head.map().get(USER_AGENT)).cloned(),
        })))
    }

    /// The watch over the stream's bodies.
    ///
    /// # Panics
    /// After [`StreamEnd::take`].
    #[expect(clippy::expect_used, reason = "an exchange owns its end until its reply takes it")]
    pub(crate) fn watch(&self) -> &Rc<Watch> {
        &self.0.as_ref().expect("the stream's end was not taken yet").watch
    }

    pub(crate) fn upstream_answered(&self, after: Duration) {
        if let Some(ending) = &self.0 {
            ending.upstream_time.set(Some(after));
        }
    }

    /// Nobody waits for a response.
    pub(crate) fn note_one_way(&mut self) {
        if let Some(ending) = &mut self.0 {
            ending.one_way = true;
        }
    }

    /// Asks that the connection ends with this stream.
    pub(crate) fn close_connection(&self) {
        if let Some(ending) = &self.0 {
            ending.close.set(true);
        }
    }

    pub(crate) fn closes_connection(&self) -> bool {
        self.0.as_ref().is_some_and(|ending| ending.close.get())
    }

    pub(crate) fn is_head_request(&self) -> bool {
        let request = self.0.as_ref().and_then(|ending| ending.request.as_ref());
        request.is_some_and(|head| head.method == http::Method::HEAD)
    }

    /// True where a response has no body whatever its fields say (RFC 9112 section 6.3).
    pub(crate) fn is_bodyless(&self, status: StatusCode) -> bool {
        let none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        none || self.is_head_request()
    }

    /// Hands the end over to the reply's body, or to who else lives as long as the stream.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Counts bytes that went on without passing a reply's body: those of a tunnel.
    pub(crate) fn tunnelled(&mut self, received: u64, sent: u64) {
        if let Some(ending) = &mut self.0 {
            ending.stream.request.body_bytes.set(received);
            ending.sent_bytes = sent;
            ending.complete = true;
        }
    }

    /// The response was written whole, with so many bytes of body.
    pub(crate) fn whole_sent(&mut self, status: StatusCode, body_bytes: u64) {
        if let Some(ending) = &mut self.0 {
            ending.stream.facts.borrow_mut().status = Some(status.as_u16());
            ending.sent_bytes = body_bytes;
            ending.complete = true;
        }
    }

    /// The response's head is on its way, with this length where it is known.
    pub(crate) fn head_sent(&mut self, length: Option<u64>) {
        if let Some(ending) = &mut self.0 {
            ending.announced_bytes = length;
        }
    }

    /// A piece of the response's body was given out.
    pub(crate) fn sent(&mut self, frame: Option<&Result<Frame<Bytes>, BodyError>>) {
        let Some(ending) = &mut self.0 else { return };
        match frame {
            None => ending.complete = true,
            Some(Ok(frame)) => {
                ending.sent_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                ending.complete |= frame.is_trailers(); // nothing is asked for behind them
            }
            Some(Err(_)) => ending.broken = true,
        }
    }

    /// Notes what broke the response off, where somebody posted it.
    pub(crate) fn note_interrupt(&self) {
        if let Some(ending) = &self.0
            && let Some(interrupt) = ending.stream.take_interrupt()
        {
            note(&ending.stream, &interrupt);
        }
    }
}

impl Drop for StreamEnd {
    fn drop(&mut self) {
        if let Some(ending) = self.0.take() {
            ending.finish();
        }
    }
}

impl Ending {
    fn finish(self) {
        self.note_client_gone();
        self.note_closed_by_filter();
        // From here on everything can be read and nothing changed.
        for message in [&self.stream.request, &self.stream.response] {
            message.stage.set(Stage::Sent);
            message.body_on_duty.set(false);
            message.end_on_duty.set(false);
        }
        self.chain.complete(&self.stream);
        self.carried.open_streams.fetch_sub(1, Ordering::Relaxed);
        let clock = &self.listener.worker.clock;
        let duration = clock.since(self.started);
        let facts = self.stream.facts.borrow();
        let reason = facts.reason.as_ref().unwrap_or(&ReplyReason::ClientGone);
        let metrics = &self.listener.metrics;
        metrics.streams_active.decrement();
        metrics.reply(reason);
        if let Some(status) = facts.status {
            metrics.response(status);
        }
        metrics.request_duration.observe(duration);
        metrics.request_body_bytes_total.add(self.stream.request.body_bytes.get());
        metrics.response_body_bytes_total.add(self.sent_bytes);
        if *reason == ReplyReason::Malformed {
            metrics.malformed_total.increment();
        }
        self.write_access_log(&facts, reason, duration);
    }

    fn write_access_log(&self, facts: &StreamFacts, reason: &ReplyReason, duration: Duration) {
        let log = self.listener.worker.access_log.borrow();
        let Some(log) = log.as_ref() else { return };
        let times = self.chain.times();
        let plugins: Vec<PluginTime<'_>> =
            times.iter().map(|(name, time)| PluginTime { name, time: *time }).collect();
        let connection = &self.stream.connection;
        let request = self.request.as_ref();
        let authority = request.and_then(|head| head.authority.as_ref());
        log.write(&AccessRecord {
            time: self.stream.started,
            listener: connection.listener.as_str(),
            protocol: connection.protocol.label(),
            peer: connection.peer,
            method: request.map(|head| head.method.as_str()),
            authority: authority.map(http::uri::Authority::as_str),
            path: request.map(|head| head.path.as_str()),
            status: facts.status,
            one_way: self.one_way,
            reason,
            details: facts.details.as_deref(),
            plugins: &plugins,
            route: facts.route.as_deref(),
            cluster: facts.cluster.as_ref().map(ClusterName::as_str),
            upstream: facts.upstream,
            request_id: facts.request_id.as_deref(),
            request_bytes: self.stream.request.body_bytes.get(),
            response_bytes: self.sent_bytes,
            duration,
            upstream_time: self.upstream_time.get(),
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }

    /// A client whose connection a network filter closed did not go away by itself.
    fn note_closed_by_filter(&self) {
        let Some(carrier) = self.stream.carrier.get() else { return };
        let gone = self.stream.facts.borrow().reason == Some(ReplyReason::ClientGone);
        if let Some(reason) = carrier.close_reason().filter(|_| gone) {
            self.stream.end_because(reason);
        }
    }

    /// A stream that ends before its response did, and nobody said why, lost its client.
    fn note_client_gone(&self) {
        let unsent = self.stream.facts.borrow().status.is_none();
        let whole = self.complete || self.announced_bytes == Some(self.sent_bytes);
        if !unsent && (whole || self.broken) {
            return;
        }
        // Who ended the stream may have had to close the connection under it.
        let reason = match self.stream.take_interrupt() {
            Some(Interrupt::Reply(reason, _) | Interrupt::Reset(reason)) => reason,
            None if self.listener.worker.abort.is_raised() => ReplyReason::Drain,
            None => ReplyReason::ClientGone,
        };
        if unsent {
            self.stream.note_reason(reason);
        } else {
            self.stream.end_because(reason);
        }
    }
}

#[cfg(test)]
mod tests;
