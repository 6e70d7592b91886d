//! The trampoline: what the proxy's own program is between `fork` and a plugin's program.
//!
//! It runs on one thread, reads its order, binds its life to the proxy's, confines itself and is
//! replaced. Where that fails it says why, in a word and a text, and ends.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::symlink,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::{
    fs::Mode,
    io::Errno,
    process::{Signal, getppid, set_parent_process_death_signal, umask},
};

use super::{
    artifact::digest,
    order::{self, Files, Order},
};
use crate::confine;

/// Bytes of a script that is read to be verified.
const SCRIPT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the trampoline ends with where it did not become the program.
const FAILED: u8 = 126;
/// Where a child finds its listening socket.
const LISTENER: i32 = 3;

/// Why the trampoline could not become the program. The first byte of its report says which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// It will not become it the next time either.
    Fatal,
    /// The kernel cannot confine it.
    Unconfined,
    /// The next time may be better.
    Passing,
}

/// Carries out the order that comes over standard input. Returns only where that fails.
pub(super) fn main() -> ExitCode {
    close_fds::set_fds_cloexec(3, &[]);
    let (order, files) = match order::receive(rustix::stdio::stdin()) {
        Ok(received) => received,
        Err(error) => {
            let text = "this is how the proxy starts its plugins; it is not meant for people";
            let _unread = writeln!(io::stderr(), "{text}: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let Files { report, listener, program } = files;
    let mut report = File::from(aside(report));
    let (refusal, text) = become_program(&order, listener, program.map(aside).as_ref());
    let _unread = report.write_all(&[refusal.byte()]);
    let _unread = report.write_all(text.as_bytes());
    ExitCode::from(FAILED)
}

/// Moves an open file away from where the listening socket is going to be.
fn aside(file: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&file, LISTENER + 1).unwrap_or(file)
}

type Refused = (Refusal, String);

fn become_program(order: &Order, listener: Option<OwnedFd>, program: Option<&OwnedFd>) -> Refused {
    match prepare(order, listener, program) {
        Ok(mut command) => {
            let error = command.exec();
            explain_exec(order, &error)
        }
        Err(refused) => refused,
    }
}

fn prepare(
    order: &Order,
    listener: Option<OwnedFd>,
    program: Option<&OwnedFd>,
) -> Result<Command, Refused> {
    bind_to_host(order)?;
    let path = match program {
        Some(program) => named_program(order, program),
        None => verified_script(order)?,
    };
    #[expect(clippy::disallowed_methods, reason = "this is the place that becomes the program")]
    let mut command = Command::new(path);
    command.arg0(text(&order.name)).args(order.arguments.iter().map(|bytes| text(bytes)));
    command.env_clear().current_dir(text(&order.directory));
    for variable in &order.environment {
        command.env(text(&variable.name), text(&variable.value));
    }
    if let Some(listener) = listener {
        let mapping = FdMapping { parent_fd: listener, child_fd: LISTENER };
        let mapped = command.fd_mappings(vec![mapping]).map(drop);
        mapped.map_err(|error| (Refusal::Passing, error.to_string()))?;
    }
    umask(Mode::RWXG | Mode::RWXO);
    // Where memory is short the child is to go before the proxy.
    let _unsupported = fs::write("/proc/self/oom_score_adj", "500");
    if let Some(sandbox) = &order.sandbox {
        confine::apply(order, sandbox).map_err(|error| (error.refusal(), error.to_string()))?;
    }
    Ok(command)
}

/// The path of an open program, by its own name where that can be had: the kernel shows the last
/// part of the path as the name of the process.
fn named_program(order: &Order, program: &OwnedFd) -> PathBuf {
    let open = PathBuf::from(format!("/proc/self/fd/{}", program.as_raw_fd()));
    let name = Path::new(OsStr::from_bytes(&order.name)).file_name().unwrap_or_default();
    let directory = PathBuf::from(text(&order.private)).join("run");
    let named = directory.join(name);
    let linked = fs::create_dir(&directory).and_then(|()| symlink(&open, &named));
    if linked.is_ok() { named } else { open }
}

/// From here on this process does not outlive the proxy.
fn bind_to_host(order: &Order) -> Result<(), Refused> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| (Refusal::Fatal, format!("cannot be bound to the proxy: {error}")))?;
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if parent == Some(order.host_pid) {
        Ok(())
    } else {
        Err((Refusal::Passing, "the proxy is gone".to_owned()))
    }
}

/// The path of the script, when it holds what was loaded.
fn verified_script(order: &Order) -> Result<PathBuf, Refused> {
    let path = PathBuf::from(text(&order.script));
    let mut bytes = Vec::new();
    let read =
        File::open(&path).and_then(|file| file.take(SCRIPT_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| {
        (Refusal::Fatal, format!("cannot read the script {}: {error}", path.display()))
    })?;
    if digest(&bytes).as_slice() == order.digest.as_slice() {
        return Ok(path);
    }
    let text = format!(
        "the script {} is not the one that was loaded: reload the configuration",
        path.display()
    );
    Err((Refusal::Fatal, text))
}

fn explain_exec(order: &Order, error: &io::Error) -> Refused {
    let what = if order.script.is_empty() {
        format!("the program {}", String::from_utf8_lossy(&order.name))
    } else {
        format!("the script {}", String::from_utf8_lossy(&order.script))
    };
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    let passing =
        [Errno::AGAIN, Errno::NOMEM, Errno::NFILE, Errno::MFILE, Errno::TXTBSY, Errno::INTR];
    let hint = match code {
        Some(Errno::NOENT) => {
            ": its interpreter is not there (first line of a script, or `PT_INTERP`)"
        }
        Some(Errno::NOEXEC) => ": the kernel knows no such format",
        Some(Errno::ACCESS) => {
            ": it may not be executed (its mode, a mount with `noexec`, `vm.memfd_noexec`, or an \
             interpreter outside of the system's directories: list it in `sandbox.read`)"
        }
        _ => "",
    };
    let refusal = match code {
        Some(code) if passing.contains(&code) => Refusal::Passing,
        _ => Refusal::Fatal,
    };
    (refusal, format!("cannot run {what}: {error}{hint}"))
}

fn text(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

impl Refusal {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Fatal => b'F',
            Self::Unconfined => b'U',
            Self::Passing => b'P',
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            b'F' => Self::Fatal,
            b'U' => Self::Unconfined,
            _ => Self::Passing,
        }
    }
}
