//! Who is measured: `mortise` in several settings, and the peers that are installed.
//!
//! All do the same work: one route to one upstream over kept connections; those of HTTP with
//! `x-forwarded-for`, `x-forwarded-proto` and `x-request-id` set. What a candidate is
//! configured with is in `configuration`.

mod configuration;

use std::{
    env, fmt, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::load::Talk;

/// What the candidates are made of.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The proxy's binary.
    pub(crate) mortise: PathBuf,
    /// Where the compiled example plugins are.
    pub(crate) plugins: PathBuf,
    /// Where configurations and logs go.
    pub(crate) folder: PathBuf,
    /// The upstream of all.
    pub(crate) upstream: SocketAddr,
}

/// One candidate, ready to be started.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) entry: &'static Entry,
    pub(crate) command: Command,
    pub(crate) address: SocketAddr,
    pub(crate) access_log: Option<PathBuf>,
}

/// What is said of a candidate.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name, for `--only` and in the results.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// The candidate that differs from it in one thing, whose price is the difference.
    pub(crate) base: Option<&'static str>,
    /// A field that its responses have, which proves that its filters run.
    pub(crate) proof: Option<&'static str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Mortise {
        log: bool,
        greets: usize,
        all_phases: bool,
        backend: Backend,
    },
    /// bolt, by the codec that is built in or by one of a plugin.
    Bolt {
        codec: Option<Backend>,
    },
    Nginx {
        log: bool,
    },
    HaProxy,
    Envoy,
}

/// How the filter of a `mortise` runs.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Wasm,
    Native,
    Process,
}

/// The name of the candidate that ratios are taken to in HTTP.
const REFERENCE: &str = "nginx";
/// The same in bolt.
const BOLT: &str = "bolt";

impl Talk {
    /// The name of the candidate that ratios are taken to.
    pub(crate) fn reference(self) -> &'static str {
        match self {
            Self::Http => REFERENCE,
            Self::Bolt => BOLT,
        }
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP/1.1 keep-alive",
            Self::Bolt => "SOFABolt",
        })
    }
}

const PROOF: &str = "x-bench";

const ENTRIES: [Entry; 15] = [
    Entry {
        name: REFERENCE,
        about: "access log off",
        base: None,
        proof: None,
        kind: Kind::Nginx { log: false },
    },
    Entry {
        name: "nginx-log",
        about: "access log on, buffered",
        base: Some(REFERENCE),
        proof: None,
        kind: Kind::Nginx { log: true },
    },
    Entry { name: "haproxy", about: "no log", base: None, proof: None, kind: Kind::HaProxy },
    Entry { name: "envoy", about: "no access log", base: None, proof: None, kind: Kind::Envoy },
    mortise("mortise-no-log", "router and metrics", None, (false, 0, false), Backend::Wasm),
    mortise(
        "mortise",
        "and the access log",
        Some("mortise-no-log"),
        (true, 0, false),
        Backend::Wasm,
    ),
    mortise("greet", "and a Wasm header filter", Some("mortise"), (true, 1, false), Backend::Wasm),
    mortise(
        "greet-native",
        "and a native header filter",
        Some("mortise"),
        (true, 1, false),
        Backend::Native,
    ),
    mortise(
        "greet-process",
        "and one in a child process, whose time is not counted",
        Some("mortise"),
        (true, 1, false),
        Backend::Process,
    ),
    mortise(
        "greet-all-phases",
        "that is shown bodies, too",
        Some("mortise"),
        (true, 1, true),
        Backend::Wasm,
    ),
    mortise(
        "greet-five",
        "five of them in a chain",
        Some("mortise"),
        (true, 5, false),
        Backend::Wasm,
    ),
    bolt(BOLT, "router, metrics and access log; the codec is built in", None),
    bolt("bolt-wasm", "a codec in a Wasm sandbox", Some(Backend::Wasm)),
    bolt("bolt-native", "the same in a native library", Some(Backend::Native)),
    bolt("bolt-process", "and in a child, whose time is not counted", Some(Backend::Process)),
];

const fn bolt(name: &'static str, about: &'static str, codec: Option<Backend>) -> Entry {
    let base = if codec.is_some() { Some(BOLT) } else { None };
    Entry { name, about, base, proof: None, kind: Kind::Bolt { codec } }
}

impl Entry {
    /// What it speaks.
    pub(crate) fn talk(&self) -> Talk {
        match self.kind {
            Kind::Bolt { .. } => Talk::Bolt,
            Kind::Mortise { .. } | Kind::Nginx { .. } | Kind::HaProxy | Kind::Envoy => Talk::Http,
        }
    }
}

const fn mortise(
    name: &'static str,
    about: &'static str,
    base: Option<&'static str>,
    (log, greets, all_phases): (bool, usize, bool),
    backend: Backend,
) -> Entry {
    let proof = if greets > 0 { Some(PROOF) } else { None };
    Entry { name, about, base, proof, kind: Kind::Mortise { log, greets, all_phases, backend } }
}

