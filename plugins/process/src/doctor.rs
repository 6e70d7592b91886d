//! What this kernel and this machine can do for child processes: `mortise doctor`.
//!
//! Everything is tried, not looked up: on a thread that ends afterwards, or on files that go at
//! once.

use std::{fmt, fs};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    process::{PidfdFlags, geteuid, getpid, getuid, pidfd_open},
};

use crate::{
    confine::{
        cgroup::{Controller, Place},
        probe_landlock, probe_seccomp,
    },
    facts::on_a_thread,
    launch::home,
};

/// One thing that is used for child processes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// In which form, or why not.
    pub how: String,
    /// What it is used for, and what happens without it.
    pub used_for: &'static str,
}

/// Whether a feature is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is.
    Available,
    /// Some of it is.
    Partial,
    /// It is not.
    Missing,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "yes",
            Self::Partial => "partly",
            Self::Missing => "no",
        })
    }
}

/// Tries all of them.
#[must_use]
pub fn report() -> Vec<Feature> {
    vec![
        landlock(),
        seccomp(),
        handles(),
        sealed_files(),
        procfs(),
        directory(),
        limits(),
        groups(),
        users(),
    ]
}

fn landlock() -> Feature {
    let tried = on_a_thread(probe_landlock);
    let (state, how) = match tried {
        Ok(abi) => {
            let version = abi as i32;
            let whole = version >= 6;
            let lacks = if whole { "" } else { "; signals and abstract sockets stay open" };
            let state = if whole { State::Available } else { State::Partial };
            (state, format!("version {version}{lacks}"))
        }
        Err(why) => (State::Missing, why),
    };
    let used_for = "files, TCP and signals of children; without it their policy must allow \
                    `files` unenforced";
    Feature { name: "Landlock", state, how, used_for }
}

fn seccomp() -> Feature {
    let used_for = "network and system calls of children; without it their policy must allow \
                    `network` unenforced";
    outcome("seccomp", on_a_thread(probe_seccomp).map(|()| "filters".to_owned()), used_for)
}

fn handles() -> Feature {
    let tried = pidfd_open(getpid(), PidfdFlags::NONBLOCK).map(|_handle| "pidfd".to_owned());
    let used_for = "waiting for children and ending them; without it there are none";
    outcome("process handles", tried.map_err(|error| error.to_string()), used_for)
}

fn sealed_files() -> Feature {
    let make = |flags, how: &str| {
        let file = memfd_create("doctor", flags)?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SEAL)?;
        Ok::<_, rustix::io::Errno>(how.to_owned())
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let tried = make(flags | MemfdFlags::EXEC, "memory files that can be executed")
        .or_else(|_unknown| make(flags, "memory files"));
    let used_for = "starting the very program that was loaded; without it there are only scripts";
    outcome("sealed files", tried.map_err(|error| error.to_string()), used_for)
}

fn procfs() -> Feature {
    let tried = fs::read_link("/proc/self/exe").map(|_path| "/proc".to_owned());
    let used_for = "starting the trampoline and programs; without it there are no children";
    outcome("procfs", tried.map_err(|error| error.to_string()), used_for)
}

fn directory() -> Feature {
    let base = home::base();
    let made = tempfile::Builder::new().prefix("mortise-doctor-").tempdir_in(&base);
    let tried = made.map(|_directory| base.display().to_string());
    let tried = tried.map_err(|error| format!("{}: {error}", base.display()));
    let used_for = "sockets and temporary files of children ($XDG_RUNTIME_DIR, else $TMPDIR)";
    outcome("directory", tried, used_for)
}

fn limits() -> Feature {
    let (state, how) = if getuid().is_root() {
        (
            State::Partial,
            "private memory of each process, and files; processes of root are not counted"
                .to_owned(),
        )
    } else {
        (
            State::Available,
            "private memory of each process, files, and processes of this user together".to_owned(),
        )
    };
    Feature { name: "limits", state, how, used_for: "resources of children" }
}

fn groups() -> Feature {
    let place = Place::current();
    let there = Controller::ALL.into_iter().filter_map(|controller| {
        let version = place.version(controller)?;
        Some(format!("{} (version {version})", controller.name()))
    });
    let lacks = place.lacks().map(|(controller, why)| format!("no {}: {why}", controller.name()));
    let state = match Controller::ALL.into_iter().all(|it| place.has(it)) {
        true => State::Available,
        // Limits of resources are there instead.
        false => State::Partial,
    };
    let how = there.chain(lacks).collect::<Vec<_>>().join("; ");
    let used_for = "memory, processes and processor time of a child with all that it starts; \
                    without them limits of resources, and none of processor time";
    Feature { name: "control groups", state, how, used_for }
}

fn users() -> Feature {
    let (state, how) = if geteuid().is_root() {
        (State::Available, "this is root".to_owned())
    } else {
        (State::Partial, "this is not root: children are the same user".to_owned())
    };
    Feature { name: "other users", state, how, used_for: "`sandbox.user` and `sandbox.group`" }
}

fn outcome(name: &'static str, tried: Result<String, String>, used_for: &'static str) -> Feature {
    let (state, how) = match tried {
        Ok(how) => (State::Available, how),
        Err(why) => (State::Missing, why),
    };
    Feature { name, state, how, used_for }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_says_what_it_is_for_and_trying_leaves_this_thread_free() {
        let features = report();
        assert!(features.iter().all(|feature| !feature.how.is_empty()), "{features:?}");
        assert!(!rustix::thread::no_new_privs().unwrap());
        let mut names: Vec<_> = features.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), features.len());
    }
}
