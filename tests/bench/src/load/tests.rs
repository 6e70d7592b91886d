use super::*;
use crate::{measure::SCENARIOS, upstream::Upstream};

#[tokio::test]
async fn a_load_is_answered_by_the_upstream_and_its_connections_stay_open() {
    let upstream = Upstream::start().unwrap();
    for scenario in &SCENARIOS {
        let mut load = Load::open(upstream.address(), 3, scenario).await.unwrap();
        for _ in 0..2 {
            assert!(load.run(Duration::from_millis(20)).await.unwrap() >= 3);
            assert_eq!(load.connections.len(), 3);
        }
    }
}

#[tokio::test]
async fn another_length_than_the_one_asked_for_ends_the_load() {
    let upstream = Upstream::start().unwrap();
    let mut connection = Connection::open(upstream.address()).await.unwrap();
    let [small, large, ..] = &SCENARIOS;
    let error = connection.ask(&small.request(), large).await.unwrap_err();
    assert!(error.to_string().contains("not 10240 bytes"), "{error}");
}

#[tokio::test]
async fn an_answer_knows_its_fields() {
    let upstream = Upstream::start().unwrap();
    let mut connection = Connection::open(upstream.address()).await.unwrap();
    let answer = connection.ask(&SCENARIOS[0].request(), &SCENARIOS[0]).await.unwrap();
    assert!(answer.has_field("Server") && !answer.has_field("x-bench"));
}

#[test]
fn the_request_has_twelve_fields() {
    let text = String::from_utf8(request(100)).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(": ")).count(), 12);
    assert!(text.ends_with("\r\n\r\n"));
}
