//! The bootstrap of hashicorp/go-plugin, version 1 of its core protocol, gRPC only.
//!
//! It brings a child to the point where it serves, and ends it again; what goes on between is the
//! session of `abi/process`, on the same address. The way: [`Preparation::new`] makes what the
//! child finds in its environment, the supervisor launches it, [`Preparation::start`] reads the
//! handshake line from its standard output, judges the address, connects and asks for its health.
//! The [`Control`] that it yields keeps the streams that a host of go-plugin keeps, and says at
//! the end that the child shall go.
//!
//! It never launches or kills, does not offer services to the child (the broker's stream is open
//! and nothing else), and believes nothing that the child prints: an address must lie in the
//! child's own directory, or be one on loopback where the child itself listens.

mod address;
mod control;
mod environment;
mod line;
mod pin;
mod port;
mod unsuited;

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use abi_process::handshake::{Handshake, HandshakeError};
use tokio::{
    io::{AsyncRead, BufReader},
    time::{Instant, sleep, timeout_at},
};

pub(crate) use control::{Control, Output, Sink};
pub(crate) use environment::{Preparation, Wanted};
pub(crate) use unsuited::unsuited;

use crate::child::{ChildAddress, Reach};

/// The version of `mortise.plugin.v1`, as go-plugin negotiates it.
const APP_VERSION: u32 = 1;

/// How long a child that is not ready yet is left alone.
const AGAIN_AFTER: Duration = Duration::from_millis(25);

/// A child that serves.
#[derive(Debug)]
pub(crate) struct Started<R> {
    /// How workers reach it.
    pub(crate) reach: Reach,
    /// What the supervisor keeps of it.
    pub(crate) control: Control,
    /// Its standard output behind the handshake. It has to be read, or the child may block.
    pub(crate) stdout: BufReader<R>,
}

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GoPluginError {
    /// The proxy's own certificate could not be made.
    #[error("the proxy's certificate for the child could not be made")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The child printed nothing, or no end of the line, in time.
    #[error("it printed no handshake within {after:?}{printed}")]
    Silent { after: Duration, printed: Printed },
    /// Its standard output ended.
    #[error("its standard output ended without a handshake{printed}")]
    Ended { printed: Printed },
    /// Its standard output ended without a byte, as that of a child does that was given another
    /// cookie than it knows.
    #[error("its standard output ended without a handshake: is the cookie the one that it knows?")]
    EndedAtOnce,
    /// The line does not end.
    #[error("it printed no handshake: a line of more than {max} bytes{printed}")]
    TooLong { max: usize, printed: Printed },
    /// Its standard output cannot be read.
    #[error("its standard output cannot be read")]
    Unreadable(#[source] io::Error),
    /// The line is not a handshake that can be followed.
    #[error("bad handshake: {0}")]
    Handshake(#[source] HandshakeError),
    /// It serves no version that we speak.
    #[error("it serves version {found} of the plugin protocol; version {APP_VERSION} is needed")]
    AppVersion { found: u32 },
    /// It listens on another network than the configuration says.
    #[error("it listens on {found}, but the configuration says `transport: {wanted}`")]
    Network { found: &'static str, wanted: &'static str },
    /// Its address is not its own.
    #[error("its address {address} is refused: {why}")]
    Address { address: Box<str>, why: &'static str },
    /// One side has a certificate and the other does not.
    #[error("{0}")]
    Certificate(&'static str),
    /// Nobody accepts connections at its address.
    #[error("it cannot be reached at {address}")]
    Unreachable {
        address: Box<str>,
        #[source]
        source: io::Error,
    },
    /// It accepts connections and says nothing.
    #[error("it did not answer its health check within {after:?}")]
    Unanswered { after: Duration },
    /// It answers, and does not serve yet.
    #[error("it does not serve: its health check says {0}")]
    NotServing(Box<str>),
    /// It answers what is no health check, or breaks the connection.
    #[error("its health check failed: {0}")]
    Unhealthy(Box<str>),
}

/// What a child printed instead of a handshake, for the end of a message.
#[derive(Debug)]
pub(crate) struct Printed(Box<str>);

impl GoPluginError {
    /// True where the same child will fail the same way again, however often it is started.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::AppVersion { .. }
                | Self::Network { .. }
                | Self::Certificate(_)
                | Self::Handshake(
                    HandshakeError::CoreVersion { .. } | HandshakeError::Protocol { .. }
                )
        )
    }

    /// True where waiting a little may help.
    fn is_passing(&self) -> bool {
        if let Self::Unreachable { source, .. } = self {
            return matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        }
        matches!(self, Self::NotServing(_))
    }
}

impl Preparation {
    /// Brings the launched child to the point where it serves; waits no longer than `timeout`.
    ///
    /// Dropping the future gives up. `pid` is the child's. The caller watches beside it whether the child ended.
    pub(crate) async fn start<R: AsyncRead + Unpin>(
        self,
        generation: u32,
        pid: u32,
        stdout: R,
        sink: Sink,
        timeout: Duration,
    ) -> Result<Started<R>, GoPluginError> {
        let deadline = Instant::now() + timeout;
        let mut stdout = BufReader::new(stdout);
        let line = line::first(&mut stdout, deadline, timeout).await?;
        let handshake = Handshake::parse(&line).map_err(GoPluginError::Handshake)?;
        tracing::debug!(line = %handshake, "handshake of a go-plugin child");
        if handshake.app_version != APP_VERSION {
            return Err(GoPluginError::AppVersion { found: handshake.app_version });
        }
        let tls = self.tls(handshake.certificate)?;
        let address = address::claimed(handshake.endpoint, self.transport())?;
        let reach = Reach { generation, address, token: None, tls };
        let control = self.control(&reach, pid, &sink, deadline, timeout).await?;
        Ok(Started { reach, control, stdout })
    }

    /// Connects as soon as the child serves, until `deadline`, which was `timeout` away. The convention is that it does when it prints the
    /// handshake, but not all wait for that.
    async fn control(
        &self,
        reach: &Reach,
        pid: u32,
        sink: &Sink,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Control, GoPluginError> {
        let mut last = None;
        let attempts = async {
            loop {
                match self.attempt(reach, pid, sink).await {
                    Err(error) if error.is_passing() => last = Some(error),
                    outcome => return outcome,
                }
                sleep(AGAIN_AFTER).await;
            }
        };
        match timeout_at(deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                let after = line::rounded(timeout);
                Err(last.unwrap_or(GoPluginError::Unanswered { after }))
            }
        }
    }

    async fn attempt(
        &self,
        reach: &Reach,
        pid: u32,
        sink: &Sink,
    ) -> Result<Control, GoPluginError> {
        match &reach.address {
            ChildAddress::Unix(path) => address::own_socket(path, self.directory())?,
            ChildAddress::Tcp(address) => port::own(*address, pid)?,
        }
        Control::open(reach, Arc::clone(sink)).await
    }
}

#[cfg(test)]
mod tests;
