//! Calls that this host does not have, and two that mean nothing to it.
//!
//! What the hosts of Higress add is linked all the same: modules built for them import it
//! whether they use it or not. Who calls it is told that it is not implemented here.

use abi_wasm::{HIGRESS_EXTRAS, HostFunction, ParamType, Status};
use wasmtime::{FuncType, Linker, Val, ValType};

use super::{Call, ENV};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    for function in HIGRESS_EXTRAS {
        link_absent(linker, function)?;
    }
    // Two that Emscripten's runtime imports: one thread is always itself, and growth needs
    // no notice.
    linker.func_wrap(ENV, "pthread_equal", |left: u32, right: u32| u32::from(left == right))?;
    linker.func_wrap(ENV, "emscripten_notify_memory_growth", |_memory: u32| {})?;
    Ok(())
}

fn link_absent(linker: &mut Linker<VmData>, function: &HostFunction) -> wasmtime::Result<()> {
    let name = function.name;
    let answer = u32::from(Status::Unimplemented);
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
