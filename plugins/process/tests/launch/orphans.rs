//! What children started in turn, and what ends it: the supervisor, or the guard.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use host_types::ProcessSettings;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    life::kill,
    support::{
        Place, child, directories_of, group, groups_of, guard_of, lives, now, pid, session, until,
        with_argument,
    },
};

/// A child with two grandchildren, of which one leaves its group where it can. They are known by
/// an argument that nobody else has.
struct Family {
    place: Place,
    script: PathBuf,
    sleeps: String,
}

impl Family {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let sleeps = format!("600.{}{number:03}", std::process::id());
        let place = Place::new();
        place.program();
        let text = format!(
            "#!/bin/sh\nsleep {sleeps} &\n(setsid sleep {sleeps} || sleep {sleeps}) 2>&- &\n\
             exec ./plugin child stubborn\n"
        );
        let script = place.script(&text);
        Self { place, script, sleeps }
    }

    /// The grandchildren that sleep: both, once they are there.
    fn sleepers(&self) -> Vec<u32> {
        let has_name = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
        };
        with_argument(&self.sleeps).into_iter().filter(has_name).collect()
    }

    fn wait_for_both(&self) {
        until("there are grandchildren", || self.sleepers().len() == 2);
    }

    /// How many sleep in another group than their child's.
    fn leavers(&self, child: u32) -> usize {
        let own = Some(child.to_string());
        self.sleepers().into_iter().filter(|pid| group(*pid) != own).count()
    }
}

impl Drop for Family {
    /// What a test that failed left would be there for the next.
    fn drop(&mut self) {
        for pid in self.sleepers() {
            let _gone = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
    }
}

fn settings(is_confined: bool) -> ProcessSettings {
    let mut settings = child("");
    settings.sandbox.enabled = is_confined;
    settings
}

pub(crate) fn grandchildren_go_with_their_child() {
    for is_confined in [true, false] {
        let family = Family::new();
        let loaded = family.place.load(&family.script, &settings(is_confined)).unwrap();
        let child = pid(&loaded);
        family.wait_for_both();
        assert_eq!(family.leavers(child), usize::from(!is_confined));
        let first = family.sleepers();
        kill(child);
        until("all are gone", || !first.iter().any(|pid| lives(*pid)));
        // The next child has some, too; it is stopped rather than killed.
        family.wait_for_both();
        drop(loaded);
        until("all are gone again", || family.sleepers().is_empty());
    }
}

/// A proxy that has a child, tells its number, and waits to be killed.
pub(crate) fn proxy(arguments: &[String]) -> ExitCode {
    // Open files that are not closed where a program is started, as a library may have them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let leaked: OwnedFd = rustix::io::dup(&listener).unwrap();
    let mut place = Place::new();
    // It will not get to removing that.
    place.directory = tempfile::tempdir_in(Path::new(&arguments[1]).parent().unwrap()).unwrap();
    let is_confined = arguments[2] == "confined";
    let loaded = place.load(Path::new(&arguments[1]), &settings(is_confined)).unwrap();
    println!("{}", pid(&loaded));
    loop {
        std::thread::park();
        assert!(rustix::io::fcntl_getfd(&leaked).is_ok());
    }
}

/// A proxy in a process of its own.
struct Proxy {
    process: Child,
    child: u32,
}

impl Proxy {
    fn start(family: &Family, how: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a proxy to be killed")]
        let mut command = Command::new("/proc/self/exe");
        command.arg("proxy").arg(&family.script).arg(how).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child = line.trim().parse().unwrap();
        family.wait_for_both();
        Self { process, child }
    }

    fn id(&self) -> u32 {
        self.process.id()
    }

    fn guard(&self) -> u32 {
        guard_of(self.id()).expect("it has a guard")
    }

    /// Kills it: its child, what that started, its guard and its files go within a second.
    fn kill_and_see_nothing_left(mut self, family: &Family) {
        let guard = self.guard();
        assert!(lives(self.child));
        assert_eq!(directories_of(self.id()).len(), 1);
        let begun = now();
        self.process.kill().unwrap();
        until("the child is gone", || !lives(self.child));
        until("the grandchildren are gone", || family.sleepers().is_empty());
        until("the directories are gone", || directories_of(self.id()).is_empty());
        until("the control groups are gone", || groups_of(self.id()).is_empty());
        until("the guard is gone", || !lives(guard));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        self.process.wait().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

pub(crate) fn nothing_outlives_a_killed_proxy() {
    for how in ["confined", "free"] {
        let family = Family::new();
        let proxy = Proxy::start(&family, how);
        assert_eq!(family.leavers(proxy.child), usize::from(how == "free"));
        proxy.kill_and_see_nothing_left(&family);
    }
}

pub(crate) fn a_guard_that_is_killed_is_replaced() {
    let family = Family::new();
    let proxy = Proxy::start(&family, "confined");
    for _time in 0..3 {
        let guard = proxy.guard();
        kill(guard);
        until("there is another guard", || {
            guard_of(proxy.id()).is_some_and(|another| another != guard)
        });
    }
    assert!(lives(proxy.child) && family.sleepers().len() == 2, "nobody else was harmed");
    proxy.kill_and_see_nothing_left(&family);
}

pub(crate) fn a_guard_has_nothing_but_its_orders() {
    let family = Family::new();
    let proxy = Proxy::start(&family, "confined");
    let guard = proxy.guard();
    until("it has a session of its own", || session(guard) == Some(guard.to_string()));
    let open = || {
        let entries = fs::read_dir(format!("/proc/{guard}/fd")).unwrap().flatten();
        let names = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let counted = |word: &str| open().iter().filter(|name| name.contains(word)).count();
    until("the proxy's handle is open", || counted("pidfd") == 1);
    assert_eq!((open().len(), counted("/dev/null"), counted("pipe")), (4, 2, 1), "{:?}", open());
    assert_eq!(fs::read_link(format!("/proc/{guard}/cwd")).unwrap(), Path::new("/"));
    let status = fs::read_to_string(format!("/proc/{guard}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(rss < 16 * 1024, "{rss} KiB");
    // What a terminal sends to the proxy's group does not reach it.
    assert_ne!(group(guard), group(proxy.id()));
    // What stops a service may reach it, and does not end it.
    let process = Pid::from_raw(guard.try_into().unwrap()).unwrap();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        kill_process(process, signal).unwrap();
    }
    proxy.kill_and_see_nothing_left(&family);
}

pub(crate) fn what_is_left_without_a_guard_is_removed_by_the_next_proxy() {
    let family = Family::new();
    let mut proxy = Proxy::start(&family, "confined");
    let guard = proxy.guard();
    // It cannot start another one.
    let process = Pid::from_raw(proxy.id().try_into().unwrap()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    kill(guard);
    until("the guard is gone", || !lives(guard));
    proxy.process.kill().unwrap();
    until("the child is gone", || !lives(proxy.child));
    proxy.process.wait().unwrap();
    family.sleepers().into_iter().for_each(kill);
    let next = Family::new();
    let second = Proxy::start(&next, "confined");
    until("what was left is removed", || directories_of(proxy.id()).is_empty());
    second.kill_and_see_nothing_left(&next);
}
