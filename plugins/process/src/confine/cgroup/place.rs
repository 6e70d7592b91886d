//! The groups of this process, in which it may make some for its children.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::{
    fs::{Access, access, getxattr},
    io::Errno,
    process::{Pid, geteuid},
};

use super::group::{PREFIX, started_at};

/// What a group limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Controller {
    Memory,
    Processes,
    Cpu,
}

/// The two forms of the interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    One,
    Two,
}

/// A directory in which groups may be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Base {
    pub(super) version: Version,
    pub(super) path: PathBuf,
    pub(super) controllers: Vec<Controller>,
}

/// All of them, and why there are no more.
#[derive(Debug)]
pub(crate) struct Place {
    bases: Vec<Base>,
    lacks: Vec<(Controller, String)>,
}

/// What says that a service manager handed a group over.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];
/// Where the proxy goes in its own group, so that this can have others.
const OWN_LEAF: &str = "mortise-proxy";
/// Processes of this group that are moved there.
const MOVED_MAX: usize = 64;
/// Groups that are looked at for those that others left.
const LEFT_MAX: usize = 4096;

impl Controller {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Processes, Self::Cpu];

    /// As the kernel calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "pids",
            Self::Cpu => "cpu",
        }
    }
}

impl Place {
    /// That of this process, prepared when it is asked for the first time.
    pub(crate) fn current() -> &'static Self {
        static CURRENT: OnceLock<Place> = OnceLock::new();
        CURRENT.get_or_init(|| {
            let mut place = Self::found();
            place.prepare();
            place.sweep(None);
            place
        })
    }

    /// Removes the groups that are left of proxies that are gone, or of this one. False where one
    /// has members.
    pub(crate) fn sweep(&self, proxy: Option<Pid>) -> bool {
        self.bases.iter().filter(|base| !sweep(&base.path, proxy)).count() == 0
    }

    #[cfg(test)]
    pub(super) fn of(bases: Vec<Base>) -> Self {
        Self { bases, lacks: Vec::new() }
    }

    pub(super) fn bases(&self) -> &[Base] {
        &self.bases
    }

    /// True where children's groups limit this.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.bases.iter().any(|base| base.controllers.contains(&controller))
    }

    /// Why they do not limit the rest.
    pub(crate) fn lacks(&self) -> impl Iterator<Item = (Controller, &str)> {
        self.lacks.iter().map(|(controller, why)| (*controller, why.as_str()))
    }

    /// Of which version the groups are that limit this.
    pub(crate) fn version(&self, controller: Controller) -> Option<u8> {
        let base = self.bases.iter().find(|base| base.controllers.contains(&controller))?;
        Some(match base.version {
            Version::One => 1,
            Version::Two => 2,
        })
    }

    /// The same, where nothing is made or moved.
    pub(crate) fn found() -> Self {
        Self::find(Path::new("/proc"))
    }

    fn find(proc: &Path) -> Self {
        let read = |name| fs::read_to_string(proc.join(name)).unwrap_or_default();
        let (own, mounts) = (read("self/cgroup"), read("self/mountinfo"));
        let mut place = Self { bases: Vec::new(), lacks: Vec::new() };
        for controller in Controller::ALL {
            match base_of(&own, &mounts, controller) {
                Ok(base) => place.add(base),
                Err(why) => place.lacks.push((controller, why)),
            }
        }
        place
    }

    fn add(&mut self, base: Base) {
        match self.bases.iter_mut().find(|known| known.path == base.path) {
            Some(known) => known.controllers.extend(base.controllers),
            None => self.bases.push(base),
        }
    }

    /// Has the groups that will be made in them be given the controllers; of the first version
    /// they have them by themselves.
    fn prepare(&mut self) {
        let (ready, refused): (Vec<_>, Vec<_>) = self
            .bases
            .drain(..)
            .map(|base| {
                let prepared = if base.version == Version::Two { enable(&base) } else { Ok(()) };
                (base, prepared)
            })
            .partition(|(_base, prepared)| prepared.is_ok());
        self.bases = ready.into_iter().map(|(base, _prepared)| base).collect();
        for (base, prepared) in refused {
            let Err(why) = prepared else { continue };
            tracing::warn!(path = %base.path.display(), %why, "no control groups for plugins");
            self.lacks.extend(base.controllers.into_iter().map(|it| (it, why.to_string())));
        }
    }
}

