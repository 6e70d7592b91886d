use host_extension::{Codec, PoolMode};
use host_types::IdWidth;
use plugins_policy::{Policy, Preset, Rights};

use super::*;
use crate::fake::NoFrames;

/// A plugin whose start does what the test says.
struct Starts(Box<Start>);

type Start = dyn Fn(&dyn HostCalls) -> CallResult<()> + Send + Sync;

#[derive(Debug)]
struct Nothing;

impl FilterFactory for Nothing {
    fn phases(&self) -> Phases {
        Phases::ALL
    }
}

impl std::fmt::Debug for Starts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Starts")
    }
}

impl LoadedPlugin for Starts {
    fn start(
        &self,
        scope: &WorkerScope,
        _spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        let kind = FaultKind::LoadFailed;
        let fault = |refused: CallError| PluginFault::new(kind, refused.to_string());
        (self.0)(scope.calls.as_ref()).map_err(fault)?;
        Ok(Rc::new(Nothing))
    }
}

fn greet() -> PluginPlan {
    crate::fake::plan("greet", std::path::Path::new("greet"))
}

fn trusted() -> Arc<Rights> {
    Arc::new(Rights::new(&Policy::of(Preset::Trusted), None, "greet"))
}

/// Starts a plugin that may do everything.
fn start_on(worker: &TrialWorker, plugin: &Starts) -> Result<Traits, PluginFault> {
    let charge = Charge { rights: trusted(), denials: Arc::default(), recorder: None };
    worker.start(&greet(), (plugin, &charge), &Account::default(), &InstanceSpec::default())
}

#[track_caller]
fn check(
    worker: &TrialWorker,
    start: impl Fn(&dyn HostCalls) -> CallResult<()> + Send + Sync + 'static,
) {
    let plugin = Starts(Box::new(start));
    let started = start_on(worker, &plugin);
    let phases = started.map(|traits| traits.phases);
    assert_eq!(phases.map_err(|fault| fault.to_string()), Ok(Phases::ALL));
}

/// What the codec says of its protocol.
const ONE_AT_A_TIME: CodecProfile = CodecProfile {
    pool: PoolMode::PingPong,
    id_width: IdWidth::Four,
    heartbeats: false,
    go_away: false,
    default_timeout: None,
};

/// A plugin that is a codec, or fails at it.
#[derive(Clone, Debug)]
struct Frames(Result<(), PluginFault>);

impl LoadedPlugin for Frames {
    fn start(
        &self,
        _scope: &WorkerScope,
        _spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        Ok(Rc::new(self.clone()))
    }
}

impl FilterFactory for Frames {
    fn phases(&self) -> Phases {
        Phases::NONE
    }

    fn codec_profile(&self) -> CodecProfile {
        ONE_AT_A_TIME
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        self.0.clone().map(|()| Rc::new(NoFrames::default()) as Rc<dyn Codec>)
    }
}

#[track_caller]
fn check_codec(plugin: &dyn LoadedPlugin, expect: Result<CodecProfile, &str>) {
    let charge = Charge { rights: trusted(), denials: Arc::default(), recorder: None };
    let spec = InstanceSpec { point: ExtensionPoint::Codec, ..InstanceSpec::default() };
    let worker = TrialWorker::default();
    let started = worker.start(&greet(), (plugin, &charge), &Account::default(), &spec);
    let started = started.map(|traits| traits.profile);
    let started = started.map_err(|fault| fault.message.to_string());
    assert_eq!(started, expect.map_err(str::to_owned));
}

#[test]
fn what_is_put_in_as_a_codec_must_make_one() {
    check_codec(&Frames(Ok(())), Ok(ONE_AT_A_TIME));
    let broken = PluginFault::new(FaultKind::Trapped, "out of bounds");
    check_codec(&Frames(Err(broken)), Err("out of bounds"));
    check_codec(&Starts(Box::new(|_calls| Ok(()))), Err("the plugin serves no protocols"));
}

/// A plugin that wants these phases.
#[derive(Debug)]
struct Wants(Phases);

impl LoadedPlugin for Wants {
    fn start(
        &self,
        _scope: &WorkerScope,
        _spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        Ok(Rc::new(Self(self.0)))
    }
}

impl FilterFactory for Wants {
    fn phases(&self) -> Phases {
        self.0
    }
}

