//! Streams of HTTP/2, whose ends are marks on frames.

use futures_util::stream;
use host_upstream::{Body, BodyError, UpstreamProtocol};
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::*;
use crate::testing::http2::{Executor, connect, request};

#[test]
fn http2_ends_its_streams_as_whole() {
    local(async {
        for body in ["", "hello"] {
            let (address, _) = upstream(move |stream| serve_http2(stream, body)).await;
            let setup = Setup { protocol: UpstreamProtocol::Http2, ..Setup::to(address) };
            let world = setup.start().await;
            let answer = world.ask(&ask("GET", "/")).await;
            assert!(answer.contains("200 OK") && answer.contains(body), "{answer}");
            for method in ["GET", "HEAD"] {
                assert_eq!(
                    ask_http2(&world, method).await,
                    if method == "GET" { body } else { "" }
                );
            }
            let lines = world.finish().await;
            assert_eq!(lines.len(), 3);
            for line in lines {
                assert_eq!(field(&line, "reason"), Some("upstream"), "{line}");
            }
        }
    });
}

/// Answers without any length: the end of the stream is all there is.
async fn serve_http2(stream: TcpStream, body: &'static str) {
    let service = service_fn(move |_request| async move {
        let frames: Vec<Result<_, BodyError>> = match body {
            "" => Vec::new(),
            body => vec![Ok(Frame::data(bytes::Bytes::from_static(body.as_bytes())))],
        };
        let body = Body::stream(stream::iter(frames));
        Ok::<_, std::convert::Infallible>(Response::new(body))
    });
    let serving = hyper::server::conn::http2::Builder::new(Executor)
        .serve_connection(TokioIo::new(stream), service);
    drop(serving.await);
}

async fn ask_http2(world: &World, method: &str) -> String {
    let response = connect(world).await.send_request(request(method, "/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn a_stream_that_its_client_resets_is_gone_and_the_others_live() {
    local(async {
        let (setup, came) = silent().await;
        let world = setup.start().await;
        let mut sender = connect(&world).await;
        let waiting = sender.send_request(request("GET", "/"));
        tokio::select! {
            _ = waiting => panic!("nobody answers"),
            () = came.notified() => {} // dropped here, which resets its stream
        }
        let response = sender.send_request(request("GET", "/direct")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        drop((sender, response));
        let lines = world.finish().await;
        let reasons: Vec<_> = lines.iter().filter_map(|line| field(line, "reason")).collect();
        assert_eq!(lines.len(), 2);
        assert!(reasons.contains(&"client_gone") && reasons.contains(&"route"), "{lines:?}");
    });
}

#[test]
fn a_worker_that_ends_ends_all_streams_of_a_connection() {
    local(async {
        let (setup, _) = silent().await;
        let world = setup.start().await;
        let mut sender = connect(&world).await;
        let waiting: Vec<_> =
            (0..5).map(|_| Box::pin(sender.send_request(request("GET", "/")))).collect();
        let mut waiting = futures_util::future::select_all(waiting);
        let all_open = async {
            while world.metrics.streams_active.value() < 5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut waiting => panic!("nobody answers"),
            () = all_open => {}
        }
        world.worker.abort.raise();
        drop((waiting, sender));
        let lines = world.finish().await;
        assert_eq!(lines.len(), 5);
        for line in &lines {
            assert_eq!((field(line, "reason"), field(line, "status")), (Some("drain"), None));
        }
    });
}
