//! Streams in any order of events: requests, pieces of bodies, words to filters that wait, resets,
//! clients that go, upstreams that break off, timeouts, reloads. No filter is called after its
//! end, and every stream ends exactly once, under one reason.
//!
//! What happens is decided by a seed, which a failure tells; `MORTISE_LIFECYCLE_SEED` plays it
//! again, and `MORTISE_LIFECYCLE_EVENTS` says how many events.

mod probe;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use host_extension::OnError;
use host_telemetry::{Clock, Counter, Metrics};
use host_types::{ConnectionId, RequestHead};
use host_upstream::{BodyError, Clusters, Discovery};
use http::{HeaderMap, uri::Scheme};
use http_body::{Body as _, Frame};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::{AbortHandle, yield_now},
};

use self::probe::Probes;
use super::*;
use crate::{
    Listener, Worker,
    connection::{Began, Carried},
    http::{HttpConnection, open},
    listener::Counted,
    testing::{
        fields,
        weather::{self, Run, check},
    },
};

/// Streams that are open at a time, at most.
const STREAMS_MAX: usize = 12;
const EVENTS: usize = 20_000;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A piece of a body as its sender gives it.
enum Piece {
    Data(usize),
    Trailers,
    Broken,
}

type Pieces = mpsc::UnboundedSender<Piece>;

/// The other ends of one stream.
struct Line {
    stream: Rc<Stream>,
    request: Option<Pieces>,
    response: Option<Pieces>,
    answer: Rc<Notify>,
    /// What the client reads of the response.
    reads: Rc<Semaphore>,
    task: AbortHandle,
}

struct Model {
    run: Rc<Run>,
    worker: Rc<Worker>,
    metrics: Metrics,
    connection: HttpConnection,
    lines: Vec<Line>,
    opened: u64,
}

fn body() -> (Pieces, Body) {
    let (sender, pieces) = mpsc::unbounded_channel();
    let frames = stream::unfold(pieces, |mut pieces| async {
        let frame = match pieces.recv().await? {
            Piece::Data(length) => Ok(Frame::data(Bytes::from(vec![b'x'; length]))),
            Piece::Trailers => Ok(Frame::trailers(fields(&[("t", "1")]))),
            Piece::Broken => Err(BodyError::Stopped("the test says so")),
        };
        Some((frame, pieces))
    });
    (sender, Body::Stream(Box::pin(frames)))
}

/// A configuration with other filters than the last one.
fn state(run: &Rc<Run>, worker: &Rc<Worker>, metrics: &Metrics) -> Rc<ListenerState> {
    let fakes = |names: &[&'static str]| -> Vec<Fake> {
        let policies = [OnError::Closed, OnError::Open, OnError::Reload];
        let fake = |name: &&'static str| {
            Fake::new(&Log::default(), name).on_error(policies[run.one_of(policies.len())])
        };
        names.iter().map(fake).collect()
    };
    let own = 1 + run.one_of(3);
    let limits = host_types::Limits {
        stall_timeout: Duration::from_secs(2),
        held_body_bytes_max: 256,
        ..host_types::Limits::default()
    };
    let (listener_filters, route_filters) = (fakes(&NAMES[..own]), fakes(&NAMES[own..]));
    let setup = Setup { listener_filters, route_filters, limits, ..Setup::default() };
    let shard = metrics.worker(0).listener(&"main".into());
    ListenerState::new(Arc::new(setup.plan()), Rc::clone(worker), shard, &mut |wanted| {
        let phases = NAMED.iter().filter(|_| run.one_of(5) > 0);
        let phases = phases.fold(Phases::NONE, |all, one| all | *one);
        let factory = Probes { run: Rc::clone(run), phases, is_quiet: run.one_of(4) == 0 };
        (Rc::new(factory), metrics.worker(0).plugin(&wanted.plugin, "fake"))
    })
}

const NAMED: [Phases; 7] = [
    Phases::REQUEST_HEADERS,
    Phases::REQUEST_BODY,
    Phases::REQUEST_TRAILERS,
    Phases::RESPONSE_HEADERS,
    Phases::RESPONSE_BODY,
    Phases::RESPONSE_TRAILERS,
    Phases::LOG,
];

