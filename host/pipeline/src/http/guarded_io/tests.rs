//! The guard by itself, over a pipe and a paused clock; and what hyper makes of it, over a
//! real socket.

#![expect(clippy::excessive_nesting, reason = "a case is a loop in a runtime in a loop")]

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{advance, timeout},
};

use super::*;
use crate::testing::{Setup, ask, field, local};

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

struct Bench {
    client: DuplexStream,
    io: GuardedIo<DuplexStream>,
    open_streams: Arc<AtomicUsize>,
}

fn bench() -> Bench {
    let (client, server) = duplex(64 * 1024);
    let limits = Limits { header_timeout: HEADER, idle_timeout: IDLE, ..Limits::default() };
    let open_streams = Arc::new(AtomicUsize::new(0));
    let scanner = Some(FramingScanner::new(1024));
    let io = GuardedIo::new(server, scanner, &limits, Arc::clone(&open_streams));
    Bench { client, io, open_streams }
}

impl Bench {
    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    async fn read(&mut self) -> io::Result<String> {
        let mut buffer = [0; 4096];
        let read = self.io.read(&mut buffer).await?;
        Ok(String::from_utf8(buffer[..read].to_vec()).unwrap())
    }

    /// How long it waits before it gives the peer up.
    async fn patience(&mut self) -> Option<Duration> {
        let start = Instant::now();
        let read = timeout(10 * IDLE, self.read()).await.ok()?;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        Some(start.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn each_position_has_its_clock() {
    let mut bench = bench();
    assert_eq!(bench.patience().await, Some(IDLE), "nothing came");
    let mut bench = self::bench();
    bench.send("GET / HTTP/1.1\r\n").await;
    bench.read().await.unwrap();
    assert_eq!(bench.patience().await, Some(HEADER), "in a head");
    let mut bench = self::bench();
    bench.send("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhe").await;
    bench.read().await.unwrap();
    assert_eq!(bench.patience().await, None, "in a body");
    bench.send("llo").await;
    bench.read().await.unwrap();
    assert_eq!(bench.patience().await, Some(IDLE), "behind it");
}

#[tokio::test(start_paused = true)]
async fn drips_do_not_wind_the_header_clock_back() {
    let mut bench = bench();
    let start = Instant::now();
    let ended = loop {
        bench.send("x").await;
        bench.read().await.unwrap();
        let step = timeout(Duration::from_secs(1), bench.read()).await;
        if let Ok(ended) = step {
            break ended;
        }
    };
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn the_next_head_has_a_clock_of_its_own() {
    let mut bench = bench();
    bench.send("GET / HTTP/1.1\r\n").await;
    bench.read().await.unwrap();
    assert!(timeout(HEADER / 2, bench.read()).await.is_err(), "half of its time is over");
    // One read ends the first head and begins the second one.
    bench.send("\r\nGET / HT").await;
    bench.read().await.unwrap();
    assert_eq!(bench.patience().await, Some(HEADER));
}

#[tokio::test(start_paused = true)]
async fn the_idle_clock_stands_still_while_a_stream_is_open() {
    let mut bench = bench();
    bench.open_streams.store(1, Ordering::Relaxed);
    assert_eq!(bench.patience().await, None);
    bench.open_streams.store(0, Ordering::Relaxed);
    assert_eq!(bench.patience().await, Some(IDLE));
}

#[tokio::test(start_paused = true)]
async fn empty_lines_between_requests_count_as_bytes() {
    let mut bench = bench();
    advance(IDLE / 2).await;
    bench.send("\r\n").await;
    bench.read().await.unwrap();
    assert_eq!(bench.patience().await, Some(IDLE));
}

#[tokio::test(start_paused = true)]
async fn http2_has_the_idle_clock_only() {
    let (mut client, server) = duplex(64);
    let limits = Limits { idle_timeout: IDLE, ..Limits::default() };
    let mut io = GuardedIo::new(server, None, &limits, Arc::default());
    client.write_all(b"GET / with \n anything").await.unwrap();
    let mut buffer = [0; 64];
    assert_eq!(io.read(&mut buffer).await.unwrap(), 21);
    let start = Instant::now();
    assert_eq!(io.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), IDLE);
}

#[tokio::test]
async fn a_fault_in_a_head_poisons_it_and_ends_the_connection() {
    let mut bench = bench();
    bench.send("GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nx: y\nz: 1\r\n\r\n").await;
    let read = bench.read().await.unwrap();
    assert_eq!(read, "GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\n\0\r\n\r\n");
    assert_eq!(bench.io.refusal().get(), Some(&Refusal::BareLineFeed));
    bench.send("GET /c HTTP/1.1\r\n\r\n").await;
    assert_eq!(bench.read().await.unwrap(), "", "nothing behind it is read");
}

#[tokio::test]
async fn poison_that_finds_no_room_comes_with_the_next_read() {
    let mut bench = bench();
    bench.send("GET / HTTP/1.1\r\nx\n").await;
    let mut read = Vec::new();
    let mut buffer = [0; 18]; // the fault takes the last two bytes of it
    loop {
        match bench.io.read(&mut buffer).await.unwrap() {
            0 => break,
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!(read, b"GET / HTTP/1.1\r\n\0\r\n\r\n");
}

#[tokio::test]
async fn a_fault_in_a_body_is_an_error_behind_what_was_good() {
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    for fault in ["zz\r\n\r\n", "1;a\nb\r\n"] {
        for at_once in [true, false] {
            let mut bench = bench();
            bench.send(head).await;
            if !at_once {
                assert_eq!(bench.read().await.unwrap(), head);
            }
            bench.send(fault).await;
            if at_once {
                assert_eq!(bench.read().await.unwrap(), head);
            }
            for _ in 0..2 {
                assert_eq!(bench.read().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
            }
            assert!(bench.io.refusal().get().is_none(), "its stream says so");
        }
    }
}

#[tokio::test]
async fn what_is_written_goes_through() {
    let mut bench = bench();
    bench.io.write_all(b"hello").await.unwrap();
    bench.io.flush().await.unwrap();
    bench.io.shutdown().await.unwrap();
    let mut answer = String::new();
    bench.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "hello");
}

/// Heads that two parsers could read differently, behind a request that is served.
const AMBIGUOUS: [(&str, &str); 9] = [
    (
        "POST /direct HTTP/1.1\r\nhost: app.test\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "in one head",
    ),
    (
        "POST /direct HTTP/1.1\r\nhost: app.test\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        "repeated",
    ),
    ("POST /direct HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: ,chunked\r\n\r\n", "exactly"),
    (
        "POST /direct HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "exactly",
    ),
    ("GET /direct HTTP/1.1\r\nhost: app.test\r\nhost: app.test\r\n\r\n", "host"),
    ("GET /direct HTTP/1.1\nhost: app.test\n\n", "carriage return"),
    ("GET /direct#x HTTP/1.1\r\nhost: app.test\r\n\r\n", "fragment"),
    ("GET /direct HTTP/1.1\r\nhost: app.test\r\nx: y\nz: a\r\n\r\n", "carriage return"),
    ("POST /direct HTTP/1.1\r\nhost: app.test\r\ncontent-length: 1x\r\n\r\n", "number"),
];

#[test]
fn an_ambiguous_head_is_answered_400_and_closes_the_connection() {
    for (head, why) in AMBIGUOUS {
        for before in [false, true] {
            local(async {
                let world = Setup::default().start().await;
                let good = "GET /direct HTTP/1.1\r\nhost: app.test\r\n\r\n";
                let first = if before { good } else { "" };
                let answer = world.ask(&format!("{first}{head}{}", ask("GET", "/direct"))).await;
                assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{head:?}: {answer:?}");
                let served = answer.matches("HTTP/1.1 200").count();
                assert_eq!(served, usize::from(before), "nothing behind it: {head:?} {answer:?}");
                assert_eq!(world.metrics.malformed_total.value(), 1);
                let lines = world.finish().await;
                let last = lines.last().unwrap();
                assert_eq!(lines.len(), 1 + usize::from(before), "{lines:?}");
                assert_eq!(field(last, "reason"), Some("malformed"));
                assert!(field(last, "details").unwrap().contains(why), "{last}");
            });
        }
    }
}