/// The entry of a name.
#[cfg(test)]
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The candidates that this machine has, or those of them that `only` names.
pub(crate) fn choose(setting: &Setting, only: &[String]) -> Result<Vec<Candidate>> {
    for name in only {
        let names = ENTRIES.map(|entry| entry.name).join(", ");
        let known = ENTRIES.iter().any(|entry| entry.name == name);
        ensure!(known, "no candidate is called `{name}`; there are {names}");
    }
    let mut chosen = Vec::new();
    for entry in &ENTRIES {
        if only.is_empty() || only.iter().any(|name| name == entry.name) {
            match candidate(entry, setting)? {
                Ok(candidate) => chosen.push(candidate),
                Err(missing) => println!("without {}: {missing}", entry.name),
            }
        }
    }
    ensure!(!chosen.is_empty(), "no candidate is left");
    Ok(chosen)
}

/// A candidate, or what this machine lacks for it.
fn candidate(entry: &'static Entry, setting: &Setting) -> Result<Result<Candidate, String>> {
    let folder = setting.folder.join(entry.name);
    fs::create_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let address = free_address()?;
    let place = configuration::Place {
        folder: &folder,
        address,
        upstream: setting.upstream,
        // Not beside the configuration, whose folder the proxy watches for changes.
        access_log: entry
            .kind
            .logs()
            .then(|| setting.folder.join(entry.name).with_extension("log")),
    };
    let file = folder.join(entry.kind.file());
    let (text, mut command) = match entry.kind {
        Kind::Mortise { greets, all_phases, backend, .. } => {
            let greet = setting.plugins.join(backend.file());
            if greets > 0 && !greet.is_file() {
                return Ok(Err("its plugin is not built: run `cargo xtask plugins`".to_owned()));
            }
            let filters = configuration::Greets {
                greet: &greet,
                backend: backend.word(),
                count: greets,
                all_phases,
            };
            (configuration::mortise(&place, &filters), program(&setting.mortise, &["run", "-c"]))
        }
        Kind::Bolt { codec } => {
            let codec =
                codec.map(|backend| (backend.word(), setting.plugins.join(backend.codec())));
            if codec.as_ref().is_some_and(|(_backend, artifact)| !artifact.is_file()) {
                return Ok(Err("its codec is not built: run `cargo xtask plugins`".to_owned()));
            }
            let codec = codec.as_ref().map(|(backend, artifact)| (*backend, artifact.as_path()));
            (configuration::bolt(&place, codec), program(&setting.mortise, &["run", "-c"]))
        }
        Kind::Nginx { .. } => {
            let Some(nginx) = find("nginx") else { return Ok(Err(missing("nginx"))) };
            (configuration::nginx(&place), program(&nginx, &["-e", "stderr", "-c"]))
        }
        Kind::HaProxy => {
            let Some(haproxy) = find("haproxy") else { return Ok(Err(missing("haproxy"))) };
            (configuration::haproxy(&place), program(&haproxy, &["-q", "-db", "-f"]))
        }
        Kind::Envoy => {
            let Some(envoy) = env::var_os(ENVOY) else {
                return Ok(Err(format!("{ENVOY} does not say where it is")));
            };
            let arguments = ["--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "-c"];
            (configuration::envoy(&place), program(Path::new(&envoy), &arguments))
        }
    };
    command.arg(&file);
    fs::write(&file, text).with_context(|| format!("{}", file.display()))?;
    Ok(Ok(Candidate { entry, command, address, access_log: place.access_log }))
}

const ENVOY: &str = "MORTISE_BENCH_ENVOY";

impl Backend {
    /// The word of the configuration.
    fn word(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Native => "native",
            Self::Process => "process",
        }
    }

    /// The artifact of `greet`.
    fn file(self) -> &'static str {
        match self {
            Self::Wasm => "greet.wasm",
            Self::Native => "libgreet.so",
            Self::Process => "greet",
        }
    }

    /// The artifact of the codec for bolt.
    fn codec(self) -> &'static str {
        match self {
            Self::Wasm => "bolt-codec.wasm",
            Self::Native => "libbolt-codec.so",
            Self::Process => "bolt-codec",
        }
    }
}

impl Kind {
    fn logs(self) -> bool {
        let logs = matches!(self, Self::Mortise { log: true, .. } | Self::Nginx { log: true });
        logs || matches!(self, Self::Bolt { .. })
    }

    fn file(self) -> &'static str {
        match self {
            Self::Mortise { .. } | Self::Bolt { .. } => "mortise.yaml",
            Self::Nginx { .. } => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
            Self::Envoy => "envoy.yaml",
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "candidates are processes")]
fn program(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Programs of the system are in `sbin`, which a user's path may lack.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|it| it.is_file())
}

fn missing(package: &str) -> String {
    format!("it is not installed; on Debian: apt-get install {package}")
}

/// An address that was free just now. Peers cannot be asked which port they took; who loses
/// it in between does not start, and the run says so.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    match listener.local_addr()? {
        address @ SocketAddr::V4(_) => Ok(address),
        SocketAddr::V6(address) => bail!("{address} is not the address that was asked for"),
    }
}

#[cfg(test)]
mod tests;
