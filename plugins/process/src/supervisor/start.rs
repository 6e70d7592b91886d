//! One start of a child: from an order to a child that serves, or the reason why not.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::Duration,
};

use futures_util::future::Either;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    failure::{StartFailure, ended_early, go_failure, hello_failure},
    plan::{Plan, Way, group, order, prepare},
    process::{Ended, Process},
    restarts::NotReady,
};
use crate::{
    bootstrap::hello,
    child::Reach,
    confine::cgroup::Group,
    go_plugin::{self, Control, Output},
    launch::{
        home::{Home, Private},
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
const LINES_PATIENCE: Duration = Duration::from_secs(1);
/// How long a child may take to end after its standard input did.
const INPUT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a child may take to end after it was asked to.
const TERM_PATIENCE: Duration = Duration::from_secs(2);

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
    _group: Option<Arc<Group>>,
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
    /// Its control group; goes last, with whatever is in it.
    group: Option<Arc<Group>>,
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
    let group = group(plan);
    let group = group
        .map_err(|error| StartFailure::passing("cannot make a control group for it", &error))?
        .map(Arc::new);
    let own = group.clone();
    let spawned = spawn(Launch { launcher, order, listener, program, params, group }).await;
    let spawned = spawned.map_err(|error| StartFailure::passing("cannot be launched", &error))?;
    let Spawned { handle, stdin, stdout, stderr, report } = spawned;
    let process = Process::new(handle);
    let process = process.map_err(|error| StartFailure::passing("cannot be watched", &error))?;
    let sink = Sink::new(&plan.name, &plan.limits, plan.denied_lines.clone());
    let mut readers = JoinSet::new();
    readers.spawn(follow(stderr, sink.clone()));
    let group = own;
    Ok((Starting { process, report, stdin, stdout, sink, readers, private, group }, way))
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
        let pid = self.process.pid();
        let stdout = self.stdout.try_clone().and_then(pipe::Receiver::from_owned_fd);
        let stdout = stdout.map_err(|error| StartFailure::passing("cannot be read", &error))?;
        let (sink, readers) = (self.sink.clone(), &mut self.readers);
        let ready = match way {
            Way::Mortise(reach) => {
                // Before anything is waited for: the words of a child that ends at once count.
                readers.spawn(read_all(stdout, sink));
                Either::Left(async {
                    greet(plan, &reach).await?;
                    Ok((reach, None))
                })
            }
            Way::GoPlugin(prepared) => Either::Right(async {
                let left = deadline.saturating_duration_since(Instant::now());
                let taken = pieces_of(&sink);
                let started = prepared.start(generation, pid, stdout, taken, left).await;
                let started = started.map_err(|error| go_failure(&error))?;
                readers.spawn(read_all(started.stdout, sink));
                greet(plan, &started.reach).await?;
                Ok((started.reach, Some(started.control)))
            }),
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
        let Self { process, stdin, sink, readers, private, group, .. } = self;
        Running {
            process,
            reach: Arc::new(reach),
            control,
            stdin,
            sink,
            readers,
            _private: private,
            _group: group,
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
