mod cost;
mod frames;
mod host;
mod limits;
mod sections;
mod table;

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use abi_manifest::Permission;
use host_extension::{
    CallError, CallResult, Connection, ConnectionFacts, FieldWrite, Flow, GrpcMethod,
    HeaderMapKind, HostCalls, HttpCall, LocalReply, LogLevel, MetricKind, PropertyValue, Protocol,
    Side, Stream, Subject,
};
use host_types::{
    ConnectionId, Headers, ListenerName, PluginLimits, PluginName, RequestHead, StreamId,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    uri::{Authority, PathAndQuery, Scheme},
};

use self::{host::Host, table::rows};
use super::Guard;
use crate::{
    Access, CallCounts, Capability, DenialCounts, HostCall, Mode, Policy, Preset, Recorder, Rights,
    Ward,
};

/// A guard of the plugin `greet`, with the host behind it.
struct Bench {
    guard: Guard,
    host: Rc<Host>,
    counts: Arc<CallCounts>,
    denials: Arc<DenialCounts>,
    /// What was told of denials.
    told: Rc<RefCell<Vec<String>>>,
    recorder: Option<Arc<Recorder>>,
    connection: Rc<Connection>,
    stream: Rc<Stream>,
}

/// What a bench is made with.
#[derive(Default)]
struct Setup {
    policy: Policy,
    limits: PluginLimits,
    recorder: Option<Arc<Recorder>>,
    fields: Vec<(&'static str, &'static str)>,
}

fn bench() -> Bench {
    set_up(Setup { policy: Policy::of(Preset::Trusted), ..Setup::default() })
}

fn under(policy: Policy) -> Bench {
    set_up(Setup { policy, ..Setup::default() })
}

fn permissions(texts: &[&str]) -> Vec<Permission> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A policy that grants these and nothing else.
fn granting(grants: &[&str]) -> Policy {
    Policy { grants: permissions(grants), ..Policy::of(Preset::None) }
}

/// A policy that grants everything but these.
fn denying(denials: &[&str]) -> Policy {
    Policy { denials: permissions(denials), ..Policy::of(Preset::Trusted) }
}

fn permissive(policy: Policy) -> Policy {
    Policy { mode: Mode::Permissive, ..policy }
}

fn set_up(setup: Setup) -> Bench {
    let host = Rc::new(Host::default());
    let counts = Arc::new(CallCounts::default());
    let denials = Arc::new(DenialCounts::default());
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let notes = Rc::clone(&told);
    let ward = Ward {
        plugin: PluginName::from("greet"),
        rights: Arc::new(Rights::new(&setup.policy, None, "greet")),
        limits: setup.limits,
        counts: Arc::clone(&counts),
        denials: Arc::clone(&denials),
        on_denial: Rc::new(move |denial| notes.borrow_mut().push(denial.to_string())),
        recorder: setup.recorder.clone(),
    };
    let guard = Guard::new(ward, host.clone());
    let here = SocketAddr::from(([127, 0, 0, 1], 80));
    let facts = Rc::new(ConnectionFacts {
        id: ConnectionId::new(0, 1),
        listener: ListenerName::from("web"),
        peer: here,
        local: here,
        protocol: Protocol::Http11,
    });
    let connection = Rc::new(Connection::new(Rc::clone(&facts), SystemTime::UNIX_EPOCH));
    let request = request(&setup.fields);
    let stream = Rc::new(Stream::new(StreamId::new(0, 1), facts, SystemTime::UNIX_EPOCH, request));
    Bench { guard, host, counts, denials, told, recorder: setup.recorder, connection, stream }
}

/// `GET /p` of `a.example`, with some fields.
fn request(fields: &[(&'static str, &'static str)]) -> Headers {
    let head = RequestHead {
        method: Method::GET,
        scheme: Scheme::HTTP,
        authority: Some(Authority::from_static("a.example")),
        path: PathAndQuery::from_static("/p"),
    };
    let fields = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Headers::request(head, fields.collect())
}

