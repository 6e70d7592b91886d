//! Bytes move both ways between a client and what is spoken behind the filters.

mod lifecycles;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use host_extension::{Connection, PluginFault, Signal, Step, Verdict};
use host_telemetry::{Clock, Metrics};
use host_types::ReplyReason;
use host_upstream::Clusters;
use tokio::{
    io::{DuplexStream, ReadBuf, duplex},
    time::{Instant, pause},
};

use super::*;
use crate::{
    network::pipe::{self, FilteredIo},
    testing::{Log, NetworkFake, connection, in_hand, later, local},
};

use Flow::{Downstream, Upstream};

const STALL: Duration = Duration::from_secs(5);

/// A client, what is spoken, and a pump between them.
struct Bench<C> {
    client: C,
    service: FilteredIo,
    connection: Rc<Connection>,
    worker: Rc<Worker>,
    moved: tokio::task::JoinHandle<Moved>,
}

fn bench(fakes: &[NetworkFake]) -> Bench<DuplexStream> {
    let (client, socket) = duplex(1024);
    let Bench { service, connection, worker, moved, .. } = bench_with(socket, fakes);
    Bench { client, service, connection, worker, moved }
}

/// Without a hold on the client.
fn bench_with<C>(socket: C, fakes: &[NetworkFake]) -> Bench<()>
where
    C: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let entries: Vec<_> = fakes.iter().map(NetworkFake::entry).collect();
    let connection = connection();
    let chain = NetworkChain::new(&entries, &connection, Clock::new(), STALL);
    let clusters = Clusters::new(Metrics::new().worker(0));
    let worker = Rc::new(Worker::new(0, clusters, None, Clock::new()));
    let (service, far) = pipe::pair();
    let aborts = Rc::clone(&worker);
    let moved = tokio::task::spawn_local(async move {
        // Those that see the beginning are told of the end.
        let _closed = chain.open().await.is_err();
        let pump = Pump { chain: &chain, worker: &aborts, stall: STALL };
        pump.run(socket, far).await
    });
    Bench { client: (), service, connection, worker, moved }
}

async fn read<R: AsyncRead + Unpin>(io: &mut R, count: usize) -> String {
    let mut bytes = vec![0; count];
    io.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn rest<R: AsyncRead + Unpin>(io: &mut R) -> (String, bool) {
    let mut bytes = Vec::new();
    let ended = io.read_to_end(&mut bytes).await.is_ok();
    (String::from_utf8(bytes).unwrap(), ended)
}

#[test]
fn each_side_hears_the_other_and_its_end() {
    local(async {
        let log = Log::default();
        let mut bench = bench(&[NetworkFake::new(&log, "a")]);
        bench.client.write_all(b"question").await.unwrap();
        assert_eq!(read(&mut bench.service, 8).await, "question");
        bench.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut bench.service).await, (String::new(), true));
        bench.service.write_all(b"answer").await.unwrap();
        assert_eq!(read(&mut bench.client, 6).await, "answer");
        bench.service.shutdown().await.unwrap();
        assert_eq!(rest(&mut bench.client).await, (String::new(), true));
        let moved = bench.moved.await.unwrap();
        assert_eq!((moved.sent, moved.client_closed, moved.service_ended), (6, true, true));
        assert_eq!(log.take(), ["a new", "a>question", "a>.", "a<answer", "a<."]);
    });
}

#[test]
fn a_service_that_speaks_first_and_ends_first_still_hears_the_client() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        bench.service.write_all(b"bye").await.unwrap();
        bench.service.shutdown().await.unwrap();
        assert_eq!(rest(&mut bench.client).await, ("bye".to_owned(), true));
        bench.client.write_all(b"thanks").await.unwrap();
        bench.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut bench.service).await, ("thanks".to_owned(), true));
        assert!(bench.moved.await.unwrap().client_closed);
    });
}

#[test]
fn the_client_is_not_read_before_it_is_asked_for() {
    local(async {
        let log = Log::default();
        let mut bench = bench(&[NetworkFake::new(&log, "a")]);
        bench.client.write_all(b"early").await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*log.borrow(), ["a new"]);
        assert_eq!(read(&mut bench.service, 5).await, "early");
    });
}

#[test]
fn a_service_that_goes_away_ends_the_connection_behind_its_last_bytes() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        assert!(bench.service.read_u8().now_or_never().is_none());
        bench.service.write_all(b"last").await.unwrap();
        drop(bench.service);
        assert_eq!(rest(&mut bench.client).await, ("last".to_owned(), true));
        let moved = bench.moved.await.unwrap();
        assert_eq!((moved.client_closed, moved.service_ended), (false, false));
    });
}

#[test]
fn last_bytes_that_nobody_takes_are_given_up() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        bench.service.write_all(&[b'x'; 5000]).await.unwrap();
        drop(bench.service);
        pause();
        let start = Instant::now();
        bench.moved.await.unwrap();
        assert!(start.elapsed() >= STALL);
        assert_eq!(rest(&mut bench.client).await.0.len(), 1024, "as much as fits");
    });
}

