//! The children: this program with `child` and a word that says what it does.

use std::{
    io::{Read, Write},
    net::{SocketAddrV4, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    pin::Pin,
    process::ExitCode,
};

use abi_process::{
    bootstrap::{TOKEN_KEY, read_params},
    v1::{
        Configure, Configured, Event, Hello, HelloBack, Level, Log, Ping, Pong, Reply, ToHost,
        ToPlugin, event,
        plugin_server::{Plugin, PluginServer},
        reply,
    },
};
use listenfd::ListenFd;
use rustix::{
    fs::{CWD, Mode, OFlags, mkdirat, openat},
    net::{AddressFamily, SocketType, bind, listen, socket, sockopt::set_socket_reuseport},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{TcpListenerStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::frozen::STARTED;

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    match arguments.get(1).map(String::as_str) {
        Some("good") => serve(1, true),
        Some("stubborn") => serve(1, false),
        Some("old") => serve(0, true),
        Some("noisy") => noise(),
        Some("hungry") => hunger(),
        Some("curious") => curiosity(),
        Some("squatter") => squat(),
        Some("deep") => depth(),
        _ => ExitCode::FAILURE,
    }
}

/// Answers hellos and pings, and serves every use.
struct Greeter {
    version: u32,
    token: String,
}

type Replies = Pin<Box<dyn Stream<Item = Result<ToHost, Status>> + Send>>;

#[tonic::async_trait]
impl Plugin for Greeter {
    type SessionStream = Replies;

    async fn session(
        &self,
        request: Request<Streaming<ToPlugin>>,
    ) -> Result<Response<Replies>, Status> {
        let shown = request.metadata().get(TOKEN_KEY).and_then(|token| token.to_str().ok());
        if shown.unwrap_or_default() != self.token {
            return Err(Status::unauthenticated("wrong token"));
        }
        let version = self.version;
        let replies = request.into_inner().map(move |message| {
            let kinds = message?.events.into_iter().flat_map(|event| answers(&event, version));
            let replies = kinds.map(|kind| Reply { kind: Some(kind) }).collect();
            Ok(ToHost { replies })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

fn answers(event: &Event, version: u32) -> Vec<reply::Kind> {
    match &event.kind {
        Some(event::Kind::Hello(Hello { generation, .. })) => {
            let generation = *generation;
            vec![reply::Kind::Hello(HelloBack { version, generation, ..HelloBack::default() })]
        }
        Some(event::Kind::Ping(Ping { number })) => {
            vec![reply::Kind::Pong(Pong { number: *number })]
        }
        Some(event::Kind::Configure(Configure { instance, .. })) => {
            let instance = *instance;
            let log = Log { instance, level: Level::Info.into(), line: STARTED.to_owned() };
            let configured = Configured { instance, ..Configured::default() };
            vec![reply::Kind::Configured(configured), reply::Kind::Log(log)]
        }
        _ => Vec::new(),
    }
}

fn serve(version: u32, ends_with_input: bool) -> ExitCode {
    let params = read_params(&mut std::io::stdin()).expect("the proxy writes parameters");
    let mut given = ListenFd::from_env();
    if ends_with_input {
        std::thread::spawn(|| {
            let mut rest = Vec::new();
            let _ended = std::io::stdin().read_to_end(&mut rest);
            #[expect(clippy::exit, reason = "the proxy is gone")]
            std::process::exit(0);
        });
    }
    eprintln!("serves {} at {}", params.plugin, params.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let service = PluginServer::new(Greeter { version, token: params.token });
        let server = Server::builder().add_service(service);
        if params.network == "tcp" {
            let socket = given.take_tcp_listener(0).unwrap().expect("a socket is given");
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            server.serve_with_incoming(TcpListenerStream::new(socket)).await
        } else {
            let socket = given.take_unix_listener(0).unwrap().expect("a socket is given");
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::UnixListener::from_std(socket).unwrap();
            server.serve_with_incoming(UnixListenerStream::new(socket)).await
        }
        .expect("the server serves");
    });
    ExitCode::SUCCESS
}

/// Accepts, and says what is no gRPC.
fn noise() -> ExitCode {
    let socket: UnixListener = ListenFd::from_env().take_unix_listener(0).unwrap().unwrap();
    for connection in socket.incoming() {
        let _broken = connection.unwrap().write_all(b"HTTP/1.0 200 OK\r\n\r\n\0\xff\x1b[2J");
    }
    ExitCode::SUCCESS
}

/// Takes more memory than it may.
fn hunger() -> ExitCode {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for mib in 0..1024 {
        let mut some = Vec::new();
        if some.try_reserve_exact(1 << 20).is_err() {
            eprintln!("no more after {mib} MiB");
            return ExitCode::from(7);
        }
        some.resize(1 << 20, 1);
        all.push(some);
    }
    eprintln!("had {} MiB", all.len());
    ExitCode::from(8)
}

fn routes() -> rustix::io::Result<OwnedFd> {
    socket(AddressFamily::NETLINK, SocketType::RAW, None)
}

/// A datagram needs no connection to go anywhere.
fn sends_to(path: &str) -> bool {
    let unbound = UnixDatagram::unbound().is_ok_and(|own| own.send_to(b"x", path).is_ok());
    let pair = UnixDatagram::pair().is_ok_and(|(one, _other)| one.send_to(b"x", path).is_ok());
    unbound || pair
}

/// Says which sockets it can make.
fn curiosity() -> ExitCode {
    let said = |worked: bool| if worked { "yes" } else { "no" };
    let own = std::env::var("TMPDIR").unwrap() + "/own";
    // It has a descriptor of a listener, and so knows an address that answers.
    let address = match std::env::var("LISTEN_FDS") {
        Ok(_given) => read_params(&mut std::io::stdin()).unwrap().address,
        Err(_none) => own.clone(),
    };
    let foreign = std::env::var("FOREIGN").unwrap_or_default();
    eprintln!(
        "datagrams={} pair={} listen={} connect={} tcp={} udp={} netlink={}",
        said(sends_to(&foreign)),
        said(UnixStream::pair().is_ok()),
        said(UnixListener::bind(&own).is_ok()),
        said(UnixStream::connect(address).is_ok()),
        said(TcpListener::bind("127.0.0.1:0").is_ok()),
        said(UdpSocket::bind("127.0.0.1:0").is_ok()),
        said(routes().is_ok()),
    );
    ExitCode::from(9)
}

/// Says at which ports it can listen: one that a listener of the proxy shares, one that is free,
/// one that was chosen for it, and one that the kernel chooses.
fn squat() -> ExitCode {
    let said = |worked: bool| if worked { "yes" } else { "no" };
    let variable = |name| std::env::var(name).unwrap_or_default();
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let shares = set_socket_reuseport(&tcp, true).is_ok();
    let taken: SocketAddrV4 = variable("TAKEN").parse().unwrap();
    let takes = bind(&tcp, &taken).is_ok() && listen(&tcp, 1).is_ok();
    let binds = |address: String| said(TcpListener::bind(address).is_ok());
    let mut own = variable("PLUGIN_MIN_PORT").parse::<u16>().unwrap()
        ..=variable("PLUGIN_MAX_PORT").parse().unwrap();
    eprintln!(
        "shares={} takes={} free={} own={} any={} all={}",
        said(shares),
        said(takes),
        binds(variable("FREE")),
        said(own.any(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())),
        binds("127.0.0.1:0".to_owned()),
        binds(variable("FREE").replace("127.0.0.1", "0.0.0.0")),
    );
    ExitCode::from(12)
}

/// Nests directories deeper than files may be open.
fn depth() -> ExitCode {
    let first = std::env::var("TMPDIR").unwrap() + "/d";
    let open = |parent: &OwnedFd| {
        mkdirat(parent, "d", Mode::RWXU).unwrap();
        openat(parent, "d", OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
    };
    std::fs::create_dir(&first).unwrap();
    let top = openat(CWD, &first, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
    (0..1_500).fold(top, |parent, _level| open(&parent));
    ExitCode::from(11)
}
