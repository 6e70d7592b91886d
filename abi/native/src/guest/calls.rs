//! What a plugin asks of the proxy: the table's functions as safe ones.

use std::{mem::offset_of, ptr::NonNull, slice};

use crate::{
    number::{Change, Level, Metric, Refusal, Section, Way},
    table::{Bytes, Field, Fields, Handle, Host, HttpAnswer, HttpRequest, Response},
};

/// Names with values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
/// The outcome of a call.
pub(super) type Asked<T> = Result<T, Refusal>;

/// The proxy, as one instance sees it. Lent to callbacks only.
#[derive(Debug)]
pub struct Calls {
    pub(super) handle: NonNull<Handle>,
}

/// A request to a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The head.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// The body.
    pub body: &'a [u8],
    /// The longest wait in milliseconds; zero for the proxy's own limit.
    pub timeout_ms: u32,
}

/// The answer to one.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The head.
    pub headers: Pairs,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Pairs,
}

/// A response that a plugin makes.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// The body.
    pub body: &'a [u8],
    /// The status for a client that asked in gRPC.
    pub grpc_status: Option<u32>,
    /// For the access log.
    pub details: &'a str,
}

/// Asks one function of the table, where the host has it.
macro_rules! ask {
    ($calls:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let end = offset_of!(Host, $name) + size_of::<usize>();
        let table = $calls.table(end)?;
        // SAFETY: the table has this field, see `Calls::table`.
        let function = unsafe { (*table).$name }.ok_or(Refusal::Unsupported)?;
        // SAFETY: the handle is the host's and lives; all that the arguments point to lives
        // until the call is over.
        Refusal::of(unsafe { function($calls.handle.as_ptr(), $($argument),*) })
    }};
}

impl Calls {
    /// # Safety
    /// The handle lives, with its table, for as long as this does, and is used on its own
    /// thread.
    pub(super) unsafe fn new(handle: NonNull<Handle>) -> Self {
        Self { handle }
    }

    /// The table, where it has so many bytes.
    pub(super) fn table(&self, bytes: usize) -> Asked<*const Host> {
        // SAFETY: the handle lives, see `Calls::new`.
        let table = unsafe { self.handle.as_ref() }.host.cast::<Host>();
        // SAFETY: each table begins with its size.
        let size = unsafe { (*table).size };
        let fits = usize::try_from(size).is_ok_and(|size| size >= bytes);
        if fits { Ok(table) } else { Err(Refusal::Unsupported) }
    }

    /// The first value of a field.
    ///
    /// # Errors
    /// As the table says.
    pub fn field(&self, context: u64, section: Section, name: &str) -> Asked<Option<Vec<u8>>> {
        let mut value = Bytes::NONE;
        let asked = ask!(self.field(context, section as u32, text(name), &raw mut value));
        match asked {
            Err(Refusal::NotFound) => Ok(None),
            // SAFETY: the host gave them for as long as the callback runs.
            asked => asked.map(|()| Some(unsafe { copied(value) })),
        }
    }

    /// All fields of a section.
    ///
    /// # Errors
    /// As the table says.
    pub fn fields(&self, context: u64, section: Section) -> Asked<Pairs> {
        let mut fields = Fields::NONE;
        ask!(self.fields(context, section as u32, &raw mut fields))?;
        // SAFETY: the host gave them for as long as the callback runs.
        Ok(unsafe { pairs(fields) })
    }

    /// Changes a field.
    ///
    /// # Errors
    /// As the table says.
    pub fn write_field(
        &self,
        context: u64,
        section: Section,
        change: Change,
        (name, value): (&str, &[u8]),
    ) -> Asked<()> {
        let (name, value) = (text(name), Bytes::of(value));
        ask!(self.write_field(context, section as u32, change as u32, name, value))
    }

    /// Replaces a section.
    ///
    /// # Errors
    /// As the table says.
    pub fn replace_fields(
        &self,
        context: u64,
        section: Section,
        fields: &[(&[u8], &[u8])],
    ) -> Asked<()> {
        let fields = lent(fields);
        ask!(self.replace_fields(context, section as u32, Fields::of(&fields)))
    }

    /// The bytes of a body in hand.
    ///
    /// # Errors
    /// As the table says.
    pub fn body(&self, context: u64, side: Way) -> Asked<Vec<u8>> {
        let mut bytes = Bytes::NONE;
        ask!(self.body(context, side as u32, &raw mut bytes))?;
        // SAFETY: the host gave them for as long as the callback runs.
        Ok(unsafe { copied(bytes) })
    }

    /// Replaces some of them.
    ///
    /// # Errors
    /// As the table says.
    pub fn splice_body(
        &self,
        context: u64,
        side: Way,
        (start, length): (usize, usize),
        with: &[u8],
    ) -> Asked<()> {
        ask!(self.splice_body(context, side as u32, start, length, Bytes::of(with)))
    }

    /// The bytes of a connection in hand.
    ///
    /// # Errors
    /// As the table says.
    pub fn data(&self, context: u64, flow: Way) -> Asked<Vec<u8>> {
        let mut bytes = Bytes::NONE;
        ask!(self.data(context, flow as u32, &raw mut bytes))?;
        // SAFETY: the host gave them for as long as the callback runs.
        Ok(unsafe { copied(bytes) })
    }

