//! Going on with a paused direction, and breaking a stream or connection off.

use std::rc::Rc;

use abi_manifest::Capability;
use abi_wasm::{Status, StreamType};
use host_extension::Verdict;
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::{
    contexts::{Of, Way},
    state::VmData,
};

/// A direction that a guest means, of the kind that its effective context has.
type Meant = Result<Way, Status>;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_continue_stream", |call, stream| {
        let way = way(call, stream)?;
        resume(call, way)
    });
    define!(linker, Running, "proxy_close_stream", |call, stream| {
        way(call, stream)?;
        close(call)
    });
    // The names that 0.1.0 and MOSN have for it.
    define!(linker, Running, "proxy_continue_request", |call| resume_stream(call, Way::In));
    define!(linker, Running, "proxy_continue_response", |call| resume_stream(call, Way::Out));
    define!(linker, Running, "proxy_resume_http_request", |call| resume_stream(call, Way::In));
    define!(linker, Running, "proxy_resume_http_response", |call| resume_stream(call, Way::Out));
    // A route is chosen after the filters of the listener ran, from the head as they left it:
    // there is no cached one.
    define!(linker, Running, "proxy_clear_route_cache", |_call| Ok(()));
    Ok(())
}

/// The directions of connections are not those of a request; a root has all of them, and
/// nothing comes of it.
fn way(call: &Call<'_>, stream: u32) -> Meant {
    let stream = StreamType::try_from(stream).map_err(|_unknown| Status::BadArgument)?;
    let way = match stream {
        StreamType::Request | StreamType::Downstream => Way::In,
        StreamType::Response | StreamType::Upstream => Way::Out,
    };
    let of_stream = matches!(stream, StreamType::Request | StreamType::Response);
    match call.data().context().map(|context| &context.of) {
        Some(Of::Stream(_)) if !of_stream => Err(Status::BadArgument),
        Some(Of::Connection(_)) if of_stream => Err(Status::BadArgument),
        _ => Ok(way),
    }
}

/// Goes on with the effective context. Where nothing is paused, this does nothing.
fn resume(call: &mut Call<'_>, way: Way) -> Answer {
    if let Some(context) = call.data_mut().context_mut() {
        context.resume(way);
    }
    Ok(())
}

/// As [`resume`], by a name that says that a stream is meant.
fn resume_stream(call: &mut Call<'_>, way: Way) -> Answer {
    if call.connection().is_ok() {
        return Err(Status::BadArgument.into());
    }
    resume(call, way)
}

/// A root has nothing that could be closed, nor has a codec, which says what it thinks of its
/// bytes in its answers.
fn close(call: &mut Call<'_>) -> Answer {
    let of = call.data().context().map(|context| context.of.clone());
    if matches!(of, None | Some(Of::Root | Of::Codec)) {
        return Err(Status::BadArgument.into());
    }
    let data = call.data_mut();
    if data.answers_itself() {
        let closed = data.answer_with(Verdict::Reset, Capability::Close);
        return answer::of_change(data.ended(closed));
    }
    let root = Rc::clone(&data.root);
    let plugin = root.plugin.as_str();
    let closed = match of {
        Some(Of::Stream(stream)) => root.calls.reset(&stream, plugin),
        Some(Of::Connection(connection)) => root.calls.close(&connection, plugin),
        None | Some(Of::Root | Of::Codec) => Ok(()),
    };
    answer::of_change(data.ended(closed))
}
