//! The functions of the host's table: from pointers to a desk and back.
#![expect(unsafe_code, reason = "functions that libraries call with pointers")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
};

use abi_native::{
    number::{Change, Level, MAJOR, MINOR, Metric, OK, Refusal, Section, Way},
    table::{Bytes, Field, Fields, Frame, HOST_BYTES, Handle, Host, HttpRequest, Response},
};

use mortise_sdk::backend::check_reply;

use super::{Asked, Desk, DeskHandle, Found, Splice, borrowed, pairs};

/// The table for a kind of desk.
pub(crate) fn table<D: Desk>() -> &'static Host {
    Table::<D>::HOST
}

struct Table<D>(std::marker::PhantomData<D>);

impl<D: Desk> Table<D> {
    const HOST: &'static Host = &Host {
        size: HOST_BYTES,
        major: MAJOR,
        minor: MINOR,
        features: 0,
        field: Some(field::<D>),
        fields: Some(fields::<D>),
        write_field: Some(write_field::<D>),
        replace_fields: Some(replace_fields::<D>),
        body: Some(body::<D>),
        splice_body: Some(splice_body::<D>),
        data: Some(data::<D>),
        splice_data: Some(splice_data::<D>),
        property: Some(property::<D>),
        set_property: Some(set_property::<D>),
        respond: Some(respond::<D>),
        resume: Some(resume::<D>),
        resume_flow: Some(resume_flow::<D>),
        reset: Some(reset::<D>),
        close: Some(close::<D>),
        http_call: Some(http_call::<D>),
        set_tick_period: Some(set_tick_period::<D>),
        shared_data: Some(shared_data::<D>),
        set_shared_data: Some(set_shared_data::<D>),
        register_queue: Some(register_queue::<D>),
        resolve_queue: Some(resolve_queue::<D>),
        enqueue: Some(enqueue::<D>),
        dequeue: Some(dequeue::<D>),
        define_metric: Some(define_metric::<D>),
        record_metric: Some(record_metric::<D>),
        increment_metric: Some(increment_metric::<D>),
        metric: Some(metric::<D>),
        log: Some(log::<D>),
        now: Some(now::<D>),
        fail: Some(fail::<D>),
        codec_frame: Some(codec_frame::<D>),
        codec_rest: Some(codec_rest::<D>),
        codec_bytes: Some(codec_bytes::<D>),
    };
}

/// Finds the desk and has it answer, within a callback that may ask.
fn at<D: Desk>(handle: *const Handle, answer: impl FnOnce(&D) -> Asked<()>) -> u32 {
    always_at::<D>(
        handle,
        |desk| {
            if desk.may_ask() { answer(desk) } else { Err(Refusal::WrongPhase) }
        },
    )
}

/// As [`at`], within every callback. Nothing of ours unwinds into the library.
fn always_at<D: Desk>(handle: *const Handle, answer: impl FnOnce(&D) -> Asked<()>) -> u32 {
    if handle.is_null() {
        return Refusal::BadArgument.status();
    }
    // SAFETY: the handle that a library has is the first field of one of these, and lives with
    // its desk as long as the library's instance.
    let handle = unsafe { &*handle.cast::<DeskHandle<D>>() };
    // SAFETY: as above.
    let desk = unsafe { &*handle.desk };
    match catch_unwind(AssertUnwindSafe(|| answer(desk))) {
        Ok(Ok(())) => OK,
        Ok(Err(refusal)) => refusal.status(),
        Err(_ours) => {
            debug_assert!(false, "a host call panicked");
            Refusal::Unsupported.status()
        }
    }
}

/// Writes an answer to where the library wants it.
fn give<T>(out: *mut T, value: T) -> Asked<()> {
    if out.is_null() {
        return Err(Refusal::BadArgument);
    }
    // SAFETY: the library gives a place for a value of this type.
    unsafe { out.write(value) };
    Ok(())
}

/// Keeps what is shown, and tells where.
fn kept<D: Desk>(
    desk: &D,
    out: *mut Bytes,
    ask: impl FnOnce(&mut dyn FnMut(&[u8])) -> Asked<()>,
) -> Asked<()> {
    let mut kept = Ok(Bytes::NONE);
    ask(&mut |value| kept = desk.arena().keep(value))?;
    give(out, kept?)
}

