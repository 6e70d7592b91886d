//! The functions that the proxy calls.
//!
//! What they have in common: an instance is a `Seat`, made in `instance_new` and freed in
//! `instance_free`; what was kept for a stream or connection is a box of its own. The proxy calls
//! all of one instance on one thread, one after the other, which is what makes it right to take
//! both as borrowed alone.

use std::{ffi::c_void, ptr::NonNull};

use super::{
    CodecEvent, ConnectionEvent, Event, Guest, Rejection, Rewrite, StreamEvent,
    calls::{Answer, Calls, borrowed, bytes_of},
    panics::catch,
};
use crate::{
    number::{Action, Detection, Level, MAJOR, MINOR, Peer, Way},
    table::{
        self, Bytes, CodecProfile, HOST_BYTES_MIN, Handle, Host, HttpAnswer, PLUGIN_BYTES, Plugin,
    },
};

/// The function that a library is entered by.
///
/// # Safety
/// The table may be read, as many bytes as it says.
pub unsafe extern "C" fn entry<G: Guest>(host: *const Host) -> *const Plugin {
    if host.is_null() {
        return std::ptr::null();
    }
    // SAFETY: each table begins with its size and version.
    let size = unsafe { (*host).size };
    // SAFETY: as above.
    let major = unsafe { (*host).major };
    let fits = usize::try_from(size).is_ok_and(|size| size >= HOST_BYTES_MIN);
    if fits && major == MAJOR { Table::<G>::PLUGIN } else { std::ptr::null() }
}

/// As [`entry`], without the types of the tables.
///
/// # Safety
/// As for [`entry`].
pub unsafe extern "C" fn entry_untyped<G: Guest>(host: *const c_void) -> *const c_void {
    // SAFETY: promised by the caller.
    unsafe { entry::<G>(host.cast()) }.cast()
}

struct Table<G>(std::marker::PhantomData<G>);

impl<G: Guest> Table<G> {
    const PLUGIN: &'static Plugin = &Plugin {
        size: PLUGIN_BYTES,
        major: MAJOR,
        minor: MINOR,
        features: 0,
        name: Bytes::of(G::ABOUT.name.as_bytes()),
        version: Bytes::of(G::ABOUT.version.as_bytes()),
        sdk: Bytes::of(G::ABOUT.sdk.as_bytes()),
        phases: G::ABOUT.phases,
        reserved: 0,
        instance_new: Some(instance_new::<G>),
        instance_free: Some(instance_free::<G>),
        stream_new: Some(stream_new::<G>),
        stream_free: Some(stream_free::<G>),
        request_headers: Some(request_headers::<G>),
        request_body: Some(request_body::<G>),
        request_trailers: Some(request_trailers::<G>),
        response_headers: Some(response_headers::<G>),
        response_body: Some(response_body::<G>),
        response_trailers: Some(response_trailers::<G>),
        stream_complete: Some(stream_complete::<G>),
        stream_http_answer: Some(stream_http_answer::<G>),
        connection_new: Some(connection_new::<G>),
        connection_free: Some(connection_free::<G>),
        new_connection: Some(new_connection::<G>),
        data: Some(data::<G>),
        close: Some(close::<G>),
        connection_complete: Some(connection_complete::<G>),
        connection_http_answer: Some(connection_http_answer::<G>),
        tick: Some(tick::<G>),
        queue_ready: Some(queue_ready::<G>),
        http_answer: Some(http_answer::<G>),
        codec_profile: Some(codec_profile::<G>),
        codec_new: Some(codec_new::<G>),
        codec_free: Some(codec_free::<G>),
        codec_detect: Some(codec_detect::<G>),
        codec_decode: Some(codec_decode::<G>),
        codec_encode: Some(codec_encode::<G>),
        codec_heartbeat: Some(codec_heartbeat::<G>),
        codec_heartbeat_reply: Some(codec_heartbeat_reply::<G>),
        codec_reject: Some(codec_reject::<G>),
        codec_go_away: Some(codec_go_away::<G>),
    };
}

/// An instance.
struct Seat<G> {
    calls: Calls,
    guest: G,
    /// It panicked: nothing of it runs any more.
    failed: bool,
}

