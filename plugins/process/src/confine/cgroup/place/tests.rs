//! Groups as the kernel shows them, in directories that stand for it.

use rustix::fs::{XattrFlags, setxattr};

use super::*;

/// A machine of a test: what it shows of the process, and its groups.
struct Machine {
    directory: tempfile::TempDir,
    groups: String,
    mounts: String,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("proc/self")).unwrap();
        let mounts = "22 1 0:20 / /proc rw - proc proc rw\nnonsense\n".to_owned();
        Self { directory, groups: String::new(), mounts }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Mounts a hierarchy whose topmost group that is seen is `root`.
    fn mount(mut self, kind: &str, options: &str, root: &str, at: &str) -> Self {
        let point = self.path(at);
        fs::create_dir_all(&point).unwrap();
        let point = point.display();
        self.mounts +=
            &format!("30 22 0:27 {root} {point} rw shared:9 - {kind} {kind} {options}\n");
        self
    }

    fn group(mut self, line: &str) -> Self {
        self.groups += line;
        self.groups += "\n";
        self
    }

    fn controllers(self, at: &str, controllers: &str) -> Self {
        fs::create_dir_all(self.path(at)).unwrap();
        fs::write(self.path(at).join("cgroup.controllers"), controllers).unwrap();
        self
    }

    fn find(&self) -> Place {
        fs::write(self.path("proc/self/cgroup"), &self.groups).unwrap();
        fs::write(self.path("proc/self/mountinfo"), &self.mounts).unwrap();
        Place::find(&self.path("proc"))
    }
}

fn found(place: &Place, machine: &Machine) -> Vec<(Version, String, Vec<Controller>)> {
    let place = place.bases().iter().map(|base| {
        let path = base.path.strip_prefix(machine.directory.path()).unwrap();
        (base.version, path.display().to_string(), base.controllers.clone())
    });
    place.collect()
}

#[test]
fn the_second_version_has_one_directory_for_all() {
    let machine = Machine::new()
        .mount("cgroup2", "rw,nsdelegate", "/", "fs")
        .group("0::/")
        .controllers("fs", "cpuset cpu io memory pids\n");
    let place = machine.find();
    assert_eq!(
        found(&place, &machine),
        [(Version::Two, "fs/".trim_end_matches('/').to_owned(), Controller::ALL.to_vec())]
    );
    assert!(Controller::ALL.into_iter().all(|it| place.has(it) && place.version(it) == Some(2)));
    assert_eq!(place.lacks().count(), 0);
}

#[test]
fn the_first_version_has_one_for_each_and_both_may_be_mixed() {
    let machine = Machine::new()
        .mount("cgroup", "rw,memory", "/", "memory")
        .mount("cgroup", "rw,cpu,cpuacct", "/", "cpu")
        .mount("cgroup2", "rw", "/", "unified")
        .group("4:memory:/")
        .group("3:cpu,cpuacct:/")
        .group("1:name=systemd:/")
        .group("0::/")
        .controllers("unified", "pids");
    let place = machine.find();
    assert_eq!(
        found(&place, &machine),
        [
            (Version::One, "memory".to_owned(), vec![Controller::Memory]),
            (Version::Two, "unified".to_owned(), vec![Controller::Processes]),
            (Version::One, "cpu".to_owned(), vec![Controller::Cpu]),
        ]
    );
}

#[test]
fn a_container_sees_its_group_at_the_top() {
    let machine =
        Machine::new().mount("cgroup", "rw,pids", "/docker/ab", "pids").group("8:pids:/docker/ab");
    // Seen from outside of a namespace of groups: the path is whole, and so not the topmost.
    let place = machine.find();
    assert!(!place.has(Controller::Processes));
    assert!(place.lacks().any(|(_, why)| why.contains("not the proxy's own")));
}

#[test]
fn a_group_that_was_handed_over_is_the_proxys_own() {
    let machine = Machine::new()
        .mount("cgroup2", "rw", "/", "fs")
        .group("0::/system/mortise.service/inner")
        .controllers("fs/system/mortise.service/inner", "memory pids cpu");
    assert!(machine.find().bases().is_empty());
    let unit = machine.path("fs/system/mortise.service");
    if let Err(error) = setxattr(&unit, "user.delegate", b"1", XattrFlags::empty()) {
        eprintln!("skipped: no attributes of files in {}: {error}", unit.display());
        return;
    }
    // Also for the group that the service manager made in it for the service itself.
    assert_eq!(machine.find().bases()[0].path, unit);
    setxattr(machine.path("fs/system"), "user.delegate", b"0", XattrFlags::empty()).unwrap();
    let other = Machine { groups: String::new(), ..machine }.group("0::/system/mortise.service");
    let other = other.controllers("fs/system/mortise.service", "memory pids cpu");
    assert_eq!(other.find().bases()[0].path, unit);
    // A proxy that was here before went into a group of its own.
    let later = Machine { groups: String::new(), ..other };
    let later = later.group("0::/system/mortise.service/mortise-proxy");
    assert_eq!(later.find().bases()[0].path, unit);
}

#[test]
fn what_is_not_there_is_said() {
    let none = Machine::new().find();
    assert!(none.bases().is_empty());
    assert!(none.lacks().all(|(_, why)| why == "the kernel has none"), "{none:?}");
    let unmounted = Machine::new().group("0::/").find();
    assert!(unmounted.lacks().all(|(_, why)| why.contains("not mounted")), "{unmounted:?}");
    let machine =
        Machine::new().mount("cgroup2", "rw", "/", "fs").group("0::/").controllers("fs", "pids");
    let place = machine.find();
    assert!(place.has(Controller::Processes) && !place.has(Controller::Memory));
    assert!(place.lacks().any(|(it, why)| it == Controller::Cpu && why.contains("does not have")));
}

#[test]
fn groups_in_a_group_are_given_its_controllers() {
    let machine = Machine::new()
        .mount("cgroup2", "rw", "/", "fs")
        .group("0::/")
        .controllers("fs", "memory pids");
    let mut place = machine.find();
    place.prepare();
    let written = fs::read_to_string(machine.path("fs/cgroup.subtree_control")).unwrap();
    assert_eq!(written, "+memory +pids");
}

#[test]
fn only_groups_of_proxies_that_are_gone_are_swept() {
    let base = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let started = started_at(own).unwrap();
    let make = |name: String| {
        let path = base.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let living = make(format!("mortise-{own}-{started}-1"));
    let other = make("other-1-1-1".to_owned());
    let leaf = make(OWN_LEAF.to_owned());
    let gone = make(format!("mortise-{own}-{}-1", started + 1));
    let used = make(format!("mortise-{own}-{}-2", started + 1));
    fs::create_dir(used.join("member")).unwrap();
    assert!(sweep(base.path(), Pid::from_raw(1)), "that one left nothing");
    assert!(gone.exists());
    assert!(!sweep(base.path(), None), "one cannot be removed");
    assert!(living.exists() && other.exists() && leaf.exists());
    assert!(!gone.exists() && used.exists());
    fs::remove_dir(used.join("member")).unwrap();
    assert!(sweep(base.path(), Some(rustix::process::getpid())));
    assert!(!used.exists());
}
