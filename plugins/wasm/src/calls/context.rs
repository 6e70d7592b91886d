//! Which context a guest means, and what it says of its end.

use abi_wasm::Status;
use wasmtime::Linker;

use super::{Answer, Call, define};
use crate::{contexts::ROOT, state::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_set_effective_context", |call, id| set_effective(call, id));
    // Only a context that answered "not done" can be done later, and the contexts of
    // streams are deleted whatever they answer.
    define!(linker, Running, "proxy_done", |_call| Err(Status::NotFound.into()));
    define!(linker, Running, "proxy_get_status", |call, code, ptr, len| {
        get_status(call, code, ptr, len)
    });
    Ok(())
}

/// Zero means the VM itself, which here is the root context.
fn set_effective(call: &mut Call<'_>, id: u32) -> Answer {
    let data = call.data_mut();
    if id != 0 && id != ROOT && data.contexts.get(id).is_none() {
        return Err(Status::BadArgument.into());
    }
    data.effective = if id == 0 { ROOT } else { id };
    Ok(())
}

/// The status of the last call to an upstream. None was made, so it is zero without words.
fn get_status(call: &mut Call<'_>, code: u32, ptr: u32, len: u32) -> Answer {
    call.read(code, 4)?;
    call.give(&[], ptr, len)?;
    Ok(call.write_u32(code, 0)?)
}