fn http_call() -> HttpCall {
    HttpCall {
        cluster: "app".into(),
        headers: Vec::new(),
        body: Default::default(),
        trailers: Vec::new(),
        timeout: None,
    }
}

fn grpc_method() -> GrpcMethod {
    GrpcMethod {
        cluster: "app".into(),
        service: "s".into(),
        method: "m".into(),
        metadata: Vec::new(),
        timeout: None,
    }
}

fn counted(bench: &Bench, call: HostCall) -> (u64, u64) {
    (bench.counts.made(call), bench.counts.refused(call))
}

/// The denials of every capability, where there were some.
fn denied(bench: &Bench) -> Vec<(Capability, u64)> {
    let counted = Capability::ALL.map(|one| (one, bench.denials.of(one)));
    counted.into_iter().filter(|(_one, count)| *count > 0).collect()
}

#[test]
fn a_call_that_is_granted_reaches_the_host_as_it_is_and_is_counted_once() {
    for row in rows() {
        for policy in [Policy::of(Preset::Trusted), granting(&[row.needs])] {
            let bench = under(policy);
            let answer = (row.make)(&bench);
            let opens = row.call == HostCall::GrpcStream;
            assert_eq!(answer, (!opens).then_some(CallError::NotFound), "{}", row.needs);
            assert_eq!(*bench.host.seen.borrow(), [row.seen], "{}", row.needs);
            for other in HostCall::ALL {
                let expect = (u64::from(other == row.call), 0);
                assert_eq!(counted(&bench, other), expect, "{} as {other:?}", row.needs);
            }
            assert!(denied(&bench).is_empty() && bench.told.borrow().is_empty());
        }
    }
}

#[test]
fn a_call_that_is_not_granted_or_denied_reaches_nobody_and_is_told_once() {
    for row in rows() {
        for policy in [Policy::of(Preset::None), denying(&[row.needs])] {
            let is_denied = !policy.denials.is_empty();
            let bench = under(policy);
            assert_eq!((row.make)(&bench), Some(row.refusal()), "{}", row.needs);
            assert!(bench.host.seen.borrow().is_empty(), "{}", row.needs);
            assert_eq!(counted(&bench, row.call), (1, 1), "{}", row.needs);
            assert_eq!(denied(&bench), [(row.capability(), 1)], "{}", row.needs);
            let told = bench.told.take();
            let start = format!("`{}` is not allowed: ", row.needs);
            assert!(told.len() == 1 && told[0].starts_with(&start), "{told:?}");
            let says_how = if is_denied { "`denials`" } else { "to grant it" };
            assert!(told[0].contains(says_how), "{told:?}");
        }
    }
}

#[test]
fn a_permissive_policy_lets_a_call_happen_and_tells_it_as_a_denial() {
    for row in rows() {
        for policy in [Policy::of(Preset::None), denying(&[row.needs])] {
            let bench = under(permissive(policy));
            let _answer = (row.make)(&bench);
            assert_eq!(*bench.host.seen.borrow(), [row.seen], "{}", row.needs);
            assert_eq!(counted(&bench, row.call), (1, 0), "{}", row.needs);
            assert_eq!(denied(&bench), [(row.capability(), 1)], "{}", row.needs);
            let told = bench.told.take();
            let start = format!("`{}` would not be allowed: ", row.needs);
            assert!(told.len() == 1 && told[0].starts_with(&start), "{told:?}");
        }
    }
}

#[test]
fn a_neighbouring_name_is_not_meant_by_a_grant() {
    for row in rows().filter(|row| row.needs.contains(':')) {
        let neighbour = format!("{}x", row.needs);
        let bench = under(granting(&[&neighbour]));
        assert_eq!((row.make)(&bench), Some(row.refusal()), "{neighbour}");
        assert!(bench.host.seen.borrow().is_empty(), "{neighbour}");
        let bench = under(denying(&[&neighbour]));
        assert_ne!((row.make)(&bench), Some(CallError::Denied), "{neighbour}");
        assert_eq!(*bench.host.seen.borrow(), [row.seen], "{neighbour}");
    }
}

