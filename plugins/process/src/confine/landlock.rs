//! Which files a child sees, and which ports and processes it reaches.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    PathBeneath, PathFd, PathFdError, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope,
};
use plugins_policy::{FACTS, SYSTEM};

use super::{ConfineError, path_of};
use crate::launch::order::{Order, Sandbox, Sockets};

/// Without these there is no confinement.
const NEEDED: ABI = ABI::V4;
/// These are taken where they are.
const WANTED: ABI = ABI::V6;

/// What programs read of themselves. Not all of `/proc/self`: it shows the connections of the
/// machine, too.
const OWN_FACTS: [&str; 16] = [
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "environ",
    "fd",
    "limits",
    "maps",
    "mountinfo",
    "mounts",
    "oom_score_adj",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
];

/// Where a program throws away what it writes.
const NULL: &str = "/dev/null";

pub(crate) fn apply(
    order: &Order,
    sandbox: &Sandbox,
    sockets: Sockets,
) -> Result<(), ConfineError> {
    let mut rules = ruleset().map_err(unsupported)?;
    if sockets == Sockets::Tcp {
        rules = listening(rules, sandbox).map_err(unsupported)?;
    }
    let read = AccessFs::from_read(WANTED);
    let own_facts = OWN_FACTS.iter().map(|name| Path::new("/proc/self").join(name));
    for path in SYSTEM.iter().chain(&FACTS).map(PathBuf::from).chain(own_facts) {
        // A system need not have them all.
        rules = match PathFd::new(&path) {
            Ok(opened) => allow(rules, &path, opened, read)?,
            Err(_absent) => rules,
        };
    }
    for path in asked(order, sandbox) {
        let opened = PathFd::new(&path).map_err(|error| unopened(&path, &error))?;
        rules = allow(rules, &path, opened, read)?;
    }
    if let Ok(opened) = PathFd::new(NULL) {
        let access = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        rules = allow(rules, Path::new(NULL), opened, access)?;
    }
    let private = path_of(&order.private);
    let opened = PathFd::new(&private).map_err(|error| unopened(&private, &error))?;
    rules = allow(rules, &private, opened, own())?;
    let status = rules.restrict_self().map_err(unsupported)?;
    check(&status)
}

/// What it may do in its own directory: everything but executing, devices, and links, which the
/// proxy would follow where it looks for the child's socket.
fn own() -> BitFlags<AccessFs> {
    let never = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSym
        | AccessFs::IoctlDev;
    AccessFs::from_all(WANTED) & !never
}

/// The artifact's own directory, the script, and what the operator allows.
fn asked(order: &Order, sandbox: &Sandbox) -> Vec<PathBuf> {
    let own = [&order.directory, &order.script].into_iter();
    let paths = own.chain(&sandbox.read).filter(|path| !path.is_empty());
    paths.map(|path| path_of(path)).collect()
}

/// Where TCP is the transport, seccomp lets the child make such sockets: it may listen at the
/// ports that were chosen for it, or at one that the kernel chooses, which is nobody's. So it
/// takes no port that a listener of the proxy has, or is going to have.
fn listening(mut rules: RulesetCreated, sandbox: &Sandbox) -> Result<RulesetCreated, RulesetError> {
    let chosen = sandbox.ports.iter().filter_map(|port| u16::try_from(*port).ok());
    for port in chosen.chain([0]) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(rules)
}

fn ruleset() -> Result<RulesetCreated, RulesetError> {
    let net = AccessNet::BindTcp | AccessNet::ConnectTcp;
    let needed = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .handle_access(net)?;
    needed
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    opened: PathFd,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, ConfineError> {
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(WANTED) };
    rules.add_rule(PathBeneath::new(opened, access)).map_err(|error| ConfineError::Path {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn check(status: &RestrictionStatus) -> Result<(), ConfineError> {
    match status.landlock {
        LandlockStatus::Available { .. } => Ok(()),
        LandlockStatus::NotEnabled => Err(lacking("Landlock is off")),
        LandlockStatus::NotImplemented => Err(lacking("it has no Landlock")),
    }
}

/// What Landlock can do for the calling thread, which is confined by it: for the doctor.
pub(crate) fn probe() -> Result<ABI, String> {
    let created = ruleset().map_err(|error| error.to_string())?;
    let status = created.restrict_self().map_err(|error| error.to_string())?;
    check(&status).map_err(|error| error.to_string())?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => Ok(effective_abi),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => Ok(ABI::Unsupported),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unsupported(error: RulesetError) -> ConfineError {
    lacking(&format!("Landlock's version 4 is needed (Linux 6.7): {error}"))
}

fn lacking(what: &str) -> ConfineError {
    ConfineError::Unsupported { what: what.to_owned(), word: "files" }
}

fn unopened(path: &Path, error: &PathFdError) -> ConfineError {
    ConfineError::Path { path: path.display().to_string(), reason: error.to_string() }
}
