use std::time::Duration;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{BUFFER_MAX, TunnelEnd, TunnelHow, tunnel};

const LONG: Duration = Duration::from_secs(60);

/// A tunnel between two in-memory streams; returns both far ends.
fn start(idle: Duration, pipe: usize) -> (DuplexStream, DuplexStream, JoinHandle<TunnelEnd>) {
    let (left, mut a) = duplex(pipe);
    let (right, mut b) = duplex(pipe);
    let task = tokio::spawn(async move { tunnel(&mut a, &mut b, idle).await });
    (left, right, task)
}

#[tokio::test]
async fn a_half_close_is_passed_on_and_the_other_direction_goes_on() {
    let (mut left, mut right, task) = start(LONG, 1024);
    left.write_all(b"question").await.unwrap();
    left.shutdown().await.unwrap();
    let mut got = String::new();
    right.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "question");
    right.write_all(b"a long answer").await.unwrap();
    drop(right);
    got.clear();
    left.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "a long answer");
    let end = task.await.unwrap();
    assert!(matches!(end.how, TunnelHow::Closed), "{end:?}");
    assert_eq!((end.a_to_b, end.b_to_a), (8, 13));
}

#[tokio::test]
async fn silence_in_both_directions_ends_it() {
    let (mut left, right, task) = start(Duration::from_millis(60), 1024);
    left.write_all(b"x").await.unwrap();
    let end = task.await.unwrap();
    assert!(matches!(end.how, TunnelHow::Idle), "{end:?}");
    assert_eq!(end.a_to_b, 1);
    drop(right);
}

#[tokio::test]
async fn one_busy_direction_keeps_the_other_alive() {
    let idle = Duration::from_millis(200);
    let (mut left, mut right, task) = start(idle, 1024);
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while started.elapsed() < idle * 2 {
        ticks.tick().await;
        right.write_all(b"tick").await.unwrap();
        let mut tick = [0; 4];
        left.read_exact(&mut tick).await.unwrap();
    }
    assert!(!task.is_finished());
    drop((left, right));
    let end = task.await.unwrap();
    assert!(matches!(end.how, TunnelHow::Closed), "{end:?}");
}

#[tokio::test]
async fn a_reader_that_stops_reading_stops_the_writer() {
    let (mut left, mut right, _task) = start(LONG, 1024);
    let block = [7; 4096];
    let mut accepted = 0;
    // The pipe is never ready again once the pipes and the buffer are full.
    while let Ok(count) = tokio::time::timeout(Duration::from_millis(50), left.write(&block)).await
    {
        accepted += count.unwrap();
        assert!(accepted <= 2 * 1024 + BUFFER_MAX, "unbounded: {accepted}");
    }
    let mut some = vec![0; accepted];
    right.read_exact(&mut some).await.unwrap();
    left.write_all(&block[..1024]).await.unwrap();
}

#[tokio::test]
async fn a_reset_of_one_side_ends_both_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut near, _) = listener.accept().await.unwrap();
    let (mut other, mut end) = duplex(64);
    let task = tokio::spawn(async move { tunnel(&mut near, &mut end, LONG).await });
    socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    let end = task.await.unwrap();
    assert!(matches!(end.how, TunnelHow::FailedA(_)), "{end:?}");
    assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_byte_arrives_in_order_whatever_the_sizes(
        chunks in prop::collection::vec(1_usize..40_000, 0..24),
        pipe in 1_usize..9000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut left, mut right, task) = start(LONG, pipe);
            let total: usize = chunks.iter().sum();
            let sent: Vec<u8> = (0..total).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let expect = sent.clone();
            let writer = tokio::spawn(async move {
                let mut rest = &sent[..];
                for size in chunks {
                    let (chunk, after) = rest.split_at(size);
                    left.write_all(chunk).await.unwrap();
                    rest = after;
                }
                left.shutdown().await.unwrap();
                left
            });
            let mut got = Vec::new();
            right.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, expect);
            drop(right);
            drop(writer.await.unwrap());
            assert_eq!(usize::try_from(task.await.unwrap().a_to_b).unwrap(), total);
        });
    }
}