#[test]
fn what_is_done_and_allowed_is_noted_with_the_grant_that_it_takes() {
    for row in rows() {
        let open = [Policy::of(Preset::Trusted), permissive(Policy::of(Preset::None))];
        for policy in open {
            let recorder = Some(Arc::new(Recorder::default()));
            let bench = set_up(Setup { policy, recorder, ..Setup::default() });
            let _answer = (row.make)(&bench);
            assert_eq!(bench.recorder.unwrap().grants(), [row.permission()], "{}", row.needs);
        }
        let recorder = Some(Arc::new(Recorder::default()));
        let bench =
            set_up(Setup { policy: Policy::of(Preset::None), recorder, ..Setup::default() });
        let _refused = (row.make)(&bench);
        assert!(bench.recorder.unwrap().grants().is_empty(), "{}: it was not done", row.needs);
    }
}

/// Capabilities that no call takes: backends ask `may` before, or the catalog decides.
const ASKED_ELSEWHERE: [Capability; 4] =
    [Capability::Clock, Capability::Random, Capability::Environment, Capability::FilesRead];

#[test]
fn every_capability_has_a_call_and_every_call_takes_what_the_catalogue_says() {
    for capability in Capability::ALL {
        let in_table = rows().any(|row| row.capability() == capability);
        let elsewhere = ASKED_ELSEWHERE.contains(&capability) || capability == Capability::Log;
        assert_ne!(in_table, elsewhere, "{capability:?}");
    }
    for row in rows() {
        assert!(row.call.capabilities().contains(&row.capability()), "{}", row.needs);
    }
    for call in HostCall::ALL {
        let taken = rows().any(|row| row.call == call);
        let elsewhere = [
            HostCall::Headers,
            HostCall::GrpcSend,
            HostCall::GrpcClose,
            HostCall::Log,
            HostCall::Now,
        ];
        assert_ne!(taken, elsewhere.contains(&call), "{call:?}");
    }
}

#[test]
fn what_is_no_call_is_asked_for_by_its_capability() {
    for capability in Capability::ALL {
        assert_eq!(bench().guard.may(capability), Ok(()));
        let bench = under(Policy::of(Preset::None));
        assert_eq!(bench.guard.may(capability), Err(CallError::Denied), "{capability:?}");
        assert_eq!(denied(&bench), [(capability, 1)]);
    }
    let bench = under(permissive(Policy::of(Preset::None)));
    assert_eq!(bench.guard.may(Capability::Reply), Ok(()));
    assert_eq!((denied(&bench), bench.told.borrow().len()), (vec![(Capability::Reply, 1)], 1));
    assert_eq!(counted(&bench, HostCall::Respond), (1, 0));
}

#[test]
fn a_line_that_may_not_be_written_is_not() {
    let bench = under(Policy::of(Preset::None));
    bench.guard.log("greet", LogLevel::Info, "hello");
    assert!(bench.host.seen.borrow().is_empty());
    assert_eq!(
        (counted(&bench, HostCall::Log), denied(&bench)),
        ((1, 1), vec![(Capability::Log, 1)])
    );
}

#[test]
fn a_line_is_written_and_dropped_in_the_name_of_the_plugin() {
    let bench = bench();
    bench.guard.log("somebody else", LogLevel::Info, "hello");
    bench.guard.log_dropped("somebody else");
    assert_eq!(*bench.host.seen.borrow(), ["log as greet: Info hello", "log_dropped as greet"]);
    assert_eq!(counted(&bench, HostCall::Log), (2, 1), "a dropped line is a refused one");
}

/// A message whose first field is a text.
fn filter_state(path: &str) -> Vec<u8> {
    let mut message = vec![0x0a, u8::try_from(path.len()).unwrap()];
    message.extend_from_slice(path.as_bytes());
    message
}

