//! `mortise conformance`: the kit's cases against a proxy that runs within this process, or
//! against another one.
//!
//! What a case is and how it is judged is in `plugins-conformance`. Start reading at
//! [`conformance`].

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use abi_wasm::AbiVersion;
use clap::{Subcommand, ValueEnum};
use miette::miette;
use plugins_conformance::{
    Kit, Target, Upstream,
    guests::{self, Guest},
    setup::{self, Places},
};
use serde_json::json;
use tokio::{
    net::lookup_host,
    runtime::Builder,
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{CheckReport, Failure, Output, RunOptions};

/// How long the proxy may take to be ready.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two looks whether it is.
const PAUSE: Duration = Duration::from_millis(5);

/// What there is to do with the conformance kit.
#[derive(Clone, Debug, Subcommand)]
pub enum Conformance {
    /// Run the cases: without `--url` against this very program.
    Run {
        /// How the verdicts are written.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
        /// Only the cases whose names hold this text.
        #[arg(short, long, value_name = "TEXT", default_value = "")]
        filter: String,
        /// The version of the interface that the probe says it was made for.
        #[arg(long, value_enum, default_value_t)]
        abi: Abi,
        /// The HTTP listener of another proxy that has the probe in it.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// The listener of bytes of that proxy.
        #[arg(long, value_name = "ADDRESS", requires = "url")]
        tcp: Option<SocketAddr>,
        /// A folder with the example plugins, built: they are run, too. Not with `--url`.
        #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
        guests: Option<PathBuf>,
        /// Print how many cases there are for each function in each callback, and run none.
        #[arg(long)]
        coverage: bool,
    },
    /// Write the probe.
    Probe {
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The version of the interface that it says it was made for.
        #[arg(long, value_enum, default_value_t)]
        abi: Abi,
    },
    /// Print a configuration with which Envoy can be run against; start it with
    /// `--concurrency 1`.
    EnvoyConfig {
        /// The probe's file.
        #[arg(long, value_name = "FILE")]
        probe: PathBuf,
        /// Where `conformance upstream` speaks HTTP.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10080")]
        upstream: SocketAddr,
        /// Where it gives bytes back.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10081")]
        upstream_tcp: SocketAddr,
        /// The port of the HTTP listener.
        #[arg(long, default_value_t = 10000)]
        http_port: u16,
        /// The port of the listener of bytes.
        #[arg(long, default_value_t = 10001)]
        tcp_port: u16,
    },
    /// Serve the upstream that the cases need, until interrupted.
    Upstream {
        /// Where it speaks HTTP.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10080")]
        http: SocketAddr,
        /// Where it gives bytes back.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10081")]
        tcp: SocketAddr,
    },
}

impl Conformance {
    /// How the outcome is to be written.
    pub(super) fn output(&self) -> Output {
        if let Self::Run { output, .. } = self { *output } else { Output::Text }
    }
}

/// A version of Proxy-Wasm, as people write it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Abi {
    /// 0.1.0
    #[value(name = "0.1.0")]
    V0_1_0,
    /// 0.2.0
    #[value(name = "0.2.0")]
    V0_2_0,
    /// 0.2.1
    #[default]
    #[value(name = "0.2.1")]
    V0_2_1,
}

impl From<Abi> for AbiVersion {
    fn from(abi: Abi) -> Self {
        match abi {
            Abi::V0_1_0 => Self::V0_1_0,
            Abi::V0_2_0 => Self::V0_2_0,
            Abi::V0_2_1 => Self::V0_2_1,
        }
    }
}

