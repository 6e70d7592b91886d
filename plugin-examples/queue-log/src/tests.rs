use mortise_sdk::{
    Action, LogLevel,
    testing::{TestHost, TestSetup, request},
};

use super::{Receiver, Sender, mortise_plugin};

const RULE: &str = r#"{ "queue": "lines" }"#;

fn pass(host: &TestHost, path: &str) {
    let stream = host.stream(request("GET", path));
    assert_eq!(stream.request_headers(true), Action::Continue);
    stream.complete();
}

#[test]
fn the_sender_puts_a_line_for_each_request() {
    let there = TestSetup::new().queue("other", "lines");
    let config = r#"{ "queue": "lines", "vm_id": "other" }"#;
    let host = there.start::<Sender>(config).expect("a good configuration");
    pass(&host, "/a");
    pass(&host, "/b");
    assert_eq!(host.pop("other", "lines").as_deref(), Some(&b"GET /a"[..]));
    assert_eq!(host.pop("other", "lines").as_deref(), Some(&b"GET /b"[..]));
    assert_eq!((host.pop("other", "lines"), host.log()), (None, vec![]));
}

#[test]
fn the_sender_complains_once_while_nobody_reads() {
    let host = TestHost::start::<Sender>(RULE).expect("a good configuration");
    for _ in 0..3 {
        pass(&host, "/");
    }
    let line = "queue-log: lines for the queue `lines` are lost: nobody reads it".to_owned();
    assert_eq!(host.log(), [(LogLevel::Warn, line.clone())]);

    // Somebody comes, and a line is not lost; so the next loss is told again.
    host.push("lines", "made");
    pass(&host, "/");
    assert_eq!(host.log().len(), 1);
}

#[test]
fn the_receiver_logs_what_is_in_its_queue() {
    let host = TestHost::start::<Receiver>(RULE).expect("a good configuration");
    host.push("lines", "GET /a");
    host.push("lines", [0xff]);
    host.push("others", "not mine");
    let lines: Vec<_> = host.log().into_iter().map(|(_level, line)| line).collect();
    assert_eq!(lines, ["queue-log: GET /a", "queue-log: \u{fffd}"]);
    assert_eq!(host.pop("", "lines"), None);
}

#[test]
fn the_root_id_says_which_part_is_meant() {
    let artifact = mortise_plugin();
    assert!(artifact.find("sender").is_ok() && artifact.find("receiver").is_ok());
    let unknown = artifact.find("reader").expect_err("there is none").to_string();
    assert!(unknown.contains("`sender`") && unknown.contains("`receiver`"), "{unknown}");
}

#[test]
fn the_queue_must_have_a_name() {
    let refused = TestHost::start::<Sender>("").expect_err("it refuses");
    assert!(refused.to_string().contains("missing field `queue`"), "{refused}");
}
