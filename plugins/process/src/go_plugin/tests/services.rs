//! What a host asks of a child beside its own services.

use std::sync::atomic::Ordering;

use abi_process::{go_plugin::stdio_data::Channel, health::health_check_response::ServingStatus};

use super::{
    fake::{Script, serve},
    *,
};

/// Starts on a line that a child would print.
async fn start(
    script: Script,
    written: &Written,
    timeout: Duration,
) -> (fake::Fake, Result<Control, GoPluginError>) {
    let directory = directory();
    let server = serve(directory.path(), script);
    let socket = directory.path().join("plugin.sock");
    let line = format!("1|1|unix|{}|grpc|\n", socket.display()).into_bytes();
    let preparation = Preparation::new(wanted(directory.path())).unwrap();
    let started =
        preparation.start(7, std::process::id(), line.as_slice(), written.sink(), timeout).await;
    if let Ok(started) = &started {
        assert_eq!(started.reach.generation, 7);
        assert!(matches!(&started.reach.address, ChildAddress::Unix(path) if *path == socket));
    }
    (server, started.map(|started| started.control))
}

async fn refused(script: Script, timeout: Duration) -> String {
    let (_server, outcome) = start(script, &Written::new(), timeout).await;
    story(&outcome.unwrap_err())
}

#[tokio::test]
async fn a_child_that_is_well_is_asked_once_for_each_thing() {
    let written = Written::new();
    let output = vec![
        (Channel::Stdout, b"a line\nand ".to_vec()),
        (Channel::Stderr, b"an error\n".to_vec()),
        (Channel::Invalid, b"more\n".to_vec()),
    ];
    let script = Script { output, offers: 3, ..Script::default() };
    let (server, control) = start(script, &written, PATIENCE).await;
    let control = control.unwrap();
    assert_eq!(written.until(Output::Stdout, "more\n").await, "a line\nand more\n");
    assert_eq!(written.until(Output::Stderr, "error\n").await, "an error\n");
    control.shut_down(PATIENCE).await;
    let asked = &server.asked;
    while asked.broker.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    for counter in [&asked.health, &asked.output, &asked.broker, &asked.shut_down] {
        assert_eq!(counter.load(Ordering::SeqCst), 1, "{asked:?}");
    }
}

#[tokio::test]
async fn a_broker_that_says_nothing_delays_nothing() {
    let (server, control) = start(Script::default(), &Written::new(), PATIENCE).await;
    let control = control.unwrap();
    control.shut_down(PATIENCE).await;
    assert_eq!(server.asked.shut_down.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_smallest_child_serves_its_health_alone() {
    let script = Script { bare: true, ..Script::default() };
    let (_server, control) = start(script, &Written::new(), PATIENCE).await;
    control.unwrap().shut_down(PATIENCE).await;
}

#[tokio::test]
async fn a_child_that_is_not_ready_is_asked_again() {
    let script = Script { unready: 3, ..Script::default() };
    let (server, control) = start(script, &Written::new(), PATIENCE).await;
    control.unwrap();
    assert_eq!(server.asked.health.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_child_that_never_serves_is_given_up() {
    let script = Script { health: Some(ServingStatus::NotServing), ..Script::default() };
    let text = refused(script, Duration::from_millis(200)).await;
    assert_eq!(text, "it does not serve: its health check says NOT_SERVING");
}

#[tokio::test]
async fn a_health_check_without_an_answer_is_given_up() {
    let script = Script { hangs: true, ..Script::default() };
    let text = refused(script, Duration::from_millis(200)).await;
    assert_eq!(text, "it did not answer its health check within 200ms");
}

#[tokio::test]
async fn a_child_that_does_not_answer_the_call_to_end_is_left_to_the_caller() {
    let script = Script { lingers: true, ..Script::default() };
    let (server, control) = start(script, &Written::new(), PATIENCE).await;
    control.unwrap().shut_down(Duration::from_millis(50)).await;
    assert_eq!(server.asked.shut_down.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_without_health_or_without_grpc_is_refused_at_once() {
    let directory = directory();
    let socket = directory.path().join("plugin.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let deaf = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
    });
    let line = format!("1|1|unix|{}|grpc|\n", socket.display()).into_bytes();
    let preparation = Preparation::new(wanted(directory.path())).unwrap();
    let sink = Written::new().sink();
    let error = preparation
        .start(1, std::process::id(), line.as_slice(), sink, PATIENCE)
        .await
        .unwrap_err();
    deaf.await.unwrap();
    assert!(matches!(error, GoPluginError::Unhealthy(_)), "{error:?}");
    assert!(!error.is_final());
}

#[tokio::test]
async fn a_flood_of_output_is_read_slowly() {
    let output = (0..60).map(|_| (Channel::Stdout, vec![b'x'; 64 * 1024])).collect();
    let written = Written::new();
    let script = Script { output, ..Script::default() };
    let begun = Instant::now();
    let (_server, control) = start(script, &written, PATIENCE).await;
    let _control = control.unwrap();
    written.0.subscribe().wait_for(|pieces| pieces.len() > 40).await.unwrap();
    // Half a megabyte in a tenth of a second.
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}
