//! The rules that decide, each over the whole table: what a policy denies is not done whatever
//! grants it, what a manifest does not ask for is not done whatever the policy says, and what a
//! permissive policy does not allow is done, counted and told.

use super::{
    stage::{Cell, Stage, Way},
    table::{Row, holds, rows},
};
use crate::matrix::Backend;

/// Plays the whole table in some ways: all comes out as where it is granted, or as where it is
/// not, but for what is counted and told.
async fn plays(backend: Backend, ways: &[Way]) {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.backends.contains(&backend)).collect();
    let cells: Vec<Cell<'_>> =
        rows.iter().flat_map(|row| ways.iter().map(move |way| Cell { row, way: *way })).collect();
    let stage = Stage::start(backend, &cells).await;
    let mut wrong = Vec::new();
    for cell in cells {
        let outcome = stage.play(cell).await;
        wrong.extend(holds(backend, cell, &outcome).err());
        if !stage.agrees(cell, &outcome) {
            let (name, text) = (&outcome.name, &outcome.text);
            let expected = stage.expected(cell);
            wrong.push(format!("== {name}\n-- expected\n{expected}\n-- found\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", backend.name(), wrong.join("\n"));
}

#[tokio::test]
async fn modules_meet_denials_and_permissive_policies() {
    plays(Backend::Wasm, &[Way::Denied, Way::Permissive]).await;
}

#[tokio::test]
async fn child_processes_meet_denials_and_permissive_policies() {
    plays(Backend::Process, &[Way::Denied, Way::Permissive]).await;
}

#[tokio::test]
async fn libraries_meet_denials_and_permissive_policies() {
    plays(Backend::Native, &[Way::Denied, Way::Permissive]).await;
}

#[tokio::test]
async fn modules_may_do_what_their_manifest_asks_for() {
    plays(Backend::Wasm, &[Way::Asked, Way::NotAsked]).await;
}

#[tokio::test]
async fn child_processes_may_do_what_their_manifest_asks_for() {
    plays(Backend::Process, &[Way::Asked, Way::NotAsked]).await;
}
