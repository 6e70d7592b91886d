//! The hooks that a host calls, and the allocator by which it hands values over.
//!
//! All hooks are there, whatever the plugins of this artifact want: the section that the macro
//! writes says which of them are worth a call, and `module` does nothing in the others.
#![expect(unsafe_code, reason = "exports have names, and the interface hands addresses over")]

use std::{
    alloc::{self, Layout},
    ptr::{self, NonNull},
};

use abi_wasm::codec::pack;

use super::{codec, module};
use crate::{Flow, Phases, QueueId};

/// Runs what stands before `main` elsewhere.
pub(super) fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes it; this is its one call, before anything else of the module.
    unsafe { __wasm_call_ctors() };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory of exactly that length; see `imports::take`.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(length: usize) -> *mut u8 {
    if length == 0 {
        return NonNull::dangling().as_ptr();
    }
    let Ok(layout) = Layout::array::<u8>(length) else { return ptr::null_mut() };
    // SAFETY: the layout is not of length zero.
    let memory = unsafe { alloc::alloc(layout) };
    if memory.is_null() { alloc::handle_alloc_error(layout) } else { memory }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    module::create(context, root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _length: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _length: u32) -> u32 {
    module::configure(root).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    module::with_instance(root, |instance, host| instance.on_tick(host));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    module::with_instance(root, |instance, host| instance.on_queue_ready(host, QueueId(queue)));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: u32,
    _body: u32,
    _trailers: u32,
) {
    module::http_answer(context, token, headers > 0);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, end: u32) -> u32 {
    module::on_stream(context, Phases::REQUEST_HEADERS, |filter, stream| {
        filter.on_request_headers(stream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, _length: u32, end: u32) -> u32 {
    module::on_stream(context, Phases::REQUEST_BODY, |filter, stream| {
        filter.on_request_body(stream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: u32) -> u32 {
    module::on_stream(context, Phases::REQUEST_TRAILERS, |filter, stream| {
        filter.on_request_trailers(stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: u32, end: u32) -> u32 {
    module::on_stream(context, Phases::RESPONSE_HEADERS, |filter, stream| {
        filter.on_response_headers(stream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, _length: u32, end: u32) -> u32 {
    module::on_stream(context, Phases::RESPONSE_BODY, |filter, stream| {
        filter.on_response_body(stream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _count: u32) -> u32 {
    module::on_stream(context, Phases::RESPONSE_TRAILERS, |filter, stream| {
        filter.on_response_trailers(stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_new_connection(context: u32) -> u32 {
    module::on_connection(context, Phases::NEW_CONNECTION, |filter, connection| {
        filter.on_new_connection(connection)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_data(context: u32, _length: u32, end: u32) -> u32 {
    module::on_connection(context, Phases::DOWNSTREAM_DATA, |filter, connection| {
        filter.on_data(connection, Flow::Downstream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_upstream_data(context: u32, _length: u32, end: u32) -> u32 {
    module::on_connection(context, Phases::UPSTREAM_DATA, |filter, connection| {
        filter.on_data(connection, Flow::Upstream, end != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_connection_close(context: u32, by: u32) {
    module::close(context, Flow::Downstream, by);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_upstream_connection_close(context: u32, by: u32) {
    module::close(context, Flow::Upstream, by);
}

/// Nothing of ours waits for anything once it is over.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(_context: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    module::complete(context);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if !codec::delete(context) {
        module::delete(context);
    }
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_buffer(length: usize) -> *mut u8 {
    codec::buffer(length)
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_profile(root: u32) -> u64 {
    codec::profile(root)
}

#[unsafe(no_mangle)]
extern "C" fn mortise_on_codec_context(context: u32, root: u32) -> u32 {
    codec::create(context, root).into()
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_detect(context: u32, length: usize) -> u32 {
    codec::detect(context, length)
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_decode(context: u32, length: usize) -> u64 {
    output(codec::decode(context, length))
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_encode(context: u32, length: usize) -> u64 {
    output(codec::encode(context, length))
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_heartbeat(context: u32, id: u64) -> u64 {
    output(codec::heartbeat(context, id))
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_heartbeat_reply(context: u32, length: usize) -> u64 {
    output(codec::heartbeat_reply(context, length))
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_reject(context: u32, length: usize) -> u64 {
    output(codec::reject(context, length))
}

#[unsafe(no_mangle)]
extern "C" fn mortise_codec_go_away(context: u32) -> u64 {
    output(codec::go_away(context))
}

/// Where the answer of a codec is, if there is one.
fn output(is_there: bool) -> u64 {
    if !is_there {
        return 0;
    }
    codec::with_output(|bytes| {
        let narrow = |number: usize| u32::try_from(number).unwrap_or_default();
        pack(narrow(bytes.as_ptr().addr()), narrow(bytes.len()))
    })
}
