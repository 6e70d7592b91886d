//! What every start of a child begins with, and the order that its trampoline gets.

use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use abi_process::v1::BootstrapParams;
use host_types::{Bootstrap, PluginLimits, PluginName, ProcessSettings, Transport};

use super::failure::{StartFailure, go_failure};
use crate::{
    bootstrap::Listening,
    child::Reach,
    confine::cgroup::{Group, Limits, Place},
    go_plugin::{Preparation, Wanted},
    launch::{
        Launcher,
        artifact::Artifact,
        home::Private,
        order::{Identity, Order, Sandbox, Sockets, Variable},
    },
    log::DeniedLines,
};

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
    /// Who its child is to be; nothing where that is who the proxy is.
    pub(crate) identity: Option<Identity>,
    pub(crate) launcher: Launcher,
    /// What becomes of the lines that it writes by itself, where it may not log.
    pub(crate) denied_lines: Option<DeniedLines>,
}

/// How a child is going to be known as ready.
pub(super) enum Way {
    Mortise(Reach),
    GoPlugin(Preparation),
}

/// How it is going to be known as ready, its socket, and what it reads first.
pub(super) type Prepared = (Way, Option<OwnedFd>, Option<BootstrapParams>);

/// Makes what a start needs before there is a process.
pub(super) fn prepare(
    plan: &Plan,
    generation: u32,
    private: &Private,
) -> Result<Prepared, StartFailure> {
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

/// The order for the trampoline.
pub(super) fn order(plan: &Plan, way: &Way, private: &Private, listens: bool) -> Order {
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
    let ports = match (way, sockets) {
        (Way::GoPlugin(prepared), Sockets::Tcp) => prepared.ports().map(u32::from).collect(),
        (Way::GoPlugin(_) | Way::Mortise(_), _) => Vec::new(),
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
            identity: plan.identity,
            may_lack_files: sandbox.may_lack_files,
            may_lack_network: sandbox.may_lack_network,
            ports,
        }),
    }
}

/// The control group of a confined child, where this machine has such for it.
pub(super) fn group(plan: &Plan) -> io::Result<Option<Group>> {
    let sandbox = &plan.settings.sandbox;
    if !sandbox.enabled {
        return Ok(None);
    }
    let limits = Limits {
        memory_bytes_max: sandbox.memory_bytes_max,
        processes_max: sandbox.processes_max,
        cpu_per_second: plan.limits.cpu_per_second,
    };
    Group::new(Place::current(), limits)
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

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
