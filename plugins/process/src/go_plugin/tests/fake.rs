//! A server that stands where a child serves: health, output, broker, the call to end.

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use abi_process::{
    go_plugin::{
        ConnInfo, Empty, StdioData,
        grpc_broker_server::{GrpcBroker, GrpcBrokerServer},
        grpc_controller_server::{GrpcController, GrpcControllerServer},
        grpc_stdio_server::{GrpcStdio, GrpcStdioServer},
        stdio_data::Channel,
    },
    health::{
        HealthCheckRequest, HealthCheckResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{net::UnixListener, task::JoinSet};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::server::Router};

type Pieces<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the server does.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Health checks that are answered with NOT_SERVING before the first that is well.
    pub(super) unready: u32,
    /// Health checks are answered with this status at all times.
    pub(super) health: Option<ServingStatus>,
    /// Health checks are never answered.
    pub(super) hangs: bool,
    /// Only the health is served, as by the smallest of children.
    pub(super) bare: bool,
    /// What is written, piece by piece.
    pub(super) output: Vec<(Channel, Vec<u8>)>,
    /// Services that the broker offers.
    pub(super) offers: u32,
    /// The call to end is never answered.
    pub(super) lingers: bool,
}

/// What was asked of it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) health: AtomicU32,
    pub(super) output: AtomicU32,
    pub(super) broker: AtomicU32,
    pub(super) shut_down: AtomicU32,
}

/// One that serves until it is dropped.
pub(super) struct Fake {
    pub(super) asked: Arc<Asked>,
    _server: JoinSet<()>,
}

#[derive(Clone, Debug)]
struct Services {
    script: Script,
    asked: Arc<Asked>,
}

/// Serves at `plugin.sock` in a directory.
pub(super) fn serve(directory: &Path, script: Script) -> Fake {
    let listener = UnixListener::bind(directory.join("plugin.sock")).unwrap();
    let asked = Arc::new(Asked::default());
    let mut server = JoinSet::new();
    let router = router(script, &asked);
    server.spawn(async move {
        router.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
    });
    Fake { asked, _server: server }
}

/// The services alone.
pub(super) fn router(script: Script, asked: &Arc<Asked>) -> Router {
    let bare = script.bare;
    let services = Services { script, asked: Arc::clone(asked) };
    let router =
        tonic::transport::Server::builder().add_service(HealthServer::new(services.clone()));
    if bare {
        return router;
    }
    router
        .add_service(GrpcStdioServer::new(services.clone()))
        .add_service(GrpcBrokerServer::new(services.clone()))
        .add_service(GrpcControllerServer::new(services))
}

fn count(counter: &AtomicU32) -> u32 {
    counter.fetch_add(1, Ordering::SeqCst)
}

#[tonic::async_trait]
impl Health for Services {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert_eq!(request.into_inner().service, "plugin");
        let before = count(&self.asked.health);
        if self.script.hangs {
            std::future::pending::<()>().await;
        }
        let status = self.script.health.unwrap_or(match before < self.script.unready {
            true => ServingStatus::NotServing,
            false => ServingStatus::Serving,
        });
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }
}

#[tonic::async_trait]
impl GrpcStdio for Services {
    type StreamStdioStream = Pieces<StdioData>;

    async fn stream_stdio(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::StreamStdioStream>, Status> {
        count(&self.asked.output);
        let pieces = self.script.output.clone().into_iter();
        let pieces = pieces
            .map(|(channel, data)| Ok(StdioData { channel: channel.into(), data: data.into() }));
        Ok(Response::new(Box::pin(stream::iter(pieces).chain(stream::pending()))))
    }
}

#[tonic::async_trait]
impl GrpcBroker for Services {
    type StartStreamStream = Pieces<ConnInfo>;

    async fn start_stream(
        &self,
        _: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        count(&self.asked.broker);
        if self.script.offers == 0 {
            // As Go has it: no head before the first message.
            std::future::pending::<()>().await;
        }
        let offers = (0..self.script.offers).map(|service_id| {
            Ok(ConnInfo { service_id, network: "unix".to_owned(), ..ConnInfo::default() })
        });
        Ok(Response::new(Box::pin(stream::iter(offers))))
    }
}

#[tonic::async_trait]
impl GrpcController for Services {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        count(&self.asked.shut_down);
        if self.script.lingers {
            std::future::pending::<()>().await;
        }
        Err(Status::unknown("transport error"))
    }
}
