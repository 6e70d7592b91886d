//! Host calls as a case writes them: one function here for each function of the interface.
//!
//! Results go where the probe's records look for them: an address to number 0, its length to
//! number 1, any other number to number 2, unless [`Call::into`] says otherwise.

use abi_wasm::{BufferType, MapType, MetricType, PairWriter, StreamType};

use crate::probe::Special;

/// What an argument is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Arg {
    /// A number.
    Number(u64),
    /// The address of these bytes.
    Data(Vec<u8>),
    /// The address of a number that the call may write.
    Out(u32),
    /// The context that the callback is about.
    Context,
    /// What one of those numbers is now.
    Value(u32),
    /// The parent of the newest context.
    Parent,
}

impl Arg {
    /// The bytes whose address it is.
    pub(crate) fn data(&self) -> &[u8] {
        if let Self::Data(bytes) = self { bytes } else { &[] }
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// What is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    /// A function of the host.
    Host(&'static str),
    /// Something that the probe itself does.
    Special(Special),
}

/// A call with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) args: Vec<Arg>,
    /// True where it answers with bytes.
    pub(crate) keeps_value: bool,
}

impl Call {
    /// What is called, by name.
    pub(crate) fn name(&self) -> &'static str {
        match self.function {
            Function::Host(name) => name,
            Function::Special(Special::Answer) => "answer",
            Function::Special(_) => "special",
        }
    }

    /// With another argument at a place.
    pub(crate) fn with(mut self, at: usize, arg: impl Into<Arg>) -> Self {
        if let Some(place) = self.args.get_mut(at) {
            *place = arg.into();
        }
        self
    }

    /// With its number in another place than the second.
    pub(crate) fn into(mut self, slot: u32) -> Self {
        for arg in self.args.iter_mut().filter(|arg| **arg == Arg::Out(2)) {
            *arg = Arg::Out(slot);
        }
        self
    }
}

/// Arguments, flattened: bytes become an address and a length.
macro_rules! call {
    ($name:literal $(, $arg:expr)*) => {
        Call {
            function: Function::Host($name),
            args: <[Vec<Arg>]>::concat(&[$(Flat::from($arg).0),*]),
            keeps_value: false,
        }
    };
}

struct Flat(Vec<Arg>);

impl From<u32> for Flat {
    fn from(number: u32) -> Self {
        Self(vec![number.into()])
    }
}

impl From<u64> for Flat {
    fn from(number: u64) -> Self {
        Self(vec![Arg::Number(number)])
    }
}

impl From<Arg> for Flat {
    fn from(arg: Arg) -> Self {
        Self(vec![arg])
    }
}

impl From<&str> for Flat {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Flat {
    fn from(bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(vec![Arg::Data(bytes.to_vec()), length.into()])
    }
}

impl From<&[(&str, &str)]> for Flat {
    fn from(pairs: &[(&str, &str)]) -> Self {
        Self::from(map(pairs).as_slice())
    }
}

/// Where bytes are answered.
const VALUE: [Arg; 2] = [Arg::Out(0), Arg::Out(1)];

impl From<[Arg; 2]> for Flat {
    fn from(args: [Arg; 2]) -> Self {
        Self(args.to_vec())
    }
}

fn keeping(call: Call) -> Call {
    Call { keeps_value: true, ..call }
}

/// A map as bytes.
pub(crate) fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut writer) = PairWriter::new(&mut bytes, pairs.len()) {
        for (name, value) in pairs {
            // A case's map is far from every limit; a test of all scripts would see it.
            let fits = writer.push(name.as_bytes(), value.as_bytes());
            debug_assert!(fits.is_ok());
        }
        let done = writer.finish();
        debug_assert!(done.is_ok());
    }
    bytes
}

/// What the callback answers: an action, or true and false.
pub(crate) fn answer(number: u32) -> Call {
    special(Special::Answer, vec![number.into()])
}

/// How the allocator behaves from now on.
pub(crate) fn allocator(behaviour: u32) -> Call {
    special(Special::Allocator, vec![behaviour.into()])
}

/// Ends with a trap.
pub(crate) fn trap() -> Call {
    special(Special::Trap, Vec::new())
}

