//! The sockets' thread: accepts the proxy's connections and serves sessions on them, until the
//! proxy is gone or says that it is enough.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    thread,
};

use abi_process::{
    go_plugin::{
        Empty,
        grpc_controller_server::{GrpcController, GrpcControllerServer},
    },
    health::{
        HealthCheckRequest, HealthCheckResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    v1::plugin_server::PluginServer,
};
use tokio::{
    net::{TcpListener, UnixListener},
    runtime,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{
    Request, Response, Status,
    transport::server::{Router, Server, TcpIncoming},
};

use super::{
    bootstrap::{Listener, Start},
    error::ServeError,
    session::Sessions,
};
use crate::backend::Declaration;

/// Bytes of one message from the proxy, whatever it says that it will send.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that a session, and a connection, may have on their way to us.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Sessions of one connection.
const STREAMS_MAX: u32 = 64;

/// Serves until there is nothing left to serve.
pub(super) fn run(declaration: &'static Declaration, start: Start) -> Result<(), ServeError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ServeError::Runtime)?.block_on(serve(declaration, start))
}

pub(super) async fn serve(
    declaration: &'static Declaration,
    start: Start,
) -> Result<(), ServeError> {
    // Whoever presses Ctrl-C in a terminal means the proxy, which tells us. A signal that is
    // listened for ends nobody; where that is not possible it does.
    let _interrupts = signal(SignalKind::interrupt()).ok();
    let enough = Arc::new(Notify::new());
    if start.is_guarded {
        let enough = Arc::clone(&enough);
        let watch = thread::Builder::new().name("guard".to_owned());
        let watch = watch.spawn(move || watch_input(&mut io::stdin(), &enough));
        drop(watch.map_err(ServeError::Runtime)?);
    }
    let router = router(declaration, &start, &enough);
    if let Some(line) = &start.announce {
        let mut output = io::stdout();
        let printed = writeln!(output, "{line}").and_then(|()| output.flush());
        printed.map_err(ServeError::Listen)?;
    }
    tokio::select! {
        served = accept(router, start.listener) => served,
        () = enough.notified() => Ok(()),
    }
}

/// The services; go-plugin's only for who asked for them.
fn router(declaration: &'static Declaration, start: &Start, enough: &Arc<Notify>) -> Router {
    let sessions = PluginServer::new(Sessions::new(declaration, start.token.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(usize::MAX);
    let controller = start.announce.as_ref().map(|_asked| Controller(Arc::clone(enough)));
    Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .add_service(sessions)
        .add_optional_service(controller.clone().map(HealthServer::new))
        .add_optional_service(controller.map(GrpcControllerServer::new))
}

async fn accept(router: Router, listener: Listener) -> Result<(), ServeError> {
    match listener {
        Listener::Unix(listener, _directory) => {
            listener.set_nonblocking(true).map_err(ServeError::Listen)?;
            let listener = UnixListener::from_std(listener).map_err(ServeError::Listen)?;
            router.serve_with_incoming(UnixListenerStream::new(listener)).await?;
        }
        Listener::Tcp(listener) => {
            listener.set_nonblocking(true).map_err(ServeError::Listen)?;
            let listener = TcpListener::from_std(listener).map_err(ServeError::Listen)?;
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            router.serve_with_incoming(incoming).await?;
        }
    }
    Ok(())
}

/// Reads until the input ends: whoever had it open is gone.
fn watch_input(input: &mut dyn Read, enough: &Notify) {
    let mut unasked = [0; 512];
    loop {
        match input.read(&mut unasked) {
            Ok(0) => break,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
            Ok(_) | Err(_) => {}
        }
    }
    enough.notify_one();
}

/// What a host of go-plugin asks for beside the sessions.
#[derive(Clone, Debug)]
struct Controller(Arc<Notify>);

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.0.notify_one();
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl Health for Controller {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            "" | "plugin" => {
                Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
            }
            other => Err(Status::not_found(format!("there is no service `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests;
