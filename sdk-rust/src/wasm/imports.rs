//! The host's functions, as safe calls with slices and statuses.
//!
//! Everything that the host hands over lies in memory of our allocator (see `exports`), and is
//! ours from then on.
#![expect(unsafe_code, reason = "the interface hands addresses over")]

use std::ptr;

use abi_wasm::{BufferType, MapType, MetricType, Status, StreamType};

use crate::LogLevel;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, length: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    safe fn proxy_set_effective_context(context: u32) -> u32;
    safe fn proxy_continue_stream(stream: u32) -> u32;
    safe fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        bytes: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        bytes: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, bytes: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, bytes: *const u8, length: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_length: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_length: usize,
        value: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_length: usize,
        value: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        value: *mut *mut u8,
        length: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_length: usize,
        value: *const u8,
        length: usize,
        version: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, length: usize, queue: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(
        namespace: *const u8,
        namespace_length: usize,
        name: *const u8,
        length: usize,
        queue: *mut u32,
    ) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, item: *const u8, length: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, item: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, length: usize, metric: *mut u32) -> u32;
    fn proxy_get_metric(metric: u32, value: *mut u64) -> u32;
    safe fn proxy_record_metric(metric: u32, value: u64) -> u32;
    safe fn proxy_increment_metric(metric: u32, by: i64) -> u32;
}

/// What a host call answers.
pub(super) type Answer<T> = Result<T, Status>;

/// A local reply: its fields and body as bytes.
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) details: &'a str,
    pub(super) headers: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) grpc_status: Option<u32>,
}

pub(super) fn log(level: LogLevel, line: &str) {
    // SAFETY: address and length are those of a slice, which the host only reads.
    let status = unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
    // A line that the host does not take is nothing that a plugin could help.
    check(status).ok();
}

pub(super) fn nanoseconds() -> Answer<u64> {
    let mut time = 0;
    // SAFETY: the host writes one number, to a place for one.
    check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(super) fn set_tick_period(milliseconds: u32) -> Answer<()> {
    check(proxy_set_tick_period_milliseconds(milliseconds))
}

pub(super) fn set_effective_context(context: u32) -> Answer<()> {
    check(proxy_set_effective_context(context))
}

pub(super) fn resume(stream: StreamType) -> Answer<()> {
    check(proxy_continue_stream(stream.into()))
}

pub(super) fn close(stream: StreamType) -> Answer<()> {
    check(proxy_close_stream(stream.into()))
}

pub(super) fn buffer(buffer: BufferType, start: usize, max: usize) -> Answer<Vec<u8>> {
    take(|bytes, length| {
        // SAFETY: the host writes an address and a length, to places for them.
        unsafe { proxy_get_buffer_bytes(buffer.into(), start, max, bytes, length) }
    })
}

pub(super) fn set_buffer(buffer: BufferType, start: usize, max: usize, with: &[u8]) -> Answer<()> {
    // SAFETY: address and length are those of a slice, which the host only reads.
    check(unsafe { proxy_set_buffer_bytes(buffer.into(), start, max, with.as_ptr(), with.len()) })
}

pub(super) fn map(map: MapType) -> Answer<Vec<u8>> {
    take(|bytes, length| {
        // SAFETY: the host writes an address and a length, to places for them.
        unsafe { proxy_get_header_map_pairs(map.into(), bytes, length) }
    })
}

pub(super) fn set_map(map: MapType, pairs: &[u8]) -> Answer<()> {
    // SAFETY: address and length are those of a slice, which the host only reads.
    check(unsafe { proxy_set_header_map_pairs(map.into(), pairs.as_ptr(), pairs.len()) })
}

pub(super) fn field(map: MapType, name: &str) -> Answer<Vec<u8>> {
    take(|value, length| {
        // SAFETY: the host reads a slice, and writes an address and a length.
        unsafe { proxy_get_header_map_value(map.into(), name.as_ptr(), name.len(), value, length) }
    })
}

pub(super) fn set_field(map: MapType, name: &str, value: &[u8]) -> Answer<()> {
    let (name, length) = (name.as_ptr(), name.len());
    // SAFETY: addresses and lengths are those of slices, which the host only reads.
    check(unsafe {
        proxy_replace_header_map_value(map.into(), name, length, value.as_ptr(), value.len())
    })
}

pub(super) fn add_field(map: MapType, name: &str, value: &[u8]) -> Answer<()> {
    let (name, length) = (name.as_ptr(), name.len());
    // SAFETY: addresses and lengths are those of slices, which the host only reads.
    check(unsafe {
        proxy_add_header_map_value(map.into(), name, length, value.as_ptr(), value.len())
    })
}

pub(super) fn remove_field(map: MapType, name: &str) -> Answer<()> {
    // SAFETY: address and length are those of a slice, which the host only reads.
    check(unsafe { proxy_remove_header_map_value(map.into(), name.as_ptr(), name.len()) })
}

pub(super) fn property(path: &[u8]) -> Answer<Vec<u8>> {
    take(|value, length| {
        // SAFETY: the host reads a slice, and writes an address and a length.
        unsafe { proxy_get_property(path.as_ptr(), path.len(), value, length) }
    })
}

pub(super) fn set_property(path: &[u8], value: &[u8]) -> Answer<()> {
    // SAFETY: addresses and lengths are those of slices, which the host only reads.
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(super) fn respond(reply: &Reply<'_>) -> Answer<()> {
    // A negative number means that there is none.
    let grpc_status = reply.grpc_status.and_then(|status| i32::try_from(status).ok()).unwrap_or(-1);
    // SAFETY: addresses and lengths are those of slices, which the host only reads.
    check(unsafe {
        proxy_send_local_response(
            reply.status.into(),
            reply.details.as_ptr(),
            reply.details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            reply.headers.as_ptr(),
            reply.headers.len(),
            grpc_status,
        )
    })
}

/// No milliseconds leave the wait to the host.
pub(super) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout: u32) -> Answer<u32> {
    let mut token = 0;
    // SAFETY: addresses and lengths are those of slices, which the host only reads; it writes
    // one number, to a place for one.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            ptr::null(),
            0,
            timeout,
            &raw mut token,
        )
    })?;
    Ok(token)
}