#[test]
fn a_client_that_still_reads_gets_all_of_the_last_bytes() {
    for closed in [false, true] {
        local(async {
            let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
            bench.service.write_all(&[b'x'; 5000]).await.unwrap();
            while bench.connection.upstream.bytes_seen.get() < 5000 {
                tokio::task::yield_now().await;
            }
            if closed {
                bench.connection.close(ReplyReason::Plugin("b".into()));
            } else {
                drop(bench.service);
            }
            pause();
            for _ in 0..4 {
                tokio::time::advance(STALL - Duration::from_secs(1)).await;
                read(&mut bench.client, 1000).await;
            }
            assert_eq!(rest(&mut bench.client).await.0.len(), 1000);
            drop(bench.client);
            assert_eq!(bench.moved.await.unwrap().sent, 5000);
        });
    }
}

#[test]
fn a_service_that_takes_nothing_does_not_keep_a_closed_connection() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        assert!(bench.service.read_u8().now_or_never().is_none());
        // More than fits on the way.
        for _ in 0..35 {
            assert!(bench.client.write_all(&[b'x'; 512]).await.is_ok());
            tokio::task::yield_now().await;
        }
        pause();
        let start = Instant::now();
        bench.connection.close(ReplyReason::Plugin("b".into()));
        bench.moved.await.unwrap();
        assert!(start.elapsed() < STALL);
        assert!(bench.client.write_u8(b'x').await.is_err(), "it is gone");
    });
}

/// A socket that fails once it was looked at.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_client_that_breaks_off_is_an_error_for_the_service() {
    for writes in [false, true] {
        local(async {
            let mut bench = bench_with(Broken, &[NetworkFake::new(&Log::default(), "a")]);
            if writes {
                bench.service.write_all(b"x").await.unwrap();
            } else {
                assert!(bench.service.read_u8().now_or_never().is_none());
            }
            let moved = bench.moved.await.unwrap();
            assert_eq!((moved.client_closed, moved.sent), (true, 0));
            assert_eq!(rest(&mut bench.service).await, (String::new(), false));
        });
    }
}

#[test]
fn a_closing_filter_lets_go_what_was_let_go_before() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").on_data(|connection, flow, _| {
            if in_hand(connection, flow).contains("bad") {
                return Verdict::Reset.into();
            }
            Step::CONTINUE
        });
        let mut bench = bench(&[fake]);
        bench.client.write_all(b"good").await.unwrap();
        assert_eq!(read(&mut bench.service, 4).await, "good");
        bench.service.write_all(b"welcome").await.unwrap();
        assert_eq!(read(&mut bench.client, 7).await, "welcome");
        bench.client.write_all(b"bad").await.unwrap();
        assert_eq!(rest(&mut bench.client).await, (String::new(), true));
        assert_eq!(rest(&mut bench.service).await, (String::new(), false), "it is broken off");
        drop(bench.client);
        let moved = bench.moved.await.unwrap();
        assert!(!moved.client_closed);
        assert_eq!(bench.connection.close_reason(), Some(ReplyReason::Plugin("a".into())));
    });
}

#[test]
fn a_close_from_beside_sends_what_is_on_its_way() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        // More than the client's side takes at once.
        let long = vec![b'x'; 4000];
        bench.service.write_all(&long).await.unwrap();
        while bench.connection.upstream.bytes_seen.get() < 4000 {
            tokio::task::yield_now().await;
        }
        bench.connection.close(ReplyReason::Plugin("b".into()));
        tokio::task::yield_now().await;
        let (text, ended) = rest(&mut bench.client).await;
        assert_eq!((text.len(), ended), (4000, true));
        drop(bench.client);
        assert_eq!(bench.moved.await.unwrap().sent, 4000);
    });
}

#[test]
fn a_closed_client_has_only_so_long_to_end_its_side() {
    local(async {
        let mut bench = bench(&[NetworkFake::new(&Log::default(), "a")]);
        pause();
        let start = Instant::now();
        bench.connection.close(ReplyReason::Plugin("b".into()));
        assert_eq!(rest(&mut bench.client).await, (String::new(), true));
        bench.moved.await.unwrap();
        assert!((LINGER..STALL).contains(&start.elapsed()));
    });
}

#[test]
fn an_abort_ends_it_at_once() {
    local(async {
        let log = Log::default();
        let fake = NetworkFake::new(&log, "a").on_data(|_, _, _| crate::testing::never());
        let mut bench = bench(&[fake]);
        bench.client.write_all(b"x").await.unwrap();
        assert!(bench.service.read_u8().now_or_never().is_none());
        while log.borrow().len() < 2 {
            tokio::task::yield_now().await;
        }
        bench.worker.abort.raise();
        assert!(!bench.moved.await.unwrap().client_closed);
        assert_eq!(rest(&mut bench.service).await, (String::new(), false));
    });
}