#[test]
fn a_function_that_sets_a_property_takes_the_permission_for_that_too() {
    let call = |bench: &Bench| {
        let argument = filter_state("who");
        let name = b"set_envoy_filter_state";
        bench.guard.foreign(Subject::Host, name, &argument, &mut |_| {}).unwrap_err()
    };
    let both = ["foreign:set_envoy_filter_state", "properties.write:filter_state.who"];
    let bench = under(granting(&both));
    assert_eq!(call(&bench), CallError::NotFound);
    assert_eq!(counted(&bench, HostCall::Foreign), (1, 0));
    assert_eq!(counted(&bench, HostCall::SetProperty), (1, 0));

    let other = under(granting(&[both[0], "properties.write:filter_state.whom"]));
    assert_eq!(call(&other), CallError::Denied);
    assert!(other.host.seen.borrow().is_empty());
    assert_eq!(counted(&other, HostCall::SetProperty), (1, 1));
    assert_eq!(denied(&other), [(Capability::PropertiesWrite, 1)]);
    assert_eq!(call(&under(granting(&both[1..]))), CallError::Denied);
}

#[test]
fn the_time_is_that_of_the_host_and_counted_where_a_plugin_wants_it() {
    let bench = bench();
    assert_eq!(bench.guard.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    assert_eq!(counted(&bench, HostCall::Now), (0, 0));
    assert_eq!(bench.guard.may(Capability::Clock), Ok(()));
    assert_eq!(counted(&bench, HostCall::Now), (1, 0));
    assert_eq!(*bench.host.seen.borrow(), ["now"]);
}

#[test]
fn the_messages_of_a_grpc_stream_pass_the_guard_too() {
    let bench = bench();
    let stream = bench.guard.grpc_stream(grpc_method(), Rc::new(|_event| {}));
    let stream = stream.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.send(b"one", false), Err(CallError::NotFound));
    assert_eq!(stream.send(b"two", true), Err(CallError::NotFound));
    stream.close();
    assert_eq!(
        *bench.host.seen.borrow(),
        ["grpc_stream app", "grpc_send one false", "grpc_send two true", "grpc_close"]
    );
    for (call, made) in
        [(HostCall::GrpcStream, 1), (HostCall::GrpcSend, 2), (HostCall::GrpcClose, 1)]
    {
        assert_eq!(counted(&bench, call), (made, 0), "{call:?}");
    }
}

/// The trait has defaults, so the compiler does not ask for a method that is forgotten here.
#[test]
fn no_method_of_the_contract_is_left_out() {
    let contract = include_str!("../../../../host/extension/src/calls.rs");
    let methods = methods(contract, "pub trait HostCalls {");
    assert!(methods.contains(&"header") && methods.contains(&"foreign"), "{methods:?}");
    let guard = include_str!("../guard.rs");
    assert_eq!(self::methods(guard, "impl HostCalls for Guard {"), methods, "all are forwarded");
    let host = include_str!("tests/host.rs");
    assert_eq!(self::methods(host, "impl HostCalls for Host {"), methods, "all are tested");

    let kinds = HostCall::ALL.map(HostCall::label);
    let of_streams = ["grpc_send", "grpc_close"];
    let counted: Vec<_> = kinds.iter().filter(|kind| !of_streams.contains(kind)).collect();
    let no_calls = ["log_dropped", "queue_namespace", "may"];
    let wanted: Vec<_> = methods.iter().filter(|name| !no_calls.contains(name)).collect();
    assert_eq!(counted, wanted, "all are counted apart");
}

/// The methods of a trait or an implementation, in their order.
fn methods<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let (_, rest) = source.split_once(start).expect("it is there");
    let (block, _) = rest.split_once("\n}\n").expect("it ends");
    let names = block.lines().filter_map(|line| line.strip_prefix("    fn ")?.split('(').next());
    names.collect()
}