    /// Replaces some of them.
    ///
    /// # Errors
    /// As the table says.
    pub fn splice_data(
        &self,
        context: u64,
        flow: Way,
        (start, length): (usize, usize),
        with: &[u8],
    ) -> Asked<()> {
        ask!(self.splice_data(context, flow as u32, start, length, Bytes::of(with)))
    }

    /// What the proxy knows of a context, or (0) of itself.
    ///
    /// # Errors
    /// As the table says.
    pub fn property(&self, context: u64, path: &[&str]) -> Asked<Option<Vec<u8>>> {
        let segments: Vec<Bytes> = path.iter().map(|segment| text(segment)).collect();
        let mut value = Bytes::NONE;
        let (data, count) = (segments.as_ptr(), segments.len());
        match ask!(self.property(context, data, count, &raw mut value)) {
            Err(Refusal::NotFound) => Ok(None),
            // SAFETY: the host gave them for as long as the callback runs.
            asked => asked.map(|()| Some(unsafe { copied(value) })),
        }
    }

    /// Sets what others can read.
    ///
    /// # Errors
    /// As the table says.
    pub fn set_property(&self, context: u64, path: &[&str], value: &[u8]) -> Asked<()> {
        let segments: Vec<Bytes> = path.iter().map(|segment| text(segment)).collect();
        let (data, count) = (segments.as_ptr(), segments.len());
        ask!(self.set_property(context, data, count, Bytes::of(value)))
    }

    /// Answers the client.
    ///
    /// # Errors
    /// As the table says.
    pub fn respond(&self, context: u64, reply: Reply<'_>) -> Asked<()> {
        let fields = lent(reply.fields);
        let response = Response {
            size: bytes_of::<Response>(),
            status: reply.status.into(),
            fields: Fields::of(&fields),
            body: Bytes::of(reply.body),
            grpc_status: reply.grpc_status.and_then(|status| status.try_into().ok()).unwrap_or(-1),
            reserved: 0,
            details: text(reply.details),
        };
        ask!(self.respond(context, &raw const response))
    }

    /// Lets a side of a stream go on.
    ///
    /// # Errors
    /// As the table says.
    pub fn resume(&self, context: u64, side: Way) -> Asked<()> {
        ask!(self.resume(context, side as u32))
    }

    /// Lets a flow of a connection go on.
    ///
    /// # Errors
    /// As the table says.
    pub fn resume_flow(&self, context: u64, flow: Way) -> Asked<()> {
        ask!(self.resume_flow(context, flow as u32))
    }

    /// Breaks a stream off.
    ///
    /// # Errors
    /// As the table says.
    pub fn reset(&self, context: u64) -> Asked<()> {
        ask!(self.reset(context))
    }

    /// Closes a connection.
    ///
    /// # Errors
    /// As the table says.
    pub fn close(&self, context: u64) -> Asked<()> {
        ask!(self.close(context))
    }

    /// Sends a request; tells its number.
    ///
    /// # Errors
    /// As the table says.
    pub fn http_call(&self, context: u64, request: Request<'_>) -> Asked<u64> {
        let fields = lent(request.fields);
        let request = HttpRequest {
            size: bytes_of::<HttpRequest>(),
            timeout_ms: request.timeout_ms,
            cluster: text(request.cluster),
            fields: Fields::of(&fields),
            body: Bytes::of(request.body),
        };
        let mut call = 0;
        ask!(self.http_call(context, &raw const request, &raw mut call))?;
        Ok(call)
    }

    /// Sets the timer; zero stops it.
    ///
    /// # Errors
    /// As the table says.
    pub fn set_tick_period(&self, milliseconds: u64) -> Asked<()> {
        ask!(self.set_tick_period(milliseconds))
    }

    /// A shared value with its version.
    ///
    /// # Errors
    /// As the table says.
    pub fn shared_data(&self, key: &[u8]) -> Asked<Option<(Vec<u8>, u32)>> {
        let (mut value, mut version) = (Bytes::NONE, 0);
        match ask!(self.shared_data(Bytes::of(key), &raw mut value, &raw mut version)) {
            Err(Refusal::NotFound) => Ok(None),
            // SAFETY: the host gave them for as long as the callback runs.
            asked => asked.map(|()| Some((unsafe { copied(value) }, version))),
        }
    }

    /// Sets a shared value; zero for any version.
    ///
    /// # Errors
    /// As the table says.
    pub fn set_shared_data(&self, key: &[u8], value: &[u8], version: u32) -> Asked<()> {
        ask!(self.set_shared_data(Bytes::of(key), Bytes::of(value), version))
    }

    /// Makes or finds a queue.
    ///
    /// # Errors
    /// As the table says.
    pub fn register_queue(&self, name: &str) -> Asked<u32> {
        let mut queue = 0;
        ask!(self.register_queue(text(name), &raw mut queue))?;
        Ok(queue)
    }