impl<G: Guest> Seat<G> {
    /// Runs a callback; a panic is the end of the instance.
    fn run(&mut self, callback: impl FnOnce(&mut G, &Calls) -> Action) -> Action {
        if self.failed {
            return Action::Failed;
        }
        let Self { calls, guest, .. } = self;
        match catch(|| callback(guest, calls)) {
            Ok(action) => action,
            Err(panic) => {
                self.failed = true;
                self.calls.fail(&panic);
                Action::Failed
            }
        }
    }
}

/// # Safety
/// The instance is a live one of this library and nobody else has it.
unsafe fn seat<'a, G>(instance: *mut c_void) -> &'a mut Seat<G> {
    // SAFETY: promised by the caller.
    unsafe { &mut *instance.cast::<Seat<G>>() }
}

unsafe extern "C" fn instance_new<G: Guest>(
    handle: *const Handle,
    root_id: Bytes,
    config: Bytes,
    phases: *mut u32,
) -> *mut c_void {
    let Some(handle) = NonNull::new(handle.cast_mut()) else { return std::ptr::null_mut() };
    // SAFETY: the host keeps the handle as long as the instance, and calls on one thread.
    let calls = unsafe { Calls::new(handle) };
    // SAFETY: both are lent for this call.
    let (root_id, config) = (unsafe { borrowed(&root_id) }, unsafe { borrowed(&config) });
    // SAFETY: the host gives a place for the phases that is nobody else's meanwhile.
    let Some(phases) = (unsafe { phases.as_mut() }) else { return std::ptr::null_mut() };
    let root_id = String::from_utf8_lossy(root_id);
    let started = catch(|| G::start(&calls, &root_id, config, phases));
    match started.unwrap_or_else(Err) {
        Ok(guest) => Box::into_raw(Box::new(Seat { calls, guest, failed: false })).cast(),
        Err(why) => {
            calls.fail(&why);
            std::ptr::null_mut()
        }
    }
}

unsafe extern "C" fn instance_free<G: Guest>(instance: *mut c_void) {
    // SAFETY: it was made by `instance_new`, and is given back once.
    let seat = unsafe { Box::from_raw(instance.cast::<Seat<G>>()) };
    // Nobody could be told of a panic any more.
    drop(catch(|| drop(seat)));
}

/// Runs what makes something to keep for a context.
unsafe fn open<G: Guest, T>(
    instance: *mut c_void,
    make: impl FnOnce(&mut G, &Calls) -> Option<T>,
) -> *mut c_void {
    // SAFETY: a live instance, see the head of this file.
    let seat = unsafe { seat::<G>(instance) };
    let mut made = None;
    seat.run(|guest, calls| {
        made = make(guest, calls);
        Action::Continue
    });
    made.map_or(std::ptr::null_mut(), |made| Box::into_raw(Box::new(made)).cast())
}

/// Frees what `open` made. A panic there is the end of nothing, so a line of the log tells it.
unsafe fn free<G: Guest, T>(instance: *mut c_void, kept: *mut c_void) {
    if kept.is_null() {
        return;
    }
    // SAFETY: `open` made it of this type, and it is given back once.
    let kept = unsafe { Box::from_raw(kept.cast::<T>()) };
    if let Err(panic) = catch(|| drop(kept)) {
        // SAFETY: a live instance, see the head of this file.
        let seat = unsafe { seat::<G>(instance) };
        let line = format!("{panic}, as it was dropped");
        // Where the host has no ear for it, nobody has.
        seat.calls.log(Level::Error, &line).unwrap_or_default();
    }
}

unsafe fn on_stream<G: Guest>(
    instance: *mut c_void,
    stream: *mut c_void,
    context: u64,
    event: StreamEvent,
) -> u32 {
    // SAFETY: a live instance, see the head of this file.
    let seat = unsafe { seat::<G>(instance) };
    // SAFETY: made by `stream_new` and not freed yet; nobody else has it.
    let Some(stream) = (unsafe { stream.cast::<G::Stream>().as_mut() }) else {
        return Action::Failed.number();
    };
    seat.run(|guest, calls| guest.on_stream(calls, stream, context, event)).number()
}

