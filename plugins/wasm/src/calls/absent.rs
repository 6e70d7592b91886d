//! Calls that this host does not serve yet, and what it answers to each.
//!
//! They are linked all the same: SDKs import them whether a plugin uses them or not. Who
//! asks for something that would have to be made first is told that it is not there, which
//! is true and which SDKs expect. Who wants to make something is told that the host cannot.

use abi_wasm::{HostFunction, ParamType, Status, host_functions};
use wasmtime::{FuncType, Linker, Val, ValType};

use super::{Call, ENV};
use crate::state::VmData;

const ABSENT: &[(&str, Status)] = &[
    ("proxy_set_tick_period_milliseconds", Status::Unimplemented),
    ("proxy_http_call", Status::InternalFailure),
    ("proxy_grpc_call", Status::InternalFailure),
    ("proxy_grpc_stream", Status::InternalFailure),
    ("proxy_grpc_send", Status::NotFound),
    ("proxy_grpc_cancel", Status::NotFound),
    ("proxy_grpc_close", Status::NotFound),
    ("proxy_get_shared_data", Status::NotFound),
    ("proxy_set_shared_data", Status::Unimplemented),
    ("proxy_register_shared_queue", Status::Unimplemented),
    ("proxy_resolve_shared_queue", Status::NotFound),
    ("proxy_enqueue_shared_queue", Status::NotFound),
    ("proxy_dequeue_shared_queue", Status::NotFound),
    ("proxy_define_metric", Status::Unimplemented),
    ("proxy_record_metric", Status::NotFound),
    ("proxy_increment_metric", Status::NotFound),
    ("proxy_get_metric", Status::NotFound),
    ("proxy_call_foreign_function", Status::NotFound),
];

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    for (name, status) in ABSENT {
        if let Some(function) = host_functions().find(|function| function.name == *name) {
            link_absent(linker, function, *status)?;
        }
    }
    // Two that Emscripten's runtime imports: one thread is always itself, and growth needs
    // no notice.
    linker.func_wrap(ENV, "pthread_equal", |left: u32, right: u32| u32::from(left == right))?;
    linker.func_wrap(ENV, "emscripten_notify_memory_growth", |_memory: u32| {})?;
    Ok(())
}

fn link_absent(
    linker: &mut Linker<VmData>,
    function: &HostFunction,
    status: Status,
) -> wasmtime::Result<()> {
    let name = function.name;
    let answer = u32::from(status);
    let shape = func_type(linker, function);
    linker.func_new(ENV, name, shape, move |caller, _params, results| {
        Call::new(caller).note(name, answer);
        if let Some(result) = results.first_mut() {
            *result = Val::I32(answer.cast_signed());
        }
        Ok(())
    })?;
    Ok(())
}

/// The type of a function as the engine writes it.
pub(crate) fn func_type(linker: &Linker<VmData>, function: &HostFunction) -> FuncType {
    let params = function.params().map(|param| match param {
        ParamType::I32 => ValType::I32,
        ParamType::I64 => ValType::I64,
    });
    let results = function.answers().then_some(ValType::I32);
    FuncType::new(linker.engine(), params, results)
}