#[test]
fn what_would_do_nothing_where_it_is_put_does_not_start_there() {
    use ExtensionPoint::{NetworkFilter, Service, StreamFilter};
    let start = |phases, point| {
        let charge = Charge { rights: trusted(), denials: Arc::default(), recorder: None };
        let spec = InstanceSpec { point, ..InstanceSpec::default() };
        let worker = TrialWorker::default();
        let account = Account::default();
        worker
            .start(&greet(), (&Wants(phases), &charge), &account, &spec)
            .map(|traits| traits.phases)
    };
    for (name, phase) in Phases::NAMED {
        let of_streams = start(phase, StreamFilter);
        let of_connections = start(phase, NetworkFilter);
        assert_ne!(of_streams.is_ok(), of_connections.is_ok(), "{name}");
        for refused in [of_streams, of_connections].into_iter().filter_map(Result::err) {
            assert_eq!(refused.kind, FaultKind::Protocol);
            assert!(refused.message.contains("would do nothing where it is put"), "{refused}");
        }
    }
    for point in [StreamFilter, NetworkFilter] {
        assert!(start(Phases::NONE, point).is_err());
        assert_eq!(start(Phases::ALL, point), Ok(Phases::ALL));
    }
    assert_eq!(start(Phases::NONE, Service), Ok(Phases::NONE));
}

/// Must not be called: nothing comes of what a trial asks for.
fn never<T>(_: T) {
    panic!("a trial is answered");
}

#[test]
fn what_a_start_asks_for_beside_traffic_is_accepted_and_never_answered() {
    check(&TrialWorker::default(), |calls| {
        let call = HttpCall {
            cluster: "no such".into(),
            headers: Vec::new(),
            body: Vec::new().into(),
            trailers: Vec::new(),
            timeout: None,
        };
        drop(calls.http_call(call, Box::new(never))?);
        let method = GrpcMethod {
            cluster: "no such".into(),
            service: "s".into(),
            method: "m".into(),
            metadata: Vec::new(),
            timeout: None,
        };
        let stream = calls.grpc_stream(method, Rc::new(never))?;
        stream.send(b"hello", true)?;
        stream.close();
        drop(calls.every(Duration::from_millis(1), Rc::new(|| never(())))?);
        let (queue, _place) = calls.register_queue("n", b"jobs", Rc::new(never))?;
        calls.enqueue(queue, b"job")?;
        calls.foreign(Subject::Host, b"clear_route_cache", b"", &mut |_result| {})
    });
}

#[test]
fn a_timer_without_a_period_is_refused_as_on_a_worker() {
    check(&TrialWorker::default(), |calls| {
        let refused = calls.every(Duration::ZERO, Rc::new(|| {})).map(drop);
        assert_eq!(refused, Err(CallError::BadArgument));
        Ok(())
    });
}

#[test]
fn an_instance_finds_what_the_ones_before_it_left_and_only_on_the_same_load() {
    let worker = TrialWorker::default();
    check(&worker, |calls| {
        calls.set_shared_data("n", b"k", b"v", 0)?;
        let (queue, _place) = calls.register_queue("n", b"jobs", Rc::new(never))?;
        calls.enqueue(queue, b"job")?;
        let metric = calls.define_metric("an impostor", MetricKind::Counter, "starts")?;
        calls.increment_metric("greet", metric, 1)
    });
    check(&worker, |calls| {
        let shown = RefCell::new(Vec::new());
        calls.shared_data("n", b"k", &mut |value, _version| shown.replace(value.into()).clear())?;
        assert_eq!(shown.take(), b"v");
        let queue = calls.resolve_queue("n", b"jobs")?;
        calls.dequeue(queue, &mut |item| shown.replace(item.into()).clear())?;
        assert_eq!(shown.take(), b"job");
        let metric = calls.define_metric("greet", MetricKind::Counter, "starts")?;
        calls.record_metric("greet", metric, 1)?;
        assert_eq!(calls.metric("greet", metric), Ok(2));
        Ok(())
    });
    check(&TrialWorker::default(), |calls| {
        let found = calls.shared_data("n", b"k", &mut |_value, _version| {});
        assert_eq!(found, Err(CallError::NotFound));
        assert_eq!(calls.resolve_queue("n", b"jobs"), Err(CallError::NotFound));
        Ok(())
    });
}

#[test]
fn a_start_that_is_refused_something_says_so() {
    let plugin = Starts(Box::new(|calls| calls.resolve_queue("n", b"jobs").map(drop)));
    let started = start_on(&TrialWorker::default(), &plugin);
    let fault = started.expect_err("there is no queue");
    assert!(fault.to_string().contains("not found"), "{fault}");
}
