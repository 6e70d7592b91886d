use http::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    Body,
    testing::{bench, plan, read_head, server, worker, write},
};

#[test]
fn after_101_the_connection_is_a_byte_stream_and_keeps_its_place() {
    worker(async {
        let server = server(|mut stream, _| async move {
            let head = read_head(&mut stream).await;
            assert!(head.contains("upgrade: echo\r\n"), "{head}");
            // The first bytes of the new protocol right behind the head.
            let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                          upgrade: echo\r\n\r\nhello";
            write(&mut stream, answer).await;
            let (mut read, mut write) = stream.split();
            drop(tokio::io::copy(&mut read, &mut write).await);
        })
        .await;
        let bench = bench(plan(&[server.address]));
        let request = Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Body::Empty)
            .unwrap();
        let mut response = bench.send(request).await.unwrap();
        assert_eq!(response.message.status(), 101);
        let upgraded = hyper::upgrade::on(&mut response.message).await.unwrap();
        let mut stream = TokioIo::new(upgraded);
        stream.write_all(b" world").await.unwrap();
        let mut got = [0; 11];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello world");
        assert_eq!(bench.cluster.pool().open_count(), 1);
        assert_eq!(bench.metrics.connections_active.value(), 1);
        drop((stream, response));
        assert_eq!(bench.cluster.pool().open_count(), 0);
        assert_eq!(bench.metrics.connections_active.value(), 0);
    });
}