unsafe fn on_connection<G: Guest>(
    instance: *mut c_void,
    connection: *mut c_void,
    context: u64,
    event: ConnectionEvent,
) -> u32 {
    // SAFETY: a live instance, see the head of this file.
    let seat = unsafe { seat::<G>(instance) };
    // SAFETY: made by `connection_new` and not freed yet; nobody else has it.
    let Some(connection) = (unsafe { connection.cast::<G::Connection>().as_mut() }) else {
        return Action::Failed.number();
    };
    seat.run(|guest, calls| guest.on_connection(calls, connection, context, event)).number()
}

unsafe fn on_event<G: Guest>(instance: *mut c_void, event: Event) -> u32 {
    // SAFETY: a live instance, see the head of this file.
    let seat = unsafe { seat::<G>(instance) };
    let run = |guest: &mut G, calls: &Calls| {
        guest.on_event(calls, event);
        Action::Continue
    };
    seat.run(run).number()
}

/// Functions that make an event of their arguments.
macro_rules! callbacks {
    ($( $name:ident ( $($argument:ident : $type:ty),* ) = $on:ident $event:expr; )*) => {
        $(
            unsafe extern "C" fn $name<G: Guest>(
                instance: *mut c_void,
                kept: *mut c_void,
                context: u64,
                $($argument: $type),*
            ) -> u32 {
                // SAFETY: the host gives what it was given, as the table says.
                unsafe { $on::<G>(instance, kept, context, $event) }
            }
        )*
    };
}

callbacks! {
    request_headers(end: u32) = on_stream StreamEvent::Headers(Way::In, end != 0);
    request_body(end: u32) = on_stream StreamEvent::Body(Way::In, end != 0);
    request_trailers() = on_stream StreamEvent::Trailers(Way::In);
    response_headers(end: u32) = on_stream StreamEvent::Headers(Way::Out, end != 0);
    response_body(end: u32) = on_stream StreamEvent::Body(Way::Out, end != 0);
    response_trailers() = on_stream StreamEvent::Trailers(Way::Out);
    stream_complete() = on_stream StreamEvent::Complete;
    stream_http_answer(call: u64, answer: *const HttpAnswer) =
        on_stream StreamEvent::HttpAnswer(call, Answer::copy(answer));
    new_connection() = on_connection ConnectionEvent::New;
    data(flow: u32, end: u32) = on_connection ConnectionEvent::Data(way(flow), end != 0);
    close(flow: u32, by: u32) = on_connection ConnectionEvent::Close(way(flow), Peer::of(by));
    connection_complete() = on_connection ConnectionEvent::Complete;
    connection_http_answer(call: u64, answer: *const HttpAnswer) =
        on_connection ConnectionEvent::HttpAnswer(call, Answer::copy(answer));
}

unsafe extern "C" fn stream_new<G: Guest>(instance: *mut c_void, context: u64) -> *mut c_void {
    // SAFETY: a live instance.
    unsafe { open(instance, |guest: &mut G, calls| guest.stream(calls, context)) }
}

unsafe extern "C" fn stream_free<G: Guest>(instance: *mut c_void, stream: *mut c_void) {
    // SAFETY: `stream_new` made it.
    unsafe { free::<G, G::Stream>(instance, stream) }
}

unsafe extern "C" fn connection_new<G: Guest>(instance: *mut c_void, context: u64) -> *mut c_void {
    // SAFETY: a live instance.
    unsafe { open(instance, |guest: &mut G, calls| guest.connection(calls, context)) }
}

unsafe extern "C" fn connection_free<G: Guest>(instance: *mut c_void, connection: *mut c_void) {
    // SAFETY: `connection_new` made it.
    unsafe { free::<G, G::Connection>(instance, connection) }
}

unsafe extern "C" fn tick<G: Guest>(instance: *mut c_void) -> u32 {
    // SAFETY: a live instance.
    unsafe { on_event::<G>(instance, Event::Tick) }
}

unsafe extern "C" fn queue_ready<G: Guest>(instance: *mut c_void, queue: u32) -> u32 {
    // SAFETY: a live instance.
    unsafe { on_event::<G>(instance, Event::QueueReady(queue)) }
}

unsafe extern "C" fn http_answer<G: Guest>(
    instance: *mut c_void,
    call: u64,
    answer: *const HttpAnswer,
) -> u32 {
    // SAFETY: the host lends the answer for this call.
    let answer = unsafe { Answer::copy(answer) };
    // SAFETY: a live instance.
    unsafe { on_event::<G>(instance, Event::HttpAnswer(call, answer)) }
}

