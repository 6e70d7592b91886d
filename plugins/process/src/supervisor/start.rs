//! One start of a child: from an order to a child that serves, or the reason why not.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use host_types::{Bootstrap, PluginLimits, PluginName, ProcessSettings, Transport};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    process::{Ended, Process},
    restarts::NotReady,
};
use crate::{
    bootstrap::{HelloError, Listening, hello},
    child::Reach,
    go_plugin::{self, Control, GoPluginError, Output, Preparation, Wanted},
    launch::{
        Launcher,
        artifact::Artifact,
        home::{Home, Private},
        order::{Order, Sandbox, Sockets, Variable},
        thread::{Launch, Spawned, spawn},
        trampoline::Refusal,
    },
    log::{Sink, follow, pieces, read_all},
};

/// Bytes of a trampoline's report.
const REPORT_BYTES_MAX: u64 = 4096;
/// How long a child that broke off may take to be seen ended: how it ended says more.
const END_PATIENCE: Duration = Duration::from_millis(200);
/// How long the last lines of an ended child are waited for.
const LINES_PATIENCE: Duration = Duration::from_millis(200);
/// How long a child may take to end after its standard input did.
const INPUT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a child may take to end after it was asked to.
const TERM_PATIENCE: Duration = Duration::from_secs(2);

/// What every start of a plugin's child begins with.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: PluginName,
    pub(crate) artifact: Artifact,
    /// What the program sees as its name.
    pub(crate) program: PathBuf,
    /// Where the artifact lies.
    pub(crate) directory: PathBuf,
    pub(crate) limits: PluginLimits,
    pub(crate) settings: ProcessSettings,
    pub(crate) launcher: Launcher,
}

/// A child that serves.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) reach: Arc<Reach>,
    control: Option<Control>,
    stdin: UnixStream,
    sink: Sink,
    readers: JoinSet<()>,
    _private: Private,
}

/// Why a child did not get ready.
#[derive(Debug)]
pub(crate) struct StartFailure {
    pub(crate) kind: NotReady,
    pub(crate) text: String,
}