/// Where groups with this controller may be made, or why nowhere.
fn base_of(own: &str, mounts: &str, controller: Controller) -> Result<Base, String> {
    let name = controller.name();
    let first = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let has = parts.next()?.split(',').any(|one| one == name);
        if has { parts.next() } else { None }
    });
    let (version, group) = match first {
        Some(group) => (Version::One, group),
        None => match own.lines().find_map(|line| line.strip_prefix("0::")) {
            Some(group) => (Version::Two, group),
            None => return Err("the kernel has none".to_owned()),
        },
    };
    let mount = mounts.lines().filter_map(Mount::parse).find(|mount| match version {
        Version::One => mount.kind == "cgroup" && mount.options.split(',').any(|it| it == name),
        Version::Two => mount.kind == "cgroup2",
    });
    // Where a proxy that was here before went.
    let group = group.strip_suffix(OWN_LEAF).map_or(group, |above| above.trim_end_matches('/'));
    let group = if group.is_empty() { "/" } else { group };
    let path = mount.and_then(|mount| mount.path_of(group));
    let path = path.ok_or_else(|| format!("the group {group} is not mounted"))?;
    if version == Version::Two && !has_controller(&path, name) {
        return Err(format!("the group {group} does not have it"));
    }
    let path = own_place(&path, group, version)?;
    access(&path, Access::WRITE_OK).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(Base { version, path, controllers: vec![controller] })
}

fn has_controller(path: &Path, name: &str) -> bool {
    let all = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    all.split_ascii_whitespace().any(|one| one == name)
}

/// The group itself where it is this process's own, or the one above that was handed over with
/// this one in it.
fn own_place(path: &Path, group: &str, version: Version) -> Result<PathBuf, String> {
    let is_users = |path: &Path| {
        let owner = fs::metadata(path).map(|found| found.uid()).ok();
        !geteuid().is_root() && owner == Some(geteuid().as_raw())
    };
    if group == "/" || is_users(path) || is_delegated(path) {
        return Ok(path.to_owned());
    }
    if version == Version::Two
        && let Some(above) = path.parent().filter(|above| is_delegated(above))
    {
        return Ok(above.to_owned());
    }
    Err(format!("the group {group} is not the proxy's own (systemd's `Delegate=yes` makes it so)"))
}

fn is_delegated(path: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0_u8; 8];
        matches!(getxattr(path, *name, &mut value), Ok(1) if value.first() == Some(&b'1'))
    })
}

/// A line of the list of mounts.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, what) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut what = what.split(' ');
        let (kind, options) = (what.next()?, what.nth(1)?);
        // Names with blanks in them are written otherwise; nobody has such ones.
        let is_plain = !root.contains('\\') && !point.contains('\\');
        is_plain.then_some(Self { root, point, kind, options })
    }

    /// Where a group lies.
    fn path_of(&self, group: &str) -> Option<PathBuf> {
        let beneath = if self.root == "/" { group } else { group.strip_prefix(self.root)? };
        Some(Path::new(self.point).join(beneath.trim_start_matches('/')))
    }
}

/// Gives the groups in this one its controllers. A group whose members are not in groups of their
/// own cannot do that, so the proxy and what it started so far go into one.
fn enable(base: &Base) -> io::Result<()> {
    let control = base.path.join("cgroup.subtree_control");
    let words: Vec<_> = base.controllers.iter().map(|it| format!("+{}", it.name())).collect();
    let words = words.join(" ");
    match fs::write(&control, &words) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) => {}
        other => return other,
    }
    let members = fs::read_to_string(base.path.join("cgroup.procs"))?;
    let members: Vec<u32> = members.lines().filter_map(|pid| pid.parse().ok()).collect();
    if members.len() > MOVED_MAX || !members.iter().all(|pid| is_ours(*pid)) {
        return Err(io::Error::other("others are in the proxy's group"));
    }
    let leaf = base.path.join(OWN_LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for pid in members {
        fs::write(leaf.join("cgroup.procs"), pid.to_string())?;
    }
    fs::write(&control, &words)
}

/// This process, or one that it started.
fn is_ours(pid: u32) -> bool {
    let own = std::process::id();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit_once(") ").and_then(|(_name, rest)| rest.split(' ').nth(1));
    pid == own || parent.is_some_and(|parent| parent.parse() == Ok(own))
}

/// Removes the groups in a directory that proxies left which are gone. One that has members stays,
/// and false says so.
fn sweep(base: &Path, proxy: Option<Pid>) -> bool {
    let mut is_clean = true;
    let Ok(entries) = fs::read_dir(base) else { return true };
    for entry in entries.flatten().take(LEFT_MAX) {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let mut numbers = rest.splitn(3, '-');
        let owner = numbers.next().and_then(|pid| pid.parse::<u32>().ok());
        let started = numbers.next().and_then(|started| started.parse::<u64>().ok());
        let Some((owner, started)) = owner.zip(started) else { continue };
        let is_meant =
            proxy.is_none_or(|proxy| u32::try_from(proxy.as_raw_nonzero().get()) == Ok(owner));
        if is_meant && started_at(owner) != Some(started) {
            is_clean &= fs::remove_dir(entry.path()).is_ok();
        }
    }
    is_clean
}

#[cfg(test)]
mod tests;
