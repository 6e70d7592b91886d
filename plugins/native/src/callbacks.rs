//! The table of a plugin: its callbacks, called with what it gave out itself.
//!
//! An [`Object`] and what is [`Kept`] for a context are pointers that only the plugin looks
//! behind; they are made by it and given back to it once. Nothing here knows what a callback may
//! ask meanwhile: see `desk`.
#![expect(unsafe_code, reason = "functions of libraries")]

mod codec;

use std::{ffi::c_void, fmt, ptr::NonNull};

use abi_native::{
    number::Way,
    table::{Bytes, Handle, HttpAnswer, PLUGIN_BYTES, Plugin},
};

pub(crate) use self::codec::{CodecHook, default_profile, has_go_away, has_heartbeats};

/// The callbacks of a library that stays loaded.
#[derive(Clone, Copy)]
pub(crate) struct Callbacks(Plugin);

// SAFETY: a table is never written after its library was entered, and its functions may be
// called from every thread; what they are called with stays on its own.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

/// An instance of a plugin.
#[derive(Debug)]
pub(crate) struct Object(NonNull<c_void>);

/// What a plugin keeps for a stream or connection; may be nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept(*mut c_void);

/// What a plugin says of a context that begins.
#[derive(Debug)]
pub(crate) enum Opened {
    /// It is served.
    Served(Kept),
    /// It goes on without the plugin.
    Absent,
}

/// A callback of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamHook<'a> {
    Headers(Way, bool),
    Body(Way, bool),
    Trailers(Way),
    Complete,
    HttpAnswer(u64, Option<&'a HttpAnswer>),
}

/// A callback of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionHook<'a> {
    New,
    Data(Way, bool),
    Close(Way, u32),
    Complete,
    HttpAnswer(u64, Option<&'a HttpAnswer>),
}

/// A callback of the instance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InstanceHook<'a> {
    Tick,
    QueueReady(u32),
    HttpAnswer(u64, Option<&'a HttpAnswer>),
}

/// What a library says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sdk: String,
}

/// Why a table is not taken, as the end of a sentence.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TableError {
    #[error("has a table of {found} bytes, and the least is {least}")]
    TooSmall { found: usize, least: usize },
    #[error("has a table of version {found}, and this proxy takes version {known}")]
    Version { found: u16, known: u16 },
    #[error("has a table without `{0}`")]
    Missing(&'static str),
}

impl Callbacks {
    /// Copies a table: as much of it as it has and we know. What it does not have is not there.
    ///
    /// # Safety
    /// The table may be read, as many bytes as it says, and what it points to lives for ever.
    pub(crate) unsafe fn copy(table: NonNull<Plugin>) -> Result<Self, TableError> {
        // SAFETY: each table begins with its size and version.
        let (size, found) = unsafe { head(table) };
        let least = abi_native::table::PLUGIN_BYTES_MIN;
        let known = abi_native::number::MAJOR;
        if found != known {
            return Err(TableError::Version { found, known });
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size < least {
            return Err(TableError::TooSmall { found: size, least });
        }
        let mut copy = EMPTY;
        let bytes = size.min(size_of::<Plugin>());
        let to = (&raw mut copy).cast::<u8>();
        // SAFETY: both have so many bytes. A function that is cut off in its middle cannot be:
        // the sizes of tables that there ever were end behind one; what is made up is cut to
        // whole ones.
        unsafe { std::ptr::copy_nonoverlapping(table.as_ptr().cast::<u8>(), to, whole(bytes)) };
        if copy.instance_new.is_none() {
            return Err(TableError::Missing("instance_new"));
        }
        if copy.instance_free.is_none() {
            return Err(TableError::Missing("instance_free"));
        }
        Ok(Self(copy))
    }

    pub(crate) fn about(&self) -> About {
        let text = |bytes: &Bytes| {
            // SAFETY: the texts of a table live as long as the library, which is for ever.
            let bytes = unsafe { crate::desk::borrowed(bytes) };
            String::from_utf8_lossy(bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes)).into_owned()
        };
        let Plugin { name, version, sdk, .. } = &self.0;
        About { name: text(name), version: text(version), sdk: text(sdk) }
    }

