//! What a child asks for, in a session with one.

use abi_process::v1::{self, call::Kind, event, reply};
use host_extension::{HttpAnswer, MetricKind, OutboundError, Verdict};
use host_types::Headers;
use http::{HeaderMap, StatusCode};

use crate::session::testing::*;

/// A child with an instance and an open stream, whose context is `context`.
struct Asking {
    rig: Rig,
    child: FakeChild,
    context: u64,
    next: u64,
    stream: std::rc::Rc<host_extension::Stream>,
    filter: Option<Box<dyn host_extension::StreamFilter>>,
    _factory: std::rc::Rc<dyn host_extension::FilterFactory>,
}

const INSTANCE: u64 = 1;

impl Asking {
    async fn new() -> Self {
        let (rig, child, factory) = Rig::serving(pass()).await;
        let (mut filter, stream) = filter(&factory);
        let passed = verdict(filter.on_request_headers(&stream, false)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        let context = child.seen().iter().find_map(answer).expect("it was asked").context;
        let (next, filter, _factory) = (0, Some(filter), factory);
        Self { rig, child, context, next, stream, filter, _factory }
    }

    /// Asks for the stream, and hears the answer.
    async fn ask(&mut self, kind: Kind) -> v1::CallResult {
        self.ask_for(self.context, kind).await
    }

    async fn ask_for(&mut self, context: u64, kind: Kind) -> v1::CallResult {
        self.next += 1;
        let id = self.next;
        let (instance, kind) = (INSTANCE, Some(kind));
        let call = v1::Call { generation: 1, id, context, instance, kind, silent: false };
        self.child.say([reply::Kind::Call(call)]);
        let is_it =
            |event: &event::Kind| matches!(event, event::Kind::CallResult(it) if it.id == id);
        self.child.until(is_it).await;
        let result = self.child.seen().into_iter().find_map(|event| match event {
            event::Kind::CallResult(result) if result.id == id => Some(result),
            _ => None,
        });
        result.expect("it came")
    }

    #[track_caller]
    fn check(result: &v1::CallResult, status: v1::Status) {
        assert_eq!(result.status(), status, "{result:?}");
    }
}

fn field_of(name: &'static str, value: &'static str) -> v1::Field {
    v1::Field { name: name.into(), value: value.into() }
}

#[test]
fn sections_bytes_and_properties_are_read_and_changed() {
    local(async {
        let mut it = Asking::new().await;
        let get = |section: v1::Section| Kind::GetFields(v1::GetFields { section: section.into() });
        let head = it.ask(get(v1::Section::RequestHeaders)).await;
        assert!(head.fields.contains(&field_of("x-one", "first")), "{head:?}");
        let none = it.ask(get(v1::Section::ResponseTrailers)).await;
        Asking::check(&none, v1::Status::Ok);
        assert!(none.fields.is_empty(), "what is not there is empty");
        let which = |which| Kind::GetBytes(v1::GetBytes { which });
        Asking::check(&it.ask(which(0)).await, v1::Status::NotFound);
        hand(&it.stream, host_extension::Side::Request, "body");
        assert_eq!(it.ask(which(0)).await.value, "body");
        Asking::check(&it.ask(which(2)).await, v1::Status::BadArgument);
        Asking::check(&it.ask(which(9)).await, v1::Status::BadArgument);
        let path = |path: &str| {
            Kind::GetProperty(v1::GetProperty { path: path.to_owned(), segments: Vec::new() })
        };
        assert_eq!(it.ask(path("request.path")).await.value, "/path");
        assert_eq!(it.ask(path("plugin_name")).await.value, "guest");
        Asking::check(&it.ask(path("")).await, v1::Status::BadArgument);
        Asking::check(&it.ask(path(&"a".repeat(2000))).await, v1::Status::NotFound);
        let segments = vec!["a.b".into(), "c".into()];
        let property = v1::Property { path: String::new(), value: "v".into(), segments };
        Asking::check(&it.ask(Kind::SetProperty(property)).await, v1::Status::Ok);
        assert_eq!(*it.rig.host.attributes.borrow(), [("a.b/c".to_owned(), b"v".to_vec())]);
        let change = |change| Kind::Change(change);
        Asking::check(&it.ask(change(set("x-one", "new"))).await, v1::Status::Ok);
        assert_eq!(field(&it.stream, "x-one").as_deref(), Some("new"));
        Asking::check(&it.ask(change(set("no name", "x"))).await, v1::Status::BadArgument);
        Asking::check(&it.ask_for(999, path("request.path")).await, v1::Status::NotFound);
        Asking::check(&it.ask_for(0, change(set("x-one", "x"))).await, v1::Status::BadArgument);
    });
}

#[test]
fn what_is_shared_and_counted_is_the_plugins() {
    local(async {
        let mut it = Asking::new().await;
        let get = || Kind::SharedGet(v1::SharedGet { key: "k".into() });
        let set = |version| {
            Kind::SharedSet(v1::SharedSet { key: "k".into(), value: "v".into(), version })
        };
        Asking::check(&it.ask(get()).await, v1::Status::NotFound);
        Asking::check(&it.ask(set(0)).await, v1::Status::Ok);
        let found = it.ask(get()).await;
        assert_eq!((&*found.value, found.number), (&b"v"[..], 1));
        Asking::check(&it.ask(set(7)).await, v1::Status::Conflict);
        assert!(it.rig.host.shared.borrow().keys().all(|(namespace, _)| namespace == "guest"));
        let kind = v1::MetricKind::Gauge.into();
        let define = v1::DefineMetric { kind, name: "depth".to_owned() };
        let metric = it.ask(Kind::DefineMetric(define)).await.number;
        let metric = u32::try_from(metric).expect("a small number");
        let change = |by| v1::MetricChange { metric, by };
        Asking::check(&it.ask(Kind::RecordMetric(change(5))).await, v1::Status::Ok);
        Asking::check(&it.ask(Kind::IncrementMetric(change(-2))).await, v1::Status::Ok);
        assert_eq!(it.ask(Kind::Metric(metric)).await.number, 3);
        Asking::check(&it.ask(Kind::Metric(9)).await, v1::Status::NotFound);
        assert_eq!(it.rig.host.metrics.borrow()[0].0, MetricKind::Gauge);
    });
}

#[test]
fn ticks_and_queues_are_told_and_end_with_the_instance() {
    local(async {
        let mut it = Asking::new().await;
        let tick = |period_ms| Kind::SetTick(v1::SetTick { period_ms });
        Asking::check(&it.ask(tick(50)).await, v1::Status::Ok);
        let pulse = it.rig.host.ticks.borrow()[0].1.clone();
        pulse();
        it.child.until(|event| matches!(event, event::Kind::Tick(_))).await;
        assert_eq!(it.rig.host.held.get(), 1);
        Asking::check(&it.ask(tick(0)).await, v1::Status::Ok);
        assert_eq!(it.rig.host.held.get(), 0);
        let queue = it.ask(Kind::RegisterQueue("jobs".to_owned())).await.number;
        let queue = u32::try_from(queue).expect("a small number");
        let resolve = |namespace: &str| {
            let (namespace, name) = (namespace.to_owned(), "jobs".to_owned());
            Kind::ResolveQueue(v1::ResolveQueue { namespace, name })
        };
        assert_eq!(it.ask(resolve("")).await.number, 1, "one's own by no name");
        Asking::check(&it.ask(resolve("other")).await, v1::Status::NotFound);
        Asking::check(&it.ask(Kind::Dequeue(queue)).await, v1::Status::Empty);
        let put = v1::Enqueue { queue, item: "job".into() };
        Asking::check(&it.ask(Kind::Enqueue(put)).await, v1::Status::Ok);
        let ready = it.rig.host.ready.borrow()[0].clone();
        ready(queue);
        it.child.until(|event| matches!(event, event::Kind::QueueReady(_))).await;
        assert_eq!(it.ask(Kind::Dequeue(queue)).await.value, "job");
        it.child.crash();
        while it.rig.host.held.get() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

fn request(cluster: &str) -> Kind {
    Kind::Http(v1::HttpRequest {
        cluster: cluster.to_owned(),
        fields: vec![
            field_of(":method", "GET"),
            field_of(":path", "/"),
            field_of("host", "example.test"),
        ],
        body: "ask".into(),
        timeout_ms: 30,
    })
}

#[test]
fn calls_to_clusters_are_answered_with_the_number_of_the_call() {
    local(async {
        let mut it = Asking::new().await;
        Asking::check(&it.ask(request("nowhere")).await, v1::Status::NotFound);
        let headless = v1::HttpRequest { cluster: "app".to_owned(), ..Default::default() };
        Asking::check(&it.ask(Kind::Http(headless)).await, v1::Status::BadArgument);
        for (answer, status) in [
            (Err(OutboundError::TimedOut), Some("504")),
            (Err(OutboundError::Unreachable), Some("503")),
            (Err(OutboundError::Reset), None),
            (
                Ok(HttpAnswer {
                    headers: Headers::response(StatusCode::OK, HeaderMap::new()),
                    body: "told".into(),
                    trailers: None,
                }),
                Some("200"),
            ),
        ] {
            let sent = it.ask(request("app")).await;
            Asking::check(&sent, v1::Status::Ok);
            let (call, on_answer) = it.rig.host.calls.borrow_mut().pop().expect("it was sent");
            assert_eq!((&*call.cluster, call.headers[2].0.as_slice()), ("app", &b":authority"[..]));
            on_answer(answer);
            let is_it = |event: &event::Kind| matches!(event, event::Kind::HttpAnswer(it) if it.id == sent.id);
            it.child.until(is_it).await;
            let told = it.child.seen().into_iter().find_map(|event| match event {
                event::Kind::HttpAnswer(told) if told.id == sent.id => Some(told),
                _ => None,
            });
            let told = told.expect("it came");
            assert_eq!((told.context, told.failed), (it.context, status.is_none()));
            let first = told.fields.first().map(|field| field.value.clone());
            assert_eq!(first.as_deref(), status.map(str::as_bytes));
        }
        assert_eq!(it.rig.host.held.get(), 0, "each is over with its answer");
    });
}

#[test]
fn a_call_ends_with_the_stream_that_made_it() {
    local(async {
        let mut it = Asking::new().await;
        Asking::check(&it.ask(request("app")).await, v1::Status::Ok);
        let own = it.ask_for(0, request("app")).await;
        Asking::check(&own, v1::Status::Ok);
        assert_eq!(it.rig.host.held.get(), 2);
        drop(it.filter.take());
        assert_eq!(it.rig.host.held.get(), 1);
        let calls = it.rig.host.calls.take();
        for (_call, on_answer) in calls {
            on_answer(Err(OutboundError::Reset));
        }
        it.child.until(|event| matches!(event, event::Kind::HttpAnswer(_))).await;
        let answers = it.child.seen();
        let answers = answers.iter().filter(|event| matches!(event, event::Kind::HttpAnswer(_)));
        assert_eq!(answers.count(), 1, "the stream's own is dropped");
    });
}

#[test]
fn what_is_done_to_a_stream_from_beside_passes_the_host() {
    local(async {
        let it = Asking::new().await;
        let act = |kind| {
            let (generation, context) = (1, it.context);
            reply::Kind::Act(v1::Act { generation, context, kind: Some(kind), changes: Vec::new() })
        };
        let respond =
            |status| v1::act::Kind::Respond(v1::Response { status, ..v1::Response::default() });
        it.child.say([act(respond(100)), act(respond(403)), act(v1::act::Kind::Reset(true))]);
        while it.rig.host.resets.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*it.rig.host.replies.borrow(), [403], "an interim status is none");
    });
}
