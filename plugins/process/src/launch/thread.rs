//! The launcher: the one thread that starts processes.
//!
//! A child's parent-death signal follows the thread that made it, not the process. So all are
//! made by this thread, which lives as long as the process.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStringExt, net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use abi_process::{bootstrap::write_params, v1::BootstrapParams};
use rustix::process::Pid;
use tokio::sync::oneshot;

use super::{
    Launcher,
    order::{self, Files, Order},
};
use crate::{
    confine::cgroup as control,
    guard::{self, Group},
    supervisor::Handle,
};

/// What is to be started.
pub(crate) struct Launch {
    pub(crate) launcher: Launcher,
    pub(crate) order: Order,
    /// The socket that the child accepts on.
    pub(crate) listener: Option<OwnedFd>,
    /// The program, where it is no script.
    pub(crate) program: Option<OwnedFd>,
    /// What the child reads of its standard input.
    pub(crate) params: Option<BootstrapParams>,
    /// The control group that it is put into before it reads its order.
    pub(crate) group: Option<Arc<control::Group>>,
}

/// A process that was made: a trampoline, about to become the program.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Where nobody takes it any more, dropping it ends the process.
    pub(crate) handle: Handle,
    /// Its standard input; open as long as we live.
    pub(crate) stdin: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Ends without a byte when it has become the program; otherwise says why it could not.
    pub(crate) report: OwnedFd,
}

type Job = (Launch, oneshot::Sender<io::Result<Spawned>>);

static JOBS: OnceLock<Sender<Job>> = OnceLock::new();

/// Starts a process.
pub(crate) async fn spawn(launch: Launch) -> io::Result<Spawned> {
    let (done, result) = oneshot::channel();
    jobs()?.send((launch, done)).map_err(|_gone| io::Error::other(GONE))?;
    result.await.map_err(|_gone| io::Error::other(GONE))?
}

const GONE: &str = "the launcher's thread is gone";

fn jobs() -> io::Result<&'static Sender<Job>> {
    if let Some(jobs) = JOBS.get() {
        return Ok(jobs);
    }
    // Who comes second ends its thread at once: nobody can send to it.
    let (jobs, queue) = channel::<Job>();
    thread::Builder::new().name("plugin-launcher".to_owned()).spawn(move || {
        for (launch, done) in queue {
            let _unheard = done.send(start(launch).map_err(|error| *error));
        }
    })?;
    Ok(JOBS.get_or_init(|| jobs))
}

fn start(launch: Launch) -> Result<Spawned, Box<io::Error>> {
    let Launch { launcher, order, listener, program, params, group: control } = launch;
    let (stdin, theirs) = UnixStream::pair()?;
    let (report, reported) = io::pipe()?;
    // The order must fit into the socket; it is not waited for.
    stdin.set_nonblocking(true)?;
    #[expect(clippy::disallowed_methods, reason = "this is the place that starts processes")]
    let mut command = Command::new(launcher.program());
    command.args(launcher.arguments()).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let handle = pid.map(|pid| Handle::new(pid).map(|handle| (pid, handle)));
    let streams = child.stdout.take().zip(child.stderr.take());
    let (Some(Ok((leader, mut handle))), Some((stdout, stderr))) = (handle, streams) else {
        let _gone = child.kill();
        let _reaped = child.wait();
        return Err(Box::new(io::Error::other("the kernel gives no handle for the process")));
    };
    // Without an order the trampoline waits: nothing of the plugin runs before it is watched.
    let private = PathBuf::from(OsString::from_vec(order.private.clone()));
    let group = Group { leader, may_leave: order.sandbox.is_none(), private };
    handle.watched_as(guard::watch(&launcher, group)?);
    if let Some(control) = control {
        control.take(leader)?;
    }
    let files = Files { report: OwnedFd::from(reported), listener, program };
    order::send(stdin.as_fd(), &order, &files.borrowed())?;
    if let Some(params) = params {
        write_params(&mut &stdin, &params).map_err(io::Error::other)?;
    }
    let (stdout, stderr, report) = (stdout.into(), stderr.into(), report.into());
    Ok(Spawned { handle, stdin, stdout, stderr, report })
}
