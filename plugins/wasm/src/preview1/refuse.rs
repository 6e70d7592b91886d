//! The functions that refuse, or do nothing.

use abi_wasm::preview1::{BADF, FUNCTIONS, NOENT, NOSYS, NOTSUP, SUCCESS};
use wasmtime::{Linker, Val};

use super::is_output;
use crate::{
    calls::{Call, func_type},
    state::VmData,
};

/// What a function answers.
#[derive(Clone, Copy)]
enum Reply {
    /// Always this.
    Always(i32),
    /// Success for standard output and error, which need nothing done; no such descriptor
    /// otherwise.
    ForOutput,
}

use Reply::{Always, ForOutput};

const REPLIES: &[(&str, Reply)] = &[
    ("fd_advise", ForOutput),
    ("fd_allocate", ForOutput),
    ("fd_close", Always(SUCCESS)),
    ("fd_datasync", ForOutput),
    ("fd_fdstat_set_flags", Always(NOSYS)),
    ("fd_fdstat_set_rights", ForOutput),
    // Runtimes look for open directories until they are told that there is no more.
    ("fd_filestat_get", Always(BADF)),
    ("fd_filestat_set_size", ForOutput),
    ("fd_filestat_set_times", ForOutput),
    ("fd_pread", Always(NOSYS)),
    ("fd_prestat_get", Always(BADF)),
    ("fd_prestat_dir_name", Always(NOSYS)),
    ("fd_read", Always(NOSYS)),
    ("fd_readdir", Always(BADF)),
    ("fd_renumber", Always(BADF)),
    ("fd_seek", Always(SUCCESS)),
    ("fd_sync", ForOutput),
    ("fd_tell", ForOutput),
    ("path_create_directory", Always(NOTSUP)),
    ("path_filestat_get", Always(NOENT)),
    ("path_filestat_set_times", Always(NOTSUP)),
    ("path_link", Always(NOTSUP)),
    ("path_open", Always(NOENT)),
    ("path_readlink", Always(NOENT)),
    ("path_remove_directory", Always(NOTSUP)),
    ("path_rename", Always(NOTSUP)),
    ("path_symlink", Always(NOTSUP)),
    ("path_unlink_file", Always(NOTSUP)),
    ("proc_raise", Always(NOSYS)),
    ("sched_yield", Always(SUCCESS)),
    ("sock_accept", Always(NOTSUP)),
    ("sock_recv", Always(NOTSUP)),
    ("sock_send", Always(NOTSUP)),
    ("sock_shutdown", Always(NOTSUP)),
];

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    for (name, reply) in REPLIES.iter().copied() {
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            continue;
        };
        let shape = func_type(linker, function);
        linker.func_new(module, name, shape, move |caller, params, results| {
            let error = match reply {
                Always(error) => error,
                ForOutput if descriptor(params).is_some_and(is_output) => SUCCESS,
                ForOutput => BADF,
            };
            Call::new(caller).note(name, error.cast_unsigned());
            if let Some(result) = results.first_mut() {
                *result = Val::I32(error);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn descriptor(params: &[Val]) -> Option<u32> {
    params.first().and_then(Val::i32).map(i32::cast_unsigned)
}
