use mortise_sdk::{
    Flow::{Downstream, Upstream},
    FlowAction, LogLevel, Peer,
    testing::TestHost,
};

use super::TcpMeter;

#[track_caller]
fn last_line(host: &TestHost) -> String {
    let (level, line) = host.log().pop().expect("a line");
    assert_eq!(level, LogLevel::Info);
    line
}

#[test]
fn bytes_are_counted_and_pass_as_they_are() {
    let host = TestHost::start::<TcpMeter>("").expect("it needs no configuration");
    let connection = host.connection();
    assert_eq!(connection.open(), FlowAction::Continue);
    assert_eq!(connection.data(Downstream, "ping", false), FlowAction::Continue);
    assert_eq!(connection.data(Upstream, "pong!", false), FlowAction::Continue);
    assert_eq!(connection.data(Downstream, "", true), FlowAction::Continue);
    assert_eq!(
        (connection.passed(Downstream), connection.passed(Upstream)),
        (b"ping".to_vec(), b"pong!".to_vec())
    );
    connection.close(Downstream, Peer::Remote);
    connection.complete();
    assert_eq!(host.metric("connections"), Some(1));
    assert_eq!(host.metric("bytes_to_upstream"), Some(4));
    assert_eq!(host.metric("bytes_to_client"), Some(5));
    let line = "tcp-meter: 4 bytes to the upstream, 5 to the client; ended by the client";
    assert_eq!(last_line(&host), line);
}

#[test]
fn each_direction_is_rewritten_where_it_is_told_to() {
    let config = r#"{ "upper_to_client": true }"#;
    let host = TestHost::start::<TcpMeter>(config).expect("a good configuration");
    let connection = host.connection();
    assert_eq!(connection.open(), FlowAction::Continue);
    assert_eq!(connection.data(Downstream, "ping", false), FlowAction::Continue);
    assert_eq!(connection.data(Upstream, "pong", false), FlowAction::Continue);
    assert_eq!(
        (connection.passed(Downstream), connection.passed(Upstream)),
        (b"ping".to_vec(), b"PONG".to_vec())
    );
}

#[test]
fn who_ended_first_is_told() {
    let closes: [(&[_], _); 4] = [
        (&[(Upstream, Peer::Remote), (Downstream, Peer::Local)], "the upstream"),
        (&[(Upstream, Peer::Local), (Downstream, Peer::Remote)], "the client"),
        (&[(Upstream, Peer::Local), (Downstream, Peer::Local)], "the proxy"),
        (&[], "nobody"),
    ];
    let host = TestHost::start::<TcpMeter>("{}").expect("a good configuration");
    for (closes, by) in closes {
        let connection = host.connection();
        assert_eq!(connection.open(), FlowAction::Continue);
        for (flow, peer) in closes {
            connection.close(*flow, *peer);
        }
        connection.complete();
        assert!(last_line(&host).ends_with(&format!("; ended by {by}")), "{closes:?}");
    }
}

#[test]
fn unknown_words_are_refused() {
    let refused = TestHost::start::<TcpMeter>(r#"{ "upper": true }"#).expect_err("it refuses");
    assert!(refused.to_string().contains("unknown field `upper`"), "{refused}");
}
