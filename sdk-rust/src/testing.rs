//! Tests of a plugin without a proxy.
//!
//! A [`TestHost`] starts a plugin as a worker of the proxy does, and stands in for the proxy:
//! the test puts requests, responses and bytes in, gives the answers of HTTP calls, moves the
//! clock, and looks at what the plugin made of it all. Order and rules are those of the proxy,
//! whatever backend it runs the plugin with; nothing here waits, or does any I/O.
//!
//! ```
//! use mortise_sdk::{Action, Host, Phases, Plugin, Refusal, Stream, StreamFilter};
//! use mortise_sdk::testing::{TestHost, request, response};
//! # #[derive(serde::Deserialize)]
//! # struct Config { path: String }
//! # struct Guard(String);
//! # impl Plugin for Guard {
//! #     type Config = Config;
//! #     const PHASES: Phases = Phases::REQUEST_HEADERS;
//! #     fn start(config: Config, _host: &Host<'_>) -> Result<Self, Refusal> { Ok(Self(config.path)) }
//! #     fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
//! #         Some(Box::new(Door(self.0.clone())))
//! #     }
//! # }
//! # struct Door(String);
//! # impl StreamFilter for Door {
//! #     fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
//! #         let path = stream.request().header_str(":path").unwrap_or_default();
//! #         match path.split('?').next() {
//! #             Some(path) if path == self.0 => mortise_sdk::Response::text(403, "no").into(),
//! #             _ => Action::Continue,
//! #         }
//! #     }
//! # }
//!
//! // A plugin that answers one path with 403.
//! let host = TestHost::start::<Guard>(r#"{ "path": "/admin" }"#)?;
//!
//! let stream = host.stream(request("GET", "/"));
//! assert_eq!(stream.request_headers(true), Action::Continue);
//! assert!(stream.forwarded().ended);
//!
//! let stream = host.stream(request("GET", "/admin").header("accept", "*/*"));
//! assert!(matches!(stream.request_headers(true), Action::Respond(_)));
//! assert_eq!(stream.answered().head.unwrap().get_str(":status"), Some("403"));
//! # Ok::<(), mortise_sdk::Refusal>(())
//! ```
//!
//! A panic of the plugin is one of the test. What a codec must do is tried by [`codec`].
//!
//! Start reading at [`TestHost`].

pub mod codec;
mod commons;
mod connection;
mod head;
mod message;
mod property;
mod setup;
mod stream;
mod world;

use std::{cell::RefCell, fmt, rc::Rc, time::Duration};

use self::{commons::OWN, world::World};
pub use self::{
    connection::TestConnection,
    head::{request, response},
    message::Passed,
    setup::TestSetup,
    stream::TestStream,
};
use crate::{
    CallFailure, CallId, Codec, CodecProfile, Fields, Host, HttpAnswer, HttpRequest, LogLevel,
    Phases, Plugin, Refusal, SharedValue,
    backend::{Instance, Section},
};

/// The proxy as one started plugin sees it, with the plugin.
pub struct TestHost {
    core: Rc<Core>,
    setup: TestSetup,
    start: setup::StartAgain,
}

/// A started plugin with its host.
struct Core {
    world: World,
    instance: RefCell<Box<dyn Instance>>,
    phases: Phases,
}

/// Most of what comes of one thing that a test does; a plugin that fills its own queue would
/// never come to an end.
const SETTLED_MAX: usize = 10_000;

impl TestHost {
    /// Starts a plugin with its configuration, as JSON; nothing at all is one, too.
    ///
    /// # Errors
    /// The plugin refuses to start.
    pub fn start<P: Plugin>(config: &str) -> Result<Self, Refusal> {
        TestSetup::new().start::<P>(config)
    }

    /// Starts the same plugin once more, as on another worker: both share data, queues, metrics
    /// and the clock, and nothing else.
    ///
    /// # Errors
    /// The plugin refuses to start.
    pub fn another(&self) -> Result<Self, Refusal> {
        setup::start(&self.setup, &self.start)
    }

    /// A request; nothing of it is shown to the plugin yet.
    #[must_use]
    pub fn stream(&self, request: Fields) -> TestStream {
        TestStream::new(&self.core, request)
    }

    /// A connection; nothing of it is shown to the plugin yet.
    #[must_use]
    pub fn connection(&self) -> TestConnection {
        TestConnection::new(&self.core)
    }

    /// A codec for a connection; `None` where the plugin serves no protocol. What every codec must
    /// do is tried by [`codec::CodecKit`].
    #[must_use]
    pub fn codec(&self) -> Option<Box<dyn Codec>> {
        let mut made = None;
        self.core.with_instance(|instance, host| made = instance.codec(host));
        self.core.settle();
        made
    }

    /// What holds of the plugin's protocol.
    #[must_use]
    pub fn codec_profile(&self) -> CodecProfile {
        self.core.instance.borrow().codec_profile()
    }

