//! From messages to callbacks: what happens to each event of a session, on its thread.
//!
//! A panic of a plugin ends the instance that it was in, with all its streams and connections;
//! the others go on. Events for what is not there any more are ignored: the proxy may have sent
//! them before it heard. Callbacks that the host waits for are in `exchange`, those of
//! codecs in `codec`.

mod codec;
mod exchange;

use std::collections::HashMap;

use abi_process::v1::{
    CodecProfile, Configure, Configured, Event, Failed, Hello, HelloBack, HttpAnswer, Level, Log,
    Open, Point, Pong, QueueReady, event, reply,
};
use tonic::Status;

use super::{
    SDK,
    desk::{Context, Desk, Of},
    link::Link,
    panics::{drop_guarded, guard},
    wire,
};
use crate::{
    CallFailure, CallId, Codec, Connection, Host, NetworkFilter, Phases, QueueId, Stream,
    StreamFilter,
    backend::{ContextId, Declaration, Instance, Registration},
};

/// The version of the protocol that is spoken here.
const VERSION: u32 = 1;
/// Instances of one session: uses of one plugin in one configuration.
const INSTANCES_MAX: usize = 4096;
/// Streams and connections of one session where the proxy sets no limit.
const CONTEXTS_MAX: usize = 1 << 20;

/// Serves a session until it is over.
pub(super) fn run(declaration: &'static Declaration, link: Link) {
    let mut engine = Engine::new(declaration, link);
    if engine.greet() {
        engine.serve();
    }
    engine.desk.link.flush();
    // A session that is lost takes its instances along; what they do as they go harms nobody.
    for (_context, filter) in std::mem::take(&mut engine.filters) {
        drop(drop_guarded(filter));
    }
    for (_id, instance) in std::mem::take(&mut engine.instances) {
        drop(drop_guarded(instance));
    }
}

/// All that lives in a session.
struct Engine {
    declaration: &'static Declaration,
    desk: Desk,
    instances: HashMap<u64, Running>,
    filters: HashMap<ContextId, Filter>,
    contexts_max: usize,
    is_draining: bool,
    has_noted_stray: bool,
}

/// A started plugin.
struct Running {
    plugin: Box<dyn Instance>,
    point: Point,
    phases: Phases,
}

/// A plugin with what the proxy is told of it.
type Started = (Running, Vec<String>, Option<CodecProfile>);

/// What serves a context.
enum Filter {
    Stream(Box<dyn StreamFilter>),
    Connection(Box<dyn NetworkFilter>),
    Codec(Box<dyn Codec>),
    /// The plugin made none: what it is for passes unseen.
    Absent,
    /// The plugin failed over it: told at the first event that is answered.
    Refused(String),
}

impl Engine {
    fn new(declaration: &'static Declaration, link: Link) -> Self {
        Self {
            declaration,
            desk: Desk::new(link),
            instances: HashMap::new(),
            filters: HashMap::new(),
            contexts_max: CONTEXTS_MAX,
            is_draining: false,
            has_noted_stray: false,
        }
    }

    /// Hears the hello and answers it. False where nothing comes of this session.
    fn greet(&mut self) -> bool {
        let Some(Event { kind }) = self.desk.link.next() else { return false };
        let Some(event::Kind::Hello(Hello { versions, generation, limits, .. })) = kind else {
            let text = "a session begins with a hello";
            self.desk.link.fail(Status::failed_precondition(text));
            return false;
        };
        let limits = limits.unwrap_or_default();
        self.desk.link.greet(generation, limits.message_bytes_max);
        if let Ok(max @ 1..) = usize::try_from(limits.contexts_max) {
            self.contexts_max = max.min(CONTEXTS_MAX);
        }
        let is_known = versions.contains(&VERSION);
        self.desk.link.send(reply::Kind::Hello(HelloBack {
            version: if is_known { VERSION } else { 0 },
            features: Vec::new(),
            generation,
            name: self.declaration.name.to_owned(),
            package_version: self.declaration.version.to_owned(),
            sdk: SDK.to_owned(),
        }));
        is_known
    }

