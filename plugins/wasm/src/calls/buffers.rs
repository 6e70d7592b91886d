//! Buffers: bodies, bytes of connections, configurations, and what came from an upstream.
//!
//! A part is read from `start`, at most `max` bytes, both cut to what is there. A change
//! replaces any part: nothing at the beginning (prepend), nothing behind the end (append), or
//! bytes in the middle.

use abi_wasm::{BufferType, Status, mosn};
use host_extension::{BodyKind, Flow};
use wasmtime::Linker;

use super::{Answer, Call, Slice, answer, define};
use crate::state::{GuestStage, VmData};

/// Where a buffer's bytes come from.
#[derive(Clone, Copy)]
enum Source {
    /// A body of the effective stream.
    Body(BodyKind),
    /// A direction of the effective connection.
    Data(Flow),
    /// The configuration of the guest.
    VmConfiguration,
    /// The plugin's configuration.
    Configuration,
    /// What the callback that runs was called for.
    Received(BufferType),
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
        match buffer {
            mosn::DECODED | mosn::ENCODED if call.data().codec.is_mosn => {
                tell(call, buffer, (ptr, len))
            }
            buffer => set(call, buffer, (start, max), (ptr, len)),
        }
    });
    // What 0.1.0 has in the place of a buffer.
    define!(linker, Running, "proxy_get_configuration", |call, ptr_out, len_out| {
        get(call, Source::Configuration, (0, u32::MAX), (ptr_out, len_out))
    });
    Ok(())
}

/// The buffer that a guest means, where it is there.
fn source(call: &Call<'_>, buffer: u32) -> Result<Source, Status> {
    let buffer = BufferType::try_from(buffer).map_err(|_unknown| Status::BadArgument)?;
    let data = call.data();
    let found = match buffer {
        BufferType::RequestBody => call.stream().ok().map(|_| Source::Body(BodyKind::Request)),
        BufferType::ResponseBody => call.stream().ok().map(|_| Source::Body(BodyKind::Response)),
        BufferType::DownstreamData => {
            call.connection().ok().map(|_| Source::Data(Flow::Downstream))
        }
        BufferType::UpstreamData => call.connection().ok().map(|_| Source::Data(Flow::Upstream)),
        BufferType::VmConfiguration => Some(Source::VmConfiguration),
        BufferType::PluginConfiguration => {
            (data.stage == GuestStage::Configuring).then_some(Source::Configuration)
        }
        BufferType::HttpCallResponseBody | BufferType::GrpcReceiveBuffer => {
            data.received.bytes(buffer).map(|_| Source::Received(buffer))
        }
        // No foreign function of this host calls back.
        BufferType::CallData => None,
    };
    found.ok_or(Status::NotFound)
}

fn get(call: &mut Call<'_>, source: Source, (start, max): (u32, u32), out: Slice) -> Answer {
    call.with_scratch(|call, scratch| {
        show(call, source, &mut |bytes| scratch.extend_from_slice(part(bytes, start, max)))?;
        call.give(scratch, out.0, out.1)
    })
}

/// At most `max` bytes from `start`; what lies behind the end is nothing.
fn part(bytes: &[u8], start: u32, max: u32) -> &[u8] {
    let rest = bytes.get(wide(start)..).unwrap_or_default();
    rest.get(..wide(max)).unwrap_or(rest)
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn show(call: &Call<'_>, source: Source, show: &mut dyn FnMut(&[u8])) -> Answer {
    let data = call.data();
    match source {
        Source::VmConfiguration => show(&data.settings.configuration),
        Source::Configuration => show(&data.root.config),
        Source::Received(buffer) => {
            show(data.received.bytes(buffer).map_or(&[], |bytes| bytes.as_ref()));
        }
        Source::Body(kind) => {
            answer::of_buffer(call.host().body(&*call.stream()?, kind, show))?;
        }
        Source::Data(flow) => {
            answer::of_buffer(call.host().data(&*call.connection()?, flow, show))?;
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

/// What a codec of MOSN's interface tells of the message that it is called for; the last of
/// several counts.
fn tell(call: &mut Call<'_>, buffer: u32, (ptr, len): Slice) -> Answer {
    let told = call.read(ptr, len)?.to_vec();
    call.data_mut().codec.answer = Some((buffer, told));
    Ok(())
}

fn set(call: &Call<'_>, buffer: u32, (start, max): (u32, u32), (ptr, len): Slice) -> Answer {
    let with = call.read(ptr, len)?;
    let (start, max) = (wide(start), wide(max));
    let written = match source(call, buffer)? {
        Source::Body(kind) => call.host().write_body(&*call.stream()?, kind, start, max, with),
        Source::Data(flow) => call.host().write_data(&*call.connection()?, flow, start, max, with),
        Source::VmConfiguration | Source::Configuration | Source::Received(_) => {
            return Err(Status::BadArgument.into());
        }
    };
    answer::of_buffer_change(written)
}
