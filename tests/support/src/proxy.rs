//! A proxy of its own for one test: started, watched, driven and stopped.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::Arc,
};

use http::StatusCode;
use rustix::{
    event::{PollFd, PollFlags},
    process::{Pid, PidfdFlags},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{DEADLINE, Finished, Metrics, Process, admin, binary, entries, fail, until, within};

/// A signal that an operator sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// Read the configuration again.
    Hup,
    /// Stop, letting requests finish.
    Term,
    /// Stop, as from the keyboard.
    Int,
}

/// A running proxy. It is killed when this value goes away.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pidfd: Arc<OwnedFd>,
    folder: TempDir,
    runtime: PathBuf,
    listeners: BTreeMap<String, SocketAddr>,
}

impl Proxy {
    /// Starts a proxy with this configuration and waits until it is ready. An admin socket
    /// and an access log file are added where the configuration names none.
    pub async fn start(config: &(impl Display + ?Sized)) -> Self {
        match Self::try_start(config).await {
            Ok(proxy) => proxy,
            Err(finished) => fail(format_args!("the proxy does not start: {finished:#?}")),
        }
    }

    /// As [`Proxy::start`].
    ///
    /// # Errors
    /// The proxy ended before it was ready.
    pub async fn try_start(config: &(impl Display + ?Sized)) -> Result<Self, Finished> {
        Self::try_start_program(binary::mortise_binary(), None, config).await
    }

    /// As [`Proxy::start`], with the directory for sockets and files of child processes, which
    /// otherwise is one of its own.
    pub async fn start_in(runtime: &Path, config: &(impl Display + ?Sized)) -> Self {
        let program = binary::mortise_binary();
        match Self::try_start_program(program, Some(runtime), config).await {
            Ok(proxy) => proxy,
            Err(finished) => fail(format_args!("the proxy does not start: {finished:#?}")),
        }
    }

    /// As [`Proxy::start`], with another program than `mortise` itself.
    pub async fn start_program(program: &Path, config: &(impl Display + ?Sized)) -> Self {
        match Self::try_start_program(program, None, config).await {
            Ok(proxy) => proxy,
            Err(finished) => {
                fail(format_args!("{} does not start: {finished:#?}", program.display()))
            }
        }
    }

    /// Runs `mortise policy record` with this configuration, and waits until it is ready. What it
    /// found out is told by [`Proxy::finish`].
    pub async fn start_recording(config: &(impl Display + ?Sized)) -> Self {
        let program = binary::mortise_binary();
        match Self::try_start_command((program, &["policy", "record"]), None, config).await {
            Ok(proxy) => proxy,
            Err(finished) => fail(format_args!("the proxy does not start: {finished:#?}")),
        }
    }

    async fn try_start_program(
        program: &Path,
        runtime: Option<&Path>,
        config: &(impl Display + ?Sized),
    ) -> Result<Self, Finished> {
        Self::try_start_command((program, &["run"]), runtime, config).await
    }

