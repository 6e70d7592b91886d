//! The table: one row for each capability.

mod connections;
mod streams;

use std::path::PathBuf;

use abi_manifest::Capability;
use serde_json::Value;
use tests_support::Config;

use super::{
    packages,
    stage::{Cell, Outcome, Stage, Way},
};
use crate::matrix::{Backend, case::Ask};

/// One capability: what tries it, and what it needs.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) capability: Capability,
    /// The grant that one of its plugins has and the other lacks.
    pub(super) grant: Vec<String>,
    /// What both are granted beside.
    pub(super) beside: Vec<String>,
    /// The steps of the plugin.
    pub(super) script: Value,
    pub(super) drive: Drive,
    /// Where it applies.
    pub(super) backends: Vec<Backend>,
    /// Another module than that of the matrix; under Wasm only.
    module: Option<&'static str>,
    /// Lines of the plugin, under Wasm and as a process.
    lines: [String; 2],
    /// Whether what is not granted is refused at a call, and so counted and told. What is left
    /// out of what a plugin is given is not.
    is_call: bool,
    /// The same for child processes: they are given heads without what they may not see.
    is_call_of_children: bool,
}

/// What is asked of the proxy.
#[derive(Clone, Debug)]
pub(super) enum Drive {
    /// One request.
    Request(Ask),
    /// One connection.
    Connection,
}

/// What all need: to log, and for the tables of the plugin's own library.
const BESIDE: [&str; 2] = ["log", "random"];

/// The hooks that are phases.
const PHASES: [&str; 6] = [
    "request_headers",
    "request_body",
    "response_headers",
    "response_body",
    "downstream_data",
    "upstream_data",
];

/// All columns.
pub(super) const EVERYWHERE: [Backend; 5] =
    [Backend::Builtin, Backend::Wasm, Backend::Process, Backend::ProcessTcp, Backend::Native];

/// The table.
pub(super) fn rows() -> Vec<Row> {
    [streams::rows(), connections::rows()].concat()
}

impl Row {
    /// A row of one `GET`, which may log.
    fn new(capability: Capability, grant: &str, script: Value) -> Self {
        Self {
            capability,
            grant: vec![grant.to_owned()],
            beside: BESIDE.map(str::to_owned).to_vec(),
            script,
            drive: Drive::Request(Ask::default()),
            backends: EVERYWHERE.to_vec(),
            module: None,
            lines: [String::new(), String::new()],
            is_call: true,
            is_call_of_children: true,
        }
    }

    fn on(mut self, backends: &[Backend]) -> Self {
        self.backends = backends.to_vec();
        self
    }

    /// What it needs beside, too.
    fn beside(mut self, grants: &[&str]) -> Self {
        self.beside.extend(grants.iter().map(|one| (*one).to_owned()));
        self
    }

    fn without_beside(mut self, grant: &str) -> Self {
        self.beside.retain(|one| one != grant);
        self
    }

    fn field(mut self, name: &'static str, value: &'static str) -> Self {
        if let Drive::Request(ask) = &mut self.drive {
            ask.fields.push((name, value));
        }
        self
    }

    fn post(mut self, body: &'static str) -> Self {
        if let Drive::Request(ask) = &mut self.drive {
            ask.post = true;
            ask.body.push(body);
        }
        self
    }

    fn connection(mut self) -> Self {
        self.drive = Drive::Connection;
        self
    }

    /// What it is shown: what it has steps for, and the end.
    fn phases(&self) -> String {
        let Some(steps) = self.script.as_object().filter(|_steps| self.module.is_none()) else {
            return String::new();
        };
        let hooks = steps.keys().map(String::as_str);
        let phases = hooks.filter(|hook| PHASES.contains(hook)).chain(["log"]);
        format!("phases: [{}]", phases.collect::<Vec<_>>().join(", "))
    }

    fn withheld_from_children(mut self) -> Self {
        self.is_call_of_children = false;
        self
    }

    /// The plugin among those of the artifact.
    pub(super) fn root(&self) -> &'static str {
        if self.module.is_some() { "" } else { "root_id: matrix, " }
    }
}

impl Cell<'_> {
    /// Whether a denial is counted and told. Children are given heads, and are told where that
    /// leaves nothing of one, or where more is shown to them than they may see.
    pub(super) fn is_told(&self, backend: Backend) -> bool {
        let shows = matches!(self.way, Way::Permissive | Way::NotGranted);
        let is_call = self.row.is_call_of_children || shows;
        self.row.is_call && (is_call || !is_child(backend))
    }

    /// Whether a denial is counted as the plugin is loaded, where a warning has told it by name.
    fn is_withheld(&self) -> bool {
        matches!(self.row.capability, Capability::Environment | Capability::FilesRead)
    }

    /// Whether a denial of this is of a head that a child was given, in a row that is not about
    /// it.
    pub(super) fn is_beside(&self, backend: Backend, permission: &str) -> bool {
        let is_head = ["headers.request.read", "headers.response.read"].contains(&permission);
        is_head && is_child(backend) && permission != self.row.capability.word()
    }

    /// A line of its log, without what is another number each time.
    pub(super) fn shown(&self, line: &str) -> String {
        let is_drawn = self.row.capability == Capability::Random && self.way.lets();
        match line.split_once('=') {
            Some((what, _number)) if is_drawn => format!("{what}=some number"),
            _ => line.to_owned(),
        }
    }

    /// Adds its plugin.
    pub(super) fn plugin(&self, backend: Backend, config: Config) -> Config {
        let (name, row) = (self.name(), self.row);
        let artifact = match row.module {
            Some(module) => written(module),
            None => backend.source(),
        };
        let source = match self.permissions() {
            Some(permissions) => packages::package(backend, &name, &artifact, &permissions),
            None => artifact,
        };
        let [wasm, process] = &row.lines;
        let more = match backend {
            Backend::Wasm => format!("vm: {{ {wasm} }}"),
            Backend::Process => format!("process: {{ call_timeout_ms: 10000, {process} }}"),
            Backend::ProcessTcp => {
                format!("process: {{ call_timeout_ms: 10000, transport: tcp, {process} }}")
            }
            Backend::Builtin | Backend::Native => String::new(),
        };
        let lines = format!("{more}\n{}\npolicy: {name}", row.phases());
        config.plugin_on(backend.word(), &name, &source, &lines)
    }
}