    /// What it wants, as far as it has callbacks for that.
    pub(crate) fn phases(&self) -> u16 {
        let table = &self.0;
        let there = [
            table.request_headers.is_some(),
            table.request_body.is_some(),
            table.request_trailers.is_some(),
            table.response_headers.is_some(),
            table.response_body.is_some(),
            table.response_trailers.is_some(),
            table.stream_complete.is_some() || table.connection_complete.is_some(),
            table.new_connection.is_some(),
            table.data.is_some(),
            table.data.is_some(),
            table.close.is_some(),
        ];
        let bits = there.iter().enumerate().filter(|(_, there)| **there);
        let there = bits.fold(0_u16, |bits, (place, _)| bits | 1 << place);
        u16::try_from(table.phases & u32::from(u16::MAX)).unwrap_or_default() & there
    }

    /// Starts an instance. `None` where it refused.
    pub(crate) fn start(
        &self,
        handle: *const Handle,
        root_id: &str,
        config: &[u8],
        phases: &mut u32,
    ) -> Option<Object> {
        let start = self.0.instance_new?;
        let (root_id, config) = (Bytes::of(root_id.as_bytes()), Bytes::of(config));
        // SAFETY: the handle outlives the instance; the rest is lent for the call.
        let object = unsafe { start(handle, root_id, config, phases) };
        NonNull::new(object).map(Object)
    }

    /// The instance goes.
    #[expect(clippy::needless_pass_by_value, reason = "nobody has it any more")]
    pub(crate) fn free(&self, object: Object) {
        if let Some(free) = self.0.instance_free {
            // SAFETY: the library made it, and this was the only one to have it.
            unsafe { free(object.0.as_ptr()) };
        }
    }

    pub(crate) fn open_stream(&self, object: &Object, context: u64) -> Opened {
        let Some(open) = self.0.stream_new else { return Opened::Served(Kept::NOTHING) };
        // SAFETY: the instance lives.
        opened(unsafe { open(object.0.as_ptr(), context) })
    }

    pub(crate) fn open_connection(&self, object: &Object, context: u64) -> Opened {
        let Some(open) = self.0.connection_new else { return Opened::Served(Kept::NOTHING) };
        // SAFETY: the instance lives.
        opened(unsafe { open(object.0.as_ptr(), context) })
    }

    /// What was kept goes. To be called once for each.
    pub(crate) fn free_stream(&self, object: &Object, kept: Kept) {
        if let (Some(free), false) = (self.0.stream_free, kept.0.is_null()) {
            // SAFETY: the library made it and gets it back once.
            unsafe { free(object.0.as_ptr(), kept.0) };
        }
    }

    /// As for streams.
    pub(crate) fn free_connection(&self, object: &Object, kept: Kept) {
        if let (Some(free), false) = (self.0.connection_free, kept.0.is_null()) {
            // SAFETY: the library made it and gets it back once.
            unsafe { free(object.0.as_ptr(), kept.0) };
        }
    }

    /// Calls a callback of a stream; `None` where there is none.
    pub(crate) fn stream(
        &self,
        object: &Object,
        kept: Kept,
        context: u64,
        hook: StreamHook<'_>,
    ) -> Option<u32> {
        let (table, object, kept) = (&self.0, object.0.as_ptr(), kept.0);
        // SAFETY, for all of these: the library made both and has not got them back; the answer
        // is lent for the call.
        match hook {
            StreamHook::Headers(way, end) => {
                let call = of(way, table.request_headers, table.response_headers)?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, end.into()) })
            }
            StreamHook::Body(way, end) => {
                let call = of(way, table.request_body, table.response_body)?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, end.into()) })
            }
            StreamHook::Trailers(way) => {
                let call = of(way, table.request_trailers, table.response_trailers)?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context) })
            }
            StreamHook::Complete => {
                let call = table.stream_complete?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context) })
            }
            StreamHook::HttpAnswer(id, answer) => {
                let call = table.stream_http_answer?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, id, pointer(answer)) })
            }
        }
    }

    /// Calls a callback of a connection; `None` where there is none.
    pub(crate) fn connection(
        &self,
        object: &Object,
        kept: Kept,
        context: u64,
        hook: ConnectionHook<'_>,
    ) -> Option<u32> {
        let (table, object, kept) = (&self.0, object.0.as_ptr(), kept.0);
        // SAFETY, for all of these: as for streams.
        match hook {
            ConnectionHook::New => {
                let call = table.new_connection?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context) })
            }
            ConnectionHook::Data(way, end) => {
                let call = table.data?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, way as u32, end.into()) })
            }
            ConnectionHook::Close(way, by) => {
                let call = table.close?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, way as u32, by) })
            }
            ConnectionHook::Complete => {
                let call = table.connection_complete?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context) })
            }
            ConnectionHook::HttpAnswer(id, answer) => {
                let call = table.connection_http_answer?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, id, pointer(answer)) })
            }
        }
    }

    /// Calls a callback of the instance; `None` where there is none.
    pub(crate) fn instance(&self, object: &Object, hook: InstanceHook<'_>) -> Option<u32> {
        let (table, object) = (&self.0, object.0.as_ptr());
        // SAFETY, for all of these: the instance lives; the answer is lent for the call.
        match hook {
            InstanceHook::Tick => {
                let call = table.tick?;
                // SAFETY: as above.
                Some(unsafe { call(object) })
            }
            InstanceHook::QueueReady(queue) => {
                let call = table.queue_ready?;
                // SAFETY: as above.
                Some(unsafe { call(object, queue) })
            }
            InstanceHook::HttpAnswer(id, answer) => {
                let call = table.http_answer?;
                // SAFETY: as above.
                Some(unsafe { call(object, id, pointer(answer)) })
            }
        }
    }
}

