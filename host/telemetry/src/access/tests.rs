use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use expect_test::{Expect, expect};
use host_types::{PluginName, ReplyReason};

use super::*;

fn record(reason: &ReplyReason) -> AccessRecord<'_> {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        listener: "web",
        protocol: "HTTP/1.1",
        peer: "192.0.2.1:5000".parse().unwrap(),
        method: None,
        authority: None,
        path: None,
        status: None,
        one_way: false,
        reason,
        details: None,
        plugins: &[],
        route: None,
        cluster: None,
        upstream: None,
        request_id: None,
        request_bytes: 0,
        response_bytes: 0,
        duration: Duration::ZERO,
        upstream_time: None,
        user_agent: None,
    }
}

/// The line is one line of valid JSON and reads as expected.
fn check(record: &AccessRecord<'_>, expect: &Expect) {
    let mut line = Vec::new();
    line::push_line(&mut line, record);
    let line = String::from_utf8(line).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(value.is_object());
    expect.assert_eq(&line);
}

#[test]
fn a_line_says_everything_that_is_known_of_a_stream() {
    let names: [PluginName; 2] = ["greet".into(), "deny".into()];
    let micros = [12, 3];
    let plugins: Vec<_> = names
        .iter()
        .zip(micros)
        .map(|(name, us)| PluginTime { name, time: Duration::from_micros(us) })
        .collect();
    let reason = ReplyReason::Plugin("deny".into());
    let full = AccessRecord {
        method: Some("GET"),
        authority: Some("example.com:8080"),
        path: Some("/a?b=c"),
        status: Some(403),
        one_way: true,
        details: Some("admin only"),
        plugins: &plugins,
        route: Some("all"),
        cluster: Some("app"),
        upstream: Some("[::1]:9000".parse().unwrap()),
        request_id: Some("6f1c"),
        request_bytes: 10,
        response_bytes: u64::MAX,
        duration: Duration::from_nanos(1_234_567),
        upstream_time: Some(Duration::from_millis(1)),
        user_agent: Some(b"curl/8"),
        ..record(&reason)
    };
    check(
        &full,
        &expect![[r#"
        {"time":"2023-11-14T22:13:20.123Z","listener":"web","protocol":"HTTP/1.1","peer":"192.0.2.1:5000","method":"GET","authority":"example.com:8080","path":"/a?b=c","status":403,"one_way":true,"reason":"plugin","details":"admin only","plugin":"deny","plugins":[{"name":"greet","us":12},{"name":"deny","us":3}],"route":"all","cluster":"app","upstream":"[::1]:9000","request_id":"6f1c","request_bytes":10,"response_bytes":18446744073709551615,"duration_us":1234,"upstream_us":1000,"user_agent":"curl/8"}
    "#]],
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    check(
        &AccessRecord { protocol: "TCP", ..record(&ReplyReason::ClientGone) },
        &expect![[r#"
        {"time":"2023-11-14T22:13:20.123Z","listener":"web","protocol":"TCP","peer":"192.0.2.1:5000","reason":"client_gone","request_bytes":0,"response_bytes":0,"duration_us":0}
    "#]],
    );
}

#[test]
fn no_field_breaks_out_of_its_string() {
    let hostile = AccessRecord {
        method: Some("G\"ET"),
        path: Some("/\\\u{202e}\u{1b}[2J"),
        details: Some("line\r\n{\"time\":\"forged\"}"),
        user_agent: Some(b"\xff\0\x7f\"}\n{"),
        ..record(&ReplyReason::Malformed)
    };
    check(
        &hostile,
        &expect![[r#"
        {"time":"2023-11-14T22:13:20.123Z","listener":"web","protocol":"HTTP/1.1","peer":"192.0.2.1:5000","method":"G\"ET","path":"/\\\u202e\u001b[2J","reason":"malformed","details":"line\u000d\u000a{\"time\":\"forged\"}","request_bytes":0,"response_bytes":0,"duration_us":0,"user_agent":"�\u0000\u007f\"}\u000a{"}
    "#]],
    );
}

#[test]
fn a_long_field_is_cut() {
    let path = "/".repeat(100_000);
    let mut line = Vec::new();
    line::push_line(&mut line, &AccessRecord { path: Some(&path), ..record(&ReplyReason::Route) });
    assert!(line.len() < 9000);
    assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
}

fn start(path: &Path, metrics: &Metrics) -> (AccessLog, AccessLogGuard) {
    AccessLog::start(&AccessLogTarget::File(path.to_owned()), metrics).unwrap()
}

#[test]
fn lines_of_two_workers_arrive_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let metrics = Metrics::new();
    let (log, guard) = start(&path, &metrics);
    let threads: Vec<_> = (0..2)
        .map(|_worker| {
            let log = log.clone();
            std::thread::spawn(move || {
                let writer = log.worker(&Clock::new());
                (0..1000).for_each(|_line| writer.write(&record(&ReplyReason::Upstream)));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(guard);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2000);
    assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    assert_eq!(metrics.control().access_log.written_total.value(), 2000);
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let metrics = Metrics::new();
    let (log, guard) = start(Path::new("/dev/full"), &metrics);
    let writer = log.worker(&Clock::new());
    for _line in 0..5 {
        writer.write(&record(&ReplyReason::Upstream));
        writer.flush();
    }
    drop(writer);
    drop(guard);
    let counts = &metrics.control().access_log;
    assert_eq!((counts.failed_total.value(), counts.written_total.value()), (5, 0));
}

#[test]
fn a_renamed_file_is_left_behind_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("access.log"), directory.path().join("old.log"));
    let metrics = Metrics::new();
    let (log, guard) = start(&path, &metrics);
    let writer = log.worker(&Clock::new());
    fs::rename(&path, &old).unwrap();
    log.reopen();
    writer.write(&record(&ReplyReason::Upstream));
    writer.flush();
    drop(guard);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(fs::read_to_string(&old).unwrap(), "");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let target = AccessLogTarget::File("/nonexistent/access.log".into());
    let error = AccessLog::start(&target, &Metrics::new()).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the access log `/nonexistent/access.log`");
}
