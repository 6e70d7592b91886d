mod children;
mod fake;
mod real;
mod services;
mod tls;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use host_types::Transport;
use tempfile::TempDir;
use tokio::{net::unix::pipe, sync::watch};

use super::*;

/// What the fixture of go-plugin asks for.
const COOKIE: (&str, &str) = ("MORTISE_TEST_PLUGIN", "0f8e6f6c");

/// Long enough for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn wanted(directory: &Path) -> Wanted<'_> {
    Wanted { cookie: COOKIE, mutual_tls: false, transport: Transport::Unix, directory }
}

/// A directory as the launcher makes one.
fn directory() -> TempDir {
    tempfile::Builder::new().prefix("mortise-").tempdir().unwrap()
}

/// What a child wrote over gRPC.
#[derive(Clone)]
struct Written(Arc<watch::Sender<Vec<Piece>>>);

type Piece = (Output, Vec<u8>);

impl Written {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    fn sink(&self) -> Sink {
        let pieces = Arc::clone(&self.0);
        Arc::new(move |of, bytes: &[u8]| {
            pieces.send_modify(|pieces| pieces.push((of, bytes.to_vec())));
        })
    }

    /// Waits until it holds `text`, and yields the whole.
    async fn until(&self, of: Output, text: &str) -> String {
        let mut watch = self.0.subscribe();
        let pieces = watch.wait_for(|pieces| joined(pieces, of).contains(text)).await.unwrap();
        joined(&pieces, of)
    }
}

fn joined(pieces: &[Piece], of: Output) -> String {
    let bytes: Vec<u8> =
        pieces.iter().filter(|piece| piece.0 == of).flat_map(|piece| piece.1.clone()).collect();
    String::from_utf8(bytes).unwrap()
}

/// A child process that ends with the test.
struct Process {
    child: std::process::Child,
    stdout: Option<pipe::Receiver>,
}

impl Process {
    fn spawn(program: &Path, arguments: &[&str], preparation: &Preparation) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "a child of this test")]
        let mut child = std::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(preparation.environment().iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().unwrap();
        Ok(Self { child, stdout: Some(pipe::Receiver::from_owned_fd(stdout.into())?) })
    }

    fn stdout(&mut self) -> pipe::Receiver {
        self.stdout.take().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The whole text of an error.
fn story(error: &GoPluginError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[test]
fn what_starting_again_does_not_cure_is_final() {
    let last = [
        GoPluginError::AppVersion { found: 2 },
        GoPluginError::Network { found: "TCP", wanted: "unix" },
        GoPluginError::Certificate("none"),
        GoPluginError::Handshake(HandshakeError::CoreVersion { found: 2 }),
        GoPluginError::Handshake(HandshakeError::Protocol { found: "netrpc".into() }),
    ];
    assert!(last.iter().all(GoPluginError::is_final));
    let others = [
        GoPluginError::Handshake(HandshakeError::Unrecognized { line: "".into() }),
        GoPluginError::Unanswered { after: PATIENCE },
        GoPluginError::Unreadable(ErrorKind::Other.into()),
    ];
    assert!(!others.iter().any(GoPluginError::is_final));
}
