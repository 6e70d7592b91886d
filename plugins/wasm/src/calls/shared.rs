//! Shared data: values that all instances of a plugin keep in common, on all workers.
//!
//! They live under the id of the VM, or the plugin's name where it has none. A value has a
//! version that changes with it; who sets a value may say which version it must still have.

use abi_wasm::Status;
use wasmtime::Linker;

use super::{Answer, Call, Slice, answer, define};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(
        linker,
        Running,
        "proxy_get_shared_data",
        |call, key, key_len, ptr_out, len_out, version_out| {
            get(call, (key, key_len), (ptr_out, len_out), version_out)
        }
    );
    define!(linker, Running, "proxy_set_shared_data", |call, key, key_len, ptr, len, version| {
        let (key, value) = (call.read(key, key_len)?, call.read(ptr, len)?);
        let host = call.host();
        answer::of_shared(host.set_shared_data(call.namespace(), key, value, version))
    });
    Ok(())
}

fn get(call: &mut Call<'_>, key: Slice, (ptr_out, len_out): Slice, version_out: u32) -> Answer {
    for out in [ptr_out, len_out, version_out] {
        call.read(out, 4)?;
    }
    call.with_scratch(|call, scratch| {
        let mut version = 0;
        let key = call.read(key.0, key.1)?;
        let found = call.host().shared_data(call.namespace(), key, &mut |value, its_version| {
            scratch.extend_from_slice(value);
            version = its_version;
        });
        found.map_err(answer::of_value)?;
        call.give(scratch, ptr_out, len_out)?;
        Ok(call.write_u32(version_out, version)?)
    })
}

/// A name of the host's: text, as all namespaces are.
pub(super) fn namespace<'a>(call: &'a Call<'_>, (ptr, len): Slice) -> Result<&'a str, Status> {
    let name = call.read(ptr, len)?;
    if name.is_empty() {
        return Ok(call.namespace());
    }
    // No namespace has such a name, so there is nothing in it.
    std::str::from_utf8(name).map_err(|_no_text| Status::NotFound)
}
