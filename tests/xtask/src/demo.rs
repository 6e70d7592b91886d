//! The demo: the proxy with three plugins in front of a small upstream, until Ctrl-C, or with
//! its promises checked.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use anyhow::{Result, bail};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    check, plugins,
    proxy::Proxy,
    run::{Report, cargo, root},
    upstream,
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
    for name in crate::setup::FOREIGN {
        if plugins::directory().join(format!("{name}.wasm")).exists() {
            report.work(&format!("demo --check {name}"), || check::foreign(name))?;
        } else {
            report.skip(&format!("demo --check {name}"), "it was not built");
        }
    }
    Ok(())
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