    fn serve(&mut self) {
        while let Some(event) = self.desk.link.next() {
            self.handle(event);
            if self.is_draining && self.filters.is_empty() {
                return;
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event.kind {
            Some(event::Kind::Configure(configure)) => self.configure(&configure),
            Some(event::Kind::Open(open)) => self.open(open),
            Some(event::Kind::Headers(headers)) => self.on_headers(headers),
            Some(event::Kind::Body(body)) => self.on_body(&body),
            Some(event::Kind::Trailers(trailers)) => self.on_trailers(trailers),
            Some(event::Kind::NewConnection(new)) => self.on_new_connection(&new),
            Some(event::Kind::Data(data)) => self.on_data(&data),
            Some(event::Kind::Close(close)) => self.on_close(&close),
            Some(event::Kind::Complete(complete)) => self.on_complete(complete),
            Some(event::Kind::Tick(tick)) => {
                self.with_instance(tick.instance, |plugin, host| plugin.on_tick(host));
            }
            Some(event::Kind::HttpAnswer(answer)) => self.on_http_answer(&answer),
            Some(event::Kind::QueueReady(QueueReady { instance, queue })) => {
                let queue = QueueId(queue);
                self.with_instance(instance, |plugin, host| plugin.on_queue_ready(host, queue));
            }
            Some(event::Kind::Release(release)) => self.let_go(release.instance),
            Some(event::Kind::Ping(ping)) => {
                self.desk.link.send(reply::Kind::Pong(Pong { number: ping.number }));
            }
            Some(event::Kind::Drain(_)) => self.is_draining = true,
            Some(event::Kind::Detect(detect)) => self.on_detect(&detect),
            Some(event::Kind::Decode(decode)) => self.on_decode(&decode),
            Some(event::Kind::Encode(encode)) => self.on_encode(&encode),
            Some(event::Kind::Heartbeat(heartbeat)) => self.on_heartbeat(&heartbeat),
            Some(event::Kind::HeartbeatReply(reply)) => self.on_heartbeat_reply(&reply),
            Some(event::Kind::Reject(reject)) => self.on_reject(&reject),
            Some(event::Kind::GoAway(go_away)) => self.on_go_away(&go_away),
            // A result that nobody waits for, a second hello, and what this version does not
            // know.
            Some(event::Kind::CallResult(_) | event::Kind::Hello(_)) | None => self.note_stray(),
        }
    }

    fn configure(&mut self, configure: &Configure) {
        let instance = configure.instance;
        let configured = match self.start(configure) {
            Ok((running, properties, codec)) => {
                let phases = u32::from(running.phases.bits());
                self.instances.insert(instance, running);
                Configured { instance, phases, properties, codec, ..Configured::default() }
            }
            Err(error) => {
                // An empty reason would be no refusal.
                let error =
                    if error.is_empty() { "the plugin does not say why".to_owned() } else { error };
                Configured { instance, error, ..Configured::default() }
            }
        };
        self.desk.link.send(reply::Kind::Configured(configured));
    }

    /// Starts a plugin; with the properties that are to come with its contexts, and what holds of
    /// its protocol.
    fn start(&mut self, configure: &Configure) -> Result<Started, String> {
        if self.instances.contains_key(&configure.instance) {
            return Err(format!("instance {} was started before", configure.instance));
        }
        if self.instances.len() >= INSTANCES_MAX {
            return Err(format!("{INSTANCES_MAX} instances are running, the limit of a session"));
        }
        let found =
            self.declaration.find(&configure.root_id).map_err(|refusal| refusal.to_string());
        let Registration { start, phases, properties, .. } = *found?;
        self.desk.begin(configure.instance, None, None);
        let started = guard(|| start(&configure.config, &Host::new(&self.desk)));
        self.desk.end();
        let mut plugin = started?.map_err(|refusal| refusal.to_string())?;
        let properties = wire::lasting_properties(properties);
        let point = configure.point();
        let codec = if point == Point::Codec {
            Some(self.try_codec(configure.instance, plugin.as_mut())?)
        } else {
            None
        };
        Ok((Running { plugin, point, phases }, properties, codec))
    }

    fn open(&mut self, open: Open) {
        let (id, instance) = (open.context, open.instance);
        let Some(running) = self.instances.get_mut(&instance) else { return self.note_stray() };
        if self.filters.len() >= self.contexts_max || self.filters.contains_key(&id) {
            let text = "a context was opened twice, or one more than there may be";
            return self.desk.link.fail(Status::resource_exhausted(text));
        }
        let of = match running.point {
            Point::NetworkFilter => Of::Connection,
            Point::Codec => Of::Codec,
            Point::StreamFilter | Point::Service => Of::Stream,
        };
        self.desk.open(id, Context::new(of, running.phases, open));
        self.desk.begin(instance, None, None);
        let host = Host::new(&self.desk);
        let made = guard(|| match of {
            Of::Stream => running.plugin.stream_filter(&host).map(Filter::Stream),
            Of::Connection => running.plugin.network_filter(&host).map(Filter::Connection),
            Of::Codec => running.plugin.codec(&host).map(Filter::Codec),
        });
        self.desk.end();
        let filter = made.map_or_else(Filter::Refused, |made| made.unwrap_or(Filter::Absent));
        self.filters.insert(id, filter);
    }

    fn on_http_answer(&mut self, message: &HttpAnswer) {
        let call = CallId(message.id);
        let answer = if message.failed {
            Err(CallFailure)
        } else {
            Ok(crate::HttpAnswer {
                headers: wire::fields(&message.fields),
                body: message.body.to_vec(),
                trailers: wire::fields(&message.trailers),
            })
        };
        if message.context == 0 {
            let instance = message.instance;
            return self.with_instance(instance, |plugin, host| {
                plugin.on_http_answer(host, call, answer);
            });
        }
        let id = message.context;
        let Some(instance) = self.desk.context(id).map(|context| context.instance) else {
            return self.note_stray();
        };
        let Some(filter) = self.filters.get_mut(&id) else { return self.note_stray() };
        // It is no hook of the stream: an answer from here ends it from beside its hooks.
        self.desk.begin(instance, None, None);
        let told = guard(|| match filter {
            Filter::Stream(filter) => {
                filter.on_http_answer(&Stream::new(&self.desk, id), call, answer);
            }
            Filter::Connection(filter) => {
                filter.on_http_answer(&Connection::new(&self.desk, id), call, answer);
            }
            Filter::Codec(_) | Filter::Absent | Filter::Refused(_) => {}
        });
        self.desk.end();
        self.settle_beside(instance, told);
    }

    /// Calls an instance for something that is of no stream or connection.
    fn with_instance(&mut self, instance: u64, call: impl FnOnce(&mut dyn Instance, &Host<'_>)) {
        let Some(running) = self.instances.get_mut(&instance) else { return self.note_stray() };
        self.desk.begin(instance, None, None);
        let called = guard(|| call(running.plugin.as_mut(), &Host::new(&self.desk)));
        self.desk.end();
        self.settle_beside(instance, called);
    }

    /// What came of a callback that the host does not wait for.
    fn settle_beside(&mut self, instance: u64, called: Result<(), String>) {
        let Err(error) = called else { return };
        let generation = self.desk.link.generation();
        self.desk.link.send(reply::Kind::Failed(Failed { generation, instance, error }));
        self.let_go(instance);
    }

    /// Ends an instance, with all that it serves.
    fn let_go(&mut self, instance: u64) {
        for id in self.desk.contexts_of(instance) {
            self.desk.forget(id);
            let filter = self.filters.remove(&id);
            self.dispose(instance, filter);
        }
        let running = self.instances.remove(&instance);
        self.dispose(instance, running);
    }

    /// Drops a piece of an instance. A panic there is the end of nothing, so a line of the log
    /// tells it.
    fn dispose(&self, instance: u64, piece: impl Sized) {
        if let Err(panic) = drop_guarded(piece) {
            let line = format!("{panic}, as it was dropped");
            let level = Level::Error.into();
            self.desk.link.send(reply::Kind::Log(Log { level, line, instance }));
        }
    }

    /// Somebody spoke of what is not there. One line says so, since it may happen rightly after
    /// an instance failed.
    fn note_stray(&mut self) {
        if !std::mem::replace(&mut self.has_noted_stray, true) {
            let line = "an event for nothing that is here was ignored, as further ones will be";
            let level = Level::Debug.into();
            let log = Log { level, line: line.to_owned(), instance: 0 };
            self.desk.link.send(reply::Kind::Log(log));
        }
    }
}

#[cfg(test)]
mod tests;
