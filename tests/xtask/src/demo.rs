//! The demo: the proxy with three plugins in front of a small upstream, until Ctrl-C, or with
//! its promises checked.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use anyhow::{Result, bail};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    check, children, plugins,
    proxy::Proxy,
    run::{Report, cargo, root},
    setup, upstream,
};

/// The configuration that the README shows.
pub(crate) const CONFIG: &str = "plugin-examples/demo.yaml";
/// The addresses in it.
pub(crate) const LISTENER: &str = "127.0.0.1:8080";
pub(crate) const UPSTREAM: &str = "127.0.0.1:9000";
pub(crate) const ADMIN: &str = "127.0.0.1:9901";

/// Builds everything, then runs or checks it.
pub(crate) fn demo(report: &mut Report, check: bool) -> Result<()> {
    plugins::prepare(report)?;
    report.step("build mortise", &mut cargo(&["build", "--locked", "-p", "host-server"]))?;
    if check {
        return self::check(report);
    }
    let admin: SocketAddr = ADMIN.parse()?;
    let (stop, stopped) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || signals.forever().try_for_each(|signal| stop.send(signal)));
    upstream::start(UPSTREAM)?;
    let mut proxy = Proxy::start(&root().join(CONFIG), admin, None)?;
    println!("{}", try_this());
    while stopped.recv_timeout(Duration::from_millis(200)).is_err() {
        if let Some(status) = proxy.ended()? {
            bail!("mortise ended: {status}");
        }
    }
    println!("\nstopping");
    Ok(())
}

/// Performs the demo's requests itself.
pub(crate) fn check(report: &mut Report) -> Result<()> {
    report.work("demo --check", check::greet)?;
    for greet in greets() {
        let step = format!("demo --check {}", greet.label);
        if plugins::directory().join(&greet.artifact).exists() {
            report.work(&step, || check::another(&greet))?;
        } else {
            report.skip(&step, "it was not built");
        }
    }
    Ok(())
}

/// The plugin `greet` as another artifact than the one in [`CONFIG`].
pub(crate) struct Greet {
    /// What stands in the table.
    pub(crate) label: String,
    /// The file below the directory of the plugins.
    pub(crate) artifact: String,
    /// The configuration's word.
    pub(crate) backend: &'static str,
    /// What the configuration says of the plugin beside.
    pub(crate) more: &'static str,
    /// What it says at its end.
    pub(crate) top: &'static str,
}

/// On the other backends, and in other languages.
fn greets() -> Vec<Greet> {
    let greet = |label: &str, artifact: String, backend| {
        let label = label.to_owned();
        Greet { label, artifact, backend, more: "", top: "" }
    };
    let module = |name| greet(name, format!("{name}.wasm"), "wasm");
    let mut all: Vec<Greet> = setup::FOREIGN.into_iter().map(module).collect();
    all.push(greet("greet as a child process", "greet".to_owned(), "process"));
    for (label, file) in [
        ("greet as a library", "libgreet.so"),
        ("greet-c-native", "libgreet-c-native.so"),
        ("greet-zig-native", "libgreet-zig-native.so"),
    ] {
        let library = greet(label, file.to_owned(), "native");
        all.push(Greet { top: "native: { allow: [{ directory: ../plugins }] }\n", ..library });
    }
    all.push(greet(children::GO, children::GO.to_owned(), "process"));
    let python = greet(children::PYTHON, format!("{}/greet.py", children::PYTHON), "process");
    let cookie =
        "    process: { go_plugin: { cookie_key: MORTISE_PLUGIN, cookie_value: greet } }\n";
    all.push(Greet { more: cookie, ..python });
    all
}

/// What to type, and what to expect.
fn try_this() -> String {
    format!(
        "
mortise is ready; {CONFIG} is its configuration. Try, in another terminal:

  curl -i http://{LISTENER}/hello
      200 with `x-greeting: hello`; the upstream's answer shows that it saw the header too
  curl -i http://{LISTENER}/admin/users
      403, `not for you`: the plugin `deny` answers, the upstream sees nothing
  curl -i -d 'a quiet word' http://{LISTENER}/upper
      200; request and response in upper case, rewritten as they stream
  curl http://{ADMIN}/plugins
      the plugins that are loaded; also /metrics, /clusters, /config_dump

Change the greeting in {CONFIG}: the running proxy takes it over. Ctrl-C stops.
"
    )
}