    async fn try_start_command(
        (program, command): (&Path, &[&str]),
        runtime: Option<&Path>,
        config: &(impl Display + ?Sized),
    ) -> Result<Self, Finished> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| fail(error));
        let runtime = runtime.map_or_else(|| folder.path().join("run"), Path::to_owned);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&runtime);
        made.unwrap_or_else(|error| fail(error));
        write_config(folder.path(), &config.to_string());
        let mut run = binary::proxy_at(program);
        run.args(command).arg("-c").arg(folder.path().join(CONFIG)).env("NO_COLOR", "1");
        run.env("XDG_RUNTIME_DIR", &runtime);
        run.stdin(Stdio::null()).stdout(file(folder.path(), "stdout"));
        run.stderr(file(folder.path(), "stderr"));
        let child = run.spawn().unwrap_or_else(|error| fail(error));
        let pidfd = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        let pidfd = Arc::new(pidfd.unwrap_or_else(|error| fail(error)));
        let mut proxy = Self { child, pidfd, folder, runtime, listeners: BTreeMap::new() };
        proxy.until_ready().await?;
        proxy.refresh_listeners().await;
        Ok(proxy)
    }

    async fn until_ready(&mut self) -> Result<(), Finished> {
        let socket = self.admin_socket();
        let ready = until("a ready proxy", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(Err(status));
            }
            let answer = admin::ask(&socket, "GET", "/readyz").await;
            answer.is_ok_and(|(status, _)| status == StatusCode::OK).then_some(Ok(()))
        });
        ready.await.map_err(|status| Finished {
            code: status.code(),
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
        })
    }

    /// Reads the listeners' addresses again, as after a reload that added some.
    pub async fn refresh_listeners(&mut self) {
        let page = self.admin_json("/listeners").await;
        let list = page.get("listeners").unwrap_or(&page).as_array().cloned().unwrap_or_default();
        self.listeners = list
            .iter()
            .filter_map(|entry| {
                let address = entry.get("address")?.as_str()?.parse().ok()?;
                Some((entry.get("name")?.as_str()?.to_owned(), address))
            })
            .collect();
    }

    /// Where a listener listens.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        match self.listeners.get(listener) {
            Some(address) => *address,
            None => fail(format_args!("no listener {listener} among {:?}", self.listeners)),
        }
    }

    /// Where the only listener that [`Config::to_app`](crate::Config::to_app) makes listens.
    #[must_use]
    pub fn web(&self) -> SocketAddr {
        self.address("web")
    }

    /// `GET` of an admin page.
    pub async fn admin(&self, path: &str) -> (StatusCode, String) {
        self.admin_ask("GET", path).await
    }

    /// Any request to the admin server.
    pub async fn admin_ask(&self, method: &str, path: &str) -> (StatusCode, String) {
        match within(path, admin::ask(&self.admin_socket(), method, path)).await {
            Ok(answer) => answer,
            Err(error) => fail(format_args!("admin {path}: {error}")),
        }
    }

    /// An admin page as JSON.
    pub async fn admin_json(&self, path: &str) -> Value {
        let (status, text) = self.admin(path).await;
        match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(error) => fail(format_args!("admin {path}: {status} {error}: {text}")),
        }
    }

    /// The metrics as they are now.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin("/metrics").await.1)
    }

    /// Waits until the sum of a metric is `wanted`.
    pub async fn until_metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        wanted: impl Fn(f64) -> bool,
    ) -> f64 {
        until(&format!("{name} {labels:?}"), async || {
            let value = self.metrics().await.sum(name, labels);
            wanted(value).then_some(value)
        })
        .await
    }

    /// Waits for `count` lines in the access log: all of them.
    pub async fn access_log(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} access log lines"), async || {
            let text = self.read(ACCESS_LOG);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<&str> = whole.lines().collect();
            (lines.len() >= count).then(|| lines.into_iter().map(parse_record).collect())
        })
        .await
    }

    /// Puts another configuration in place of the present one, without a word to the proxy.
    pub fn rewrite(&self, config: &(impl Display + ?Sized)) {
        write_config(self.folder.path(), &config.to_string());
    }

    /// Puts another configuration in place and waits until it serves.
    pub async fn reload(&mut self, config: &(impl Display + ?Sized)) {
        let before = self.generation().await;
        self.rewrite(config);
        self.signal(Signal::Hup);
        self.until_generation(before + 1.0).await;
        self.refresh_listeners().await;
    }

    /// The generation of the configuration that serves.
    pub async fn generation(&self) -> f64 {
        self.metrics().await.sum(GENERATION, &[])
    }

    /// Waits for a generation of the configuration.
    pub async fn until_generation(&self, least: f64) {
        self.until_metric(GENERATION, &[], |generation| generation >= least).await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Hup => rustix::process::Signal::HUP,
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Int => rustix::process::Signal::INT,
        };
        if let Err(error) = rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            fail(format_args!("signal: {error}"));
        }
    }

    /// Stops it gracefully and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::Term);
        self.exited().await
    }

    /// As [`Proxy::stop`]: also what it wrote.
    pub async fn finish(mut self) -> Finished {
        self.signal(Signal::Term);
        let code = self.exited().await.code();
        Finished { code, stdout: self.read("stdout"), stderr: self.read("stderr") }
    }

    /// As [`Proxy::stop`]: also what is left in the directory of [`Proxy::runtime`].
    pub async fn stop_and_look(mut self) -> (ExitStatus, Vec<PathBuf>) {
        self.signal(Signal::Term);
        let status = self.exited().await;
        (status, entries(&self.runtime))
    }

    /// Waits for its end.
    pub async fn exited(&mut self) -> ExitStatus {
        let pidfd = Arc::clone(&self.pidfd);
        let ended = tokio::task::spawn_blocking(move || {
            // A pidfd becomes readable when its process ends. The time limit is the kernel's,
            // so that this thread ends, too.
            let limit = DEADLINE.try_into().ok();
            rustix::event::poll(&mut [PollFd::new(&*pidfd, PollFlags::IN)], limit.as_ref())
        });
        if !matches!(ended.await, Ok(Ok(1))) {
            fail(format_args!("the proxy did not end within {DEADLINE:?}"));
        }
        match self.child.wait() {
            Ok(status) => status,
            Err(error) => fail(error),
        }
    }

    /// True while it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Process {
        let found = Process::find(self.child.id());
        found.unwrap_or_else(|| fail("the proxy is gone"))
    }

    /// The directory for sockets and files of child processes.
    #[must_use]
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Kills it without a word, and waits for its end.
    pub fn kill(&mut self) {
        // Errs where it ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Resident memory now.
    #[must_use]
    pub fn rss_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most resident memory it had at any time.
    #[must_use]
    pub fn peak_rss_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map_or_else(|| fail(format_args!("no {key} of the proxy")), |kib| kib * 1024)
    }

    /// The folder of its configuration, for files that the test wants beside it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn admin_socket(&self) -> PathBuf {
        self.folder.path().join(ADMIN)
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Proxy {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the proxy said")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the proxy's log:\n{}", self.read("stderr"));
        }
    }
}

const CONFIG: &str = "mortise.yaml";
const ADMIN: &str = "admin.sock";
const ACCESS_LOG: &str = "access.log";
const GENERATION: &str = "mortise_config_generation";

fn file(folder: &Path, name: &str) -> fs::File {
    fs::File::create(folder.join(name)).unwrap_or_else(|error| fail(error))
}

/// Writes beside and renames, as editors do, so that nobody reads half a file.
fn write_config(folder: &Path, config: &str) {
    let mut text = String::new();
    let at = folder.display();
    for (key, value) in [
        ("admin:", format!("{{ address: \"unix:{at}/{ADMIN}\" }}")),
        ("access_log:", format!("{{ file: \"{at}/{ACCESS_LOG}\" }}")),
    ] {
        if !config.lines().any(|line| line.starts_with(key)) {
            text.push_str(&format!("{key} {value}\n"));
        }
    }
    text.push_str(config);
    let draft = folder.join("draft");
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, folder.join(CONFIG)));
    if let Err(error) = written {
        fail(format_args!("the configuration: {error}"));
    }
}

fn parse_record(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| fail(format_args!("{line}: {error}")))
}