impl Opened {
    /// What is kept for it; `None` where it is not served.
    pub(crate) fn kept(&self) -> Option<Kept> {
        match self {
            Self::Served(kept) => Some(*kept),
            Self::Absent => None,
        }
    }
}

impl Kept {
    const NOTHING: Self = Self(std::ptr::null_mut());
}

/// The function of a direction.
fn of<F>(way: Way, inwards: F, outwards: F) -> F {
    match way {
        Way::In => inwards,
        Way::Out => outwards,
    }
}

fn opened(kept: *mut c_void) -> Opened {
    if kept.is_null() { Opened::Absent } else { Opened::Served(Kept(kept)) }
}

fn pointer(answer: Option<&HttpAnswer>) -> *const HttpAnswer {
    answer.map_or(std::ptr::null(), std::ptr::from_ref)
}

/// The size and the version that a table says it has.
///
/// # Safety
/// It has both.
unsafe fn head(table: NonNull<Plugin>) -> (u32, u16) {
    let table = table.as_ptr();
    // SAFETY: promised by the caller.
    let size = unsafe { (*table).size };
    // SAFETY: as above.
    (size, unsafe { (*table).major })
}

/// So many bytes that no function is cut off in its middle.
fn whole(bytes: usize) -> usize {
    bytes - bytes % size_of::<usize>()
}

/// Most bytes of a text that a table has.
const TEXT_BYTES_MAX: usize = 256;

/// A table in which nothing is.
const EMPTY: Plugin = Plugin {
    size: PLUGIN_BYTES,
    major: abi_native::number::MAJOR,
    minor: abi_native::number::MINOR,
    features: 0,
    name: Bytes::NONE,
    version: Bytes::NONE,
    sdk: Bytes::NONE,
    phases: 0,
    reserved: 0,
    instance_new: None,
    instance_free: None,
    stream_new: None,
    stream_free: None,
    request_headers: None,
    request_body: None,
    request_trailers: None,
    response_headers: None,
    response_body: None,
    response_trailers: None,
    stream_complete: None,
    stream_http_answer: None,
    connection_new: None,
    connection_free: None,
    new_connection: None,
    data: None,
    close: None,
    connection_complete: None,
    connection_http_answer: None,
    tick: None,
    queue_ready: None,
    http_answer: None,
    codec_profile: None,
    codec_new: None,
    codec_free: None,
    codec_detect: None,
    codec_decode: None,
    codec_encode: None,
    codec_heartbeat: None,
    codec_heartbeat_reply: None,
    codec_reject: None,
    codec_go_away: None,
};

impl StreamHook<'_> {
    /// Its name, for stories.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Headers(Way::In, _) => "request_headers",
            Self::Headers(Way::Out, _) => "response_headers",
            Self::Body(Way::In, _) => "request_body",
            Self::Body(Way::Out, _) => "response_body",
            Self::Trailers(Way::In) => "request_trailers",
            Self::Trailers(Way::Out) => "response_trailers",
            Self::Complete => "stream_complete",
            Self::HttpAnswer(..) => "stream_http_answer",
        }
    }
}

impl ConnectionHook<'_> {
    /// Its name, for stories.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new_connection",
            Self::Data(..) => "data",
            Self::Close(..) => "close",
            Self::Complete => "connection_complete",
            Self::HttpAnswer(..) => "connection_http_answer",
        }
    }
}

impl InstanceHook<'_> {
    /// Its name, for stories.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::QueueReady(_) => "queue_ready",
            Self::HttpAnswer(..) => "http_answer",
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Callbacks").field(&self.0).finish()
    }
}