    /// The HTTP calls that wait for an answer, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<(CallId, HttpRequest)> {
        let calls = self.core.world.calls.borrow();
        calls.iter().map(|(id, call)| (*id, call.request.clone())).collect()
    }

    /// Answers an HTTP call, or fails it. Where the stream or connection that made it is over,
    /// nobody is told.
    ///
    /// # Panics
    /// No such call waits.
    pub fn answer(&self, call: CallId, answer: Result<HttpAnswer, CallFailure>) {
        if self.core.world.cancelled.borrow_mut().remove(&call) {
            return;
        }
        let answer = answer.map(|answer| HttpAnswer {
            headers: head::normal(Section::ResponseHeaders, answer.headers),
            trailers: head::normal(Section::ResponseTrailers, answer.trailers),
            ..answer
        });
        let made = self.core.world.calls.borrow_mut().remove(&call);
        assert!(made.is_some(), "{call:?} does not wait for an answer");
        match made.and_then(|made| made.context) {
            None => self.core.with_instance(|instance, host| {
                instance.on_http_answer(host, call, answer);
            }),
            Some(context) => self.core.context_answer(context, call, answer),
        }
        self.core.settle();
    }

    /// Moves the clock on; ticks that are due by then come, each at its time.
    pub fn advance(&self, by: Duration) {
        let world = &self.core.world;
        let end = world.clock.get() + by;
        while let Some(tick) = world.tick.get().filter(|tick| tick.next <= end) {
            world.clock.set(tick.next.max(world.clock.get()));
            world.tick.set(Some(world::Tick { next: tick.next + tick.period, ..tick }));
            self.core.with_instance(|instance, host| instance.on_tick(host));
            self.core.settle();
        }
        world.clock.set(end);
    }

    /// The period of the ticks that the plugin asked for.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        self.core.world.tick.get().map(|tick| tick.period)
    }

    /// Tells the plugin of items that others put into its queues: another copy, or the test.
    /// After everything else that a test does this happens by itself.
    pub fn settle(&self) {
        self.core.settle();
    }

    /// Puts an item into a queue of the plugin, as another plugin would.
    pub fn push(&self, queue: &str, item: impl AsRef<[u8]>) {
        {
            let mut commons = self.core.world.commons.borrow_mut();
            if let Ok(queue) = commons.register(OWN, queue, None) {
                commons.push(queue, item.as_ref()).ok();
            }
        }
        self.core.settle();
    }

    /// Takes an item out of a queue, by its namespace; `""` is that of the plugin.
    #[must_use]
    pub fn pop(&self, namespace: &str, queue: &str) -> Option<Vec<u8>> {
        let mut commons = self.core.world.commons.borrow_mut();
        let queue = commons.find(namespace, queue).ok()?;
        commons.pop(queue).ok().flatten()
    }

    /// A value of the shared data.
    #[must_use]
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<SharedValue> {
        self.core.world.commons.borrow().data(key.as_ref())
    }

    /// Writes a value of the shared data, as another worker would.
    pub fn set_shared_data(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.core.world.commons.borrow_mut().set_data(key.as_ref(), value.as_ref(), None).ok();
    }

    /// The value of a counter or gauge; `None` where the plugin has no such metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.core.world.commons.borrow().metric_by_name(name)
    }

    /// The values that a histogram took, in order.
    #[must_use]
    pub fn observed(&self, name: &str) -> Vec<u64> {
        self.core.world.commons.borrow().observed(name)
    }

    /// The lines that the plugin logged, in order.
    #[must_use]
    pub fn log(&self) -> Vec<(LogLevel, String)> {
        self.core.world.lines.borrow().clone()
    }
}

impl Core {
    fn with_instance(&self, call: impl FnOnce(&mut dyn Instance, &Host<'_>)) {
        call(&mut **self.instance.borrow_mut(), &Host::new(&self.world));
    }

    fn context_answer(&self, context: u64, call: CallId, answer: Result<HttpAnswer, CallFailure>) {
        let stream = self.world.streams.borrow().get(&context).cloned();
        let connection = self.world.connections.borrow().get(&context).cloned();
        match (stream, connection) {
            (Some(stream), _) => stream.http_answer(self, call, answer),
            (None, Some(connection)) => connection.http_answer(self, call, answer),
            (None, None) => {}
        }
    }

    /// Does what came of a callback, until nothing does.
    fn settle(&self) {
        for _ in 0..SETTLED_MAX {
            if !self.settle_one() {
                return;
            }
        }
    }

    fn settle_one(&self) -> bool {
        let streams: Vec<_> = self.world.streams.borrow().values().cloned().collect();
        let connections: Vec<_> = self.world.connections.borrow().values().cloned().collect();
        if streams.iter().any(|stream| stream.settle(self))
            || connections.iter().any(|connection| connection.settle(self))
        {
            return true;
        }
        let ready = self.world.commons.borrow_mut().next_ready(self.world.copy);
        if let Some(queue) = ready {
            self.with_instance(|instance, host| instance.on_queue_ready(host, queue));
        }
        ready.is_some()
    }
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost")
            .field("copy", &self.core.world.copy)
            .field("phases", &self.core.phases)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