/// Does what the command says.
///
/// # Errors
/// A file cannot be written, an address cannot be bound or reached, or the proxy under test
/// does not start.
pub fn conformance(command: Conformance) -> Result<CheckReport, Failure> {
    match command {
        Conformance::Run { abi, coverage: true, .. } => Ok(said(Kit::new(abi.into()).coverage())),
        Conformance::Run { filter, abi, url: Some(url), tcp, output, .. } => block_on(async {
            let target = other(&url, tcp, abi.into()).await?;
            Ok(run(&Kit::new(abi.into()), &target, &filter, output).await)
        }),
        Conformance::Run { filter, abi, guests, output, .. } => {
            let asked_for_guests = guests.is_some();
            let folder = guests.map(|folder| folder.canonicalize().map_err(unreachable));
            let found = folder.transpose()?.as_deref().map(guests::in_folder).unwrap_or_default();
            let mut report = block_on(run_here(&filter, abi.into(), &found, output))?;
            if asked_for_guests && found.len() < guests::known() {
                let (missing, known) = (guests::known() - found.len(), guests::known());
                let line = format!("{missing} of {known} guests were not there and did not run\n");
                report.text.push_str(&line);
            }
            Ok(report)
        }
        Conformance::Probe { out, abi } => {
            fs::write(&out, Kit::new(abi.into()).probe()).map_err(unreachable)?;
            Ok(said(format!("{}\n", out.display())))
        }
        Conformance::EnvoyConfig { probe, upstream, upstream_tcp, http_port, tcp_port } => {
            let places = Places { probe: &probe, http: upstream, tcp: upstream_tcp, guests: &[] };
            Ok(said(setup::envoy(&places, http_port, tcp_port)))
        }
        Conformance::Upstream { http, tcp } => block_on(async {
            let _serving = Upstream::start(http, tcp).await.map_err(unreachable)?;
            tokio::signal::ctrl_c().await.map_err(unreachable)?;
            Ok(said(String::new()))
        }),
    }
}

fn block_on(
    work: impl Future<Output = Result<CheckReport, Failure>>,
) -> Result<CheckReport, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(unreachable)?.block_on(work)
}

/// As text each verdict is shown when it is there: a proxy that is not set up right takes long.
async fn run(kit: &Kit, target: &Target, filter: &str, output: Output) -> CheckReport {
    let mut cases = 0_usize;
    let report = kit
        .run(target, filter, |verdict| {
            cases += 1;
            if output == Output::Text {
                // Who stopped reading wants no more of them.
                let _shown = writeln!(io::stdout(), "{verdict}");
            }
        })
        .await;
    let mut text = format!("{}\n", report.total());
    if cases == 0 {
        text.push_str(&format!("no case's name holds `{filter}`\n"));
    }
    let is_clean = report.failed() == 0 && cases > 0;
    CheckReport { is_clean, text, json: report.to_json() }
}

/// Runs the cases against a proxy on a thread of this process, which ends with the process.
async fn run_here(
    filter: &str,
    abi: AbiVersion,
    guests: &[Guest],
    output: Output,
) -> Result<CheckReport, Failure> {
    let kit = Kit::new(abi).with_guests(guests);
    let folder = tempfile::tempdir().map_err(unreachable)?;
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let upstream = Upstream::start(loopback, loopback).await.map_err(unreachable)?;
    let probe = folder.path().join("probe.wasm");
    fs::write(&probe, kit.probe()).map_err(unreachable)?;
    let (config, admin) = (folder.path().join("mortise.yaml"), folder.path().join("admin.sock"));
    let places = Places { probe: &probe, http: upstream.http(), tcp: upstream.tcp(), guests };
    fs::write(&config, setup::mortise(&places, &admin)).map_err(unreachable)?;
    let (ended, mut end) = oneshot::channel();
    let proxy = move || {
        // Nobody listening any more is as good as having told them.
        let _told = ended.send(crate::run::run(RunOptions { config }, &[]));
    };
    thread::Builder::new().name("proxy".to_owned()).spawn(proxy).map_err(unreachable)?;
    let target = tokio::select! {
        target = ready(&admin, abi) => target?,
        end = &mut end => return Err(match end {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => Failure::Unreachable(miette!("the proxy under test ended")),
        }),
    };
    Ok(run(&kit, &target, filter, output).await)
}

async fn ready(admin: &Path, abi: AbiVersion) -> Result<Target, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < START_PATIENCE {
        if let Some(target) = Target::ours(admin, abi).await {
            return Ok(target);
        }
        sleep(PAUSE).await;
    }
    Err(Failure::Unreachable(miette!("the proxy under test is not ready in time")))
}

/// Another proxy, by its URL.
async fn other(url: &str, tcp: Option<SocketAddr>, abi: AbiVersion) -> Result<Target, Failure> {
    let authority = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let mut found = lookup_host(authority).await.map_err(unreachable)?;
    let http = found.next().ok_or_else(|| Failure::Unreachable(miette!("{url} has no address")))?;
    Ok(Target { name: url.to_owned(), http, tcp, admin: None, abi })
}

fn said(text: String) -> CheckReport {
    CheckReport { is_clean: true, json: json!({ "text": text.trim_end() }), text }
}

fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Unreachable(miette!("{error}"))
}
