//! Buffers: bodies and configurations.

use abi_wasm::{BufferType, Status};
use host_extension::BodyKind;
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::state::{GuestStage, VmData};

/// Where a buffer's bytes come from.
#[derive(Clone, Copy)]
enum Source {
    /// A body of the effective stream.
    Body(BodyKind),
    /// The plugin's configuration.
    Configuration,
    /// A buffer that is there and has nothing.
    Nothing,
}

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(
        linker,
        Running,
        "proxy_get_buffer_bytes",
        |call, buffer, start, max, ptr_out, len_out| {
            let source = source(call, buffer)?;
            get(call, source, (start, max), (ptr_out, len_out))
        }
    );
    define!(linker, Running, "proxy_get_buffer_status", |call, buffer, len_out, flags_out| {
        status(call, buffer, len_out, flags_out)
    });
    define!(linker, Running, "proxy_set_buffer_bytes", |call, buffer, start, max, ptr, len| {
        set(call, buffer, (start, max), (ptr, len))
    });
    // What 0.1.0 has in the place of a buffer.
    define!(linker, Running, "proxy_get_configuration", |call, ptr_out, len_out| {
        get(call, Source::Configuration, (0, u32::MAX), (ptr_out, len_out))
    });
    Ok(())
}

fn source(call: &Call<'_>, buffer: u32) -> Result<Source, Status> {
    match BufferType::try_from(buffer).map_err(|_unknown| Status::BadArgument)? {
        BufferType::RequestBody => Ok(Source::Body(BodyKind::Request)),
        BufferType::ResponseBody => Ok(Source::Body(BodyKind::Response)),
        BufferType::VmConfiguration => Ok(Source::Nothing),
        BufferType::PluginConfiguration if call.data().stage == GuestStage::Configuring => {
            Ok(Source::Configuration)
        }
        BufferType::PluginConfiguration
        | BufferType::DownstreamData
        | BufferType::UpstreamData
        | BufferType::HttpCallResponseBody
        | BufferType::GrpcReceiveBuffer
        | BufferType::CallData => Err(Status::NotFound),
    }
}

fn get(
    call: &mut Call<'_>,
    source: Source,
    (start, max): (u32, u32),
    (ptr_out, len_out): (u32, u32),
) -> Answer {
    call.with_scratch(|call, scratch| {
        show(call, source, &mut |bytes| scratch.extend_from_slice(part(bytes, start, max)))?;
        call.give(scratch, ptr_out, len_out)
    })
}

/// At most `max` bytes from `start`; what lies behind the end is nothing.
fn part(bytes: &[u8], start: u32, max: u32) -> &[u8] {
    let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let rest = bytes.get(wide(start)..).unwrap_or_default();
    rest.get(..wide(max)).unwrap_or(rest)
}

/// A body that is not here reads as an empty one, as in every host.
fn show(call: &Call<'_>, source: Source, show: &mut dyn FnMut(&[u8])) -> Answer {
    match source {
        Source::Nothing => show(&[]),
        Source::Configuration => show(&call.data().config),
        Source::Body(kind) => {
            let Ok(stream) = call.stream() else { return Ok(()) };
            answer::of_whole(call.data().calls.body(&stream, kind, show))?;
        }
    }
    Ok(())
}

fn status(call: &mut Call<'_>, buffer: u32, len_out: u32, flags_out: u32) -> Answer {
    let source = source(call, buffer)?;
    let mut length = 0;
    show(call, source, &mut |bytes| length = bytes.len())?;
    let length = u32::try_from(length).map_err(|_wide| Status::InternalFailure)?;
    call.read(flags_out, 4)?;
    call.write_u32(len_out, length)?;
    Ok(call.write_u32(flags_out, 0)?)
}

/// Any part can be replaced, also in the middle.
fn set(call: &Call<'_>, buffer: u32, (start, max): (u32, u32), (ptr, len): (u32, u32)) -> Answer {
    let Source::Body(kind) = source(call, buffer)? else {
        return Err(Status::BadArgument.into());
    };
    let with = call.read(ptr, len)?;
    let stream = call.stream()?;
    let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let written = call.data().calls.write_body(&stream, kind, wide(start), wide(max), with);
    answer::of_change(written)
}
