//! The demo's promises, checked over real sockets on free ports.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    demo::{ADMIN, CONFIG, Greet, LISTENER, UPSTREAM},
    http::{Message, ask},
    proxy::Proxy,
    run::root,
    upstream,
};

/// The demo as it is.
pub(crate) fn greet() -> Result<()> {
    let demo = Demo::start("greet", MODULE, "")?;
    demo.checked("greet adds its header on both sides", Demo::greeting)?;
    demo.checked("deny answers for the upstream", Demo::denied)?;
    demo.checked("deny means whole path segments", Demo::not_denied)?;
    demo.checked("body-upper rewrites both bodies", Demo::upper)?;
    demo.checked("body-upper rewrites 4 MiB as they stream", Demo::upper_streaming)?;
    demo.checked("the admin page knows the plugins", Demo::admin_plugins)
}

/// The demo with `greet` as another artifact: `backend` and `source` are all that changes.
pub(crate) fn another(greet: &Greet) -> Result<()> {
    let Greet { label, artifact, backend, more, top } = greet;
    let lines = format!("    backend: {backend}\n    source: ../target/plugins/{artifact}\n{more}");
    let demo = Demo::start(&label.replace(' ', "-"), &lines, top)?;
    demo.checked(&format!("{label} adds its header on both sides"), Demo::greeting)
}

/// What the configuration says of `greet`.
const MODULE: &str = "    backend: wasm\n    source: ../target/plugins/greet.wasm\n";

struct Demo {
    listener: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
    _proxy: Proxy,
}

impl Demo {
    /// Runs the demo's configuration with free ports, and with these lines of `greet`.
    fn start(name: &str, greet: &str, top: &str) -> Result<Self> {
        let directory = root().join("target/demo");
        fs::create_dir_all(&directory)?;
        let upstream = upstream::start("127.0.0.1:0")?;
        let (listener, admin) = free_ports()?;
        let text = fs::read_to_string(root().join(CONFIG)).context(CONFIG)?;
        let changes = [
            (LISTENER, listener.to_string()),
            (UPSTREAM, upstream.to_string()),
            (ADMIN, admin.to_string()),
            (MODULE, greet.to_owned()),
            ("../target/plugins/", "../plugins/".to_owned()),
        ];
        let config = directory.join(format!("{name}.yaml"));
        fs::write(&config, substitute(text, &changes)? + top)?;
        let log = directory.join(format!("{name}.log"));
        let proxy = Proxy::start(&config, admin, Some(&log)).inspect_err(|_| show(&log))?;
        Ok(Self { listener, admin, log, _proxy: proxy })
    }

    /// Checks one promise, and says how it went.
    fn checked(&self, promise: &str, check: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let result = check(self).with_context(|| format!("not as promised: {promise}"));
        match &result {
            Ok(()) => println!("  ok      {promise}"),
            Err(_) => {
                println!("  FAILED  {promise}");
                show(&self.log);
            }
        }
        result
    }

    fn greeting(&self) -> Result<()> {
        let answer = ask(self.listener, "GET", "/hello", b"")?;
        status(&answer, "200")?;
        ensure!(answer.header("x-greeting") == Some("hello"), "the client's headers: {answer:?}");
        let seen = answer.text();
        ensure!(seen.contains("\nx-greeting: hello\n"), "the upstream's headers: {seen}");
        Ok(())
    }

    fn denied(&self) -> Result<()> {
        let answer = ask(self.listener, "GET", "/admin/users?page=1", b"")?;
        status(&answer, "403")?;
        ensure!(answer.text() == "not for you\n", "the body: {:?}", answer.text());
        Ok(())
    }

    fn not_denied(&self) -> Result<()> {
        status(&ask(self.listener, "GET", "/administrator", b"")?, "200")
    }

    fn upper(&self) -> Result<()> {
        let answer = ask(self.listener, "POST", "/upper", b"quiet")?;
        status(&answer, "200")?;
        let (seen, text) = (answer.header("x-upstream-body"), answer.text());
        ensure!(seen == Some("QUIET"), "the upstream's body: {seen:?}");
        ensure!(text.starts_with("THE UPSTREAM SAW:") && text.ends_with("QUIET"), "{text}");
        Ok(())
    }

    fn upper_streaming(&self) -> Result<()> {
        let body = b"abcdefgh".repeat(512 * 1024);
        let answer = ask(self.listener, "POST", "/upper", &body)?;
        status(&answer, "200")?;
        let expected = body.to_ascii_uppercase();
        ensure!(answer.body.ends_with(&expected), "{} bytes came back", answer.body.len());
        Ok(())
    }

    fn admin_plugins(&self) -> Result<()> {
        let answer = ask(self.admin, "GET", "/plugins", b"")?;
        status(&answer, "200")?;
        for name in ["greet", "deny", "body-upper"] {
            ensure!(answer.text().contains(name), "no {name} in {}", answer.text());
        }
        Ok(())
    }
}

fn status(answer: &Message, expected: &str) -> Result<()> {
    if answer.target() != expected {
        bail!("expected {expected}, got {}: {}", answer.first, answer.text());
    }
    Ok(())
}

/// Two ports that nobody has: both are open at once, so that they differ.
pub(crate) fn free_ports() -> Result<(SocketAddr, SocketAddr)> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok((first.local_addr()?, second.local_addr()?))
}

/// Makes every change; each must find what it changes.
fn substitute(mut text: String, changes: &[(&str, String)]) -> Result<String> {
    for (old, new) in changes {
        ensure!(text.contains(old), "{CONFIG} does not contain {old}");
        text = text.replace(old, new);
    }
    Ok(text)
}

/// Shows the end of the proxy's log.
pub(crate) fn show(log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    println!("  the proxy's log, {}:", log.display());
    for line in lines.iter().skip(lines.len().saturating_sub(40)) {
        println!("    {line}");
    }
}
