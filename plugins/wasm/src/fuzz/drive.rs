//! The way of every plugin: loaded, started, asked for filters, called, ended.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use host_extension::{
    Connection, ConnectionFacts, ExtensionPoint, FilterFactory, Flow, HostCalls, InstanceSpec,
    LoadedPlugin, NetworkFilter, Peer, PluginFault, Protocol, Side, Stage, Step, Stream,
    StreamFilter, Verdict, WorkerScope,
};
use host_types::{ConnectionId, Headers, PluginLimits, RequestHead, StreamId, VmSettings};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{BACKEND, CALLS, Dice, Host, codec::Codecs};
use crate::WasmSpec;

/// A plugin that was loaded.
pub(super) struct Rig(Arc<dyn LoadedPlugin>);

/// What came of a drive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// A guest started.
    pub started: bool,
    /// Host calls that guests made.
    pub calls: u64,
    /// Those of them that reached the host.
    pub reached: u64,
}

impl Rig {
    pub(super) fn load(
        bytes: &[u8],
        vm: &VmSettings,
        call_budget: Duration,
    ) -> Result<Self, PluginFault> {
        let limits = PluginLimits {
            memory_bytes_max: 1 << 20,
            table_elements_max: 1000,
            call_budget,
            start_budget: 4 * call_budget,
            contexts_max: 3,
            ..PluginLimits::default()
        };
        let name = &"fuzz".into();
        BACKEND
            .load(WasmSpec { name, bytes, limits: &limits, phases: None, vm, grants: "" })
            .map(Self)
    }

    /// Serves a few streams and connections with it, in so many steps. Answers with the host
    /// calls that came.
    pub(super) fn drive(&self, dice: &mut Dice, config: &[u8], steps_max: u32) -> Told {
        let before = CALLS.get();
        let host = Host::new(dice.any());
        let calls: Rc<dyn HostCalls> = Rc::<Host>::clone(&host);
        let scope = WorkerScope {
            worker: (dice.below(4) > 0).then_some(0),
            calls,
            shared: Rc::default(),
            cpu: host_extension::CpuMeter::default(),
            on_fault: Rc::new(|_fault| {}),
            on_restart: Rc::new(|| {}),
        };
        let mut drive = Drive {
            host: Rc::clone(&host),
            factories: Vec::new(),
            streams: Vec::new(),
            connections: Vec::new(),
            codecs: Codecs::default(),
        };
        let points = [
            ExtensionPoint::StreamFilter,
            ExtensionPoint::NetworkFilter,
            ExtensionPoint::Service,
            ExtensionPoint::Codec,
        ];
        let alone = dice.below(8) as usize;
        for (index, point) in points.into_iter().enumerate() {
            if alone < points.len() && index != alone {
                continue;
            }
            let spec = InstanceSpec { point, root_id: "root".into(), config: config.into() };
            drive.factories.extend(self.0.start(&scope, &spec));
        }
        let started = !drive.factories.is_empty();
        let steps = if started { dice.below(steps_max) } else { 0 };
        for _ in 0..steps {
            drive.step(dice);
        }
        drive.end(dice);
        Told { started, calls: CALLS.get() - before, reached: host.calls() }
    }
}

/// What is open at the moment.
struct Drive {
    host: Rc<Host>,
    factories: Vec<Rc<dyn FilterFactory>>,
    streams: Vec<OpenStream>,
    connections: Vec<OpenConnection>,
    codecs: Codecs,
}

type OpenStream = (Box<dyn StreamFilter>, Rc<Stream>);
type OpenConnection = (Box<dyn NetworkFilter>, Rc<Connection>);

impl Drive {
    fn step(&mut self, dice: &mut Dice) {
        match dice.below(18) {
            10 | 11 => self.open_codec(),
            12..18 => self.codecs.step(dice),
            0 => self.open_stream(dice),
            1 => self.open_connection(dice),
            2 | 3 => self.host.call_back(),
            4 | 5 => self.data(dice),
            _ => self.hook(dice),
        }
    }

    fn open_stream(&mut self, dice: &mut Dice) {
        let stream = stream();
        let factory = dice.below(3) as usize % self.factories.len();
        let filter = self.factories.get(factory).map(|factory| factory.stream_filter(&stream));
        if let Some(Ok(mut filter)) = filter
            && goes_on(filter.on_request_headers(&stream, dice.below(2) == 0))
        {
            self.streams.push((filter, stream));
        }
    }

    /// The use that reads a protocol is the last one.
    fn open_codec(&mut self) {
        if let Some(factory) = self.factories.last() {
            self.codecs.open(&**factory);
        }
    }