impl StartFailure {
    fn new(kind: NotReady, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    fn passing(what: &str, error: &io::Error) -> Self {
        Self::new(NotReady::Passing, format!("{what}: {error}"))
    }
}

/// A child that was launched and is not ready yet.
struct Starting {
    process: Process,
    report: OwnedFd,
    stdin: UnixStream,
    stdout: OwnedFd,
    sink: Sink,
    readers: JoinSet<()>,
    private: Private,
}

/// How a child is going to be known as ready.
enum Way {
    Mortise(Reach),
    GoPlugin(Preparation),
}

/// Starts a child; waits for it as long as its settings say.
pub(crate) async fn start(plan: &Plan, generation: u32) -> Result<Running, StartFailure> {
    let allowed = plan.settings.start_timeout;
    let deadline = Instant::now() + allowed;
    let launched = timeout_at(deadline, launch(plan, generation)).await;
    let (mut starting, way) = launched.unwrap_or_else(|_late| {
        Err(StartFailure::new(NotReady::Passing, format!("it was not launched within {allowed:?}")))
    })?;
    let became = timeout_at(deadline, starting.became_program()).await;
    let outcome = match became {
        Ok(Ok(())) => starting.get_ready(plan, way, generation, deadline).await,
        Ok(Err(failure)) => Err(failure),
        Err(_late) => Err(StartFailure::new(NotReady::Passing, "its launch hung")),
    };
    match outcome {
        Ok((reach, control)) => Ok(starting.into_running(reach, control)),
        Err(failure) => Err(starting.give_up(failure).await),
    }
}

async fn launch(plan: &Plan, generation: u32) -> Result<(Starting, Way), StartFailure> {
    let private = Home::current().and_then(|home| home.private());
    let private =
        private.map_err(|error| StartFailure::passing("cannot make a directory for it", &error))?;
    let (way, listener, params) = prepare(plan, generation, &private)?;
    let order = order(plan, &way, &private, listener.is_some());
    let program = plan.artifact.file().map(|file| file.try_clone_to_owned()).transpose();
    let program = program.map_err(|error| StartFailure::passing("too few open files", &error))?;
    let launcher = plan.launcher.clone();
    let spawned = spawn(Launch { launcher, order, listener, program, params }).await;
    let spawned = spawned.map_err(|error| StartFailure::passing("cannot be launched", &error))?;
    let Spawned { handle, stdin, stdout, stderr, report } = spawned;
    let process = Process::new(handle);
    let process = process.map_err(|error| StartFailure::passing("cannot be watched", &error))?;
    let sink = Sink::new(&plan.name, &plan.limits);
    let mut readers = JoinSet::new();
    readers.spawn(follow(stderr, sink.clone()));
    Ok((Starting { process, report, stdin, stdout, sink, readers, private }, way))
}

type Prepared = (Way, Option<OwnedFd>, Option<abi_process::v1::BootstrapParams>);

fn prepare(plan: &Plan, generation: u32, private: &Private) -> Result<Prepared, StartFailure> {
    let settings = &plan.settings;
    match &settings.bootstrap {
        Bootstrap::Mortise => {
            let listening = Listening::new(settings.transport, private.path())
                .map_err(|error| StartFailure::passing("cannot make its socket", &error))?;
            let params = listening.params(plan.name.as_str());
            let (socket, reach) = listening.into_parts(generation);
            Ok((Way::Mortise(reach), Some(socket), Some(params)))
        }
        Bootstrap::GoPlugin { cookie_key, cookie_value, mutual_tls } => {
            let wanted = Wanted {
                cookie: (cookie_key, cookie_value),
                mutual_tls: *mutual_tls,
                transport: settings.transport,
                directory: private.path(),
            };
            let prepared = Preparation::new(wanted).map_err(|error| go_failure(&error))?;
            Ok((Way::GoPlugin(prepared), None, None))
        }
    }
}

fn order(plan: &Plan, way: &Way, private: &Private, listens: bool) -> Order {
    let settings = &plan.settings;
    let (script, digest) = match &plan.artifact {
        Artifact::Elf(_) => (Vec::new(), Vec::new()),
        Artifact::Script { path, digest } => (bytes(path), digest.to_vec()),
    };
    let sockets = match (way, settings.transport) {
        (Way::Mortise(_), _) => Sockets::None,
        (Way::GoPlugin(_), Transport::Unix) => Sockets::Unix,
        (Way::GoPlugin(_), Transport::Tcp) => Sockets::Tcp,
    };
    let sandbox = &settings.sandbox;
    Order {
        host_pid: std::process::id(),
        name: bytes(&plan.program),
        script,
        digest,
        arguments: settings.arguments.iter().map(|text| text.as_bytes().to_vec()).collect(),
        environment: environment(plan, way, private),
        directory: bytes(&plan.directory),
        private: bytes(private.path()),
        listens,
        sandbox: sandbox.enabled.then(|| Sandbox {
            read: sandbox.read.iter().map(|path| bytes(path)).collect(),
            memory_bytes_max: sandbox.memory_bytes_max,
            processes_max: sandbox.processes_max,
            files_max: sandbox.files_max,
            sockets: sockets.into(),
        }),
    }
}

/// Later ones win: what a bootstrap needs is nobody else's to say.
fn environment(plan: &Plan, way: &Way, private: &Private) -> Vec<Variable> {
    let variable = |name: &str, value: &OsStr| Variable {
        name: name.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    };
    let mut variables = vec![
        variable("PATH", OsStr::new("/usr/bin:/bin")),
        variable("LANG", OsStr::new("C.UTF-8")),
        variable("TMPDIR", private.path().as_os_str()),
        variable("MORTISE_PLUGIN_DIR", plan.directory.as_os_str()),
    ];
    let given = plan.settings.environment.iter();
    variables.extend(given.map(|(name, value)| variable(name, OsStr::new(value.as_ref()))));
    match way {
        Way::Mortise(_) => variables.push(variable("LISTEN_FDS", OsStr::new("1"))),
        Way::GoPlugin(prepared) => {
            let own = prepared.environment().iter();
            variables.extend(own.map(|(name, value)| variable(name, OsStr::new(value))));
        }
    }
    variables
}

impl Starting {
    /// Waits until the trampoline is the program.
    async fn became_program(&mut self) -> Result<(), StartFailure> {
        let hung = |error| StartFailure::passing("cannot be launched", &error);
        let report = self.report.try_clone().map_err(hung)?;
        let report = pipe::Receiver::from_owned_fd(report).map_err(hung)?;
        let mut said = Vec::new();
        report.take(REPORT_BYTES_MAX).read_to_end(&mut said).await.map_err(hung)?;
        let Some((kind, text)) = said.split_first() else { return Ok(()) };
        let kind = match Refusal::from_byte(*kind) {
            Refusal::Fatal | Refusal::Unconfined => NotReady::Fatal,
            Refusal::Passing => NotReady::Passing,
        };
        Err(StartFailure::new(kind, String::from_utf8_lossy(text)))
    }

