use std::{os::unix::fs::PermissionsExt, path::Path, time::UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
};

use super::*;

struct Running {
    bound: Bound,
    shutdown: CancellationToken,
    ready: watch::Sender<bool>,
    view: watch::Sender<Arc<AdminView>>,
}

fn view(generation: u64) -> Arc<AdminView> {
    Arc::new(AdminView {
        config: json!({ "listeners": [] }),
        generation,
        loaded_at: UNIX_EPOCH + Duration::from_secs(1),
        last_error: None,
        listeners: vec![ListenerView {
            name: "web".to_owned(),
            address: "127.0.0.1:80".to_owned(),
            protocol: "http".to_owned(),
        }],
    })
}

async fn start(address: &str) -> Running {
    let (ready, ready_receiver) = watch::channel(false);
    let (view, view_receiver) = watch::channel(view(1));
    let state = AdminState {
        metrics: Metrics::new(),
        view: view_receiver,
        plugins: Arc::new(|| json!([{ "name": "greet" }])),
        clusters: Arc::new(|| json!([{ "name": "app" }])),
        ready: ready_receiver,
    };
    let shutdown = CancellationToken::new();
    let bound = serve(&address.parse().unwrap(), state, shutdown.clone()).await.unwrap();
    Running { bound, shutdown, ready, view }
}

async fn try_bind(address: &str) -> AdminError {
    Socket::bind(&address.parse().unwrap()).await.unwrap_err()
}

/// Sends bytes and reads all that comes back.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

impl Running {
    async fn connect(&self) -> Connection {
        match self.bound.address() {
            Address::Tcp(address) => Connection::Left(TcpStream::connect(address).await.unwrap()),
            Address::Unix(path) => Connection::Right(UnixStream::connect(path).await.unwrap()),
        }
    }

    /// The status, the head and the body of an answer.
    async fn ask(&self, method: &str, path: &str, fields: &str) -> (u16, String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{fields}\r\n");
        let answer = exchange(self.connect().await, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask("GET", path, "host: localhost\r\n").await
    }

    async fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, head, body) = self.get(path).await;
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.bound.stopped().await;
    }
}

#[tokio::test]
async fn every_page_of_the_index_answers_over_tcp() {
    let admin = start("127.0.0.1:0").await;
    let port = admin.bound.address().as_tcp().unwrap().port();
    assert_ne!(port, 0);
    let (status, head, index) = admin.get("/").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    admin.ready.send_replace(true);
    let paths: Vec<_> = index.split("href=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    assert_eq!(paths.len(), 7);
    for path in paths {
        let (status, _head, body) = admin.get(path.unwrap()).await;
        assert_eq!(status, 200, "{path:?}");
        assert!(!body.is_empty(), "{path:?}");
    }
    admin.stop().await;
}

#[tokio::test]
async fn pages_show_the_state_of_the_moment() {
    let admin = start("[::1]:0").await;
    assert_eq!(admin.get_json("/readyz").await, (503, json!({ "status": "not ready" })));
    admin.ready.send_replace(true);
    assert_eq!(admin.get_json("/readyz").await, (200, json!({ "status": "ready" })));
    admin.view.send_replace(view(7));
    let dump = json!({
        "generation": 7,
        "loaded_at": "1970-01-01T00:00:01.000Z",
        "last_error": null,
        "config": { "listeners": [] },
    });
    assert_eq!(admin.get_json("/config_dump").await, (200, dump));
    let listeners = json!([{ "name": "web", "address": "127.0.0.1:80", "protocol": "http" }]);
    assert_eq!(admin.get_json("/listeners").await, (200, listeners));
    assert_eq!(admin.get_json("/clusters").await, (200, json!([{ "name": "app" }])));
    assert_eq!(admin.get_json("/plugins").await, (200, json!([{ "name": "greet" }])));
    let (status, head, body) = admin.get("/plugins?text").await;
    assert_eq!((status, head.contains("content-type: text/plain")), (200, true), "{head}");
    assert_eq!(body, "greet: -, -, policy - (-), 0 faults, denied: nothing\n");
    let (status, head, body) = admin.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.contains("\nmortise_build_info{"), "{body}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    admin.stop().await;
}

#[tokio::test]
async fn what_is_not_a_read_of_a_page_is_refused() {
    let admin = start("127.0.0.1:0").await;
    let host = "host: 127.0.0.1\r\n";
    assert_eq!(admin.get("/nothing").await.0, 404);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (status, head, _body) = admin.ask(method, "/metrics", host).await;
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("allow: get,head"), "{head}");
    }
    let (status, _head, body) = admin.ask("HEAD", "/metrics", host).await;
    assert_eq!((status, body.as_str()), (200, ""));
    let with_body = format!("{host}content-length: 3\r\n");
    assert_eq!(admin.ask("GET", "/metrics", &with_body).await.0, 413);
    admin.stop().await;
}

#[tokio::test]
async fn a_rebound_name_is_refused_over_tcp() {
    let admin = start("127.0.0.1:0").await;
    for fields in ["host: evil.example\r\n", "", "host: localhost\r\nhost: evil.example\r\n"] {
        let (status, _head, body) = admin.ask("GET", "/config_dump", fields).await;
        assert_eq!(status, 403, "{fields}");
        assert!(!body.contains("listeners"), "{body}");
    }
    admin.stop().await;
}

#[tokio::test]
async fn the_unix_socket_is_its_owners_alone_and_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let admin = start(&format!("unix:{}", path.display())).await;
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(admin.ask("GET", "/healthz", "host: mortise\r\n").await.0, 200);
    admin.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let address = format!("unix:{}", path.display());
    let live = UnixListener::bind(&path).unwrap();
    assert!(matches!(try_bind(&address).await, AdminError::InUse(_)));
    drop(live);
    assert!(path.exists(), "closing does not remove the name");
    let admin = start(&address).await;
    assert_eq!(admin.get("/healthz").await.0, 200);
    admin.stop().await;
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    std::fs::write(&path, "precious").unwrap();
    let error = try_bind(&format!("unix:{}", path.display())).await;
    assert!(matches!(error, AdminError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn the_socket_of_a_successor_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let admin = start(&format!("unix:{}", path.display())).await;
    std::fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    admin.stop().await;
    assert!(path.exists());
    drop(successor);
}

#[tokio::test]
async fn addresses_that_cannot_serve_are_refused_with_their_reason() {
    assert!(matches!(try_bind("0.0.0.0:0").await, AdminError::NotLocal(_)));
    let admin = start("127.0.0.1:0").await;
    let taken = admin.bound.address().to_string();
    assert!(matches!(try_bind(&taken).await, AdminError::Bind { .. }));
    assert!(!Path::new("/nonexistent").exists());
    assert!(matches!(try_bind("unix:/nonexistent/a.sock").await, AdminError::Bind { .. }));
    admin.stop().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_stop_up() {
    let admin = start("127.0.0.1:0").await;
    let mut idle = admin.connect().await;
    // Answered once, so it was accepted, and now it waits for a next request.
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0];
    idle.read_exact(&mut first).await.unwrap();
    admin.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"}\n"));
}

#[tokio::test]
async fn a_stalled_head_is_cut_off() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"GET /healthz HTTP/1.1\r\nhost: lo").await.unwrap();
    let (shutdown, header_timeout) = (CancellationToken::new(), Duration::from_millis(10));
    serve_connection(Connection::Right(ours), Router::new(), header_timeout, &shutdown).await;
    let mut answer = Vec::new();
    theirs.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}
