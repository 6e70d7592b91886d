//! Foreign functions: what the host offers beside the interface, by name.

use abi_wasm::Status;
use wasmtime::Linker;

use super::{Answer, Call, Slice, answer, define};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(
        linker,
        Running,
        "proxy_call_foreign_function",
        |call, name, name_len, argument, argument_len, ptr_out, len_out| {
            foreign(call, (name, name_len), (argument, argument_len), (ptr_out, len_out))
        }
    );
    Ok(())
}

/// Who does not want the result gives zero for the place where it would go.
fn foreign(call: &mut Call<'_>, name: Slice, argument: Slice, (ptr_out, len_out): Slice) -> Answer {
    for out in [ptr_out, len_out] {
        if out != 0 {
            call.read(out, 4)?;
        }
    }
    call.with_scratch(|call, scratch| {
        let name = call.read(name.0, name.1)?;
        let argument = call.read(argument.0, argument.1)?;
        let called = call.host().foreign(call.subject(), name, argument, &mut |result| {
            scratch.extend_from_slice(result);
        });
        called.map_err(answer::of_foreign)?;
        if (ptr_out, len_out) == (0, 0) {
            return Ok(());
        }
        if ptr_out == 0 {
            let len = u32::try_from(scratch.len()).map_err(|_wide| Status::InternalFailure)?;
            return Ok(call.write_u32(len_out, len)?);
        }
        let (ptr, len) = call.place(scratch)?;
        call.write_u32(ptr_out, ptr)?;
        if len_out != 0 {
            call.write_u32(len_out, len)?;
        }
        Ok(())
    })
}
