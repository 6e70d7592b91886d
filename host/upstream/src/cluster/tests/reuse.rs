use std::{cell::Cell, io::Write as _, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, Response as HttpResponse};
use http_body_util::BodyExt as _;
use tokio::{io::AsyncReadExt as _, sync::oneshot};

use crate::{
    Body, PoolLimits,
    testing::{bench, echo_path, get, http1_server, plan, read_head, server, worker, write},
};

#[test]
fn requests_in_turn_share_a_connection() {
    worker(async {
        let server = http1_server(echo_path).await;
        let bench = bench(plan(&[server.address]));
        for path in ["/a", "/b", "/c"] {
            assert_eq!(bench.fetch(path).await.unwrap(), path);
        }
        assert_eq!(server.connections.get(), 1);
        assert_eq!(bench.metrics.connects_total.value(), 1);
        assert_eq!(bench.metrics.reused_total.value(), 2);
        assert_eq!(bench.metrics.requests_total.value(), 3);
        assert_eq!(bench.metrics.requests_active.value(), 0);
        assert_eq!(bench.metrics.connections_active.value(), 1);
    });
}

#[test]
fn a_response_without_a_body_frees_its_connection() {
    worker(async {
        let server = http1_server(|_| async { HttpResponse::new(Body::Empty) }).await;
        let bench = bench(plan(&[server.address]));
        for _ in 0..3 {
            let request = Request::head("/").body(Body::Empty).unwrap();
            assert_eq!(bench.send(request).await.unwrap().message.status(), 200);
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn giving_a_body_up_closes_the_connection() {
    worker(async {
        let (gone, is_gone) = oneshot::channel();
        let gone = Rc::new(Cell::new(Some(gone)));
        let server = server(move |mut stream, _| {
            let gone = Rc::clone(&gone);
            async move {
                read_head(&mut stream).await;
                write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nabc").await;
                // Ends when the proxy closes.
                while stream.read_u8().await.is_ok() {}
                assert!(gone.take().is_none_or(|gone| gone.send(()).is_ok()));
            }
        })
        .await;
        let bench = bench(plan(&[server.address]));
        let response = bench.send(get("/")).await.unwrap();
        drop(response);
        is_gone.await.unwrap();
        assert_eq!(bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn the_body_may_be_read_while_the_lease_is_gone() {
    worker(async {
        let server = http1_server(echo_path).await;
        let bench = bench(plan(&[server.address]));
        let response = bench.send(get("/late")).await.unwrap();
        drop(response.lease);
        let body = response.message.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "/late");
        assert_eq!(bench.fetch("/next").await.unwrap(), "/next");
        assert_eq!(server.connections.get(), 1);
    });
}

/// Waits until the kernel of the other side knows that nothing more comes: until then, this end's
/// state is `FIN_WAIT1` (proc(5), `/proc/net/tcp`). On a busy machine that takes a moment.
fn until_its_peer_knows(stream: &std::net::TcpStream) {
    let end = |address: std::net::SocketAddr| format!("0100007F:{:04X}", address.port());
    let (local, peer) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let line = format!("{} {} 04 ", end(local), end(peer));
    while std::fs::read_to_string("/proc/self/net/tcp").unwrap().contains(&line) {
        std::thread::yield_now();
    }
}

/// A server on its own thread, so that this thread can wait for it without letting the
/// connection's task notice anything: it closes its first connection after one answer.
fn closing_server() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut byte = [0];
            while !got.ends_with(b"\r\n\r\n") && !got.ends_with(b"\r\n\r\nbody") {
                std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
                got.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            until_its_peer_knows(&stream);
            drop(stream);
            tell.send(vec![String::from_utf8(got).unwrap()]).unwrap();
        }
    });
    (address, told)
}

#[test]
fn a_request_survives_a_kept_connection_that_was_dead() {
    worker(async {
        let (address, told) = closing_server();
        let bench = bench(plan(&[address]));
        assert_eq!(bench.fetch("/first").await.unwrap(), "ok");
        // Blocks the worker: the connection's task cannot see the end before the request.
        told.recv().unwrap();
        let request = Request::post("/second").body(Body::full(Bytes::from("body"))).unwrap();
        let response = bench.send(request).await.unwrap();
        assert_eq!(response.message.status(), 200);
        let got = told.recv().unwrap().join("");
        assert!(got.starts_with("POST /second HTTP/1.1\r\n"), "{got}");
        assert_eq!(bench.metrics.connects_total.value(), 2);
        assert_eq!(bench.metrics.resets_total.value(), 0);
    });
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    worker(async {
        let (gone, is_gone) = oneshot::channel();
        let gone = Rc::new(Cell::new(Some(gone)));
        let server = server(move |mut stream, _| {
            let gone = Rc::clone(&gone);
            async move {
                read_head(&mut stream).await;
                write(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
                drop(stream.read_u8().await);
                assert!(gone.take().is_none_or(|gone| gone.send(()).is_ok()));
            }
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = Duration::from_millis(40);
        let bench = bench(plan);
        bench.fetch("/").await.unwrap();
        assert_eq!(bench.cluster.pool().idle_count(), 1);
        is_gone.await.unwrap();
        assert_eq!(bench.cluster.pool().idle_count(), 0);
        // The task that closes idle connections starts again.
        assert_eq!(bench.fetch("/").await.unwrap(), "");
    });
}

#[test]
fn no_more_than_the_allowed_are_kept() {
    worker(async {
        let server = http1_server(echo_path).await;
        let mut plan = plan(&[server.address]);
        plan.pool = PoolLimits { idle_max: 2, ..plan.pool };
        let bench = bench(plan);
        let (a, b, c, d) = tokio::join!(
            bench.fetch("/a"),
            bench.fetch("/b"),
            bench.fetch("/c"),
            bench.fetch("/d")
        );
        for result in [a, b, c, d] {
            result.unwrap();
        }
        assert!(bench.cluster.pool().idle_count() <= 2);
    });
}

#[test]
fn a_drained_cluster_keeps_nothing_and_still_answers() {
    worker(async {
        let server = http1_server(echo_path).await;
        let bench = bench(plan(&[server.address]));
        bench.fetch("/").await.unwrap();
        let running = bench.send(get("/running")).await.unwrap();
        bench.clusters.drain();
        assert_eq!(bench.cluster.pool().idle_count(), 0);
        let body = running.message.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "/running");
        drop(running.lease);
        assert_eq!(bench.fetch("/new").await.unwrap(), "/new");
        assert_eq!(bench.cluster.pool().idle_count(), 0);
    });
}

#[test]
fn a_runtime_that_stops_in_the_middle_is_no_trouble() {
    let kept = worker(async {
        let server = http1_server(echo_path).await;
        let bench = Rc::new(bench(plan(&[server.address])));
        bench.fetch("/").await.unwrap();
        let response = bench.send(get("/")).await.unwrap();
        let other = Rc::clone(&bench);
        tokio::task::spawn_local(async move {
            let _response = response;
            drop(other.fetch("/").await);
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        bench
    });
    drop(kept);
}