pub(super) fn shared_data(key: &[u8]) -> Answer<(Vec<u8>, u32)> {
    let mut version = 0;
    let value = take(|value, length| {
        let version = &raw mut version;
        // SAFETY: the host reads a slice, and writes an address, a length and a number.
        unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), value, length, version) }
    })?;
    Ok((value, version))
}

/// Version zero writes whatever version is there.
pub(super) fn set_shared_data(key: &[u8], value: &[u8], version: u32) -> Answer<()> {
    let (key, length) = (key.as_ptr(), key.len());
    // SAFETY: addresses and lengths are those of slices, which the host only reads.
    check(unsafe { proxy_set_shared_data(key, length, value.as_ptr(), value.len(), version) })
}

pub(super) fn register_queue(name: &str) -> Answer<u32> {
    let mut queue = 0;
    // SAFETY: the host reads a slice, and writes one number, to a place for one.
    check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
    Ok(queue)
}

pub(super) fn resolve_queue(namespace: &str, name: &str) -> Answer<u32> {
    let (namespace, length) = (namespace.as_ptr(), namespace.len());
    let mut queue = 0;
    let out = &raw mut queue;
    // SAFETY: the host reads slices, and writes one number, to a place for one.
    check(unsafe {
        proxy_resolve_shared_queue(namespace, length, name.as_ptr(), name.len(), out)
    })?;
    Ok(queue)
}

pub(super) fn enqueue(queue: u32, item: &[u8]) -> Answer<()> {
    // SAFETY: address and length are those of a slice, which the host only reads.
    check(unsafe { proxy_enqueue_shared_queue(queue, item.as_ptr(), item.len()) })
}

pub(super) fn dequeue(queue: u32) -> Answer<Vec<u8>> {
    take(|item, length| {
        // SAFETY: the host writes an address and a length, to places for them.
        unsafe { proxy_dequeue_shared_queue(queue, item, length) }
    })
}

pub(super) fn define_metric(kind: MetricType, name: &str) -> Answer<u32> {
    let mut metric = 0;
    let out = &raw mut metric;
    // SAFETY: the host reads a slice, and writes one number, to a place for one.
    check(unsafe { proxy_define_metric(kind.into(), name.as_ptr(), name.len(), out) })?;
    Ok(metric)
}

pub(super) fn metric(metric: u32) -> Answer<u64> {
    let mut value = 0;
    // SAFETY: the host writes one number, to a place for one.
    check(unsafe { proxy_get_metric(metric, &raw mut value) })?;
    Ok(value)
}

pub(super) fn record_metric(metric: u32, value: u64) -> Answer<()> {
    check(proxy_record_metric(metric, value))
}

pub(super) fn increment_metric(metric: u32, by: i64) -> Answer<()> {
    check(proxy_increment_metric(metric, by))
}

/// A status that nobody knows is an error of some kind.
fn check(status: u32) -> Answer<()> {
    match Status::try_from(status) {
        Ok(Status::Ok) => Ok(()),
        Ok(refused) => Err(refused),
        Err(_unknown) => Err(Status::InternalFailure),
    }
}

fn take(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Answer<Vec<u8>> {
    let mut bytes = ptr::null_mut();
    let mut length = 0;
    check(call(&raw mut bytes, &raw mut length))?;
    if bytes.is_null() || length == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled `length` bytes that it had of our allocator, which makes each
    // piece with exactly the length that was asked for.
    Ok(unsafe { Vec::from_raw_parts(bytes, length, length) })
}