/// What a library lends, where it has as many bytes as we read.
///
/// # Safety
/// It is null, or begins with the bytes that it has as a `u32`, and that many may be read for as
/// long as the answer is used.
unsafe fn sized<'a, T>(lent: *const T) -> Asked<&'a T> {
    if lent.is_null() {
        return Err(Refusal::BadArgument);
    }
    // SAFETY: promised by the caller.
    let size = unsafe { *lent.cast::<u32>() };
    if usize::try_from(size).is_ok_and(|size| size < size_of::<T>()) {
        return Err(Refusal::BadArgument);
    }
    // SAFETY: as above.
    Ok(unsafe { &*lent })
}

fn section(number: u32) -> Asked<Section> {
    Section::of(number).ok_or(Refusal::BadArgument)
}

fn way(number: u32) -> Asked<Way> {
    Way::of(number).ok_or(Refusal::BadArgument)
}

/// # Safety
/// The segments may be read for as long as the answer is used.
unsafe fn path<'a>(segments: *const Bytes, count: usize) -> Asked<Vec<&'a [u8]>> {
    if segments.is_null() || count == 0 || count > SEGMENTS_MAX {
        return Err(Refusal::BadArgument);
    }
    // SAFETY: promised by the caller.
    let segments = unsafe { slice::from_raw_parts(segments, count) };
    // SAFETY: as above.
    Ok(segments.iter().map(|segment| unsafe { borrowed(segment) }).collect())
}

/// Most segments of a path; no path has as many.
const SEGMENTS_MAX: usize = 64;

unsafe extern "C" fn field<D: Desk>(
    handle: *const Handle,
    context: u64,
    of: u32,
    name: Bytes,
    value: *mut Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let name = unsafe { borrowed(&name) };
        let of = section(of)?;
        kept(desk, value, |show| desk.field(context, of, name, show))
    })
}

unsafe extern "C" fn fields<D: Desk>(
    handle: *const Handle,
    context: u64,
    of: u32,
    out: *mut Fields,
) -> u32 {
    at::<D>(handle, |desk| {
        let (mut fields, mut full) = (Vec::new(), Ok(()));
        desk.fields(context, section(of)?, &mut |name, value| {
            let arena = desk.arena();
            match arena.keep(name).and_then(|name| Ok((name, arena.keep(value)?))) {
                Ok((name, value)) => fields.push(Field { name, value }),
                Err(refusal) => full = Err(refusal),
            }
        })?;
        full?;
        give(out, desk.arena().keep_fields(fields)?)
    })
}

unsafe extern "C" fn write_field<D: Desk>(
    handle: *const Handle,
    context: u64,
    of: u32,
    change: u32,
    name: Bytes,
    value: Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        let change = Change::of(change).ok_or(Refusal::BadArgument)?;
        // SAFETY: lent for this call.
        let name = unsafe { borrowed(&name) };
        // SAFETY: as above.
        let value = unsafe { borrowed(&value) };
        desk.write_field(context, section(of)?, change, (name, value))
    })
}

unsafe extern "C" fn replace_fields<D: Desk>(
    handle: *const Handle,
    context: u64,
    of: u32,
    fields: Fields,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let fields = unsafe { pairs(&fields) };
        desk.replace_fields(context, section(of)?, &fields)
    })
}

unsafe extern "C" fn body<D: Desk>(
    handle: *const Handle,
    context: u64,
    side: u32,
    bytes: *mut Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        let side = way(side)?;
        kept(desk, bytes, |show| desk.body(context, side, show))
    })
}

unsafe extern "C" fn splice_body<D: Desk>(
    handle: *const Handle,
    context: u64,
    side: u32,
    start: usize,
    length: usize,
    with: Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let with = unsafe { borrowed(&with) };
        desk.splice_body(context, way(side)?, Splice { start, length, with })
    })
}

unsafe extern "C" fn data<D: Desk>(
    handle: *const Handle,
    context: u64,
    flow: u32,
    bytes: *mut Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        let flow = way(flow)?;
        kept(desk, bytes, |show| desk.data(context, flow, show))
    })
}

