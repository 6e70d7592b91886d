//! Real clients and servers of RPC protocols: programs over libraries that are not ours. They are
//! in `tests/fixtures/peers`, whose readme says what they do; the set-up fetches the libraries.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{binary::command, fail};

/// Longest wait for a peer. A Java machine takes seconds to start where it has a processor to
/// itself, and here it rarely has.
const PEER_DEADLINE: Duration = Duration::from_secs(120);

/// Whose library it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// For Node.js.
    Node,
    /// For Java.
    Java,
}

/// A server; it ends when it is dropped.
#[derive(Debug)]
pub struct PeerServer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// True where the set-up could fetch it; otherwise a line says that a test is skipped.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    pub fn is_there(self) -> bool {
        let there = match self {
            Self::Node => fixtures().join("node/node_modules/.package-lock.json"),
            Self::Java => built().join("sources.txt"),
        };
        if !there.exists() {
            println!("SKIPPED: the RPC peers for {self:?} were not fetched (cargo xtask setup)");
        }
        there.exists()
    }

    /// Starts a server of a protocol and waits until it listens.
    pub async fn server(self, protocol: &str) -> PeerServer {
        let mut run = self.program("Server");
        run.arg(protocol).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = run.spawn().unwrap_or_else(|error| fail(format_args!("{self:?}: {error}")));
        let lines = child.stdout.take().map(BufReader::new);
        let started = async {
            let port = tokio::task::spawn_blocking(move || port(lines?)).await;
            port.ok().flatten()
        };
        let Ok(Some(port)) = tokio::time::timeout(PEER_DEADLINE, started).await else {
            drop(child.kill());
            fail(format_args!("a server of {protocol} for {self:?} does not listen"))
        };
        PeerServer { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }

    /// Has a client of a protocol make its calls, and answers with what came of each.
    pub async fn client(self, protocol: &str, server: SocketAddr) -> Vec<Value> {
        let mut run = self.program("Client");
        run.arg(protocol).arg(server.port().to_string()).stdin(Stdio::null());
        run.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = run.spawn().unwrap_or_else(|error| fail(format_args!("{self:?}: {error}")));
        let id = child.id();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output());
        let Ok(output) = tokio::time::timeout(PEER_DEADLINE, output).await else {
            crate::Process::find(id).iter().for_each(crate::Process::kill);
            fail(format_args!("a client of {protocol} for {self:?} does not end"))
        };
        let output = output.map_err(std::io::Error::other).flatten();
        let output = output.unwrap_or_else(|error| fail(error));
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            fail(format_args!("a client of {protocol} for {self:?} failed: {out}\n{err}"));
        }
        let lines = out.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.collect()
    }

    fn program(self, role: &str) -> Command {
        match self {
            Self::Node => {
                let mut run = command("node");
                run.arg("--no-warnings");
                run.arg(fixtures().join("node").join(role.to_lowercase()).with_extension("js"));
                run
            }
            Self::Java => {
                let mut run = command("java");
                // Small and quick to start; Dubbo and hessian look into classes of the platform.
                run.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]);
                run.arg("-Djava.net.preferIPv4Stack=true");
                for opened in ["java.lang", "java.math"] {
                    run.args(["--add-opens", &format!("java.base/{opened}=ALL-UNNAMED")]);
                }
                let jars = [built().join("peers.jar"), built().join("lib/*")];
                let jars = std::env::join_paths(jars).unwrap_or_else(|error| fail(error));
                // Logs and caches that the libraries write go where builds go.
                let home = built().join("home");
                drop(fs::create_dir_all(&home));
                run.arg(format!("-Duser.home={}", home.display())).current_dir(&home);
                run.arg("-cp").arg(jars).arg(format!("peers.{role}"));
                run
            }
        }
    }
}

impl PeerServer {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PeerServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The port that a server says it listens on.
fn port(lines: impl BufRead) -> Option<u16> {
    let mut lines = lines.lines().map_while(Result::ok);
    lines.find_map(|line| line.strip_prefix("listening ")?.trim().parse().ok())
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/peers")
}

fn built() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/java")
}
