//! A place for plugins, and what is asked of the machine.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use host_extension::{Condition, LoadedPlugin, PluginFault};
use host_types::{PluginLimits, PluginName, ProcessSettings};
use plugins_process::{ProcessBackend, ProcessSpec, Program, launch::Launcher};
use tempfile::TempDir;

/// A directory with artifacts, and a backend.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) backend: ProcessBackend,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, backend: ProcessBackend::new(Launcher::this_program()) }
    }

    /// This program, as an artifact.
    pub(crate) fn program(&self) -> PathBuf {
        let path = self.directory.path().join("plugin");
        if !path.exists() {
            fs::copy(env::current_exe().unwrap(), &path).unwrap();
        }
        path
    }

    /// A script that can be run.
    pub(crate) fn script(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("script");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn load(
        &self,
        source: &Path,
        settings: &ProcessSettings,
    ) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        self.load_within(source, settings, &PluginLimits::default())
    }

    pub(crate) fn load_within(
        &self,
        source: &Path,
        settings: &ProcessSettings,
        limits: &PluginLimits,
    ) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        self.backend.load(ProcessSpec {
            name: &PluginName::from("greet"),
            vm_id: None,
            source,
            program: Program::Artifact(&fs::read(source).unwrap()),
            limits,
            phases: None,
            settings,
            denied_lines: None,
        })
    }

    /// Lets every user see what is in it.
    pub(crate) fn open_to_all(&self) {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.directory.path(), mode).unwrap();
    }

    /// Why such a script does not load.
    #[track_caller]
    pub(crate) fn refusal(&self, text: &str, settings: &ProcessSettings) -> String {
        self.load(&self.script(text), settings).unwrap_err().to_string()
    }
}

pub(crate) fn child(word: &str) -> ProcessSettings {
    ProcessSettings {
        arguments: vec!["child".into(), word.into()],
        start_timeout: Duration::from_secs(20),
        drain_timeout: Duration::from_millis(500),
        ..ProcessSettings::default()
    }
}

pub(crate) fn condition(loaded: &Arc<dyn LoadedPlugin>) -> Condition {
    loaded.condition().expect("a child has a condition")
}

pub(crate) fn pid(loaded: &Arc<dyn LoadedPlugin>) -> u32 {
    condition(loaded).pid.expect("it serves")
}

/// True while there is such a process that has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(") ").map(|(_name, rest)| rest.as_bytes()[0]);
    state.is_some_and(|state| state != b'Z')
}

/// Looks again and again until it is so; fails after some seconds.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not within ten seconds: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "tests look at the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// This process's children that have not been waited for, without the guard.
pub(crate) fn children() -> Vec<u32> {
    let mut found = children_of(std::process::id());
    found.retain(|pid| !is_guard(*pid));
    found
}

/// The guard of a proxy, once there is one.
pub(crate) fn guard_of(proxy: u32) -> Option<u32> {
    children_of(proxy).into_iter().find(|pid| lives(*pid) && is_guard(*pid))
}

fn is_guard(pid: u32) -> bool {
    arguments(pid).get(1..3).is_some_and(|words| words == ["plugin-launch", "guard"])
}

fn children_of(proxy: u32) -> Vec<u32> {
    let is_its = |pid: &u32| field(*pid, 1) == Some(proxy.to_string());
    processes().into_iter().filter(is_its).collect()
}

/// The processes that live and have this argument.
pub(crate) fn with_argument(argument: &str) -> Vec<u32> {
    let has_it = |pid: &u32| lives(*pid) && arguments(*pid).iter().any(|one| one == argument);
    processes().into_iter().filter(has_it).collect()
}

fn arguments(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The group of a process.
pub(crate) fn group(pid: u32) -> Option<String> {
    field(pid, 2)
}

/// The session of a process.
pub(crate) fn session(pid: u32) -> Option<String> {
    field(pid, 3)
}

/// What the kernel shows of a process after its name.
fn field(pid: u32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_name, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number).map(str::to_owned)
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The open files of this process.
pub(crate) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The directories of this process's children.
pub(crate) fn directories() -> Vec<PathBuf> {
    directories_of(std::process::id())
}

/// The directories of a proxy's children.
pub(crate) fn directories_of(proxy: u32) -> Vec<PathBuf> {
    let base = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let prefix = format!("mortise-{proxy}-");
    let entries = fs::read_dir(base).unwrap().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    entries.filter(is_ours).collect()
}

/// The control groups of a proxy's children, wherever they may lie.
pub(crate) fn groups_of(proxy: u32) -> Vec<PathBuf> {
    let prefix = format!("mortise-{proxy}-");
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let within = own.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let within: Vec<_> = within.flat_map(|group| Path::new(group).ancestors()).collect();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter(|line| line.contains(" cgroup"));
    let points = points.filter_map(|line| line.split(' ').nth(1));
    let bases = points.flat_map(|point| {
        within.iter().map(move |group| Path::new(point).join(group.strip_prefix("/").unwrap()))
    });
    let mut bases: Vec<_> = bases.collect();
    bases.sort();
    bases.dedup();
    let entries = bases.iter().filter_map(|base| fs::read_dir(base).ok()).flatten().flatten();
    let is_its = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    entries.map(|entry| entry.path()).filter(is_its).collect()
}