/// Writes an argument into one of the numbers.
pub(crate) fn keep(slot: u32, what: Arg) -> Call {
    special(Special::Poke, vec![Arg::Out(slot), what])
}

fn special(special: Special, args: Vec<Arg>) -> Call {
    Call { function: Function::Special(special), args, keeps_value: false }
}

pub(crate) fn log(level: u32, text: &str) -> Call {
    call!("proxy_log", level, text)
}

pub(crate) fn log_level() -> Call {
    call!("proxy_get_log_level", Arg::Out(2))
}

pub(crate) fn time() -> Call {
    call!("proxy_get_current_time_nanoseconds", Arg::Out(2))
}

pub(crate) fn tick_period(ms: u32) -> Call {
    call!("proxy_set_tick_period_milliseconds", ms)
}

pub(crate) fn effective(context: Arg) -> Call {
    call!("proxy_set_effective_context", context)
}

pub(crate) fn done() -> Call {
    call!("proxy_done")
}

pub(crate) fn status() -> Call {
    keeping(call!("proxy_get_status", Arg::Out(2), VALUE))
}

pub(crate) fn property(path: &str) -> Call {
    keeping(call!("proxy_get_property", path.replace('.', "\0").as_str(), VALUE))
}

pub(crate) fn set_property(path: &str, value: &str) -> Call {
    call!("proxy_set_property", path.replace('.', "\0").as_str(), value)
}

pub(crate) fn buffer(kind: BufferType, start: u32, most: u32) -> Call {
    keeping(call!("proxy_get_buffer_bytes", u32::from(kind), start, most, VALUE))
}

/// A whole buffer.
pub(crate) fn whole(kind: BufferType) -> Call {
    buffer(kind, 0, u32::MAX)
}

pub(crate) fn buffer_status(kind: BufferType) -> Call {
    call!("proxy_get_buffer_status", u32::from(kind), Arg::Out(2), Arg::Out(3))
}

pub(crate) fn set_buffer(kind: BufferType, start: u32, length: u32, text: &str) -> Call {
    call!("proxy_set_buffer_bytes", u32::from(kind), start, length, text)
}

pub(crate) fn map_size(map: MapType) -> Call {
    call!("proxy_get_header_map_size", u32::from(map), Arg::Out(2))
}

pub(crate) fn pairs(map: MapType) -> Call {
    keeping(call!("proxy_get_header_map_pairs", u32::from(map), VALUE))
}

pub(crate) fn set_pairs(map: MapType, pairs: &[(&str, &str)]) -> Call {
    call!("proxy_set_header_map_pairs", u32::from(map), pairs)
}

pub(crate) fn set_raw_pairs(map: MapType, bytes: &[u8]) -> Call {
    call!("proxy_set_header_map_pairs", u32::from(map), bytes)
}

pub(crate) fn value(map: MapType, name: &str) -> Call {
    keeping(call!("proxy_get_header_map_value", u32::from(map), name, VALUE))
}

pub(crate) fn add(map: MapType, name: &str, value: &str) -> Call {
    call!("proxy_add_header_map_value", u32::from(map), name, value)
}

pub(crate) fn replace(map: MapType, name: &str, value: &str) -> Call {
    call!("proxy_replace_header_map_value", u32::from(map), name, value)
}

pub(crate) fn remove(map: MapType, name: &str) -> Call {
    call!("proxy_remove_header_map_value", u32::from(map), name)
}

pub(crate) fn continue_stream(stream: StreamType) -> Call {
    call!("proxy_continue_stream", u32::from(stream))
}

pub(crate) fn close_stream(stream: StreamType) -> Call {
    call!("proxy_close_stream", u32::from(stream))
}

pub(crate) fn reply(status: u32, body: &str, fields: &[(&str, &str)]) -> Call {
    call!("proxy_send_local_response", status, "details", body, fields, u32::MAX)
}

pub(crate) fn http_call(cluster: &str, fields: &[(&str, &str)], body: &str, ms: u32) -> Call {
    let trailers: &[(&str, &str)] = &[("x-call-trailer", "yes")];
    call!("proxy_http_call", cluster, fields, body, trailers, ms, Arg::Out(2))
}

