//! Files that are not the child's.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::Could;

/// The name of what it makes; removed again where it could be made.
const NAME: &str = "mortise-attack";
/// Where it tries to make files.
const PLACES: [&str; 12] = [
    "",
    "tmp",
    "var/tmp",
    "var/log",
    "dev/shm",
    "etc",
    "etc/cron.d",
    "usr/local/bin",
    "usr/lib",
    "root",
    "home",
    "run",
];

/// Makes, changes and links files outside of its own directory. `with` has paths of the proxy's
/// own files.
pub(super) fn write(with: &[String]) -> Could {
    let mut could = Could::new();
    for place in PLACES {
        let path = Path::new("/").join(place).join(NAME);
        if File::create_new(&path).is_ok() {
            could.push("create-file");
            drop(fs::remove_file(&path));
        }
        if fs::create_dir(&path).is_ok() {
            could.push("create-directory");
            drop(fs::remove_dir(&path));
        }
        if std::os::unix::fs::symlink("/", &path).is_ok() {
            could.push("create-link");
            drop(fs::remove_file(&path));
        }
    }
    let own: Vec<_> = with.iter().map(PathBuf::from).collect();
    for path in &own {
        if fs::rename(path, path.with_extension("moved")).is_ok() {
            could.push("rename");
            drop(fs::rename(path.with_extension("moved"), path));
        }
    }
    let system = ["etc/passwd", "etc/ld.so.preload", "etc/hosts", "dev/kmsg", "dev/mem"];
    let system = system.iter().map(|path| Path::new("/").join(path));
    for path in own.into_iter().chain(system) {
        // Nothing is written: what opens could be.
        if OpenOptions::new().append(true).open(&path).is_ok() {
            could.push("open-for-writing");
        }
    }
    let up = ["..", "../..", "../../.."].map(|up| Path::new(up).join(NAME));
    for path in up {
        if File::create_new(&path).is_ok() {
            could.push("create-above");
            drop(fs::remove_file(&path));
        }
    }
    could
}

/// Reads what is secret. `with` has paths of the proxy's own files.
pub(super) fn read(with: &[String]) -> Could {
    let mut could = Could::new();
    let parent = super::processes::parent();
    let proxy = |file: &str| PathBuf::from(format!("/proc/{parent}/{file}"));
    let secrets = [
        ("read-shadow", PathBuf::from("/etc/shadow")),
        ("read-gshadow", PathBuf::from("/etc/gshadow")),
        ("read-passwd", PathBuf::from("/etc/passwd")),
        ("read-sudoers", PathBuf::from("/etc/sudoers")),
        ("read-host-key", PathBuf::from("/etc/ssh/ssh_host_ed25519_key")),
        ("read-environment", proxy("environ")),
        ("read-maps", proxy("maps")),
        ("read-memory", proxy("mem")),
        ("read-command", proxy("cmdline")),
        ("read-init", PathBuf::from("/proc/1/environ")),
        ("read-kernel", PathBuf::from("/proc/kcore")),
        ("read-kernel-log", PathBuf::from("/dev/kmsg")),
    ];
    let own = with.iter().map(|path| ("read-proxy-file", PathBuf::from(path)));
    for (word, path) in own.chain(secrets) {
        let mut byte = [0];
        let read = File::open(path).and_then(|mut file| file.read(&mut byte));
        if read.is_ok() {
            could.push(word);
        }
    }
    for (word, path) in [("list-root", "/"), ("list-etc", "/etc"), ("list-processes", "/proc")] {
        if fs::read_dir(path).is_ok() {
            could.push(word);
        }
    }
    if fs::read_dir(proxy("fd")).is_ok() {
        could.push("list-open-files");
    }
    if std::env::vars_os().any(|(name, _value)| name == super::SECRET) {
        could.push("proxy-environment");
    }
    // What it has on its standard output is a pipe to the log, and nothing of a terminal.
    if OpenOptions::new().write(true).open("/dev/tty").is_ok_and(|mut tty| tty.flush().is_ok()) {
        could.push("terminal");
    }
    could
}
