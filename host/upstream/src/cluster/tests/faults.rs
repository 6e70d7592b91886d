use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use host_types::ReplyReason;
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;

use crate::{
    Body, BodyError, UpstreamError,
    testing::{LONG, bench, get, plan, read_head, server, worker, write},
};

/// What a request gets from a server that answers `answer` and closes.
async fn answered(answer: &'static str) -> Result<crate::Response, UpstreamError> {
    let server = server(move |mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, answer).await;
    })
    .await;
    bench(plan(&[server.address])).send(get("/")).await
}

#[test]
fn a_connection_that_breaks_before_the_response_is_a_reset_and_not_tried_again() {
    worker(async {
        let server = server(|mut stream, _| async move {
            read_head(&mut stream).await;
        })
        .await;
        let bench = bench(plan(&[server.address]));
        let error = bench.send(get("/")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Reset { .. }), "{error:?}");
        assert_eq!(error.reason(), ReplyReason::UpstreamFailed);
        assert!(!error.nothing_sent());
        assert_eq!(server.connections.get(), 1);
        assert_eq!(bench.metrics.resets_total.value(), 1);
        assert_eq!(bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn garbage_is_a_protocol_error_and_names_the_cluster() {
    worker(async {
        let many: String = (0..200).map(|at| format!("x-{at}: y\r\n")).collect();
        let many: &'static str = format!("HTTP/1.1 200 OK\r\n{many}\r\n").leak();
        let long: &'static str =
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(20_000)).leak();
        for answer in ["SSH-2.0-OpenSSH_9\r\n\r\n", many, long] {
            let error = answered(answer).await.unwrap_err();
            assert!(matches!(error, UpstreamError::Protocol { .. }), "{error:?}");
            assert!(error.to_string().contains("`app`"), "{error}");
        }
    });
}

#[test]
fn interim_responses_end_here() {
    worker(async {
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
                      HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(answered(answer).await.unwrap().message.status(), 204);
    });
}

#[test]
fn a_body_that_breaks_off_is_an_error_to_its_reader() {
    worker(async {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let counted = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
        for answer in [chunked, counted] {
            let response = answered(answer).await.unwrap();
            let mut body = Body::from(response.message.into_body());
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "hello");
            let error = body.frame().await.unwrap().unwrap_err();
            assert!(matches!(error, BodyError::Broken(_)), "{error:?}");
        }
    });
}

#[test]
fn a_request_body_that_fails_is_not_the_upstreams_fault() {
    worker(async {
        let server =
            server(|mut stream, _| async move { while stream.read_u8().await.is_ok() {} }).await;
        let bench = bench(plan(&[server.address]));
        let frames = stream::iter(vec![
            Ok(Frame::data(Bytes::from_static(b"part"))),
            Err(BodyError::Stopped("the client went away")),
        ]);
        let request = Request::post("/").body(Body::stream(frames)).unwrap();
        let error = bench.send(request).await.unwrap_err();
        assert!(matches!(error, UpstreamError::RequestBody { .. }), "{error:?}");
        assert_eq!(error.reason(), ReplyReason::ClientGone);
    });
}

#[test]
fn a_refused_connection_is_named() {
    worker(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let bench = bench(plan(&[address]));
        let mut chosen = None;
        let error = bench.cluster.send(get("/"), &mut chosen).await.unwrap_err();
        assert!(matches!(error, UpstreamError::ConnectFailed { .. }), "{error:?}");
        assert!(error.nothing_sent());
        assert_eq!(chosen, Some(address));
        assert_eq!(bench.metrics.connect_failures_total.value(), 1);
        assert_eq!(bench.metrics.requests_active.value(), 0);
        assert_eq!(bench.cluster.pool().open_count(), 0);
    });
}

#[test]
fn a_slow_reader_makes_the_upstream_wait() {
    worker(async {
        let written = Rc::new(Cell::new(0_usize));
        let count = Rc::clone(&written);
        let server = server(move |mut stream, _| {
            let count = Rc::clone(&count);
            async move {
                // Small kernel buffers, so that only ours could hold much.
                let socket = socket_of(&stream);
                socket.set_send_buffer_size(16 * 1024).unwrap();
                read_head(&mut stream).await;
                write(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
                let block = vec![b'x'; 16 * 1024];
                while tokio::io::AsyncWriteExt::write_all(&mut stream, &block).await.is_ok() {
                    count.set(count.get() + block.len());
                }
            }
        })
        .await;
        let bench = bench(plan(&[server.address]));
        let response = bench.send(get("/")).await.unwrap();
        let mut before = usize::MAX;
        let mut ticks = tokio::time::interval(Duration::from_millis(30));
        while before != written.get() {
            before = written.get();
            ticks.tick().await;
        }
        // The kernel's receive buffer takes up to 6 MiB on loopback.
        assert!(written.get() < 8 * 1024 * 1024, "{}", written.get());
        let mut body = response.message.into_body();
        let mut read = 0;
        while read < 2 * before {
            read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
    });
}

fn socket_of(stream: &tokio::net::TcpStream) -> socket2::SockRef<'_> {
    socket2::SockRef::from(stream)
}

#[test]
fn an_early_answer_does_not_keep_the_connection_for_ever() {
    worker(async {
        let server = server(|mut stream, _| async move {
            read_head(&mut stream).await;
            write(&mut stream, "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
            while stream.read_u8().await.is_ok() {}
        })
        .await;
        let mut plan = plan(&[server.address]);
        plan.pool.idle_timeout = Duration::from_millis(40);
        let bench = bench(plan);
        // A body that starts and never ends.
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"part")))]);
        let body = Body::stream(first.chain(stream::pending()));
        let response = bench.send(Request::post("/").body(body).unwrap()).await.unwrap();
        assert_eq!(response.message.status(), 413);
        drop(response);
        tokio::time::timeout(LONG, async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            while bench.cluster.pool().open_count() > 0 {
                ticks.tick().await;
            }
        })
        .await
        .unwrap();
    });
}