unsafe extern "C" fn codec_profile<G: Guest>(
    instance: *mut c_void,
    profile: *mut CodecProfile,
) -> u32 {
    // SAFETY: a live instance.
    let seat = unsafe { seat::<G>(instance) };
    // SAFETY: each begins with its size.
    let size = unsafe { profile.cast::<u32>().as_ref() };
    if size.is_none_or(|size| *size < bytes_of::<CodecProfile>()) {
        return Action::Failed.number();
    }
    // SAFETY: the host gives a whole one, which is nobody else's meanwhile.
    let Some(profile) = (unsafe { profile.as_mut() }) else { return Action::Failed.number() };
    let tell = |guest: &mut G, _calls: &Calls| {
        guest.codec_profile(profile);
        Action::Continue
    };
    seat.run(tell).number()
}

unsafe extern "C" fn codec_new<G: Guest>(instance: *mut c_void, context: u64) -> *mut c_void {
    // SAFETY: a live instance.
    unsafe { open(instance, |guest: &mut G, calls| guest.codec(calls, context)) }
}

unsafe extern "C" fn codec_free<G: Guest>(instance: *mut c_void, codec: *mut c_void) {
    // SAFETY: `codec_new` made it.
    unsafe { free::<G, G::Codec>(instance, codec) }
}

unsafe fn on_codec<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    event: CodecEvent<'_>,
) -> u32 {
    // SAFETY: a live instance, see the head of this file.
    let seat = unsafe { seat::<G>(instance) };
    // SAFETY: made by `codec_new` and not freed yet; nobody else has it.
    let Some(codec) = (unsafe { codec.cast::<G::Codec>().as_mut() }) else {
        return Action::Failed.number();
    };
    seat.run(|guest, calls| guest.on_codec(calls, codec, event)).number()
}

unsafe extern "C" fn codec_detect<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    first: Bytes,
    detection: *mut u32,
) -> u32 {
    // SAFETY: lent for this call.
    let first = unsafe { borrowed(&first) };
    let mut found = Detection::No;
    // SAFETY: the host gives what it was given, as the table says.
    let action = unsafe { on_codec::<G>(instance, codec, CodecEvent::Detect(first, &mut found)) };
    // SAFETY: the host gives a place for it that is nobody else's meanwhile.
    if let Some(detection) = unsafe { detection.as_mut() } {
        *detection = found.number();
    }
    action
}

unsafe extern "C" fn codec_decode<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    bytes: Bytes,
) -> u32 {
    // SAFETY: lent for this call.
    let bytes = unsafe { borrowed(&bytes) };
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::Decode(bytes)) }
}

unsafe extern "C" fn codec_encode<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    rewrite: *const table::Rewrite,
) -> u32 {
    // SAFETY: lent for this call.
    let Some(rewrite) = (unsafe { Rewrite::read(rewrite) }) else {
        return Action::Failed.number();
    };
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::Encode(rewrite)) }
}

unsafe extern "C" fn codec_heartbeat<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    id: u64,
) -> u32 {
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::Heartbeat(id)) }
}

unsafe extern "C" fn codec_heartbeat_reply<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    heartbeat: Bytes,
    id: u64,
) -> u32 {
    // SAFETY: lent for this call.
    let heartbeat = unsafe { borrowed(&heartbeat) };
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::HeartbeatReply(heartbeat, id)) }
}

unsafe extern "C" fn codec_reject<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
    rejection: *const table::Rejection,
) -> u32 {
    // SAFETY: lent for this call.
    let Some(rejection) = (unsafe { Rejection::read(rejection) }) else {
        return Action::Failed.number();
    };
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::Reject(rejection)) }
}

unsafe extern "C" fn codec_go_away<G: Guest>(
    instance: *mut c_void,
    codec: *mut c_void,
    _context: u64,
) -> u32 {
    // SAFETY: the host gives what it was given, as the table says.
    unsafe { on_codec::<G>(instance, codec, CodecEvent::GoAway) }
}

fn way(number: u32) -> Way {
    Way::of(number).unwrap_or(Way::In)
}
