//! Streams that stall are ended, streams that move are not. The clock is paused once the
//! connections stand, and runs ahead when nothing else is to be done.

use std::{rc::Rc, time::Duration};

use host_extension::{Phases, Side, Step, Verdict};
use host_types::Limits;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, pause, sleep},
};

use crate::{
    chain::Hook,
    testing::{
        Fake, Log, Setup, World, ask, field,
        http2::{connect, request},
        line, local, read_head, silent, upstream,
    },
};

const STALL: Duration = Duration::from_secs(2);
/// By then a sweep has seen it, however slow this machine was before the clock was paused.
const STALL_SEEN: Duration = Duration::from_secs(6);

async fn watched(setup: Setup) -> World {
    let limits = Limits { stall_timeout: STALL, ..Limits::default() };
    let world = Setup { limits, timeout: None, ..setup }.start().await;
    let worker = Rc::clone(&world.worker);
    tokio::task::spawn_local(async move { worker.sweep_forever().await });
    world
}

/// Reads to the end.
async fn rest(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _end = client.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn check_time(start: Instant) {
    let took = start.elapsed();
    assert!((STALL..=STALL_SEEN).contains(&took), "{took:?}");
}

const UPLOAD: &str =
    "POST / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\ncontent-length: 9\r\n\r\nhello";

#[test]
fn an_upload_that_stalls_is_answered_408() {
    local(async {
        let (setup, came) = silent().await;
        let world = watched(setup).await;
        let start = Instant::now();
        let mut client = world.send(UPLOAD).await;
        came.notified().await;
        pause();
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        check_time(start);
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("timeout", Some(408)));
    });
}

#[test]
fn an_upload_that_stalls_while_a_filter_holds_the_head_is_answered_408() {
    local(async {
        let log = Log::default();
        let holding = Fake::new(&log, "a").answering(|side, _, _| match side {
            Side::Request => Verdict::Hold.into(),
            Side::Response => Step::CONTINUE,
        });
        let world = watched(Setup { listener_filters: vec![holding], ..Setup::default() }).await;
        let mut client = world.send(UPLOAD).await;
        pause();
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("timeout", Some(408)));
    });
}

/// An upstream that sends a part of its answer and then nothing.
async fn stalling() -> Setup {
    let (address, _) = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
        stream.write_all(part).await.unwrap();
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    Setup::to(address)
}

#[test]
fn a_download_that_stalls_is_closed() {
    for filtered in [false, true] {
        local(async {
            let log = Log::default();
            let filters = if filtered { vec![Fake::new(&log, "a")] } else { Vec::new() };
            let world = watched(Setup { listener_filters: filters, ..stalling().await }).await;
            let start = Instant::now();
            let mut client = world.send(&ask("GET", "/")).await;
            assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200"));
            pause();
            let answer = rest(&mut client).await;
            assert!(answer.contains("hello"), "{answer}");
            check_time(start);
            assert_eq!(line(world).await, ("timeout".to_owned(), Some(200), 5));
        });
    }
}

#[test]
fn a_download_that_stalls_before_its_head_was_sent_has_a_reply() {
    local(async {
        let log = Log::default();
        let holding = Fake::new(&log, "a").answering(|side, hook, _| match (side, hook) {
            (Side::Response, Hook::Headers { .. } | Hook::Body { .. }) => Verdict::Hold.into(),
            _ => Step::CONTINUE,
        });
        let world = watched(Setup { listener_filters: vec![holding], ..stalling().await }).await;
        let mut client = world.send(&ask("GET", "/")).await;
        pause();
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("timeout", Some(408)));
    });
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\n\r\n";
            let mut writing = stream.write_all(head.as_bytes()).await;
            while writing.is_ok() {
                writing = stream.write_all(&[b'x'; 4096]).await;
            }
        })
        .await;
        let world = watched(Setup::to(address)).await;
        let client = world.send(&ask("GET", "/")).await;
        while world.metrics.connections_total.value() == 0 {
            tokio::task::yield_now().await;
        }
        pause();
        world.worker.until_idle().await; // although the client is still there
        drop(client);
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("timeout", Some(200)));
    });
}

#[test]
fn a_stream_that_moves_now_and_then_lives_on() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            let mut upload = [0; 9];
            stream.read_exact(&mut upload).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").await.unwrap();
            for byte in b"done" {
                sleep(STALL * 3 / 4).await;
                stream.write_all(&[*byte]).await.unwrap();
            }
        })
        .await;
        let world = watched(Setup::to(address)).await;
        let mut client = world.send(UPLOAD).await;
        pause();
        for byte in b"wrld" {
            sleep(STALL * 3 / 4).await;
            client.write_all(&[*byte]).await.unwrap();
        }
        let answer = rest(&mut client).await;
        assert!(answer.ends_with("done"), "{answer}");
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(200), 4));
    });
}

#[test]
fn a_wait_for_the_upstream_without_a_body_on_its_way_is_not_a_stall() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            sleep(STALL * 4).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let world = watched(Setup::to(address)).await;
        let mut client = world.send(&ask("GET", "/")).await;
        pause();
        assert!(rest(&mut client).await.ends_with("done"));
        assert_eq!(line(world).await, ("upstream".to_owned(), Some(200), 4));
    });
}

#[test]
fn a_filter_that_holds_a_stream_for_too_long_is_given_up() {
    local(async {
        let log = Log::default();
        let fake = Fake::new(&log, "a").phases(Phases::REQUEST_HEADERS);
        let waiting = fake.answering(|_, _, _| crate::testing::never());
        let world = watched(Setup { listener_filters: vec![waiting], ..Setup::default() }).await;
        let start = Instant::now();
        let mut client = world.send(&ask("GET", "/direct")).await;
        pause();
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
        check_time(start);
        let (reason, status, _) = line(world).await;
        assert_eq!((reason.as_str(), status), ("plugin_failed", Some(504)));
    });
}

#[test]
fn a_stream_of_http2_that_nobody_reads_ends_alone() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            let head = read_head(&mut stream).await;
            let mut writing = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndone").await;
            while writing.is_ok() && head.contains("/endless") {
                writing = stream.write_all(&[b'x'; 4096]).await;
            }
        })
        .await;
        let world = watched(Setup::to(address)).await;
        let mut client = connect(&world).await;
        let unread = client.send_request(request("GET", "/endless")).await.unwrap();
        pause();
        while world.metrics.streams_active.value() > 0 {
            sleep(STALL / 4).await;
        }
        let answer = client.send_request(request("GET", "/")).await.expect("the connection lives");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"done");
        assert!(unread.into_body().collect().await.is_err(), "it was reset");
        drop(client);
        let lines = world.finish().await;
        let reasons: Vec<_> = lines.iter().filter_map(|line| field(line, "reason")).collect();
        assert_eq!(reasons, ["timeout", "upstream"]);
    });
}
