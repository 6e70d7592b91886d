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
        self.backend.load(ProcessSpec {
            name: &PluginName::from("greet"),
            vm_id: None,
            source,
            program: Program::Artifact(&fs::read(source).unwrap()),
            limits: &PluginLimits::default(),
            phases: None,
            settings,
        })
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

/// This process's children that have not been waited for.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_name, rest)) = stat.rsplit_once(") ") else { continue };
        if rest.split(' ').nth(1) == Some(own.as_str()) {
            found.push(pid);
        }
    }
    found
}

/// The open files of this process.
pub(crate) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The directories of this process's children.
pub(crate) fn directories() -> Vec<PathBuf> {
    let base = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let prefix = format!("mortise-{}-", std::process::id());
    let entries = fs::read_dir(base).unwrap().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    entries.filter(is_ours).collect()
}
