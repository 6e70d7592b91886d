//! Connections from their first byte to their end, counted and limited.

use std::{rc::Rc, time::Duration};

use host_types::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, pause},
};

use crate::testing::{
    Fake, Log, Setup, Speaks, World, answering, ask, field, line, local, never, read_head, silent,
    upstream,
};

const KEEP_ALIVE: &str = "GET /direct HTTP/1.1\r\nhost: app.test\r\n\r\n";

/// Reads one answer of the `/direct` route.
async fn direct(client: &mut TcpStream) {
    assert!(read_head(client).await.starts_with("HTTP/1.1 200"));
    let mut body = [0; 6];
    client.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"direct");
}

async fn end_of(client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _end = client.read_to_end(&mut rest).await;
    rest
}

/// An upstream that sends back what it gets, and says goodbye.
async fn echo() -> Setup {
    let (address, _) = upstream(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.write_all(b" bye").await.unwrap();
    })
    .await;
    Setup::to(address)
}

async fn say(world: &World, text: &str) -> String {
    let mut client = world.send(text).await;
    client.shutdown().await.unwrap();
    String::from_utf8(end_of(&mut client).await).unwrap()
}

#[test]
fn bytes_go_through_and_half_a_close_is_passed_on() {
    local(async {
        let world = Setup { speaks: Speaks::Tcp, ..echo().await }.start().await;
        assert_eq!(say(&world, "GET is no HTTP here").await, "GET is no HTTP here bye");
        assert_eq!(world.metrics.tcp_bytes_in.value(), 19);
        assert_eq!(world.metrics.tcp_bytes_out.value(), 23);
        let lines = world.finish().await;
        assert_eq!(field(&lines[0], "protocol"), Some("TCP"));
        assert_eq!(field(&lines[0], "reason"), Some("upstream"));
        assert_eq!(field(&lines[0], "response_bytes"), Some("23"));
    });
}

#[test]
fn bytes_without_an_upstream_are_refused_with_a_line() {
    local(async {
        let world = Setup { speaks: Speaks::Tcp, ..Setup::default() }.start().await;
        assert_eq!(say(&world, "x").await, "");
        assert_eq!(line(world).await, ("no_endpoint".to_owned(), None, 0));
    });
}

#[test]
fn auto_tells_http_from_other_bytes() {
    local(async {
        let world = Setup { speaks: Speaks::Auto, ..echo().await }.start().await;
        assert!(world.ask(&ask("GET", "/direct")).await.starts_with("HTTP/1.1 200"));
        assert_eq!(say(&world, "\x16\x03\x01").await, "\x16\x03\x01 bye");
        assert_eq!(say(&world, "PRI").await, "PRI bye", "ended before it was clear");
        assert_eq!(world.finish().await.len(), 3);
    });
}

#[test]
fn a_connection_over_the_limit_is_closed_at_once() {
    local(async {
        let limits = Limits { connections_max: 1, ..Limits::default() };
        let world = Setup { limits, ..Setup::default() }.start().await;
        let mut first = world.send(KEEP_ALIVE).await;
        direct(&mut first).await;
        assert!(end_of(&mut world.send(KEEP_ALIVE).await).await.is_empty());
        assert_eq!(world.metrics.connections_refused_total.value(), 1);
        drop(first);
        world.worker.until_idle().await;
        let mut next = world.send(KEEP_ALIVE).await;
        direct(&mut next).await;
        drop(next);
        assert_eq!(world.finish().await.len(), 2);
    });
}

#[test]
fn a_tunnel_counts_as_a_connection() {
    local(async {
        let (address, _) = upstream(|mut stream| async move {
            read_head(&mut stream).await;
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            drop(stream.read_u8().await);
        })
        .await;
        let limits = Limits { connections_max: 1, ..Limits::default() };
        let world = Setup { limits, ..Setup::to(address) }.start().await;
        let asked = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        let mut tunnel = world.send(asked).await;
        assert!(read_head(&mut tunnel).await.starts_with("HTTP/1.1 101"));
        assert!(end_of(&mut world.send(KEEP_ALIVE).await).await.is_empty(), "it is full");
        assert_eq!(world.worker.connections(), 1);
        drop(tunnel);
        assert_eq!(line(world).await.0, "upstream");
    });
}

#[test]
fn a_drain_ends_idle_connections_and_lets_streams_finish() {
    local(async {
        let world = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.start().await;
        let mut idle = world.send(KEEP_ALIVE).await;
        direct(&mut idle).await;
        let (setup, came) = silent().await;
        let busy_world = setup.start().await;
        let busy = busy_world.send(&ask("GET", "/")).await;
        came.notified().await;
        world.worker.drain.raise();
        busy_world.worker.drain.raise();
        assert!(end_of(&mut idle).await.is_empty());
        world.worker.until_idle().await;
        assert_eq!(busy_world.worker.connections(), 1, "its stream goes on");
        busy_world.worker.abort.raise();
        busy_world.worker.until_idle().await;
        drop(busy);
        assert_eq!(world.finish().await.len(), 1);
        assert_eq!(busy_world.finish().await.len(), 1);
    });
}

#[test]
fn an_abort_ends_streams_that_wait_for_filters() {
    local(async {
        let log = Log::default();
        let came = Rc::new(tokio::sync::Notify::new());
        let comes = Rc::clone(&came);
        let waiting = Fake::new(&log, "a").answering(move |_, _, _| {
            comes.notify_one();
            never()
        });
        let setup = Setup { listener_filters: vec![waiting], ..Setup::default() };
        let world = setup.start().await;
        let mut client = world.send(KEEP_ALIVE).await;
        came.notified().await;
        world.worker.abort.raise();
        assert!(end_of(&mut client).await.is_empty());
        assert_eq!(line(world).await.1, None);
        assert!(log.take().contains(&"a done".to_owned()), "the filter is told");
    });
}

#[test]
fn silence_and_a_slow_head_are_given_up() {
    let wait = |sent: &'static str, expect: u64| {
        local(async {
            let limits = Limits {
                idle_timeout: Duration::from_secs(7),
                header_timeout: Duration::from_secs(3),
                ..Limits::default()
            };
            let world = Setup { limits, ..Setup::default() }.start().await;
            let start = Instant::now();
            let mut client = world.send(sent).await;
            if sent == KEEP_ALIVE {
                direct(&mut client).await;
            }
            pause();
            let rest = end_of(&mut client).await;
            // The machine may have been slow before the clock was paused.
            let took = start.elapsed().as_secs();
            assert!((expect..expect + 3).contains(&took), "{took} {sent:?}: {rest:?}");
            world.finish().await.len()
        })
    };
    assert_eq!(wait("", 7), 0, "nobody said a word");
    assert_eq!(wait("PRI * HT", 3), 0);
    assert_eq!(wait("GET / HTTP/1.1\r\nhost:", 3), 0);
    assert_eq!(wait(KEEP_ALIVE, 7), 1);
}