impl Model {
    fn new(run: Rc<Run>) -> Self {
        let metrics = Metrics::new();
        let clusters = Clusters::new(metrics.worker(0));
        clusters.apply(&[Arc::new(Setup::default().cluster())], &Discovery::system());
        let worker = Rc::new(Worker::new(0, clusters, None, Clock::new()));
        let sweeping = Rc::clone(&worker);
        tokio::task::spawn_local(async move { sweeping.sweep_forever().await });
        let state = state(&run, &worker, &metrics);
        let facts = ConnectionFacts {
            id: ConnectionId::new(0, 1),
            listener: "main".into(),
            peer: "192.0.2.1:1234".parse().unwrap(),
            local: "192.0.2.2:80".parse().unwrap(),
            protocol: host_extension::Protocol::Http2,
        };
        let connection = HttpConnection {
            listener: Listener::new(Rc::clone(&state)),
            facts: Rc::new(facts),
            carried: Carried::new(Counted::new(state), None),
            began: Began::now(&worker.clock),
        };
        Self { run, worker, metrics, connection, lines: Vec::new(), opened: 0 }
    }

    fn event(&mut self) -> Option<Duration> {
        self.lines.retain(|line| !line.task.is_finished());
        let place = self.run.one_of(self.lines.len().max(1));
        let event = self.run.one_of(100);
        if self.lines.is_empty() || (event < 10 && self.lines.len() < STREAMS_MAX) {
            self.begin();
            return None;
        }
        if event >= 99 {
            let state = state(&self.run, &self.worker, &self.metrics);
            self.connection.listener.update(state);
            return None;
        }
        if event >= 96 {
            return Some(Duration::from_millis(self.run.random.borrow_mut().u64(1..700)));
        }
        if event >= 65 {
            self.run.speak();
            return None;
        }
        let run = Rc::clone(&self.run);
        let line = self.lines.get_mut(place)?;
        match event {
            0..27 => send(&run, &mut line.request),
            27..42 => send(&run, &mut line.response),
            42..50 => line.answer.notify_one(),
            50..60 => line.reads.add_permits(1 + run.one_of(4)),
            60..62 => {
                let reply = host_extension::LocalReply::text(StatusCode::ACCEPTED, "from beside");
                let _told = calls().respond(&line.stream, "a", reply);
            }
            62 => {
                let _told = calls().reset(&line.stream, "a");
            }
            _ => line.task.abort(), // the client goes
        }
        None
    }

    /// A request comes.
    fn begin(&mut self) {
        let paths = ["/", "/", "/", "/direct", "/moved", "/nowhere"];
        let (path, host) = (paths[self.run.one_of(6)], ["app.test", "other.test"]);
        let head = RequestHead {
            method: [Method::GET, Method::POST, Method::HEAD][self.run.one_of(3)].clone(),
            scheme: Scheme::HTTP,
            authority: host[usize::from(self.run.one_of(20) == 0)].parse().ok(),
            path: path.parse().unwrap(),
        };
        let headers = Headers::request(head, HeaderMap::new());
        let state = self.connection.listener.state();
        let exchange = open(&self.connection, &state, Version::HTTP_2, headers);
        let (request, incoming) = body();
        let is_empty = self.run.one_of(4) == 0;
        let incoming = if is_empty { Body::Empty } else { incoming };
        let (response, answer_body) = body();
        let (answer, reads) = (Rc::<Notify>::default(), Rc::new(Semaphore::new(0)));
        let stream = Rc::clone(&exchange.stream);
        let answered = Answer { when: Rc::clone(&answer), body: answer_body };
        let task = live(exchange, incoming, answered, Rc::clone(&reads));
        let task = tokio::task::spawn_local(task).abort_handle();
        let (request, response) = (Some(request), Some(response));
        self.lines.push(Line { stream, request, response, answer, reads, task });
        self.opened += 1;
    }

