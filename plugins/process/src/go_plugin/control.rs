//! What a host keeps open to a child of go-plugin while it serves.
//!
//! The stream of its output, which has to be read once and all the time; the broker's, which
//! children wait for that offer services of their own (none is taken); and the call that ends the
//! child. Start reading at [`Control::open`].

use std::{error::Error as _, sync::Arc, time::Duration};

use abi_process::{
    go_plugin::{
        ConnInfo, Empty, grpc_broker_client::GrpcBrokerClient,
        grpc_controller_client::GrpcControllerClient, grpc_stdio_client::GrpcStdioClient,
        stdio_data,
    },
    handshake::shown,
    health::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    },
};
use futures_util::stream;
use tokio::{task::JoinSet, time::timeout};
use tonic::{Code, Status, transport::Channel};

use super::GoPluginError;
use crate::dial;
use crate::{child::Reach, log::Pace};

/// The service of the health check that stands for the whole child.
const SERVICE: &str = "plugin";

/// Which output of a child it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes what the child writes, in pieces that need not be lines. Must not block.
pub(crate) type Sink = Arc<dyn Fn(Output, &[u8]) + Send + Sync>;

/// The supervisor's connection to a child.
#[derive(Debug)]
pub(crate) struct Control {
    channel: Channel,
    /// They end with it.
    _streams: JoinSet<()>,
}

impl Control {
    /// Connects to a child that serves, and opens the streams.
    pub(super) async fn open(reach: &Reach, sink: Sink) -> Result<Self, GoPluginError> {
        let stream = dial::open(reach).await.map_err(|source| GoPluginError::Unreachable {
            address: reach.address.to_string().into(),
            source,
        })?;
        let channel = dial::channel(stream)
            .await
            .map_err(|error| GoPluginError::Unhealthy(error.to_string().into()))?;
        check(channel.clone()).await?;
        let mut streams = JoinSet::new();
        streams.spawn(output(channel.clone(), sink));
        // A child answers only with its first message, which may never come: not waited for.
        streams.spawn(broker(channel.clone()));
        Ok(Self { channel, _streams: streams })
    }

    /// Tells the child to end. Most do so before they answer, so the answer means nothing;
    /// whoever calls waits for the process.
    pub(crate) async fn shut_down(&self, patience: Duration) {
        let mut controller = GrpcControllerClient::new(self.channel.clone());
        match timeout(patience, controller.shutdown(Empty {})).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => {
                tracing::debug!(answer = ?status.code(), "the child was told to end");
            }
            Err(_elapsed) => tracing::debug!("the child did not answer that it ends"),
        }
    }
}

/// Asks whether it serves.
async fn check(channel: Channel) -> Result<(), GoPluginError> {
    let request = HealthCheckRequest { service: SERVICE.to_owned() };
    match HealthClient::new(channel).check(request).await {
        Ok(answer) => match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            status @ (ServingStatus::Unknown
            | ServingStatus::NotServing
            | ServingStatus::ServiceUnknown) => {
                Err(GoPluginError::NotServing(status.as_str_name().into()))
            }
        },
        // Servers that do not know the service yet. A status with a cause is not the server's: the
        // connection failed.
        Err(status)
            if matches!(status.code(), Code::NotFound | Code::Unavailable)
                && status.source().is_none() =>
        {
            Err(GoPluginError::NotServing(told(&status).into()))
        }
        Err(status) if status.code() == Code::Unimplemented => {
            Err(GoPluginError::Unhealthy("it does not serve grpc.health.v1".into()))
        }
        Err(status) => Err(GoPluginError::Unhealthy(told(&status).into())),
    }
}

/// Reads the child's output to its end. A child that writes too much waits, and not the proxy.
async fn output(channel: Channel, sink: Sink) {
    let ended = |status: Status| {
        if status.code() == Code::Unimplemented {
            tracing::trace!("the child does not forward its output");
        } else {
            tracing::debug!(why = %told(&status), "the child's output ended");
        }
    };
    let mut pieces = match GrpcStdioClient::new(channel).stream_stdio(Empty {}).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return ended(status),
    };
    let mut pace = Pace::new();
    loop {
        let piece = match pieces.message().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return,
            Err(status) => return ended(status),
        };
        let of = match piece.channel() {
            stdio_data::Channel::Stderr => Output::Stderr,
            stdio_data::Channel::Stdout | stdio_data::Channel::Invalid => Output::Stdout,
        };
        sink(of, &piece.data);
        pace.after(piece.data.len()).await;
    }
}

/// Keeps the broker's stream. What the child offers there is not taken.
async fn broker(channel: Channel) {
    let nothing = stream::pending::<ConnInfo>();
    let Ok(answer) = GrpcBrokerClient::new(channel).start_stream(nothing).await else { return };
    let mut offers = answer.into_inner();
    let mut told = false;
    while let Ok(Some(offer)) = offers.message().await {
        if !told {
            told = true;
            tracing::debug!(service = offer.service_id, "a service of a child is not taken");
        }
    }
}

/// A status as a message shows it: the text is the child's.
fn told(status: &Status) -> String {
    format!("{:?}: {}", status.code(), shown(status.message().as_bytes()))
}