unsafe extern "C" fn splice_data<D: Desk>(
    handle: *const Handle,
    context: u64,
    flow: u32,
    start: usize,
    length: usize,
    with: Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let with = unsafe { borrowed(&with) };
        desk.splice_data(context, way(flow)?, Splice { start, length, with })
    })
}

unsafe extern "C" fn property<D: Desk>(
    handle: *const Handle,
    context: u64,
    segments: *const Bytes,
    count: usize,
    value: *mut Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let path = unsafe { path(segments, count) }?;
        kept(desk, value, |show| desk.property(context, &path, show))
    })
}

unsafe extern "C" fn set_property<D: Desk>(
    handle: *const Handle,
    context: u64,
    segments: *const Bytes,
    count: usize,
    value: Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let path = unsafe { path(segments, count) }?;
        // SAFETY: as above.
        desk.set_property(context, &path, unsafe { borrowed(&value) })
    })
}

unsafe extern "C" fn respond<D: Desk>(
    handle: *const Handle,
    context: u64,
    response: *const Response,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let response = unsafe { sized(response) }?;
        // SAFETY: as above.
        let reply = unsafe { super::reply(response) };
        let fields = reply.fields.iter().map(|(name, value)| name.len() + value.len());
        let size = check_reply(fields, reply.body.len().saturating_add(reply.details.len()));
        size.map_err(|_too_large| Refusal::LimitReached)?;
        desk.respond(context, reply)
    })
}

unsafe extern "C" fn resume<D: Desk>(handle: *const Handle, context: u64, side: u32) -> u32 {
    at::<D>(handle, |desk| desk.resume(context, way(side)?))
}

unsafe extern "C" fn resume_flow<D: Desk>(handle: *const Handle, context: u64, flow: u32) -> u32 {
    at::<D>(handle, |desk| desk.resume_flow(context, way(flow)?))
}

unsafe extern "C" fn reset<D: Desk>(handle: *const Handle, context: u64) -> u32 {
    at::<D>(handle, |desk| desk.reset(context))
}

unsafe extern "C" fn close<D: Desk>(handle: *const Handle, context: u64) -> u32 {
    at::<D>(handle, |desk| desk.close(context))
}

unsafe extern "C" fn http_call<D: Desk>(
    handle: *const Handle,
    context: u64,
    request: *const HttpRequest,
    call: *mut u64,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let request = unsafe { sized(request) }?;
        // SAFETY: as above.
        let request = unsafe { super::request(request) };
        give(call, 0)?;
        give(call, desk.http_call(context, request)?)
    })
}

unsafe extern "C" fn set_tick_period<D: Desk>(handle: *const Handle, milliseconds: u64) -> u32 {
    at::<D>(handle, |desk| desk.set_tick_period(milliseconds))
}

unsafe extern "C" fn shared_data<D: Desk>(
    handle: *const Handle,
    key: Bytes,
    value: *mut Bytes,
    version: *mut u32,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let key = unsafe { borrowed(&key) };
        let (mut kept, mut found) = (Ok(Bytes::NONE), 0);
        desk.shared_data(key, &mut |bytes, its_version| {
            kept = desk.arena().keep(bytes);
            found = its_version;
        })?;
        give(value, kept?)?;
        give(version, found)
    })
}

unsafe extern "C" fn set_shared_data<D: Desk>(
    handle: *const Handle,
    key: Bytes,
    value: Bytes,
    version: u32,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let key = unsafe { borrowed(&key) };
        // SAFETY: as above.
        desk.set_shared_data(key, unsafe { borrowed(&value) }, version)
    })
}

unsafe extern "C" fn register_queue<D: Desk>(
    handle: *const Handle,
    name: Bytes,
    queue: *mut u32,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let name = unsafe { borrowed(&name) };
        give(queue, desk.register_queue(name)?)
    })
}

unsafe extern "C" fn resolve_queue<D: Desk>(
    handle: *const Handle,
    namespace: Bytes,
    name: Bytes,
    queue: *mut u32,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        let namespace = unsafe { borrowed(&namespace) };
        // SAFETY: as above.
        let name = unsafe { borrowed(&name) };
        give(queue, desk.resolve_queue(namespace, name)?)
    })
}

