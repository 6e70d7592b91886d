//! What a plugin does beside its streams.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::{
    CallFailure, CallId, Counter, Host, HostError, HttpAnswer, HttpRequest, LogLevel, Phases,
    Plugin, Queue, QueueId, Refusal,
    testing::{TestHost, TestSetup},
};

/// Counts ticks in the shared data, passes items on, and asks a cluster once.
struct Worker {
    ticks: Counter,
    queue: Queue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    period_ms: u64,
}

impl Plugin for Worker {
    type Config = Config;

    const PHASES: Phases = Phases::NONE;

    fn start(config: Config, host: &Host<'_>) -> Result<Self, Refusal> {
        if config.period_ms == 0 {
            return Err(Refusal::config("`period_ms` is zero"));
        }
        host.set_tick_period(Some(Duration::from_millis(config.period_ms)))?;
        Ok(Self { ticks: host.counter("ticks")?, queue: host.register_queue("in")? })
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        self.ticks.add(host, 1);
        let seen = host.shared_data("seen").expect("readable");
        let count = seen.as_ref().map_or(0, |seen| seen.bytes.len()) + 1;
        let version = seen.map(|seen| seen.version);
        assert_eq!(host.set_shared_data("seen", vec![b'x'; count], version), Ok(()));
        if version.is_some() {
            let late = host.set_shared_data("seen", "", version);
            assert_eq!(late, Err(HostError::Conflict));
        }
        host.http_call(&HttpRequest::get("beat", "beat", "/")).ok();
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        assert_eq!(queue, self.queue.0);
        let item = self.queue.pop(host).expect("there").expect("an item");
        let out = host.queue("other", "out").expect("registered");
        out.push(host, item.to_ascii_uppercase()).expect("room");
        host.histogram("items").expect("a metric").record(host, item.len() as u64);
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        _call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        let told = answer.map_or_else(|failed| failed.to_string(), |it| it.status().to_string());
        host.log(LogLevel::Warn, told);
    }
}

fn worker() -> TestHost {
    let setup = TestSetup::new().queue("other", "out");
    setup.start::<Worker>(r#"{ "period_ms": 100 }"#).expect("it starts")
}

#[test]
fn a_refusal_is_told() {
    for (config, expect) in [
        ("", "bad configuration: missing field `period_ms`"),
        ("{", "bad configuration: EOF while parsing an object"),
        (r#"{ "perod": 1 }"#, "bad configuration: unknown field `perod`, expected `period_ms`"),
        (r#"{ "period_ms": "1" }"#, "bad configuration: invalid type: string \"1\", expected u64"),
        (r#"{ "period_ms": 0 }"#, "bad configuration: `period_ms` is zero"),
    ] {
        let refused = TestHost::start::<Worker>(config).expect_err("it refuses");
        // No line and no column: the operator wrote another text.
        assert_eq!(refused.to_string(), expect);
    }
}

#[test]
fn ticks_come_with_the_clock() {
    let host = worker();
    assert_eq!(host.tick_period(), Some(Duration::from_millis(100)));
    host.advance(Duration::from_millis(99));
    assert_eq!(host.metric("ticks"), Some(0));
    host.advance(Duration::from_millis(301));
    assert_eq!(host.metric("ticks"), Some(4));
    assert_eq!(host.metric("tocks"), None);
    assert_eq!(host.shared_data("seen").expect("written").bytes, b"xxxx");
}

#[test]
fn copies_share_what_workers_share() {
    let host = worker();
    let other = host.another().expect("it starts");
    host.advance(Duration::from_millis(100));
    other.advance(Duration::from_millis(100));
    assert_eq!(other.metric("ticks"), Some(3), "the clock is shared, too");
    assert_eq!(host.shared_data("seen").expect("written").bytes, b"xxx");
    // Who registered last is told.
    host.push("in", "item");
    assert_eq!(host.pop("other", "out"), None);
    other.settle();
    assert_eq!(host.pop("other", "out").as_deref(), Some(&b"ITEM"[..]));
}

#[test]
fn a_plugin_is_told_of_each_item_of_its_queue() {
    let host = worker();
    host.push("in", "a");
    host.push("in", "bc");
    assert_eq!(host.pop("other", "out").as_deref(), Some(&b"A"[..]));
    assert_eq!(host.pop("other", "out").as_deref(), Some(&b"BC"[..]));
    assert_eq!(host.pop("other", "out"), None);
    assert_eq!(host.observed("items"), [1, 2]);
}

#[test]
fn calls_of_the_plugin_are_answered_to_the_plugin() {
    let host = worker();
    host.advance(Duration::from_millis(200));
    let calls = host.calls();
    assert_eq!(calls.len(), 2);
    host.answer(calls[0].0, Ok(HttpAnswer::new(204)));
    host.answer(calls[1].0, Err(CallFailure));
    let lines = host.log();
    assert_eq!(lines[0], (LogLevel::Warn, "204".to_owned()));
    assert_eq!(lines[1], (LogLevel::Warn, "no answer came".to_owned()));
}

#[test]
fn a_setup_says_what_there_is() {
    struct Asker;
    impl Plugin for Asker {
        type Config = ();

        fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
            assert_eq!(host.now(), UNIX_EPOCH + Duration::from_secs(5));
            assert_eq!(host.property(&["node", "id"]).expect("known").as_str(), Some("n"));
            assert_eq!(host.queue("", "none"), Err(HostError::NotFound));
            let call = |cluster| host.http_call(&HttpRequest::get(cluster, "a", "/")).err();
            assert_eq!(call("known"), None);
            assert_eq!(call("unknown"), Some(HostError::NotFound));
            let gauge = host.gauge("level")?;
            gauge.set(host, 5);
            gauge.add(host, -2);
            assert_eq!(gauge.value(host), Ok(3));
            assert_eq!(host.counter("level"), Err(HostError::BadArgument));
            assert_eq!(host.counter(""), Err(HostError::BadArgument));
            assert_eq!(host.set_shared_data("k", "v", Some(0)), Err(HostError::Conflict));
            assert_eq!(host.set_shared_data([0; 5000], "v", None), Err(HostError::LimitReached));
            Ok(Self)
        }
    }

    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(5);
    let setup = TestSetup::new().now(now).cluster("known").property(&["node", "id"], "n");
    let host = setup.shared_data("k", "old").start::<Asker>("").expect("it starts");
    assert_eq!(host.shared_data("k").expect("there").bytes, b"old");
    host.set_shared_data("k", "new");
    assert_eq!(host.shared_data("k").expect("there").version, 2);
}
