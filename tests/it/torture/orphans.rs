//! R17: the proxy is killed; nothing outlives it: no child, nothing that a child started, no file.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tests_support::{Process, Proxy, entries, until};
use tokio::time::Instant;

use super::{
    kills::{config_of, count, leaves_nothing},
    run::Run,
    storm::{ms, until_filtered},
};

const PATIENT: &str = "call_timeout_ms: 5000, start_timeout_ms: 10000";
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// What is tried before the proxy is killed.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A confined child with grandchildren, of which one tried to get away.
    Confined,
    /// The same without a sandbox: that one got away.
    Free,
    /// The guard was killed before, and another one has come.
    Replaced,
}

pub(crate) async fn orphans(run: &mut Run, times: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tempfile::tempdir().expect("a folder");
    let sleeps = format!("600.{}", std::process::id());
    let program = family(folder.path(), &sleeps);
    let sleepers = || Process::with_argument(&sleeps);
    let (mut longest, mut found) = (Duration::ZERO, 0);
    for way in [Way::Confined, Way::Free, Way::Replaced].into_iter().cycle().take(3 * times) {
        let sandbox = if matches!(way, Way::Free) { ", sandbox: none" } else { "" };
        let config = config_of(&program, &format!("process: {{ {PATIENT}{sandbox} }}"));
        let mut proxy = Proxy::start_in(runtime.path(), &config).await;
        until_filtered(proxy.web(), "/closed").await;
        let grandchildren = until("the grandchildren", async || {
            let found = sleepers();
            (found.len() == 2).then_some(found)
        })
        .await;
        if matches!(way, Way::Replaced) {
            replace_guard(&proxy.process()).await;
        }
        let mut all = proxy.process().children();
        run.must(!all.is_empty(), "no child to look at");
        all.extend(grandchildren);
        all.push(guard(&proxy.process()).await);
        found += all.len();
        let begun = Instant::now();
        proxy.kill();
        let gone = until("the end of all processes, and no file", async || {
            let ended = !all.iter().any(Process::lives) && sleepers().is_empty();
            (ended && entries(runtime.path()).is_empty()).then_some(())
        });
        let gone = tokio::time::timeout(GONE_WITHIN * 5, gone).await;
        let took = begun.elapsed();
        longest = longest.max(took);
        let left: Vec<_> = all.iter().filter(|process| process.lives()).collect();
        let files = entries(runtime.path());
        run.must(gone.is_ok(), format_args!("{way:?}: {left:?} and {files:?} are left"));
    }
    run.figure("processes", count(found));
    run.figure("gone_within_ms", ms(longest));
    run.must(longest <= GONE_WITHIN, format_args!("something lived on for {longest:?}"));
    run.figure("left_by_the_killed", count(entries(runtime.path()).len()));

    let config = config_of(&program, &format!("process: {{ {PATIENT} }}"));
    let proxy = Proxy::start_in(runtime.path(), &config).await;
    until_filtered(proxy.web(), "/closed").await;
    let now = entries(runtime.path());
    run.must(now.len() <= 1, format_args!("the next one has {now:?}"));
    let known = sleepers();
    leaves_nothing(run, proxy, known).await;
}

/// The plugin, started by a script that starts others before.
fn family(folder: &Path, sleeps: &str) -> PathBuf {
    let program = folder.join("plugin");
    fs::copy(tests_fixtures::matrix::executable(), program).expect("copied");
    let script = folder.join("family");
    let text = format!(
        "#!/bin/sh\nsleep {sleeps} &\n(setsid sleep {sleeps} || exec sleep {sleeps}) 2>&- &\n\
         exec ./plugin\n"
    );
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
    script
}

async fn guard(proxy: &Process) -> Process {
    until("a guard", async || proxy.guard()).await
}

async fn replace_guard(proxy: &Process) {
    let first = guard(proxy).await;
    first.kill();
    until("another guard", async || {
        proxy.guard().filter(|another| another.id() != first.id()).map(drop)
    })
    .await;
}
