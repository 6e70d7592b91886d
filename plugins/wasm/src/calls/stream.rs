//! Going on with a paused direction, and breaking a stream off.

use abi_wasm::{Status, StreamType};
use host_extension::{Side, Verdict};
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_continue_stream", |call, stream| {
        resume(call, side(stream)?)
    });
    define!(linker, Running, "proxy_close_stream", |call, stream| {
        side(stream)?;
        close(call)
    });
    // The names that 0.1.0 and MOSN have for it.
    define!(linker, Running, "proxy_continue_request", |call| resume(call, Side::Request));
    define!(linker, Running, "proxy_continue_response", |call| resume(call, Side::Response));
    define!(linker, Running, "proxy_resume_http_request", |call| resume(call, Side::Request));
    define!(linker, Running, "proxy_resume_http_response", |call| resume(call, Side::Response));
    // A route is chosen after the filters of the listener ran, from the head as they left it:
    // there is no cached one.
    define!(linker, Running, "proxy_clear_route_cache", |_call| Ok(()));
    Ok(())
}

/// The directions of connections are not those of a request.
fn side(stream: u32) -> Result<Side, Status> {
    match StreamType::try_from(stream).map_err(|_unknown| Status::BadArgument)? {
        StreamType::Request => Ok(Side::Request),
        StreamType::Response => Ok(Side::Response),
        StreamType::Downstream | StreamType::Upstream => Err(Status::Unimplemented),
    }
}

/// Goes on with the effective stream; the root has none, and for it this does nothing.
fn resume(call: &mut Call<'_>, side: Side) -> Answer {
    let data = call.data_mut();
    if let Some(context) = data.contexts.get_mut(data.effective) {
        context.resume(side);
    }
    Ok(())
}

fn close(call: &mut Call<'_>) -> Answer {
    let stream = call.stream()?;
    let data = call.data_mut();
    if data.answers_itself() {
        data.answer_with(Verdict::Reset);
        return Ok(());
    }
    answer::of_change(data.calls.reset(&stream, data.plugin.as_str()))
}