unsafe extern "C" fn enqueue<D: Desk>(handle: *const Handle, queue: u32, item: Bytes) -> u32 {
    // SAFETY: lent for this call.
    at::<D>(handle, |desk| desk.enqueue(queue, unsafe { borrowed(&item) }))
}

unsafe extern "C" fn dequeue<D: Desk>(handle: *const Handle, queue: u32, item: *mut Bytes) -> u32 {
    at::<D>(handle, |desk| {
        // What is taken out is gone: so the place for it is looked at first, and the room.
        give(item, Bytes::NONE)?;
        if !desk.arena().has_room() {
            return Err(Refusal::LimitReached);
        }
        let mut taken = Ok(Bytes::NONE);
        desk.dequeue(queue, &mut |value| taken = desk.arena().keep_taken(value))?;
        give(item, taken?)
    })
}

unsafe extern "C" fn define_metric<D: Desk>(
    handle: *const Handle,
    kind: u32,
    name: Bytes,
    metric: *mut u32,
) -> u32 {
    at::<D>(handle, |desk| {
        let kind = Metric::of(kind).ok_or(Refusal::BadArgument)?;
        // SAFETY: lent for this call.
        let name = unsafe { borrowed(&name) };
        give(metric, desk.define_metric(kind, name)?)
    })
}

unsafe extern "C" fn record_metric<D: Desk>(handle: *const Handle, metric: u32, value: u64) -> u32 {
    at::<D>(handle, |desk| desk.record_metric(metric, value))
}

unsafe extern "C" fn increment_metric<D: Desk>(handle: *const Handle, metric: u32, by: i64) -> u32 {
    at::<D>(handle, |desk| desk.increment_metric(metric, by))
}

unsafe extern "C" fn metric<D: Desk>(handle: *const Handle, metric: u32, value: *mut u64) -> u32 {
    at::<D>(handle, |desk| give(value, desk.metric(metric)?))
}

unsafe extern "C" fn log<D: Desk>(handle: *const Handle, level: u32, line: Bytes) -> u32 {
    always_at::<D>(handle, |desk| {
        let level = Level::of(level).ok_or(Refusal::BadArgument)?;
        // SAFETY: lent for this call.
        desk.log(level, unsafe { borrowed(&line) })
    })
}

unsafe extern "C" fn now<D: Desk>(handle: *const Handle, nanoseconds: *mut u64) -> u32 {
    at::<D>(handle, |desk| give(nanoseconds, desk.now()?))
}

unsafe extern "C" fn fail<D: Desk>(handle: *const Handle, text: Bytes) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call.
        desk.fail(unsafe { borrowed(&text) });
        Ok(())
    })
}

unsafe extern "C" fn codec_frame<D: Desk>(handle: *const Handle, frame: *const Frame) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: each begins with its size; null is none.
        let size = unsafe { frame.cast::<u32>().as_ref() }.ok_or(Refusal::BadArgument)?;
        if usize::try_from(*size).is_ok_and(|size| size < size_of::<Frame>()) {
            return Err(Refusal::BadArgument);
        }
        // SAFETY: it is whole, and lent for this call.
        let frame = unsafe { &*frame };
        // SAFETY: as above, with all that it points to.
        desk.codec_frame(&unsafe { Found::new(frame) })
    })
}

unsafe extern "C" fn codec_rest<D: Desk>(
    handle: *const Handle,
    needed: usize,
    lost: *const Bytes,
) -> u32 {
    at::<D>(handle, |desk| {
        // SAFETY: lent for this call; null is none.
        let lost = unsafe { lost.as_ref() };
        // SAFETY: as above.
        desk.codec_rest(needed, lost.map(|lost| unsafe { borrowed(lost) }))
    })
}

unsafe extern "C" fn codec_bytes<D: Desk>(handle: *const Handle, bytes: Bytes) -> u32 {
    // SAFETY: lent for this call.
    at::<D>(handle, |desk| desk.codec_bytes(unsafe { borrowed(&bytes) }))
}
