//! A proxy with the rows of the table: each as two plugins, of which one lacks one grant.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use serde_json::json;
use tests_support::{Config, Http, Proxy, RawPeer, RawUpstream, Sample, Upstream, until};
use tokio::time::{Duration, Instant, timeout};

use super::table::{Drive, Row};
use crate::{
    grpc::serve,
    matrix::{
        Backend,
        settings::{self, Sightings},
        stage::reply,
    },
};

/// How long what comes later may take: lines of the log, counts.
const LATER_MAX: Duration = Duration::from_secs(8);
/// A text that stays the same for so many looks is taken for the last.
const LOOKS: u32 = 12;
/// The longest wait for bytes of a connection.
const TURN_MAX: Duration = Duration::from_secs(5);

/// The counter of denials.
pub(super) const DENIED: &str = "mortise_plugin_denied_total";

/// One plugin of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    pub(super) row: &'a Row,
    pub(super) way: Way,
}

/// How a plugin comes to what it may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// The policy grants what it needs, and nothing else.
    Granted,
    /// The same without the grant that the row is about.
    NotGranted,
    /// The policy grants everything, and denies what the row is about.
    Denied,
    /// As `NotGranted`, in a policy that is permissive.
    Permissive,
    /// The policy grants everything; the manifest asks for what is needed, and nothing else.
    Asked,
    /// The same without the permission that the row is about.
    NotAsked,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) text: String,
    /// The permissions of which denials were counted.
    pub(super) denied: BTreeSet<String>,
    /// The lines of the log that tell of them.
    pub(super) said: Vec<String>,
}

/// A proxy with all rows, and its peers.
#[derive(Debug)]
pub(super) struct Stage {
    proxy: Proxy,
    sightings: Sightings,
    raw: BTreeMap<String, RawUpstream>,
    golden: Golden,
    _peers: [Upstream; 3],
}

impl Way {
    /// Whether the plugin can do what the row is about.
    pub(super) fn lets(self) -> bool {
        matches!(self, Self::Granted | Self::Permissive | Self::Asked)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::NotGranted => "not",
            Self::Denied => "denied",
            Self::Permissive => "permissive",
            Self::Asked => "asked",
            Self::NotAsked => "not_asked",
        }
    }

    /// The one that is written down and comes out alike.
    fn like(self) -> Self {
        if self.lets() { Self::Granted } else { Self::NotGranted }
    }
}

impl Cell<'_> {
    /// Its name: that of its plugin, its route or listener, and the first part of paths.
    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.row.capability.word().replace('.', "_"), self.way.word())
    }

    /// What the row needs, with what it is about or without.
    fn needs(&self, with_own: bool) -> Vec<&str> {
        let own = self.row.grant.iter().filter(|_one| with_own);
        own.chain(&self.row.beside).map(String::as_str).collect()
    }

    /// The configuration's lines of its policy.
    fn policy(&self, limits: &str) -> String {
        let lines = match self.way {
            Way::Granted => format!("grants: {}", json!(self.needs(true))),
            Way::NotGranted => format!("grants: {}", json!(self.needs(false))),
            Way::Denied => format!("preset: trusted\ndenials: {}", json!(self.row.grant)),
            Way::Permissive => {
                format!("grants: {}\nmode: permissive", json!(self.needs(false)))
            }
            Way::Asked | Way::NotAsked => "preset: trusted".to_owned(),
        };
        format!("{lines}\n{limits}\nallow_unenforced: [cpu_per_call, clock, random]")
    }

    /// What its manifest asks for, where it has one.
    pub(super) fn permissions(&self) -> Option<Vec<&str>> {
        match self.way {
            Way::Asked => Some(self.needs(true)),
            Way::NotAsked => Some(self.needs(false)),
            Way::Granted | Way::NotGranted | Way::Denied | Way::Permissive => None,
        }
    }

    fn filter(&self) -> String {
        let name = self.name();
        let mut config = self.row.script.clone();
        if config.is_object() {
            config["case"] = name.clone().into();
            if config.get("complete").is_none() {
                config["complete"] = json!(["log_notes"]);
            }
        }
        let text = config.to_string().replace("CASE", &name);
        format!("{{ plugin: {name}, {}config: {text} }}", self.row.root())
    }
}

