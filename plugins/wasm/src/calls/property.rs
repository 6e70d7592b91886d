//! Properties: what the host knows of a stream or connection, by path.

use abi_wasm::Status;
use host_extension::PropertyValue;
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::state::VmData;

/// Most bytes of a path.
const PATH_BYTES_MAX: u32 = 1024;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_get_property", |call, path, len, ptr_out, len_out| {
        get(call, path, len, ptr_out, len_out)
    });
    define!(linker, Running, "proxy_set_property", |call, path, path_len, ptr, len| {
        set(call, path, path_len, ptr, len)
    });
    Ok(())
}

fn get(call: &mut Call<'_>, path: u32, len: u32, ptr_out: u32, len_out: u32) -> Answer {
    let value = look_up(call, path, len)?;
    call.with_scratch(|call, scratch| {
        value.encode(scratch).map_err(|_too_large| Status::SerializationFailure)?;
        call.give(scratch, ptr_out, len_out)
    })
}

fn look_up(call: &Call<'_>, path: u32, len: u32) -> Result<PropertyValue, Status> {
    let data = call.data();
    let path = read_path(call, path, len)?;
    // Nothing has so long a name, and guests expect to hear that of what they look for.
    let segments = segments(path.ok_or(Status::NotFound)?)?;
    // SDKs of C++ and AssemblyScript ask for the root's id as they start, and end
    // themselves where there is no answer.
    let root = &data.root;
    let own = match segments.as_slice() {
        [b"plugin_name"] => Some(root.plugin.as_str()),
        [b"plugin_root_id"] => Some(&*root.root_id),
        [b"plugin_vm_id"] => Some(data.settings.id.as_deref().unwrap_or_default()),
        _ => None,
    };
    if let Some(own) = own {
        return Ok(PropertyValue::Bytes(own.into()));
    }
    root.calls.property(call.subject(), &segments).map_err(answer::of_value)
}

fn set(call: &mut Call<'_>, path: u32, path_len: u32, ptr: u32, len: u32) -> Answer {
    let path = read_path(call, path, path_len)?;
    let value = call.read(ptr, len)?;
    let segments = segments(path.ok_or(Status::BadArgument)?)?;
    answer::of_change(call.data().root.calls.set_property(call.subject(), &segments, value))
}

/// `None` for a path that is too long.
fn read_path<'a>(call: &'a Call<'_>, path: u32, len: u32) -> Result<Option<&'a [u8]>, Status> {
    let path = call.read(path, len)?;
    Ok((len <= PATH_BYTES_MAX).then_some(path))
}

/// The segments stand between NUL bytes; one at the end is no segment.
fn segments(path: &[u8]) -> Result<Vec<&[u8]>, Status> {
    let path = path.strip_suffix(&[0]).unwrap_or(path);
    if path.is_empty() {
        return Err(Status::SerializationFailure);
    }
    Ok(path.split(|byte| *byte == 0).collect())
}

#[cfg(test)]
mod tests;
