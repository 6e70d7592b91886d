//! The `native` and `builtin` backends, as the catalog asks for them.

use std::{env, ffi::OsString, sync::Arc};

use host_extension::{FaultKind, LoadedPlugin, PluginFault};
use host_types::{ProcessSettings, RunIn};
use plugins_native::{NativeBackend, NativeSpec, runner};
use plugins_process::{ProcessBackend, ProcessSpec, Program};

use crate::{PluginBackend, PluginSpec};

/// The hidden argument with which the proxy's program serves a library as a child process: its
/// `main` calls [`runner::main`] with the arguments behind it.
pub const RUNNER_ARGUMENT: &str = "plugin-runner";

/// Libraries, in the proxy or in children of their own.
#[derive(Debug)]
pub struct Libraries {
    /// Loads those in the proxy, where the operator allows it.
    pub native: Arc<NativeBackend>,
    /// Starts the children of the others.
    pub process: Arc<ProcessBackend>,
}

/// Plugins that are compiled in.
#[derive(Debug)]
pub struct Builtins(pub Arc<NativeBackend>);

impl PluginBackend for Libraries {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        match spec.native.run_in {
            RunIn::Proxy => self.native.load(native(spec)),
            RunIn::Runner => self.run(spec),
        }
    }
}

impl Libraries {
    /// Starts a child that serves a library. It is confined as any child, so that nobody needs to
    /// allow the library first.
    fn run(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        let library =
            spec.source.canonicalize().map_err(|error| cannot("find the library", &error))?;
        let itself =
            env::current_exe().map_err(|error| cannot("find the proxy's program", &error))?;
        let mut settings = ProcessSettings { arguments: Vec::new(), ..spec.process.clone() };
        let arguments = [OsString::from(RUNNER_ARGUMENT)].into_iter();
        for argument in arguments.chain(runner::arguments(&library, spec.bytes)) {
            let argument = argument.into_string().map_err(|path| {
                let message = format!("the path of the library is no text: {}", path.display());
                PluginFault::new(FaultKind::LoadFailed, message)
            })?;
            settings.arguments.push(argument.into());
        }
        settings.sandbox.read.push(itself);
        self.process.load(ProcessSpec {
            name: spec.name,
            vm_id: spec.vm.id.as_ref(),
            source: &library,
            program: Program::Itself,
            limits: spec.limits,
            phases: spec.phases,
            settings: &settings,
            denied_lines: spec.denied_lines,
        })
    }
}

impl PluginBackend for Builtins {
    fn load(&self, spec: PluginSpec<'_>) -> Result<Arc<dyn LoadedPlugin>, PluginFault> {
        self.0.load_builtin(native(spec))
    }
}

fn native(spec: PluginSpec<'_>) -> NativeSpec<'_> {
    let PluginSpec { name, source, bytes, limits, phases, vm, native, .. } = spec;
    NativeSpec { name, vm_id: vm.id.as_ref(), source, bytes, limits, phases, settings: native }
}

fn cannot(what: &str, error: &std::io::Error) -> PluginFault {
    PluginFault::new(FaultKind::LoadFailed, format!("cannot {what}: {error}"))
}
