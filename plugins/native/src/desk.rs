//! The calls of a plugin, taken at the C interface: a [`Desk`] answers them.
//!
//! There are two desks: an instance in the proxy, which asks its guarded host calls, and one in a
//! runner, which asks the proxy over the child protocol. [`Handle`](DeskHandle) is what a plugin
//! holds of one; the functions of the table are in `desk::table`.
//!
//! A pointer of a plugin's is read as the contract says. A library that breaks it can do anything
//! anyway: it runs in this process.

mod found;
mod table;

use std::{fmt, slice};

use abi_native::{
    number::{Change, Level, Metric, Refusal, Section, Way},
    table::{Bytes, Field, Fields, Handle, HttpRequest, Response},
};

pub(crate) use self::{found::Found, table::table};
use crate::arena::Arena;

/// The outcome of a call.
pub(crate) type Asked<T> = Result<T, Refusal>;
/// Takes a value.
pub(crate) type Show<'a> = &'a mut dyn FnMut(&[u8]);
/// Takes a field, by its name and value.
pub(crate) type ShowField<'a> = &'a mut dyn FnMut(&[u8], &[u8]);
/// A name with its value.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// Who answers the calls of one instance. As `mortise.h` has them; a context of zero is the
/// instance itself.
pub(crate) trait Desk {
    /// Where what it gives is kept until the callback returns.
    fn arena(&self) -> &Arena;
    /// False while the plugin gets something back, which may only write to the log.
    fn may_ask(&self) -> bool;
    fn field(&self, context: u64, of: Section, name: &[u8], show: Show<'_>) -> Asked<()>;
    fn fields(&self, context: u64, of: Section, show: ShowField<'_>) -> Asked<()>;
    fn write_field(&self, context: u64, of: Section, change: Change, pair: Pair<'_>) -> Asked<()>;
    fn replace_fields(&self, context: u64, of: Section, fields: &[Pair<'_>]) -> Asked<()>;
    fn body(&self, context: u64, side: Way, show: Show<'_>) -> Asked<()>;
    fn splice_body(&self, context: u64, side: Way, splice: Splice<'_>) -> Asked<()>;
    fn data(&self, context: u64, flow: Way, show: Show<'_>) -> Asked<()>;
    fn splice_data(&self, context: u64, flow: Way, splice: Splice<'_>) -> Asked<()>;
    fn property(&self, context: u64, path: &[&[u8]], show: Show<'_>) -> Asked<()>;
    fn set_property(&self, context: u64, path: &[&[u8]], value: &[u8]) -> Asked<()>;
    fn respond(&self, context: u64, reply: Reply<'_>) -> Asked<()>;
    fn resume(&self, context: u64, side: Way) -> Asked<()>;
    fn resume_flow(&self, context: u64, flow: Way) -> Asked<()>;
    fn reset(&self, context: u64) -> Asked<()>;
    fn close(&self, context: u64) -> Asked<()>;
    fn http_call(&self, context: u64, request: Request<'_>) -> Asked<u64>;
    fn set_tick_period(&self, milliseconds: u64) -> Asked<()>;
    fn shared_data(&self, key: &[u8], show: &mut dyn FnMut(&[u8], u32)) -> Asked<()>;
    fn set_shared_data(&self, key: &[u8], value: &[u8], version: u32) -> Asked<()>;
    fn register_queue(&self, name: &[u8]) -> Asked<u32>;
    fn resolve_queue(&self, namespace: &[u8], name: &[u8]) -> Asked<u32>;
    fn enqueue(&self, queue: u32, item: &[u8]) -> Asked<()>;
    fn dequeue(&self, queue: u32, show: Show<'_>) -> Asked<()>;
    fn define_metric(&self, kind: Metric, name: &[u8]) -> Asked<u32>;
    fn record_metric(&self, metric: u32, value: u64) -> Asked<()>;
    fn increment_metric(&self, metric: u32, by: i64) -> Asked<()>;
    fn metric(&self, metric: u32) -> Asked<u64>;
    fn log(&self, level: Level, line: &[u8]) -> Asked<()>;
    fn now(&self) -> Asked<u64>;
    fn codec_frame(&self, found: &Found<'_>) -> Asked<()>;
    fn codec_rest(&self, needed: usize, lost: Option<&[u8]>) -> Asked<()>;
    fn codec_bytes(&self, bytes: &[u8]) -> Asked<()>;
    fn fail(&self, why: &[u8]);
}

/// A change of bytes: `length` of them from `start`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splice<'a> {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) with: &'a [u8],
}

/// A response that a plugin makes.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u32,
    pub(crate) fields: Vec<Pair<'a>>,
    pub(crate) body: &'a [u8],
    pub(crate) grpc_status: Option<u32>,
    pub(crate) details: &'a [u8],
}

/// A request to a cluster.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) cluster: &'a [u8],
    pub(crate) fields: Vec<Pair<'a>>,
    pub(crate) body: &'a [u8],
    pub(crate) timeout_ms: u32,
}

/// What a plugin holds of its desk. The first field is what it may look at.
#[repr(C)]
pub(crate) struct DeskHandle<D> {
    handle: Handle,
    desk: *const D,
}

impl<D: Desk> DeskHandle<D> {
    /// A handle for a desk that outlives the plugin's use of it.
    pub(crate) fn new(desk: *const D) -> Box<Self> {
        Box::new(Self { handle: Handle { host: std::ptr::from_ref(table::<D>()).cast() }, desk })
    }

    /// What the plugin is given.
    pub(crate) fn as_ptr(&self) -> *const Handle {
        std::ptr::from_ref(self).cast()
    }
}

impl<D> fmt::Debug for DeskHandle<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskHandle").finish_non_exhaustive()
    }
}

/// # Safety
/// The bytes may be read for as long as what says where they are lives.
#[expect(unsafe_code, reason = "the other side of the table said where they are")]
pub(crate) unsafe fn borrowed(bytes: &Bytes) -> &[u8] {
    if bytes.data.is_null() || bytes.length == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(bytes.data, bytes.length) }
}

/// # Safety
/// The fields may be read, with all that they point to, for as long as what says where they are
/// lives.
#[expect(unsafe_code, reason = "the other side of the table said where they are")]
pub(crate) unsafe fn pairs(fields: &Fields) -> Vec<Pair<'_>> {
    if fields.data.is_null() || fields.count == 0 {
        return Vec::new();
    }
    // SAFETY: promised by the caller.
    let fields: &[Field] = unsafe { slice::from_raw_parts(fields.data, fields.count) };
    let mut pairs = Vec::with_capacity(fields.len());
    for Field { name, value } in fields {
        // SAFETY: promised by the caller.
        let name = unsafe { borrowed(name) };
        // SAFETY: as above.
        pairs.push((name, unsafe { borrowed(value) }));
    }
    pairs
}

/// # Safety
/// As for [`pairs`].
#[expect(unsafe_code, reason = "the other side of the table said where it is")]
unsafe fn reply(response: &Response) -> Reply<'_> {
    Reply {
        status: response.status,
        // SAFETY: promised by the caller.
        fields: unsafe { pairs(&response.fields) },
        // SAFETY: as above.
        body: unsafe { borrowed(&response.body) },
        grpc_status: u32::try_from(response.grpc_status).ok(),
        // SAFETY: as above.
        details: unsafe { borrowed(&response.details) },
    }
}

/// # Safety
/// As for [`pairs`].
#[expect(unsafe_code, reason = "the other side of the table said where it is")]
unsafe fn request(request: &HttpRequest) -> Request<'_> {
    Request {
        // SAFETY: promised by the caller.
        cluster: unsafe { borrowed(&request.cluster) },
        // SAFETY: as above.
        fields: unsafe { pairs(&request.fields) },
        // SAFETY: as above.
        body: unsafe { borrowed(&request.body) },
        timeout_ms: request.timeout_ms,
    }
}
