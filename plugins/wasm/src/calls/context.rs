//! Which context a guest means, and what it says of its end.

use abi_wasm::Status;
use wasmtime::Linker;

use super::{Answer, Call, define};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_set_effective_context", |call, id| set_effective(call, id));
    define!(linker, Running, "proxy_done", |call| done(call));
    define!(linker, Running, "proxy_get_status", |call, code, ptr, len| {
        get_status(call, code, ptr, len)
    });
    Ok(())
}

fn set_effective(call: &mut Call<'_>, id: u32) -> Answer {
    if call.data_mut().set_effective(id) { Ok(()) } else { Err(Status::BadArgument.into()) }
}

/// Only a context that answered "not done" can be done later.
fn done(call: &mut Call<'_>) -> Answer {
    if call.data_mut().finish() { Ok(()) } else { Err(Status::NotFound.into()) }
}

/// How the root's last call to an upstream ended that did not end with an answer, or its last
/// gRPC call or stream; zero without words where none did.
fn get_status(call: &mut Call<'_>, code: u32, ptr: u32, len: u32) -> Answer {
    call.read(code, 4)?;
    let (number, message) = call.root().subscriptions.borrow().outbound.last_status.clone();
    call.give(message.as_bytes(), ptr, len)?;
    Ok(call.write_u32(code, number)?)
}