    /// Waits until it serves, or has ended, or the time is over.
    async fn get_ready(
        &mut self,
        plan: &Plan,
        way: Way,
        generation: u32,
        deadline: Instant,
    ) -> Result<(Reach, Option<Control>), StartFailure> {
        let allowed = plan.settings.start_timeout;
        let stdout = self.stdout.try_clone().and_then(pipe::Receiver::from_owned_fd);
        let stdout = stdout.map_err(|error| StartFailure::passing("cannot be read", &error))?;
        let (sink, readers) = (self.sink.clone(), &mut self.readers);
        let ready = async {
            match way {
                Way::Mortise(reach) => {
                    readers.spawn(read_all(stdout, sink));
                    greet(plan, &reach).await?;
                    Ok((reach, None))
                }
                Way::GoPlugin(prepared) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let taken = pieces_of(&sink);
                    let started = prepared.start(generation, stdout, taken, left).await;
                    let started = started.map_err(|error| go_failure(&error))?;
                    readers.spawn(read_all(started.stdout, sink));
                    greet(plan, &started.reach).await?;
                    Ok((started.reach, Some(started.control)))
                }
            }
        };
        let failure = tokio::select! {
            biased;
            ended = self.process.ended() => return Err(ended_early(ended, None)),
            ready = timeout_at(deadline, ready) => match ready {
                Ok(Ok(ready)) => return Ok(ready),
                Ok(Err(failure)) => failure,
                Err(_late) => StartFailure::new(
                    NotReady::Passing,
                    format!("it did not answer within {allowed:?} (`start_timeout_ms`)"),
                ),
            },
        };
        match self.process.ended_within(END_PATIENCE).await {
            Some(ended) => Err(ended_early(ended, Some(failure))),
            None => Err(failure),
        }
    }

    fn into_running(self, reach: Reach, control: Option<Control>) -> Running {
        let Self { process, stdin, sink, readers, private, .. } = self;
        Running {
            process,
            reach: Arc::new(reach),
            control,
            stdin,
            sink,
            readers,
            _private: private,
        }
    }

    /// Ends what was launched, and adds its last lines to the reason.
    async fn give_up(mut self, failure: StartFailure) -> StartFailure {
        self.process.kill().await;
        let said = last_lines(&mut self.readers, &self.sink).await;
        StartFailure { text: failure.text + &said, ..failure }
    }
}

/// A child is ready when it has answered a hello, however it was started.
async fn greet(plan: &Plan, reach: &Reach) -> Result<(), StartFailure> {
    let answered = hello(reach, plan.name.as_str()).await;
    answered.map(drop).map_err(|error| hello_failure(&error))
}

/// Where a child of go-plugin's output goes that comes over gRPC.
fn pieces_of(sink: &Sink) -> go_plugin::Sink {
    let lines = pieces(sink);
    Arc::new(move |output, bytes: &[u8]| lines(output == Output::Stderr, bytes))
}

impl Running {
    /// Ends it in steps: its own goodbye, the end of its input, a request, force.
    pub(crate) async fn stop(mut self) -> Ended {
        if let Some(control) = &self.control {
            control.shut_down(INPUT_PATIENCE).await;
        }
        let _closed = self.stdin.shutdown(std::net::Shutdown::Both);
        if let Some(ended) = self.process.ended_within(INPUT_PATIENCE).await {
            return ended;
        }
        self.process.terminate();
        if let Some(ended) = self.process.ended_within(TERM_PATIENCE).await {
            return ended;
        }
        self.process.kill().await
    }

    /// Its last lines, once it has ended: the end of a sentence, or nothing.
    pub(crate) async fn last_lines(&mut self) -> String {
        last_lines(&mut self.readers, &self.sink).await
    }
}

async fn last_lines(readers: &mut JoinSet<()>, sink: &Sink) -> String {
    let _enough =
        timeout(LINES_PATIENCE, async { while readers.join_next().await.is_some() {} }).await;
    let tail = sink.tail();
    if tail.is_empty() { String::new() } else { format!("; its last lines: {tail}") }
}

fn ended_early(ended: Ended, also: Option<StartFailure>) -> StartFailure {
    let (kind, hint) = match ended {
        Ended::Code(127) => (NotReady::Fatal, " (a command was not found)"),
        Ended::Code(126) => (NotReady::Fatal, " (a command could not be executed)"),
        Ended::Signal(31) => (NotReady::Passing, " (it made a system call that is denied to it)"),
        Ended::Code(_) | Ended::Signal(_) | Ended::Unknown => (NotReady::Passing, ""),
    };
    let also = also.map(|failure| format!(" ({})", failure.text)).unwrap_or_default();
    StartFailure::new(kind, format!("it ended {ended}{hint} before it was ready{also}"))
}

fn hello_failure(error: &HelloError) -> StartFailure {
    let kind = match error {
        HelloError::Version | HelloError::NotServed => NotReady::Fatal,
        HelloError::Connect(_) => NotReady::Passing,
        HelloError::NotSpoken(_) | HelloError::NoAnswer | HelloError::Generation(_) => {
            NotReady::Misunderstood
        }
    };
    StartFailure::new(kind, error.to_string())
}

fn go_failure(error: &GoPluginError) -> StartFailure {
    let misunderstood = matches!(
        error,
        GoPluginError::TooLong { .. }
            | GoPluginError::Handshake(_)
            | GoPluginError::Address { .. }
            | GoPluginError::Unhealthy(_)
    );
    let kind = match (error.is_final(), misunderstood) {
        (true, _) => NotReady::Fatal,
        (false, true) => NotReady::Misunderstood,
        (false, false) => NotReady::Passing,
    };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    StartFailure::new(kind, text)
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