#[test]
fn while_one_direction_waits_the_other_one_goes_on() {
    local(async {
        let log = Log::default();
        let signal = Rc::<Signal>::default();
        let resumes = Rc::clone(&signal);
        let fake = NetworkFake::new(&log, "a").on_data(move |_, flow, _| match flow {
            Downstream => {
                let signal = Rc::clone(&resumes);
                Step::Later(Box::pin(async move {
                    signal.wait().await;
                    Verdict::Continue
                }))
            }
            Upstream => Step::CONTINUE,
        });
        let mut bench = bench(&[fake]);
        bench.client.write_all(b"held").await.unwrap();
        for _ in 0..3 {
            bench.service.write_all(b"go").await.unwrap();
            assert!(bench.service.read_u8().now_or_never().is_none());
            assert_eq!(read(&mut bench.client, 2).await, "go");
        }
        signal.raise();
        assert_eq!(read(&mut bench.service, 4).await, "held");
    });
}

#[test]
fn a_hold_is_resumed_and_a_lost_filter_lets_go_though_nothing_more_comes() {
    for fails in [false, true] {
        local(async {
            let log = Log::default();
            let fake = NetworkFake::new(&log, "a").open().on_data(move |_, flow, _| match flow {
                Downstream if fails => Verdict::Hold.into(),
                Downstream => Step::HoldUntil(Box::pin(async {
                    tokio::task::yield_now().await;
                    Verdict::Continue
                })),
                Upstream if fails => {
                    let fault = PluginFault::new(host_extension::FaultKind::Trapped, "it trapped");
                    later(Verdict::Failed(fault))
                }
                Upstream => Step::CONTINUE,
            });
            let mut bench = bench(&[fake]);
            bench.client.write_all(b"held").await.unwrap();
            assert!(bench.service.read_u8().now_or_never().is_none());
            while log.borrow().len() < 2 {
                tokio::task::yield_now().await;
            }
            bench.service.write_all(b"x").await.unwrap();
            assert_eq!(read(&mut bench.service, 4).await, "held");
            assert_eq!(read(&mut bench.client, 1).await, "x");
        });
    }
}

#[test]
fn a_filter_that_fails_at_the_end_of_the_upstream_is_judged_while_the_client_goes_on() {
    let fault = || PluginFault::new(host_extension::FaultKind::Trapped, "it trapped");
    for open in [false, true] {
        local(async {
            let log = Log::default();
            let fake = NetworkFake::new(&log, "a").failing_at_end(fault());
            let fake = fake.on_data(|_, flow, _| match flow {
                Downstream => Verdict::Hold.into(),
                Upstream => Step::CONTINUE,
            });
            let fake = if open { fake.open() } else { fake };
            let mut bench = bench(&[fake]);
            bench.connection.upstream_address.set(Some(([192, 0, 2, 3], 80).into()));
            bench.client.write_all(b"held").await.unwrap();
            assert!(bench.service.read_u8().now_or_never().is_none());
            while !log.borrow().contains(&"a>held".to_owned()) {
                tokio::task::yield_now().await;
            }
            bench.service.shutdown().await.unwrap();
            assert_eq!(rest(&mut bench.client).await, (String::new(), true));
            if open {
                assert_eq!(read(&mut bench.service, 4).await, "held", "it goes on without more");
                assert_eq!(bench.connection.close_reason(), None);
            } else {
                // The other end may be gone already.
                let _gone = bench.client.write_all(b"late").await;
                assert_eq!(rest(&mut bench.service).await, (String::new(), false));
                let failed = ReplyReason::PluginFailed("a".into());
                assert_eq!(bench.connection.close_reason(), Some(failed));
            }
        });
    }
}

#[test]
fn many_bytes_pass_both_ways_at_once_and_a_slow_reader_slows_the_writer() {
    local(async {
        const LENGTH: usize = 3_000_000;
        let shout = |text: &str| text.to_uppercase();
        let fakes = [
            NetworkFake::new(&Log::default(), "a").rewriting(Downstream, shout),
            NetworkFake::new(&Log::default(), "b").phases(host_extension::Phases::CLOSE),
        ];
        let bench = bench(&fakes);
        let data = "abc".repeat(LENGTH / 3);
        let (mut client_reads, mut client_writes) = tokio::io::split(bench.client);
        let (mut reads, mut writes) = tokio::io::split(bench.service);
        let connection = Rc::clone(&bench.connection);
        // Nobody reads: what is on its way has a bound.
        assert!(reads.read_u8().now_or_never().is_none());
        let mut sending = Box::pin(async {
            client_writes.write_all(data.as_bytes()).await.unwrap();
            client_writes.shutdown().await.unwrap();
        });
        for _ in 0..200 {
            assert!((&mut sending).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        assert!(connection.downstream.bytes_seen.get() <= 64 * 1024);
        let back = async {
            writes.write_all(data.as_bytes()).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        let all = tokio::join!(sending, back, rest(&mut reads), rest(&mut client_reads));
        let ((), (), (down, _), (up, _)) = all;
        assert!(down == data.to_uppercase() && up == data);
        bench.moved.await.unwrap();
        bench.connection.close(ReplyReason::Internal);
    });
}