    /// Everything that is open ends; nothing is left of it.
    async fn finish(mut self) -> (u64, u64) {
        for line in self.lines.drain(..) {
            line.task.abort();
        }
        for _ in 0..100 {
            yield_now().await;
        }
        let listener = self.metrics.worker(0).listener(&"main".into());
        let replies: u64 = listener.replies.iter().map(Counter::value).sum();
        assert_eq!(replies, self.opened, "each stream ends once");
        assert_eq!(listener.request_duration.count(), self.opened);
        assert_eq!(listener.streams_active.value(), 0);
        assert_eq!(
            self.connection.carried.open_streams.load(std::sync::atomic::Ordering::Relaxed),
            0
        );
        assert_eq!(self.run.filters.get(), 0, "no filter is left");
        (self.opened, self.run.hooks.get())
    }
}

/// Gives the next piece of a body, or its end.
fn send(run: &Run, pieces: &mut Option<Pieces>) {
    let Some(sender) = pieces else { return };
    let piece = match run.one_of(20) {
        0..15 => Piece::Data(run.one_of(100)),
        15 => Piece::Trailers,
        16 => Piece::Broken,
        _ => {
            *pieces = None; // the end
            return;
        }
    };
    let is_last = !matches!(piece, Piece::Data(_));
    drop(sender.send(piece));
    if is_last {
        *pieces = None;
    }
}

/// What an upstream answers.
struct Answer {
    when: Rc<Notify>,
    body: Body,
}

/// An upstream that takes a request; ended with its stream.
struct Taking(AbortHandle);

impl Drop for Taking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One stream from its request to the last that the client reads.
async fn live(mut exchange: Exchange, body: Body, answer: Answer, reads: Rc<Semaphore>) {
    let mut upstream = None;
    let response = match forwarded(&mut exchange, body, answer, &mut upstream).await {
        Ok(response) => Ok(response),
        Err(Interrupt::Reply(reason, reply)) => reply::local(exchange, reason, *reply).await,
        Err(Interrupt::Reset(reason)) => {
            exchange.stream.end_because(reason);
            Err(StreamReset)
        }
    };
    let Ok(response) = response else { return };
    let mut body = std::pin::pin!(response.into_body());
    while !body.is_end_stream() {
        let Ok(permit) = reads.acquire().await else { return };
        permit.forget();
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
        if !matches!(frame, Some(Ok(_))) {
            return;
        }
    }
}

/// As `forward_and_respond`, with an upstream that takes the request at once and answers when it
/// is told to.
async fn forwarded(
    exchange: &mut Exchange,
    body: Body,
    answer: Answer,
    upstream: &mut Option<Taking>,
) -> Result<Response<ReplyBody>, Interrupt> {
    let mut request = request_side(exchange, body);
    request.pass_head().await?;
    let target = route(exchange, &mut request).await?;
    let head = take_request_head(exchange, &target);
    let request = upstream_request(exchange, request, head, &target);
    // It goes on taking the request while it answers.
    let taking = tokio::task::spawn_local(async move {
        let mut body = std::pin::pin!(request.into_body());
        while let Some(Ok(_)) =
            std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
        {}
    });
    *upstream = Some(Taking(taking.abort_handle()));
    tokio::select! {
        biased;
        interrupt = exchange.stream.interrupted() => return Err(interrupt),
        () = answer.when.notified() => {}
    }
    let source = Source::new(answer.body, &exchange.stream, exchange.end.watch(), Side::Response);
    let head = Headers::response(StatusCode::OK, HeaderMap::new());
    let response = reply::through_filters(exchange, head, source).await?;
    exchange.stream.note_reason(ReplyReason::Upstream);
    Ok(response)
}

/// Plays so many events; says how many streams and hooks there were.
fn play(seed: u64, events: usize) -> (u64, u64) {
    weather::play(seed, events, Model::new, Model::event, Model::finish)
}

#[test]
fn every_stream_ends_once_and_no_filter_is_called_after_its_end_whatever_happens() {
    check(EVENTS, "streams", play);
}

#[test]
#[ignore = "takes half a minute"]
fn slow_every_stream_ends_once_in_a_million_events() {
    check(1_000_000, "streams", play);
}

#[test]
fn a_seed_plays_the_same_again() {
    assert_eq!(play(7, 3000), play(7, 3000));
}