    /// Finds a queue.
    ///
    /// # Errors
    /// As the table says.
    pub fn resolve_queue(&self, namespace: &str, name: &str) -> Asked<u32> {
        let mut queue = 0;
        ask!(self.resolve_queue(text(namespace), text(name), &raw mut queue))?;
        Ok(queue)
    }

    /// Puts an item in.
    ///
    /// # Errors
    /// As the table says.
    pub fn enqueue(&self, queue: u32, item: &[u8]) -> Asked<()> {
        ask!(self.enqueue(queue, Bytes::of(item)))
    }

    /// Takes an item out.
    ///
    /// # Errors
    /// As the table says.
    pub fn dequeue(&self, queue: u32) -> Asked<Option<Vec<u8>>> {
        let mut item = Bytes::NONE;
        match ask!(self.dequeue(queue, &raw mut item)) {
            Err(Refusal::Empty) => Ok(None),
            // SAFETY: the host gave them for as long as the callback runs.
            asked => asked.map(|()| Some(unsafe { copied(item) })),
        }
    }

    /// Makes or finds a metric.
    ///
    /// # Errors
    /// As the table says.
    pub fn define_metric(&self, kind: Metric, name: &str) -> Asked<u32> {
        let mut metric = 0;
        ask!(self.define_metric(kind as u32, text(name), &raw mut metric))?;
        Ok(metric)
    }

    /// Records a value.
    ///
    /// # Errors
    /// As the table says.
    pub fn record_metric(&self, metric: u32, value: u64) -> Asked<()> {
        ask!(self.record_metric(metric, value))
    }

    /// Counts on.
    ///
    /// # Errors
    /// As the table says.
    pub fn increment_metric(&self, metric: u32, by: i64) -> Asked<()> {
        ask!(self.increment_metric(metric, by))
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// As the table says.
    pub fn metric(&self, metric: u32) -> Asked<u64> {
        let mut value = 0;
        ask!(self.metric(metric, &raw mut value))?;
        Ok(value)
    }

    /// Writes a line to the log.
    ///
    /// # Errors
    /// As the table says.
    pub fn log(&self, level: Level, line: &str) -> Asked<()> {
        ask!(self.log(level as u32, text(line)))
    }

    /// The wall clock, in nanoseconds since 1970.
    ///
    /// # Errors
    /// As the table says.
    pub fn now(&self) -> Asked<u64> {
        let mut nanoseconds = 0;
        ask!(self.now(&raw mut nanoseconds))?;
        Ok(nanoseconds)
    }

    /// Says why the instance fails.
    pub(super) fn fail(&self, why: &str) {
        // Who cannot be told learns of the failure alone.
        self.ask_to_fail(why).unwrap_or_default();
    }

    fn ask_to_fail(&self, why: &str) -> Asked<()> {
        ask!(self.fail(text(why)))
    }
}

impl Answer {
    /// Copies an answer. One that has less than is read here is none.
    ///
    /// # Safety
    /// The answer, if there is one, may be read, as many bytes as it says, with all that it
    /// points to.
    pub(super) unsafe fn copy(answer: *const HttpAnswer) -> Option<Self> {
        if answer.is_null() {
            return None;
        }
        // SAFETY: each begins with its size.
        let size = unsafe { (*answer).size };
        if size < bytes_of::<HttpAnswer>() {
            return None;
        }
        // SAFETY: promised by the caller.
        let answer = unsafe { &*answer };
        Some(Self {
            // SAFETY: as above.
            headers: unsafe { pairs(answer.headers) },
            // SAFETY: as above.
            body: unsafe { copied(answer.body) },
            // SAFETY: as above.
            trailers: unsafe { pairs(answer.trailers) },
        })
    }
}

pub(super) fn text(text: &str) -> Bytes {
    Bytes::of(text.as_bytes())
}

fn lent(fields: &[(&[u8], &[u8])]) -> Vec<Field> {
    let field =
        |(name, value): &(&[u8], &[u8])| Field { name: Bytes::of(name), value: Bytes::of(value) };
    fields.iter().map(field).collect()
}

pub(super) fn bytes_of<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

/// # Safety
/// The bytes may be read.
pub(super) unsafe fn copied(bytes: Bytes) -> Vec<u8> {
    // SAFETY: promised by the caller.
    unsafe { borrowed(&bytes) }.to_vec()
}

/// # Safety
/// The bytes may be read for as long as what says where they are lives.
pub(super) unsafe fn borrowed(bytes: &Bytes) -> &[u8] {
    if bytes.data.is_null() || bytes.length == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(bytes.data, bytes.length) }
}

/// # Safety
/// The fields may be read, with all that they point to.
unsafe fn pairs(fields: Fields) -> Pairs {
    if fields.data.is_null() || fields.count == 0 {
        return Pairs::new();
    }
    // SAFETY: promised by the caller.
    let fields = unsafe { slice::from_raw_parts(fields.data, fields.count) };
    let mut pairs = Pairs::with_capacity(fields.len());
    for field in fields {
        // SAFETY: promised by the caller.
        let name = unsafe { copied(field.name) };
        // SAFETY: as above.
        pairs.push((name, unsafe { copied(field.value) }));
    }
    pairs
}
