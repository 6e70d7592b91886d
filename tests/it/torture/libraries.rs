//! R28: native plugins that panic in every callback, and libraries that are wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests_support::{Config, Http, Proxy, Upstream, until};
use tokio::time::{Duration, timeout};

use super::{kills::count, run::Run};
use crate::{common, matrix};

const NAMED_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn libraries(run: &mut Run) {
    let (passed, failed) = matrix::panics(matrix::Backend::Native).await;
    run.figure("panics_contained", count(passed));
    run.must(failed.is_empty(), format_args!("panics: {}", failed.join("\n")));
    let folder = tempfile::tempdir().expect("a folder");
    let mut refused = 0;
    for (name, source) in wrong(folder.path()) {
        match refusal(name, &source, folder.path()).await {
            Ok(()) => refused += 1,
            Err(why) => run.must(false, format_args!("{name}: {why}")),
        }
    }
    run.figure("wrong_libraries_refused", count(refused));
    run.must(refused >= 12, format_args!("only {refused} libraries were refused"));
}

/// Puts a wrong library on a route beside a healthy one: the log names it, its route fails, the
/// other one does not.
async fn refusal(name: &str, source: &Path, allowed: &Path) -> Result<(), String> {
    let upstream = Upstream::echo(Http::One).await;
    let routes = format!(
        "routes:\n\
         - {{ match: {{ prefix: /wrong }}, cluster: app, stream_filters: [{{ plugin: {name} }}] }}\n\
         - {{ match: {{ prefix: / }}, cluster: app }}"
    );
    let allow = if name == "not-allowed" {
        String::from("native: { allow: [] }")
    } else {
        format!("native: {{ allow: [{{ directory: \"{}\" }}] }}", allowed.display())
    };
    let config = Config::new()
        .top(&format!("workers: 1\n{allow}"))
        .listener("web", &routes)
        .cluster("app", upstream.address(), "")
        .plugin_on("native", name, source, "");
    let proxy = match Proxy::try_start(&config).await {
        // Refused as a whole is refused, too, where it says whom.
        Err(finished) if finished.stderr.contains(name) => return Ok(()),
        Err(finished) => return Err(format!("ended without naming it: {}", finished.stderr)),
        Ok(proxy) => proxy,
    };
    let status = common::status(proxy.web(), "/wrong").await.as_u16();
    if status != 503 {
        return Err(format!("its route answered {status}"));
    }
    let healthy = common::status(proxy.web(), "/").await.as_u16();
    if healthy != 200 {
        return Err(format!("the healthy route answered {healthy}"));
    }
    let named = until(name, async || proxy.stderr().contains(name).then_some(()));
    let named = timeout(NAMED_WITHIN, named).await;
    named.map_err(|_elapsed| "nothing in the log names it".to_owned())
}

/// Libraries that must not be loaded, each wrong in one thing.
fn wrong(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let good = fs::read(tests_fixtures::matrix::library()).expect("the library");
    let patched = |at: usize, bytes: &[u8]| {
        let mut library = good.clone();
        library[at..at + bytes.len()].copy_from_slice(bytes);
        library
    };
    let half = good.get(..good.len() / 2).unwrap_or_default().to_vec();
    let head = good.get(..64).unwrap_or_default().to_vec();
    let symbol = b"mortise_plugin_entry";
    let mut renamed = good.clone();
    let places: Vec<usize> = renamed
        .windows(symbol.len())
        .enumerate()
        .filter(|(_at, window)| window == symbol)
        .map(|(at, _window)| at)
        .collect();
    for at in places {
        renamed[at] = b'M';
    }
    let made = [
        ("empty", Vec::new()),
        ("text", b"not a library at all\n".to_vec()),
        ("script", b"#!/bin/sh\nexit 0\n".to_vec()),
        ("truncated", half),
        ("only-a-head", head),
        // Of the ELF header: class, byte order, kind, machine, the place of the sections.
        ("of-32-bits", patched(4, &[1])),
        ("big-endian", patched(5, &[2])),
        ("a-program", patched(16, &[2, 0])),
        ("another-machine", patched(18, &[8, 0])),
        ("lost-sections", patched(40, &[0xff; 8])),
        ("lost-segments", patched(32, &[0xff; 8])),
        ("no-symbol", renamed),
        ("not-allowed", good.clone()),
    ];
    let mut all: Vec<_> = made
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(format!("{name}.so"));
            fs::write(&path, bytes).expect("written");
            (name, path)
        })
        .collect();
    all.push(("missing", folder.join("there-is-none.so")));
    all.push(("a-directory", folder.to_owned()));
    let wasm = folder.join("module.so");
    fs::copy(tests_fixtures::matrix::module(), &wasm).expect("copied");
    all.push(("a-wasm-module", wasm));
    all
}
