//! What is written for a group, in directories that stand for the kernel's.

use super::*;

const LIMITS: Limits = Limits {
    memory_bytes_max: 64 << 20,
    processes_max: 33,
    cpu_per_second: Some(Duration::from_millis(250)),
};

fn place(version: Version, controllers: &[Controller]) -> (tempfile::TempDir, Place) {
    let directory = tempfile::tempdir().unwrap();
    let controllers = controllers.to_vec();
    let base = Base { version, path: directory.path().to_owned(), controllers };
    (directory, Place::of(vec![base]))
}

/// The files of a group, which go then, as they would with it.
fn written(group: Group) -> Vec<String> {
    let mut all = Vec::new();
    for directory in group.directories() {
        for file in fs::read_dir(directory).unwrap().flatten() {
            let text = fs::read_to_string(file.path()).unwrap();
            all.push(format!("{}={text}", file.file_name().display()));
            fs::remove_file(file.path()).unwrap();
        }
    }
    all.sort();
    let directories: Vec<_> = group.directories().iter().map(|path| path.to_path_buf()).collect();
    drop(group);
    for directory in directories {
        // What was written to kill its members is a file here.
        let _none = fs::remove_file(directory.join("cgroup.kill"));
        let _gone = fs::remove_dir(directory);
    }
    all
}

#[test]
fn each_version_has_its_own_words() {
    let (_directory, two) = place(Version::Two, &Controller::ALL);
    let group = Group::new(&two, LIMITS).unwrap().expect("there is a place");
    assert_eq!(
        written(group),
        [
            "cpu.max=25000 100000",
            "memory.max=67108864",
            "memory.oom.group=1",
            "memory.swap.max=0",
            "pids.max=33",
        ]
    );
    let (_directory, one) = place(Version::One, &Controller::ALL);
    let group = Group::new(&one, LIMITS).unwrap().expect("there is a place");
    assert_eq!(
        written(group),
        [
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=25000",
            "memory.limit_in_bytes=67108864",
            "memory.memsw.limit_in_bytes=67108864",
            "pids.max=33",
        ]
    );
}

#[test]
fn what_is_not_limited_is_not_written() {
    let (_directory, place) = place(Version::Two, &[Controller::Cpu, Controller::Processes]);
    let group = Group::new(&place, Limits { cpu_per_second: None, ..LIMITS }).unwrap().unwrap();
    assert_eq!(written(group), ["pids.max=33"]);
    let nowhere = Place::of(Vec::new());
    assert!(Group::new(&nowhere, LIMITS).unwrap().is_none());
}

#[test]
fn a_process_is_put_into_all_of_its_directories() {
    let (_directory, place) = place(Version::One, &Controller::ALL);
    let group = Group::new(&place, LIMITS).unwrap().unwrap();
    group.take(rustix::process::getpid()).unwrap();
    let own = format!("cgroup.procs={}", std::process::id());
    // Nobody who is not in the group by the kernel's word is killed with it.
    assert!(written(group).contains(&own));
}

#[test]
fn groups_of_a_process_have_names_of_their_own() {
    let (one, other) = (name().unwrap(), name().unwrap());
    assert_ne!(one, other);
    assert!(one.starts_with(&format!("{PREFIX}{}-", std::process::id())), "{one}");
}

#[test]
fn shares_are_of_a_window_that_the_kernel_takes() {
    let share = |millis| share_of(Duration::from_millis(millis));
    assert_eq!(share(250), (25_000, 100_000));
    assert_eq!(share(10), (1000, 100_000));
    assert_eq!(share(9), (9000, 1_000_000));
    assert_eq!(share(0), (1000, 1_000_000));
    assert_eq!(share(4000), (400_000, 100_000), "several processors");
}

/// Directories of the kernel's in which this process may make groups, with controllers or without.
fn real() -> Vec<Base> {
    let mut bases = Place::found().bases().to_vec();
    // Where both versions are mixed, the second may have no controllers, and groups all the same.
    let mixed = Path::new("/sys/fs/cgroup/unified");
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if mixed.join("cgroup.procs").exists() && own.lines().any(|line| line == "0::/") {
        let (version, path) = (Version::Two, mixed.to_owned());
        bases.push(Base { version, path, controllers: Vec::new() });
    }
    bases.retain(|base| base.controllers.iter().all(|it| *it != Controller::Memory));
    bases
}

#[test]
fn what_is_in_a_group_is_killed_with_it() {
    let bases = real();
    if bases.is_empty() {
        eprintln!("SKIPPED: this machine lets nobody make control groups");
    }
    for base in bases {
        // A group that does not lead to the kernel's would take anything.
        let version = base.version;
        let group = Group::new(&Place::of(vec![base]), LIMITS).unwrap().unwrap();
        let directory = group.directories()[0].to_path_buf();
        #[expect(clippy::disallowed_methods, reason = "somebody to be in the group")]
        let mut member = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        group.take(Pid::from_raw(member.id().try_into().unwrap()).unwrap()).unwrap();
        let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap();
        assert_eq!(members.trim(), member.id().to_string());
        drop(group);
        let status = member.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(9), "{version:?}");
        let begun = std::time::SystemTime::now();
        while directory.exists() {
            assert!(begun.elapsed().unwrap() < Duration::from_secs(5), "{}", directory.display());
            thread::yield_now();
        }
    }
}
