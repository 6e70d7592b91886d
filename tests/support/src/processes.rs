//! Processes beside the test: who they are, whether they live, and signals for them.

use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::fail;

/// One process, which no later process of the same number is taken for.
#[derive(Clone, Debug)]
pub struct Process {
    id: u32,
    handle: Arc<OwnedFd>,
}

impl Process {
    /// The process of this number, where there is one.
    #[must_use]
    pub fn find(id: u32) -> Option<Self> {
        let pid = Pid::from_raw(id.try_into().ok()?)?;
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Self { id, handle: Arc::new(handle) })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// True until it has ended; one that nobody has waited for yet has ended, too.
    #[must_use]
    pub fn lives(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.id)).unwrap_or_default();
        let state = state.rsplit_once(") ").map_or("", |(_name, rest)| rest);
        let ended = state.is_empty() || state.starts_with(['Z', 'X']);
        !ended
    }

    /// Kills it; nothing happens where it has ended.
    pub fn kill(&self) {
        self.send(Signal::KILL);
    }

    /// Stops it in the middle of what it does.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on after [`Process::freeze`].
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        match pidfd_send_signal(&*self.handle, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => fail(format_args!("a signal for {}: {error}", self.id)),
        }
    }

    /// Its child processes, in order of their numbers; but for the guard.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        let mut children = self.all_children();
        children.retain(|child| !child.is_guard());
        children
    }

    /// The child process of a proxy that ends what others leave when the proxy is killed.
    #[must_use]
    pub fn guard(&self) -> Option<Self> {
        self.all_children().into_iter().find(|child| child.is_guard() && child.lives())
    }

    fn is_guard(&self) -> bool {
        let line = self.command_line();
        line.get(1..3).is_some_and(|words| words == ["plugin-launch", "guard"])
    }

    /// The processes that live and have this argument.
    #[must_use]
    pub fn with_argument(argument: &str) -> Vec<Self> {
        let numbers = entries(Path::new("/proc")).into_iter();
        let numbers = numbers.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        let has_it = |one: &Self| one.lives() && one.command_line().iter().any(|a| a == argument);
        numbers.filter_map(Self::find).filter(has_it).collect()
    }

    fn all_children(&self) -> Vec<Self> {
        let mut ids = Vec::new();
        for thread in entries(Path::new(&format!("/proc/{}/task", self.id))) {
            let text = fs::read_to_string(thread.join("children")).unwrap_or_default();
            ids.extend(text.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
        ids.sort_unstable();
        ids.into_iter().filter_map(Self::find).collect()
    }

    /// How many files it has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        entries(Path::new(&format!("/proc/{}/fd", self.id))).len()
    }

    /// Its arguments, the program's name first.
    #[must_use]
    pub fn command_line(&self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }
}

/// What lies in a directory; nothing where there is none.
#[must_use]
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
