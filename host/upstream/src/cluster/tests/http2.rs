use std::{cell::RefCell, convert::Infallible, future::Future, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Request, Response as HttpResponse};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, Semaphore};

use crate::{
    Body, BodyError, ClusterPlan, UpstreamError, UpstreamProtocol,
    testing::{Server, bench, echo_path, get, plan, server, worker},
};

#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

pub(super) async fn http2_server<F>(answer: impl Fn(Request<Incoming>) -> F + 'static) -> Server
where
    F: Future<Output = HttpResponse<Body>> + 'static,
{
    stoppable_server(answer, Rc::new(Notify::new()), 200).await
}

/// Every notification sends GOAWAY on all connections that are open.
async fn stoppable_server<F>(
    answer: impl Fn(Request<Incoming>) -> F + 'static,
    stop: Rc<Notify>,
    streams_max: u32,
) -> Server
where
    F: Future<Output = HttpResponse<Body>> + 'static,
{
    let answer = Rc::new(answer);
    server(move |stream, _| {
        let answer = Rc::clone(&answer);
        let stop = Rc::clone(&stop);
        async move {
            let service = service_fn(move |request| {
                let answer = Rc::clone(&answer);
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            let mut connection = pin!(
                hyper::server::conn::http2::Builder::new(Local)
                    .max_concurrent_streams(streams_max)
                    .serve_connection(TokioIo::new(stream), service)
            );
            tokio::select! {
                done = connection.as_mut() => drop(done),
                () = stop.notified() => {
                    connection.as_mut().graceful_shutdown();
                    drop(connection.await);
                }
            }
        }
    })
    .await
}

fn http2(server: &Server) -> ClusterPlan {
    ClusterPlan { protocol: UpstreamProtocol::Http2, ..plan(&[server.address]) }
}

#[test]
fn a_burst_shares_one_connection() {
    worker(async {
        let server = http2_server(echo_path).await;
        let bench = bench(http2(&server));
        for result in join_all((0..60).map(|_| bench.fetch("/x"))).await {
            assert_eq!(result.unwrap(), "/x");
        }
        assert_eq!(server.connections.get(), 1);
        assert_eq!(bench.metrics.connects_total.value(), 1);
        assert_eq!(bench.metrics.requests_active.value(), 0);
    });
}

#[test]
fn past_the_streams_of_one_connection_another_is_opened_up_to_the_limit() {
    worker(async {
        let gate = Rc::new(Semaphore::new(0));
        let inside = Rc::new(Notify::new());
        let (wait, enter) = (Rc::clone(&gate), Rc::clone(&inside));
        let server = http2_server(move |request| {
            let (wait, enter) = (Rc::clone(&wait), Rc::clone(&enter));
            async move {
                enter.notify_one();
                wait.acquire().await.unwrap().forget();
                echo_path(request).await
            }
        })
        .await;
        let mut plan = http2(&server);
        plan.pool.streams_per_connection_max = 10;
        plan.pool.connections_max = 3;
        let bench = bench(plan);
        let all = join_all((0..40).map(|_| bench.fetch("/x")));
        let watch = async {
            // Three connections of ten streams; ten requests wait.
            while bench.cluster.pool().waiting_count() != 10 || server.connections.get() != 3 {
                inside.notified().await;
            }
            gate.add_permits(40);
        };
        let (results, ()) = tokio::join!(all, watch);
        assert!(results.into_iter().all(|result| result.is_ok()));
        assert_eq!(server.connections.get(), 3);
    });
}

#[test]
fn what_the_upstream_allows_is_kept() {
    worker(async {
        let server = stoppable_server(echo_path, Rc::new(Notify::new()), 2).await;
        let bench = bench(http2(&server));
        bench.fetch("/first").await.unwrap();
        let results = join_all((0..12).map(|_| bench.fetch("/x"))).await;
        assert!(results.into_iter().all(|result| result.is_ok()));
    });
}

#[test]
fn after_goaway_running_streams_finish_and_new_ones_get_a_new_connection() {
    worker(async {
        let stop = Rc::new(Notify::new());
        let gate = Rc::new(Notify::new());
        let (inside, is_inside) = tokio::sync::oneshot::channel();
        let inside = Rc::new(RefCell::new(Some(inside)));
        let wait = Rc::clone(&gate);
        let answer = move |request: Request<Incoming>| {
            let (wait, inside) = (Rc::clone(&wait), Rc::clone(&inside));
            async move {
                if request.uri().path() == "/slow" {
                    assert!(inside.take().is_none_or(|inside| inside.send(()).is_ok()));
                    wait.notified().await;
                }
                echo_path(request).await
            }
        };
        let server = stoppable_server(answer, Rc::clone(&stop), 100).await;
        let bench = Rc::new(bench(http2(&server)));
        let other = Rc::clone(&bench);
        let slow = tokio::task::spawn_local(async move { other.fetch("/slow").await });
        is_inside.await.unwrap();
        stop.notify_waiters();
        // Until GOAWAY arrives the old connection still takes streams.
        while server.connections.get() < 2 {
            assert_eq!(bench.fetch("/new").await.unwrap(), "/new");
        }
        gate.notify_one();
        assert_eq!(slow.await.unwrap().unwrap(), "/slow");
        assert_eq!(bench.metrics.resets_total.value(), 0);
    });
}

#[test]
fn a_dead_connection_is_replaced() {
    worker(async {
        let kill = Rc::new(Notify::new());
        let cut = Rc::clone(&kill);
        let server = server(move |stream, _| {
            let cut = Rc::clone(&cut);
            async move {
                let service =
                    service_fn(|request| async { Ok::<_, Infallible>(echo_path(request).await) });
                let connection = hyper::server::conn::http2::Builder::new(Local)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    done = connection => drop(done),
                    () = cut.notified() => {}
                }
            }
        })
        .await;
        let bench = bench(http2(&server));
        bench.fetch("/a").await.unwrap();
        kill.notify_waiters();
        while bench.metrics.connections_active.value() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.cluster.pool().shared_count(), 0);
        assert_eq!(bench.fetch("/b").await.unwrap(), "/b");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_stream_that_is_reset_mid_body_is_an_error_to_its_reader() {
    worker(async {
        let kill = Rc::new(Notify::new());
        let killed = Rc::clone(&kill);
        let server = http2_server(move |_| {
            let killed = Rc::clone(&killed);
            async move {
                let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"part")))]);
                let broken = stream::once(async move {
                    killed.notified().await;
                    Err(BodyError::Stopped("killed"))
                });
                HttpResponse::new(Body::stream(first.chain(broken)))
            }
        })
        .await;
        let bench = bench(http2(&server));
        let response = bench.send(get("/")).await.unwrap();
        let mut body = Body::from(response.message.into_body());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
        kill.notify_one();
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(matches!(error, BodyError::Broken(_)), "{error:?}");
    });
}