/// A call to the kit's upstream that is answered.
pub(crate) fn good_http_call() -> Call {
    let head = [
        (":method", "POST"),
        (":path", "/called"),
        (":authority", "upstream"),
        ("x-reply-trailer", "call"),
    ];
    http_call("upstream", &head, "called", 2000)
}

pub(crate) fn grpc_call(cluster: &str, method: &str, message: &str, ms: u32) -> Call {
    let metadata: &[(&str, &str)] = &[("x-meta", "one")];
    let service = "conformance.Echo";
    call!("proxy_grpc_call", cluster, service, method, metadata, message, ms, Arg::Out(2))
}

pub(crate) fn grpc_stream(cluster: &str, method: &str) -> Call {
    let metadata: &[(&str, &str)] = &[("x-meta", "one")];
    call!("proxy_grpc_stream", cluster, "conformance.Echo", method, metadata, Arg::Out(2))
}

pub(crate) fn grpc_send(id: Arg, message: &str, end: u32) -> Call {
    call!("proxy_grpc_send", id, message, end)
}

pub(crate) fn grpc_cancel(id: Arg) -> Call {
    call!("proxy_grpc_cancel", id)
}

pub(crate) fn grpc_close(id: Arg) -> Call {
    call!("proxy_grpc_close", id)
}

pub(crate) fn shared(key: &str) -> Call {
    keeping(call!("proxy_get_shared_data", key, VALUE, Arg::Out(2)))
}

pub(crate) fn set_shared(key: &str, value: &str, version: Arg) -> Call {
    call!("proxy_set_shared_data", key, value, version)
}

pub(crate) fn register(queue: &str) -> Call {
    call!("proxy_register_shared_queue", queue, Arg::Out(2))
}

pub(crate) fn resolve(vm: &str, queue: &str) -> Call {
    call!("proxy_resolve_shared_queue", vm, queue, Arg::Out(2))
}

pub(crate) fn enqueue(queue: Arg, item: &str) -> Call {
    call!("proxy_enqueue_shared_queue", queue, item)
}

pub(crate) fn dequeue(queue: Arg) -> Call {
    keeping(call!("proxy_dequeue_shared_queue", queue, VALUE))
}

pub(crate) fn define(kind: MetricType, name: &str) -> Call {
    call!("proxy_define_metric", u32::from(kind), name, Arg::Out(2))
}

pub(crate) fn record(metric: Arg, value: u64) -> Call {
    call!("proxy_record_metric", metric, value)
}

pub(crate) fn increment(metric: Arg, by: i64) -> Call {
    call!("proxy_increment_metric", metric, by.cast_unsigned())
}

pub(crate) fn metric(metric: Arg) -> Call {
    call!("proxy_get_metric", metric, Arg::Out(2))
}

pub(crate) fn foreign(name: &str, argument: &str) -> Call {
    keeping(call!("proxy_call_foreign_function", name, argument, VALUE))
}

/// The plugin's configuration, in 0.1.0.
pub(crate) fn configuration() -> Call {
    keeping(call!("proxy_get_configuration", VALUE))
}

/// Writes what [`keep`] put into number 8: the address of a text and its length.
pub(crate) fn fd_write(descriptor: u32) -> Call {
    call!("fd_write", descriptor, Arg::Out(8), 1_u32, Arg::Out(2))
}

pub(crate) fn clock(id: u32) -> Call {
    call!("clock_time_get", id, 0_u64, Arg::Out(2))
}

pub(crate) fn random(into: Arg, bytes: u32) -> Call {
    call!("random_get", into, bytes)
}

pub(crate) fn environment_sizes() -> Call {
    call!("environ_sizes_get", Arg::Out(2), Arg::Out(3))
}

pub(crate) fn environment() -> Call {
    call!("environ_get", Arg::Out(8), Arg::Out(10))
}

pub(crate) fn argument_sizes() -> Call {
    call!("args_sizes_get", Arg::Out(2), Arg::Out(3))
}

pub(crate) fn arguments() -> Call {
    call!("args_get", Arg::Out(8), Arg::Out(10))
}
