//! What an evil child tries, call by call. A script in Perl makes the very system calls.

use std::{fmt::Write, path::Path};

use crate::support::{Place, child};

const PERL: &str = "/usr/bin/perl";

/// A call: its name, its number, and its arguments as Perl has them.
type Call = (&'static str, i64, &'static str);

/// Each is refused with EPERM, before anything of its arguments is looked at.
const REFUSED: &[Call] = &[
    ("ptrace, of its parent", libc::SYS_ptrace, "16, $parent, 0, 0"),
    ("process_vm_readv", libc::SYS_process_vm_readv, "$parent, 0, 0, 0, 0, 0"),
    ("process_vm_writev", libc::SYS_process_vm_writev, "$parent, 0, 0, 0, 0, 0"),
    ("process_madvise", libc::SYS_process_madvise, "0, 0, 0, 0, 0"),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, "0, 0, 0"),
    ("kcmp", libc::SYS_kcmp, "$parent, $$, 0, 0, 0"),
    ("prlimit, of its parent", libc::SYS_prlimit64, "$parent, 7, 0, 0"),
    ("sched_setaffinity, of its parent", libc::SYS_sched_setaffinity, "$parent, 0, 0"),
    ("setpriority, of its parent", libc::SYS_setpriority, "0, $parent, 19"),
    ("kexec_load", libc::SYS_kexec_load, "0, 0, 0, 0"),
    ("kexec_file_load", libc::SYS_kexec_file_load, "-1, -1, 0, 0, 0"),
    ("init_module", libc::SYS_init_module, "0, 0, 0"),
    ("finit_module", libc::SYS_finit_module, "-1, 0, 0"),
    ("delete_module", libc::SYS_delete_module, "0, 0"),
    ("mount", libc::SYS_mount, "0, 0, 0, 0, 0"),
    ("umount2", libc::SYS_umount2, "0, 0"),
    ("move_mount", libc::SYS_move_mount, "-1, 0, -1, 0, 0"),
    ("open_tree", libc::SYS_open_tree, "-1, 0, 0"),
    ("open_tree_attr", 467, "-1, 0, 0, 0, 0"),
    ("fsopen", libc::SYS_fsopen, "0, 0"),
    ("mount_setattr", libc::SYS_mount_setattr, "-1, 0, 0, 0, 0"),
    ("pivot_root", libc::SYS_pivot_root, "0, 0"),
    ("chroot", libc::SYS_chroot, "0"),
    ("unshare", libc::SYS_unshare, "0x10000000"),
    ("setns", libc::SYS_setns, "-1, 0"),
    ("bpf", libc::SYS_bpf, "0, 0, 0"),
    ("userfaultfd", libc::SYS_userfaultfd, "1"),
    ("perf_event_open", libc::SYS_perf_event_open, "0, 0, -1, -1, 0"),
    ("io_uring_setup", libc::SYS_io_uring_setup, "1, 0"),
    ("io_uring_enter", libc::SYS_io_uring_enter, "-1, 0, 0, 0, 0, 0"),
    ("io_uring_register", libc::SYS_io_uring_register, "-1, 0, 0, 0"),
    ("keyctl", libc::SYS_keyctl, "0, -3, 0"),
    ("add_key", libc::SYS_add_key, "0, 0, 0, 0, -3"),
    ("request_key", libc::SYS_request_key, "0, 0, 0, 0"),
    ("personality", libc::SYS_personality, "0x0040000"),
    ("name_to_handle_at", libc::SYS_name_to_handle_at, "-1, 0, 0, 0, 0"),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, "-1, 0, 0"),
    ("fanotify_init", libc::SYS_fanotify_init, "0, 0"),
    ("inotify_add_watch", libc::SYS_inotify_add_watch, "-1, 0, 0"),
    ("quotactl_fd", libc::SYS_quotactl_fd, "-1, 0, 0, 0"),
    ("syslog", libc::SYS_syslog, "3, 0, 0"),
    ("settimeofday", libc::SYS_settimeofday, "0, 0"),
    ("sethostname", libc::SYS_sethostname, "0, 0"),
    ("swapon", libc::SYS_swapon, "0, 0"),
    ("acct", libc::SYS_acct, "0"),
    ("shmget", libc::SYS_shmget, "0, 4096, 0600"),
    ("msgget", libc::SYS_msgget, "0, 0600"),
    ("semget", libc::SYS_semget, "0, 1, 0600"),
    ("mq_open", libc::SYS_mq_open, "0, 0, 0, 0"),
    ("setsid", libc::SYS_setsid, ""),
    ("setpgid", libc::SYS_setpgid, "0, 0"),
    ("a life of its own", libc::SYS_prctl, "1, 0, 0, 0, 0"),
    ("fchmodat", libc::SYS_fchmodat, "-100, \"/tmp\", 0777"),
    ("fchownat", libc::SYS_fchownat, "-100, \"/tmp\", 0, 0, 0"),
    ("utimensat", libc::SYS_utimensat, "-100, \"/tmp\", 0, 0"),
    ("setxattr", libc::SYS_setxattr, "\"/tmp\", 0, 0, 0, 0"),
    ("connect", libc::SYS_connect, "3, 0, 0"),
    ("bind", libc::SYS_bind, "3, 0, 0"),
    ("listen", libc::SYS_listen, "3, 1"),
    ("sendto that connects", libc::SYS_sendto, "3, 0, 0, 0x20000000, 0, 0"),
    ("a user namespace", libc::SYS_clone, "0x10000011, 0, 0, 0, 0"),
    ("a mount namespace", libc::SYS_clone, "0x00020011, 0, 0, 0, 0"),
    ("a pid namespace", libc::SYS_clone, "0x20000011, 0, 0, 0, 0"),
    ("a network namespace", libc::SYS_clone, "0x40000011, 0, 0, 0, 0"),
    ("an ipc namespace", libc::SYS_clone, "0x08000011, 0, 0, 0, 0"),
    ("a uts namespace", libc::SYS_clone, "0x04000011, 0, 0, 0, 0"),
    ("a cgroup namespace", libc::SYS_clone, "0x02000011, 0, 0, 0, 0"),
    ("a sister that the proxy is to bury", libc::SYS_clone, "0x00008011, 0, 0, 0, 0"),
    ("a signal for its parent", libc::SYS_kill, "$parent, 0"),
    ("a signal for the first process", libc::SYS_kill, "1, 0"),
    ("a signal for a thread of its parent", libc::SYS_tgkill, "$parent, $parent, 0"),
    ("a signal by a handle", libc::SYS_pidfd_send_signal, "$handle, 0, 0, 0"),
];