impl Stage {
    /// Starts a proxy of one worker with all cells.
    pub(super) async fn start(backend: Backend, cells: &[Cell<'_>]) -> Self {
        let sightings = Sightings::default();
        let (app, asked) = (settings::app(&sightings).await, settings::asked().await);
        let notes = Upstream::serve(Http::Two, serve).await;
        let mut config = Config::new()
            .top("workers: 1\nlog: { level: info }")
            .cluster("app", app.address(), "protocol: http2")
            .cluster("known", asked.address(), "")
            .cluster("asked", notes.address(), "protocol: http2");
        let (mut routes, mut raw) = (String::from("routes:\n"), BTreeMap::new());
        for cell in cells {
            let (name, filter) = (cell.name(), cell.filter());
            config = config.policy(&name, &cell.policy("limits: { cpu_ms_per_call: 500 }"));
            config = cell.plugin(backend, config);
            if matches!(cell.row.drive, Drive::Connection) {
                let upstream = RawUpstream::bind().await;
                let lines = format!("protocol: tcp\ncluster: {name}\nnetwork_filters: [{filter}]");
                config = config.listener(&name, &lines).cluster(&name, upstream.address(), "");
                raw.insert(name, upstream);
            } else {
                routes.push_str(&format!(
                    "- {{ match: {{ prefix: /{name}/ }}, cluster: app, stream_filters: [{filter}] }}\n"
                ));
            }
        }
        let config = backend.prepare(config.listener("web", &routes));
        let proxy = backend.start(&config).await;
        let golden = Golden::of(backend);
        Self { proxy, sightings, raw, golden, _peers: [app, asked, notes] }
    }

    /// Plays one cell.
    pub(super) async fn play(&self, cell: Cell<'_>) -> Outcome {
        let name = cell.name();
        let said = match &cell.row.drive {
            Drive::Request(ask) => {
                vec![reply(self.proxy.web(), &name, ask.clone()).await]
            }
            Drive::Connection => self.talk(&name).await,
        };
        let begun = Instant::now();
        let (mut last, mut same) = (String::new(), 0);
        until("the end of a cell", async || {
            let now = self.outcome(cell, &said).await;
            same = if now.text == last { same + 1 } else { 0 };
            last.clone_from(&now.text);
            let settled = match self.golden.updates {
                true => same >= LOOKS,
                false => self.agrees(cell, &now) || begun.elapsed() > LATER_MAX,
            };
            settled.then_some(now)
        })
        .await
    }

    /// A client that says `ping`, and an upstream that answers `pong`.
    async fn talk(&self, name: &str) -> Vec<String> {
        let mut client = RawPeer::connect(self.proxy.address(name)).await;
        drop(client.try_send("ping").await);
        client.finish().await;
        let upstream = async {
            let mut peer = self.raw[name].accept().await;
            let read = peer.read_to_end().await;
            drop(peer.try_send("pong").await);
            peer.finish().await;
            settings::shown_bytes(&read)
        };
        let upstream = timeout(TURN_MAX, upstream).await.unwrap_or_else(|_| "nothing".to_owned());
        let read = timeout(TURN_MAX, client.read_to_end()).await;
        let client = read.map_or_else(|_| "no end".to_owned(), |read| settings::shown_bytes(&read));
        vec![format!("upstream read: {upstream}"), format!("client read: {client}")]
    }

    async fn outcome(&self, cell: Cell<'_>, replies: &[String]) -> Outcome {
        let name = cell.name();
        let mut lines = replies.to_vec();
        let seen = self.sightings.lock().get(&name).cloned().unwrap_or_default();
        lines.extend(seen.into_iter().map(|seen| format!("upstream: {seen}")));
        let log = self.proxy.stderr();
        let own = settings::logged(&log, &name).into_iter().map(|line| cell.shown(&line));
        // What was not noted leaves an empty line.
        lines.extend(own.filter(|line| line != "info ").map(|line| format!("log: {line}")));
        let metrics = self.proxy.metrics().await;
        lines.extend(settings::counted(&metrics, &name));
        let of = [("plugin", name.as_str())];
        let faults = metrics.sum("mortise_plugin_faults_total", &of);
        if faults != 0.0 {
            lines.push(format!("faults: {faults}"));
        }
        let is_denial = |sample: &&Sample| {
            let is_ours = sample.labels.get("plugin") == Some(&name);
            sample.name == DENIED && is_ours && sample.value > 0.0
        };
        let denials = metrics.samples.iter().filter(is_denial);
        let denied = denials.filter_map(|sample| sample.labels.get("permission").cloned());
        let is_of_row = |permission: &str| !cell.is_beside(self.golden.backend, permission);
        let denied: BTreeSet<String> = denied.filter(|permission| is_of_row(permission)).collect();
        // How many pieces of a body were withheld is a matter of timing.
        lines.extend(denied.iter().map(|permission| format!("denied: {permission}")));
        let mut said = told(&log, &name);
        said.retain(|line| {
            let permission = line.trim_start_matches('`').split([':', '`']).next();
            is_of_row(permission.unwrap_or_default())
        });
        lines.extend(said.iter().map(|line| format!("said: {line}")));
        let text = lines.join("\n").replace(&name, "CASE");
        Outcome { name, text, denied, said }
    }

    /// Whether it came out as written down; of what is not itself written down, whether all but
    /// the denials is as there.
    pub(super) fn agrees(&self, cell: Cell<'_>, outcome: &Outcome) -> bool {
        let like = Cell { way: cell.way.like(), ..cell };
        if like.way == cell.way {
            return self.golden.agrees(&outcome.name, &outcome.text);
        }
        let expected = self.golden.texts.get(&like.name());
        let agrees =
            expected.is_some_and(|text| without_denials(text) == without_denials(&outcome.text));
        // The line of the log may come behind what the traffic sees.
        let is_told = !outcome.said.is_empty()
            || !cell.is_told(self.golden.backend)
            || matches!(cell.way, Way::Asked);
        agrees && is_told
    }

    /// What is written down of the one that comes out alike.
    pub(super) fn expected(&self, cell: Cell<'_>) -> String {
        let like = Cell { way: cell.way.like(), ..cell };
        self.golden.texts.get(&like.name()).map_or("", String::as_str).to_owned()
    }

    /// Compares with what is written down, or writes it down: what is not as it is there.
    pub(super) fn finish(&self, outcomes: &[Outcome]) -> Vec<String> {
        self.golden.finish(outcomes)
    }
}

fn without_denials(text: &str) -> Vec<&str> {
    let tells = |line: &&str| !line.starts_with("denied: ") && !line.starts_with("said: ");
    text.lines().filter(tells).collect()
}

/// The lines of the log that tell of denials of a plugin, without what differs each time.
pub(super) fn told(log: &str, plugin: &str) -> Vec<String> {
    let of_plugin = format!("plugin={plugin}");
    let is_denial = |line: &&str| {
        let is_said = line.contains("is not allowed: ") || line.contains("would not be allowed: ");
        // What it may use by its code is told when it is loaded.
        let at_load = [" may use ", " does not see its ", " of its `sandbox.read`"];
        let is_call = is_said && !at_load.iter().any(|words| line.contains(words));
        is_call && line.split_whitespace().any(|word| word.replace('"', "") == of_plugin)
    };
    let text = |line: &str| {
        let from = line.find('`').unwrap_or(0);
        let line = line.get(from..).unwrap_or_default();
        // How many there were since the last line is a matter of timing.
        let line = line.split(" plugin=").next().unwrap_or_default().trim_end();
        let shorter = line.strip_suffix(" more since the last line)");
        shorter
            .and_then(|line| line.rsplit_once(" ("))
            .map_or(line, |(line, _more)| line)
            .to_owned()
    };
    let mut lines: Vec<String> = log.lines().filter(is_denial).map(text).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The expected texts of one family of backends, by cell.
#[derive(Debug)]
struct Golden {
    backend: Backend,
    texts: BTreeMap<String, String>,
    /// The texts are to be written, not compared.
    updates: bool,
}

impl Golden {
    fn of(backend: Backend) -> Self {
        let wanted = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
        let text = fs::read_to_string(file(backend)).unwrap_or_default();
        let texts = text.split("== ").filter_map(|section| {
            let (name, text) = section.split_once('\n')?;
            Some((name.to_owned(), text.trim_end().to_owned()))
        });
        Self { backend, texts: texts.collect(), updates: wanted && family(backend).1 }
    }

    fn agrees(&self, name: &str, text: &str) -> bool {
        self.texts.get(name).is_some_and(|expected| expected == text.trim_end())
    }

    fn finish(&self, outcomes: &[Outcome]) -> Vec<String> {
        let mut text = String::new();
        for one in outcomes {
            writeln!(text, "== {}\n{}\n", one.name, one.text.trim_end()).expect("a string grows");
        }
        if self.updates {
            fs::write(file(self.backend), text).expect("the golden file");
            return Vec::new();
        }
        let wrong = outcomes.iter().filter(|one| !self.agrees(&one.name, &one.text));
        wrong
            .map(|one| {
                let expected = self.texts.get(&one.name).map_or("(nothing)", String::as_str);
                format!("== {}\n-- expected\n{expected}\n-- found\n{}", one.name, one.text)
            })
            .collect()
    }
}

/// The family of a backend: its name, and whether the backend is the one that is written down.
fn family(backend: Backend) -> (&'static str, bool) {
    match backend {
        Backend::Wasm => ("wasm", true),
        Backend::Process => ("process", true),
        Backend::ProcessTcp => ("process", false),
        Backend::Native => ("library", true),
        Backend::Builtin => ("library", false),
    }
}

fn file(backend: Backend) -> PathBuf {
    let name = format!("golden/policy_{}.txt", family(backend).0);
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
