//! Which system calls a child cannot make.
//!
//! A list of what no plugin needs, answered with EPERM, so that runtimes which merely try go on
//! without. Nothing of the network is left but the socket that a child was given; nothing of other
//! processes; of files what Landlock does not watch. A child may start processes, as interpreters
//! and scripts do: they are as confined as it is, in its group for ever, and counted by
//! `processes_max`. Everything else is open: Go, Python and tokio need more than can be listed.

use std::collections::BTreeMap;

use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS,
    CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, CLONE_PARENT, ENOSYS, EPERM, IPPROTO_IP,
    IPPROTO_TCP, MSG_FASTOPEN, PR_SET_PDEATHSIG, SIGKILL, SO_REUSEPORT, SOCK_SEQPACKET,
    SOCK_STREAM, SOL_SOCKET,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::ConfineError;
use crate::launch::order::Sockets;

/// Never allowed.
const DENIED: &[i64] = &[
    // Other processes: their memory, registers, files, limits and places.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // What processes of one user share that is no file and belongs to no process.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
    // A group or session of its own: the whole group is killed with it.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // The tree of files and who sees it.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // What others do with files, told by name, which Landlock does not watch.
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_inotify_add_watch,
    // Modes, owners, times and attributes of files, which Landlock does not watch.
    libc::SYS_utimensat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // The kernel and the machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // Wide and often broken into.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    // Nothing is reached: a child is called, and calls through the proxy.
    libc::SYS_connect,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Since Linux 6.6; the same number everywhere.
const SYS_FCHMODAT2: i64 = 452;
/// Since Linux 6.15; likewise.
const SYS_OPEN_TREE_ATTR: i64 = 467;
/// What is the kind of a socket beside flags for its descriptor.
const SOCK_TYPE_MASK: u64 = 0xf;
/// Another table of calls of the same machine, told from the first by this bit.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Flags of new processes: namespaces of their own, which have rights of their own, and a parent
/// that did not make them, which would be the proxy.
const DENIED_FLAGS: [i32; 8] = [
    CLONE_PARENT,
    CLONE_NEWUSER,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWNET,
    CLONE_NEWIPC,
    CLONE_NEWUTS,
    CLONE_NEWCGROUP,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Outcome<T> = Result<T, seccompiler::BackendError>;

/// Denies what is denied to the calling thread, and what it becomes.
pub(crate) fn apply(sockets: Sockets) -> Result<(), ConfineError> {
    for program in [refusing(sockets), hiding()] {
        let program = program.map_err(|error| failed(&error))?;
        apply_filter(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Denies it to the calling thread: for the doctor.
pub(crate) fn probe() -> Result<(), String> {
    apply(Sockets::None).map_err(|error| error.to_string())
}

fn failed(error: &dyn std::fmt::Display) -> ConfineError {
    ConfineError::Unsupported { what: format!("seccomp: {error}"), word: "network" }
}

/// What is answered with EPERM.
fn refusing(sockets: Sockets) -> Outcome<BpfProgram> {
    let mut rules: Rules = DENIED.iter().chain(DENIED_HERE).map(|call| (*call, vec![])).collect();
    let denied = DENIED_FLAGS.iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        when(vec![condition(0, SeccompCmpOp::MaskedEq(flag), flag)?])
    });
    rules.insert(libc::SYS_clone, denied.collect::<Outcome<_>>()?);
    // Its own limits and place it may change.
    for call in [libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        rules.insert(call, vec![when(vec![condition(0, SeccompCmpOp::Ne, 0)?])?]);
    }
    // It ends with the proxy, and may not ask for anything less.
    rules.insert(
        libc::SYS_prctl,
        vec![when(vec![
            condition(0, SeccompCmpOp::Eq, unsigned(PR_SET_PDEATHSIG))?,
            condition(1, SeccompCmpOp::Ne, unsigned(SIGKILL))?,
        ])?],
    );
    // A first message that connects as it is sent.
    let fast = u64::from(MSG_FASTOPEN.unsigned_abs());
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        let is_fast = condition(flags, SeccompCmpOp::MaskedEq(fast), fast)?;
        rules.insert(call, vec![when(vec![is_fast])?]);
    }
    // A port that the proxy listens at, shared with it: half of its connections would be the
    // child's.
    rules.insert(
        libc::SYS_setsockopt,
        vec![when(vec![
            condition(1, SeccompCmpOp::Eq, unsigned(SOL_SOCKET))?,
            condition(2, SeccompCmpOp::Eq, unsigned(SO_REUSEPORT))?,
        ])?],
    );
    let mut pairs = vec![no_family_but(&[AF_UNIX])?];
    pairs.extend(no_kind_that_reaches()?);
    rules.insert(libc::SYS_socketpair, pairs.clone());
    match sockets {
        Sockets::None => {
            for call in [libc::SYS_socket, libc::SYS_bind, libc::SYS_listen] {
                rules.insert(call, vec![]);
            }
        }
        Sockets::Unix => {
            rules.insert(libc::SYS_socket, pairs);
        }
        Sockets::Tcp => {
            let mut denied = vec![no_family_but(&[AF_UNIX, AF_INET, AF_INET6])?];
            denied.extend(no_kind_that_reaches()?);
            denied.extend(nothing_but_tcp()?);
            rules.insert(libc::SYS_socket, denied);
        }
    }
    compile(rules, EPERM)
}

/// Sockets of no other family.
fn no_family_but(allowed: &[i32]) -> Outcome<SeccompRule> {
    let others = allowed.iter().map(|allowed| condition(0, SeccompCmpOp::Ne, unsigned(*allowed)));
    when(others.collect::<Outcome<_>>()?)
}

/// Datagrams go out without a connection, whatever the family. What is left has to connect.
fn no_kind_that_reaches() -> Outcome<Vec<SeccompRule>> {
    let connects = [unsigned(SOCK_STREAM), unsigned(SOCK_SEQPACKET)];
    let others = (0..=SOCK_TYPE_MASK).filter(|kind| !connects.contains(kind));
    others.map(|kind| when(vec![is_of_kind(kind)?])).collect()
}

/// SCTP connects as it sends, too.
fn nothing_but_tcp() -> Outcome<[SeccompRule; 2]> {
    let outward = || condition(0, SeccompCmpOp::Ne, unsigned(AF_UNIX));
    let protocols =
        [IPPROTO_IP, IPPROTO_TCP].map(|allowed| condition(2, SeccompCmpOp::Ne, unsigned(allowed)));
    let mut other_protocol = vec![outward()?];
    other_protocol.extend(protocols.into_iter().collect::<Outcome<Vec<_>>>()?);
    let packets = vec![outward()?, is_of_kind(unsigned(SOCK_SEQPACKET))?];
    Ok([when(packets)?, when(other_protocol)?])
}

fn is_of_kind(kind: u64) -> Outcome<SeccompCondition> {
    condition(1, SeccompCmpOp::MaskedEq(SOCK_TYPE_MASK), kind)
}

/// What is answered as an old kernel would: its flags lie in memory, where a filter cannot look,
/// and every library goes on with `clone`.
fn hiding() -> Outcome<BpfProgram> {
    compile(Rules::from([(libc::SYS_clone3, vec![])]), ENOSYS)
}

fn compile(rules: Rules, error: i32) -> Outcome<BpfProgram> {
    #[cfg(target_arch = "x86_64")]
    let rules: Rules = rules
        .into_iter()
        .flat_map(|(call, rules)| [(call, rules.clone()), (call | X32, rules)])
        .collect();
    let deny = SeccompAction::Errno(error.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, deny, arch)?.try_into()
}

fn when(conditions: Vec<SeccompCondition>) -> Outcome<SeccompRule> {
    SeccompRule::new(conditions)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Outcome<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}
