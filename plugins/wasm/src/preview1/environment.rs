//! The environment: the variables that the configuration names for this plugin, and none of
//! the host's own.

use std::sync::Arc;

use abi_wasm::preview1::{FAULT, INVAL};
use host_types::VmSettings;
use wasmtime::{Caller, Linker};

use super::{Answer, answer, write};
use crate::{calls::Call, memory, state::VmData};

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "environ_sizes_get",
        |caller: Caller<'_, VmData>, count: u32, size: u32| {
            answer(caller, "environ_sizes_get", |call| sizes(call, count, size))
        },
    )?;
    linker.func_wrap(
        module,
        "environ_get",
        |caller: Caller<'_, VmData>, addresses: u32, bytes: u32| {
            answer(caller, "environ_get", |call| variables(call, addresses, bytes))
        },
    )?;
    Ok(())
}

fn sizes(call: &mut Call<'_>, count: u32, size: u32) -> Answer {
    let settings = &call.data().settings;
    let variables = settings.environment.len();
    let bytes: usize = entries(settings).map(|entry| entry.len()).sum();
    let wide = |number: usize| u32::try_from(number).map_err(|_wide| INVAL);
    let (variables, bytes) = (wide(variables)?, wide(bytes)?);
    write(call, count, &variables.to_le_bytes())?;
    write(call, size, &bytes.to_le_bytes())
}

/// Writes all variables one behind the other, and the address of each.
fn variables(call: &mut Call<'_>, addresses: u32, bytes: u32) -> Answer {
    let (memory, data) = call.split();
    let (mut address_at, mut at) = (addresses, bytes);
    for entry in entries(&data.settings) {
        memory::write(memory, address_at, &at.to_le_bytes()).ok_or(FAULT)?;
        memory::write(memory, at, &entry).ok_or(FAULT)?;
        let length = u32::try_from(entry.len()).map_err(|_wide| INVAL)?;
        address_at = address_at.checked_add(4).ok_or(FAULT)?;
        at = at.checked_add(length).ok_or(FAULT)?;
    }
    Ok(())
}

/// Each variable as a guest sees it: `name=value` and a NUL.
fn entries(settings: &VmSettings) -> impl Iterator<Item = Vec<u8>> {
    let entry = |(name, value): &(Arc<str>, Arc<str>)| {
        [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat()
    };
    settings.environment.iter().map(entry)
}
