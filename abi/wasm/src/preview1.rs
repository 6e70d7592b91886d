//! WASI preview 1: the names, shapes and error numbers that language runtimes expect.

use crate::HostFunction;

/// The modules under which guests import the functions; the second is older and has the
/// same shapes.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// No error.
pub const SUCCESS: i32 = 0;
/// A file descriptor that is not open.
pub const BADF: i32 = 8;
/// An address outside of the guest's memory.
pub const FAULT: i32 = 21;
/// An argument that makes no sense.
pub const INVAL: i32 = 28;
/// No such file.
pub const NOENT: i32 = 44;
/// Not offered.
pub const NOSYS: i32 = 52;
/// Not supported.
pub const NOTSUP: i32 = 58;

/// All functions.
pub const FUNCTIONS: &[HostFunction] = &[
    HostFunction::new("args_get", "ii"),
    HostFunction::new("args_sizes_get", "ii"),
    HostFunction::new("environ_get", "ii"),
    HostFunction::new("environ_sizes_get", "ii"),
    HostFunction::new("clock_res_get", "ii"),
    HostFunction::new("clock_time_get", "ili"),
    HostFunction::new("fd_advise", "illi"),
    HostFunction::new("fd_allocate", "ill"),
    HostFunction::new("fd_close", "i"),
    HostFunction::new("fd_datasync", "i"),
    HostFunction::new("fd_fdstat_get", "ii"),
    HostFunction::new("fd_fdstat_set_flags", "ii"),
    HostFunction::new("fd_fdstat_set_rights", "ill"),
    HostFunction::new("fd_filestat_get", "ii"),
    HostFunction::new("fd_filestat_set_size", "il"),
    HostFunction::new("fd_filestat_set_times", "illi"),
    HostFunction::new("fd_pread", "iiili"),
    HostFunction::new("fd_prestat_get", "ii"),
    HostFunction::new("fd_prestat_dir_name", "iii"),
    HostFunction::new("fd_pwrite", "iiili"),
    HostFunction::new("fd_read", "iiii"),
    HostFunction::new("fd_readdir", "iiili"),
    HostFunction::new("fd_renumber", "ii"),
    HostFunction::new("fd_seek", "ilii"),
    HostFunction::new("fd_sync", "i"),
    HostFunction::new("fd_tell", "ii"),
    HostFunction::new("fd_write", "iiii"),
    HostFunction::new("path_create_directory", "iii"),
    HostFunction::new("path_filestat_get", "iiiii"),
    HostFunction::new("path_filestat_set_times", "iiiilli"),
    HostFunction::new("path_link", "iiiiiii"),
    HostFunction::new("path_open", "iiiiillii"),
    HostFunction::new("path_readlink", "iiiiii"),
    HostFunction::new("path_remove_directory", "iii"),
    HostFunction::new("path_rename", "iiiiii"),
    HostFunction::new("path_symlink", "iiiii"),
    HostFunction::new("path_unlink_file", "iii"),
    HostFunction::new("poll_oneoff", "iiii"),
    HostFunction::silent("proc_exit", "i"),
    HostFunction::new("proc_raise", "i"),
    HostFunction::new("random_get", "ii"),
    HostFunction::new("sched_yield", ""),
    HostFunction::new("sock_accept", "iii"),
    HostFunction::new("sock_recv", "iiiiii"),
    HostFunction::new("sock_send", "iiiii"),
    HostFunction::new("sock_shutdown", "ii"),
];