    fn open_connection(&mut self, dice: &mut Dice) {
        let connection = Rc::new(Connection::new(facts(), SystemTime::UNIX_EPOCH));
        let factory = dice.below(3) as usize % self.factories.len();
        let filter = self.factories.get(factory).map(|factory| factory.network_filter(&connection));
        if let Some(Ok(mut filter)) = filter
            && goes_on(filter.on_new_connection(&connection))
        {
            self.connections.push((filter, connection));
        }
    }

    /// Calls any hook of a stream, also where a pipeline would not.
    fn hook(&mut self, dice: &mut Dice) {
        let Some(index) = pick(dice, self.streams.len()) else { return };
        let Some((filter, stream)) = self.streams.get_mut(index) else { return };
        let end = dice.below(3) == 0;
        let side = if dice.below(2) == 0 { Side::Request } else { Side::Response };
        let message = stream.message(side);
        let bytes = Bytes::from(dice.bytes(16));
        let step = match (dice.below(3), side) {
            (0, Side::Request) => filter.on_request_headers(stream, end),
            (0, Side::Response) => {
                message.stage.set(Stage::Open);
                message.headers.replace(Some(Headers::response(StatusCode::OK, HeaderMap::new())));
                filter.on_response_headers(stream, end)
            }
            (1, _) => {
                message.body.borrow_mut().push(&bytes);
                message.body_on_duty.set(true);
                match side {
                    Side::Request => filter.on_request_body(stream, end),
                    Side::Response => filter.on_response_body(stream, end),
                }
            }
            (_, Side::Request) => filter.on_request_trailers(stream),
            (_, Side::Response) => filter.on_response_trailers(stream),
        };
        message.body_on_duty.set(false);
        if !goes_on(step) {
            drop(self.streams.swap_remove(index));
        } else if dice.below(6) == 0 {
            let (mut filter, stream) = self.streams.swap_remove(index);
            drop(filter.on_complete(&stream));
        }
    }

    fn data(&mut self, dice: &mut Dice) {
        let Some(index) = pick(dice, self.connections.len()) else { return };
        let Some((filter, connection)) = self.connections.get_mut(index) else { return };
        let flow = if dice.below(2) == 0 { Flow::Downstream } else { Flow::Upstream };
        if dice.below(5) == 0 {
            drop(filter.on_close(connection, flow, Peer::Remote));
            return;
        }
        let state = connection.flow(flow);
        state.bytes.borrow_mut().push(&Bytes::from(dice.bytes(24)));
        state.on_duty.set(true);
        let step = filter.on_data(connection, flow, dice.below(4) == 0);
        connection.flow(flow).on_duty.set(false);
        if !goes_on(step) {
            drop(self.connections.swap_remove(index));
        }
    }

    /// Ends all that is open: some of it before what it came of, some after.
    fn end(mut self, dice: &mut Dice) {
        if dice.below(2) == 0 {
            self.factories.clear();
        }
        for (mut filter, stream) in self.streams.drain(..) {
            if dice.below(4) > 0 {
                drop(filter.on_complete(&stream));
            }
        }
        self.host.call_back();
        for (mut filter, connection) in self.connections.drain(..) {
            if dice.below(4) > 0 {
                drop(filter.on_complete(&connection));
            }
        }
        self.factories.clear();
        for _ in 0..4 {
            self.host.call_back();
        }
    }
}

fn pick(dice: &mut Dice, count: usize) -> Option<usize> {
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    Some(dice.below(count) as usize)
}

/// Waits for a step as long as nothing happens; false where the filter is to be left.
fn goes_on(step: Step) -> bool {
    match step {
        Step::Ready(verdict) => !matches!(verdict, Verdict::Failed(_)),
        Step::Later(mut future) | Step::HoldUntil(mut future) => {
            drop(future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            true
        }
    }
}

fn facts() -> Rc<ConnectionFacts> {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    Rc::new(ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: "l".into(),
        peer: address,
        local: address,
        protocol: Protocol::Http11,
    })
}

fn stream() -> Rc<Stream> {
    let head = RequestHead {
        method: Method::POST,
        scheme: http::uri::Scheme::HTTP,
        authority: Some(http::uri::Authority::from_static("example.test")),
        path: http::uri::PathAndQuery::from_static("/a?b"),
    };
    let mut map = HeaderMap::new();
    map.append(HeaderName::from_static("x-one"), HeaderValue::from_static("first"));
    let headers = Headers::request(head, map);
    Rc::new(Stream::new(StreamId::new(0, 1), facts(), SystemTime::UNIX_EPOCH, headers))
}