#[test]
fn trailers_and_the_authority_pass() {
    worker(async {
        let server = http2_server(|request| async move {
            assert_eq!(request.uri().authority().unwrap(), "app.test");
            assert!(!request.headers().contains_key("host"));
            let collected = request.into_body().collect().await.unwrap();
            let trailers = collected.trailers().unwrap().clone();
            HttpResponse::new(Body::stream(stream::iter([Ok(Frame::trailers(trailers))])))
        })
        .await;
        let bench = bench(http2(&server));
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [Ok(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailers))];
        let request = Request::post("/service/method")
            .header("host", "app.test")
            .body(Body::stream(stream::iter(frames)))
            .unwrap();
        let response = bench.send(request).await.unwrap();
        let collected = response.message.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    });
}

#[test]
fn idle_connections_are_closed_in_time() {
    worker(async {
        let server = http2_server(echo_path).await;
        let mut plan = http2(&server);
        plan.pool.idle_timeout = Duration::from_millis(40);
        let bench = bench(plan);
        bench.fetch("/").await.unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while bench.metrics.connections_active.value() > 0 {
            ticks.tick().await;
        }
        assert_eq!(bench.fetch("/x").await.unwrap(), "/x");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn an_upstream_that_speaks_something_else_is_an_error() {
    worker(async {
        let server = server(|mut stream, _| async move {
            crate::testing::write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
        })
        .await;
        let bench = bench(http2(&server));
        let error = bench.fetch("/").await.unwrap_err();
        assert!(
            matches!(error, UpstreamError::Reset { .. } | UpstreamError::ConnectFailed { .. }),
            "{error:?}"
        );
        assert_eq!(bench.metrics.requests_active.value(), 0);
    });
}
