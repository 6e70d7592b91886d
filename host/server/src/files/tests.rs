use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    Event, EventKind,
    event::{AccessKind, CreateKind, ModifyKind},
};
use tokio::time::timeout;

use super::{Watcher, matters};

#[track_caller]
fn check(kind: EventKind, path: &str, expect: bool) {
    let files = BTreeSet::from([PathBuf::from("/etc/m/mortise.yaml")]);
    let event = Event::new(kind).add_path(PathBuf::from(path));
    assert_eq!(matters(&event, &files), expect, "{kind:?} {path}");
}

#[test]
fn a_change_of_a_file_or_of_a_link_beside_it_matters() {
    check(EventKind::Modify(ModifyKind::Any), "/etc/m/mortise.yaml", true);
    check(EventKind::Create(CreateKind::Any), "/etc/m/mortise.yaml", true);
    check(EventKind::Create(CreateKind::Any), "/etc/m/..data", true);
    check(EventKind::Modify(ModifyKind::Any), "/etc/m/other.yaml", false);
    check(EventKind::Access(AccessKind::Any), "/etc/m/mortise.yaml", false);
}

const SOON: Duration = Duration::from_secs(20);

async fn replaced(watcher: &Watcher, file: &Path, text: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, text).expect("written");
    std::fs::rename(&next, file).expect("renamed");
    timeout(SOON, watcher.changed()).await.expect("the change is noticed");
}

#[tokio::test]
async fn a_file_that_is_replaced_again_and_again_is_noticed_each_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mortise.yaml");
    std::fs::write(&file, "1").expect("written");
    let mut watcher = Watcher::start().expect("the system can watch");
    watcher.watch([file.clone()].into_iter());
    replaced(&watcher, &file, "2").await;
    watcher.watch([file.clone()].into_iter());
    replaced(&watcher, &file, "3").await;
}