fn is_child(backend: Backend) -> bool {
    matches!(backend, Backend::Process | Backend::ProcessTcp)
}

/// A small module as a file.
fn written(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("policy-{name}.wasm"));
    let partial = folder.join(format!("policy-{name}.{}", std::process::id()));
    std::fs::write(&partial, tests_fixtures::wat(name)).expect("written");
    std::fs::rename(&partial, &file).expect("renamed");
    file
}

/// Plays the whole table on one backend.
async fn plays(backend: Backend) {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.backends.contains(&backend)).collect();
    let cells: Vec<Cell<'_>> = rows
        .iter()
        .flat_map(|row| [Way::Granted, Way::NotGranted].map(|way| Cell { row, way }))
        .collect();
    let stage = Stage::start(backend, &cells).await;
    let (mut outcomes, mut wrong) = (Vec::new(), Vec::new());
    for cell in cells {
        let outcome = stage.play(cell).await;
        wrong.extend(holds(backend, cell, &outcome).err());
        outcomes.push(outcome);
    }
    for pair in outcomes.chunks(2) {
        if pair[0].text == pair[1].text {
            wrong
                .push(format!("{}: the grant makes no difference: {}", pair[0].name, pair[0].text));
        }
    }
    let finished = stage.finish(&outcomes);
    wrong.extend(finished);
    assert!(wrong.is_empty(), "{}:\n{}", backend.name(), wrong.join("\n"));
}

/// What holds of every cell, whatever is written down: what was counted, and what was told.
pub(super) fn holds(backend: Backend, cell: Cell<'_>, outcome: &Outcome) -> Result<(), String> {
    let Outcome { name, text, .. } = outcome;
    let word = cell.row.capability.word();
    let denied: Vec<&str> = outcome.denied.iter().map(String::as_str).collect();
    let said = &outcome.said;
    let advice = match cell.way {
        Way::Granted | Way::Asked => None,
        Way::NotGranted => Some("is not allowed: to grant it, add"),
        Way::Denied => Some("is not allowed: `denials` of the policy"),
        Way::Permissive => Some("would not be allowed: to grant it, add"),
        Way::NotAsked => Some("is not allowed: the plugin's plugin.toml does not ask for it"),
    };
    if cell.is_withheld() && advice.is_some() {
        let counted = denied == [word];
        return if counted { Ok(()) } else { Err(format!("{name}: not counted:\n{text}")) };
    }
    let Some(advice) = advice.filter(|_advice| cell.is_told(backend)) else {
        let is_quiet = denied.is_empty() && said.is_empty();
        return if is_quiet { Ok(()) } else { Err(format!("{name}: denied something:\n{text}")) };
    };
    if denied != [word] {
        return Err(format!("{name}: `{word}` is not what was counted:\n{text}"));
    }
    let names = said.iter().all(|line| line.starts_with(&format!("`{word}")));
    let advises = said.iter().any(|line| line.contains(advice));
    if said.is_empty() || !names || !advises {
        return Err(format!("{name}: no line says {advice:?}:\n{text}"));
    }
    Ok(())
}

#[test]
fn every_capability_has_a_row() {
    let rows = rows();
    for capability in Capability::ALL {
        let of: Vec<_> = rows.iter().filter(|row| row.capability == capability).collect();
        assert_eq!(of.len(), 1, "`{}` needs one row", capability.word());
        assert!(!of[0].backends.is_empty(), "`{}` applies nowhere", capability.word());
    }
}

#[tokio::test]
async fn builtin_plugins_do_what_they_are_granted_and_nothing_else() {
    plays(Backend::Builtin).await;
}

#[tokio::test]
async fn modules_do_what_they_are_granted_and_nothing_else() {
    plays(Backend::Wasm).await;
}

#[tokio::test]
async fn child_processes_do_what_they_are_granted_and_nothing_else() {
    plays(Backend::Process).await;
}

#[tokio::test]
async fn child_processes_over_tcp_do_what_they_are_granted_and_nothing_else() {
    plays(Backend::ProcessTcp).await;
}

#[tokio::test]
async fn libraries_do_what_they_are_granted_and_nothing_else() {
    plays(Backend::Native).await;
}