/// The same calls by another table of numbers, and what an old kernel would not know.
#[cfg(target_arch = "x86_64")]
const UNKNOWN: &[Call] = &[("clone3", libc::SYS_clone3, "0, 0"), ("no such call", 0x3fff_ffff, "")];
#[cfg(not(target_arch = "x86_64"))]
const UNKNOWN: &[Call] = &[("clone3", libc::SYS_clone3, "0, 0")];

fn script(calls: impl Fn(&mut String)) -> String {
    let mut text = format!(
        r#"#!{PERL}
my $parent = getppid();
my $handle = syscall({}, $parent, 0);
my $bad = 0;
sub is {{
    my ($name, $expect, @call) = @_;
    $! = 0;
    my $got = syscall(shift(@call), map {{ /^-?\d+$/ ? $_ + 0 : $_ }} @call);
    exit(0) if $got == 0 && $name =~ /namespace|sister/;
    my $why = $! + 0;
    return if $got == -1 && $why == $expect;
    print STDERR "$name: $got $why\n";
    $bad++;
}}
"#,
        libc::SYS_pidfd_open
    );
    calls(&mut text);
    text += "exit($bad ? 41 : 40);\n";
    text
}

fn add(text: &mut String, expect: i32, (name, number, arguments): &Call) {
    let comma = if arguments.is_empty() { "" } else { ", " };
    writeln!(text, "is('{name}', {expect}, {number}{comma}{arguments});").unwrap();
}

#[track_caller]
fn run(text: &str) {
    let place = Place::new();
    let said = place.refusal(text, &child(""));
    assert!(said.contains("exit code 40 "), "{said}");
}

fn has_perl() -> bool {
    let has = Path::new(PERL).exists();
    if !has {
        println!("SKIPPED: there is no {PERL}");
    }
    has
}

pub(crate) fn an_evil_child_is_refused_every_call() {
    if !has_perl() {
        return;
    }
    run(&script(|text| {
        REFUSED.iter().for_each(|call| add(text, libc::EPERM, call));
        UNKNOWN.iter().for_each(|call| add(text, libc::ENOSYS, call));
        // No socket of any kind, of any family.
        let socket = libc::SYS_socket;
        for kind in ["1", "2", "3", "5", "0x80001", "0x802"] {
            let arguments = format!("$family, {kind}, 0");
            writeln!(
                text,
                "for my $family (0..50) {{ is(\"socket $family {kind}\", {}, {socket}, {arguments}); }}",
                libc::EPERM,
            )
            .unwrap();
        }
        if cfg!(target_arch = "x86_64") {
            let other = libc::SYS_ptrace | 0x4000_0000;
            writeln!(text, "is('x32 ptrace', {}, {other}, 0, 0, 0, 0);", libc::EPERM).unwrap();
        }
        // It sees none of the machine's connections.
        *text += "for my $file ('/proc/self/net/tcp', '/proc/net/unix', \"/proc/$parent/maps\", \
                  '/proc/self/task/self/net/tcp', '/proc/1/status') {\n\
                  if (open(my $seen, '<', $file)) { print STDERR \"read $file\\n\"; $bad++; } }\n";
    }));
}

pub(crate) fn what_an_evil_child_starts_is_as_confined() {
    if !has_perl() {
        return;
    }
    run(&script(|text| {
        // Interpreters start programs; these are no freer, and stay in the group.
        *text += "$bad++ unless system('/bin/true') == 0;\n\
                  $bad++ if system('cat /etc/passwd > /dev/null 2>&1') == 0;\n\
                  $bad++ if getpgrp(0) != $$;\n\
                  my $group = `cut -d ' ' -f 5 /proc/self/stat 2> /dev/null`;\n\
                  my $child = fork();\n\
                  if ($child == 0) { $parent = getppid(); exit(getpgrp(0) == $parent ? 3 : 4); }\n\
                  waitpid($child, 0);\n\
                  $bad++ if $? >> 8 != 3;\n";
    }));
}
