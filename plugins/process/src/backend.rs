//! From an artifact to a supervised child, and from a child to filters.

use std::{
    fmt,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use host_extension::{
    Condition, FaultKind, FilterFactory, InstanceSpec, LoadedPlugin, Phases, PluginFault,
    WorkerScope,
};
use host_types::{PluginLimits, PluginName, ProcessSettings, SandboxSettings};
use parking_lot::Mutex;

use crate::{
    confine::account,
    factory::{self, ChildLink},
    facts::facts,
    launch::{Launcher, artifact::Artifact},
    log::DeniedLines,
    supervisor::{Care, Face, Plan, Supervisor},
};

/// How long others that are being started may keep a plugin from its own start, and a child that
/// did not get ready from its end.
const OTHERS_PATIENCE: Duration = Duration::from_mins(1);

/// One artifact with what its plan says of it.
#[derive(Clone, Copy, Debug)]
pub struct ProcessSpec<'a> {
    /// The plugin's name.
    pub name: &'a PluginName,
    /// The name under which it keeps what it shares, where that is not its own.
    pub vm_id: Option<&'a Arc<str>>,
    /// Where the artifact was read.
    pub source: &'a Path,
    /// What runs.
    pub program: Program<'a>,
    /// The limits of its instances and of its log.
    pub limits: &'a PluginLimits,
    /// The phases that it is shown; `None` shows all that it wants.
    pub phases: Option<Phases>,
    /// How its child is started, watched and confined.
    pub settings: &'a ProcessSettings,
    /// What becomes of the lines that it writes by itself, where it may not log.
    pub denied_lines: Option<&'a DeniedLines>,
}

/// What a child runs.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// The artifact: the bytes of an ELF program, or of a script.
    Artifact(&'a [u8]),
    /// The proxy's own program, whose arguments say what it is to be; the artifact is for it.
    Itself,
}

/// The backend `process`.
#[derive(Debug)]
pub struct ProcessBackend {
    launcher: Launcher,
    /// Started with the first plugin.
    supervisor: Mutex<Option<Arc<Supervisor>>>,
}

impl ProcessBackend {
    /// A backend whose children are started in this way.
    #[must_use]
    pub fn new(launcher: Launcher) -> Self {
        Self { launcher, supervisor: Mutex::new(None) }
    }

    /// Starts the plugin's child and waits until it serves: at most its start timeout, and a
    /// minute for others that are being started.
    ///
    /// # Errors
    /// The artifact is no program of this machine, the kernel cannot confine it as asked, or the
    /// child did not get ready.
    pub fn load(&self, spec: ProcessSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let plan = self.plan(spec)?;
        let supervisor = self.supervisor()?;
        let (care, face) = Care::new(plan);
        let (tell, told) = sync_channel(1);
        supervisor.run(move |common| care.run(common, tell));
        first_start(&told, spec.settings.start_timeout.saturating_add(OTHERS_PATIENCE))?;
        let link = Arc::new(ChildLink {
            name: spec.name.clone(),
            vm_id: spec.vm_id.cloned(),
            limits: spec.limits.clone(),
            phases: spec.phases,
            settings: spec.settings.clone(),
            watch: face.watch(),
            watchdog: face.watchdog(),
            profiles: Mutex::default(),
        });
        Ok(Arc::new(LoadedProcess { link, face, supervisor }))
    }

    fn plan(&self, spec: ProcessSpec<'_>) -> Result<Plan, PluginFault> {
        check_kernel(spec.name, &spec.settings.sandbox)?;
        let identity = account::identity(&spec.settings.sandbox);
        let identity = identity.map_err(|error| failed_by(&error))?;
        let artifact = match spec.program {
            Program::Artifact(bytes) => Artifact::new(spec.source, bytes),
            Program::Itself => Artifact::itself(),
        };
        let artifact = artifact.map_err(|error| failed_by(&error))?;
        let place = spec.source.canonicalize().and_then(|program| {
            let directory = program.parent().map(Path::to_path_buf);
            let directory = directory.ok_or(std::io::ErrorKind::NotADirectory)?;
            Ok((program, directory))
        });
        let (program, directory) = place.map_err(|error| {
            failed(format!("cannot find the place of {}: {error}", spec.source.display()))
        })?;
        Ok(Plan {
            name: spec.name.clone(),
            artifact,
            program,
            directory,
            limits: spec.limits.clone(),
            settings: spec.settings.clone(),
            identity,
            launcher: self.launcher.clone(),
            denied_lines: spec.denied_lines.cloned(),
        })
    }

    fn supervisor(&self) -> Result<Arc<Supervisor>, PluginFault> {
        let mut supervisor = self.supervisor.lock();
        if let Some(supervisor) = &*supervisor {
            return Ok(Arc::clone(supervisor));
        }
        let started = Supervisor::start();
        let started = started.map_err(|error| failed(format!("cannot start a thread: {error}")))?;
        *supervisor = Some(Arc::clone(&started));
        Ok(started)
    }
}

/// One generation of a plugin: a child that serves, or will again.
struct LoadedProcess {
    /// Sessions hold it, too.
    link: Arc<ChildLink>,
    face: Face,
    /// Dropped after the face, so that it sees the child stopped.
    supervisor: Arc<Supervisor>,
}

impl LoadedPlugin for LoadedProcess {
    fn start(
        &self,
        scope: &WorkerScope,
        spec: &InstanceSpec,
    ) -> Result<Rc<dyn FilterFactory>, PluginFault> {
        if scope.worker.is_some() {
            return Ok(factory::start(scope, spec, &self.link));
        }
        factory::trial(scope, spec, &self.link, |task| self.supervisor.run(|_common| task))
    }

    fn condition(&self) -> Option<Condition> {
        Some(self.face.condition())
    }
}

impl fmt::Debug for LoadedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedProcess")
            .field("name", &self.link.name)
            .field("phases", &self.link.phases)
            .field("condition", &self.face.condition())
            .finish_non_exhaustive()
    }
}

/// What the kernel cannot enforce is said once, as the plugin is loaded: why it is refused, or
/// what it is started without.
fn check_kernel(name: &PluginName, sandbox: &SandboxSettings) -> Result<(), PluginFault> {
    if !sandbox.enabled {
        return Ok(());
    }
    let facts = facts();
    let parts = [
        (facts.landlock, sandbox.may_lack_files, "files", "Landlock, version 4"),
        (facts.seccomp, sandbox.may_lack_network, "network", "seccomp"),
    ];
    for (is_there, may_lack, word, needed) in parts {
        if is_there {
            continue;
        }
        if !may_lack {
            return Err(failed(format!(
                "this kernel cannot keep it from {word}: that needs {needed} (`mortise doctor`); \
                 `allow_unenforced: [{word}]` in its policy starts it all the same"
            )));
        }
        tracing::warn!(
            plugin = %name,
            "the plugin's child is not kept from {word}: this kernel has no {needed}"
        );
    }
    Ok(())
}

/// Waits for what the supervisor says of a first start. Who gives up lets go of the child.
fn first_start(told: &Receiver<Result<(), String>>, patience: Duration) -> Result<(), PluginFault> {
    match told.recv_timeout(patience) {
        Ok(outcome) => outcome.map_err(failed),
        Err(RecvTimeoutError::Timeout) => Err(failed(format!(
            "nothing was heard of its start for {patience:?}: others are being started, or the \
             supervisor of child processes hangs"
        ))),
        Err(RecvTimeoutError::Disconnected) => {
            Err(failed("the supervisor of child processes is gone"))
        }
    }
}

fn failed(message: impl Into<Box<str>>) -> PluginFault {
    PluginFault::new(FaultKind::LoadFailed, message)
}

fn failed_by(error: &dyn std::error::Error) -> PluginFault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    failed(text)
}

#[cfg(test)]
mod tests;
