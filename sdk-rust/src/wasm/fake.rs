//! A host for tests of the export, in the place of `imports`: it writes down what it is asked,
//! and under which context, and answers as the test said.

use std::{cell::RefCell, collections::HashMap};

use abi_wasm::{BufferType, MapType, MetricType, Status, StreamType};

use crate::LogLevel;

pub(super) type Answer<T> = Result<T, Status>;

pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) details: &'a str,
    pub(super) headers: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) grpc_status: Option<u32>,
}

thread_local! {
    static FAKE: RefCell<Fake> = RefCell::default();
}

#[derive(Default)]
struct Fake {
    effective: u32,
    said: Vec<String>,
    answers: HashMap<&'static str, Answer<Vec<u8>>>,
    last_token: u32,
}

/// The host serves this context from here on.
pub(super) fn serve(context: u32) {
    FAKE.with_borrow_mut(|fake| fake.effective = context);
}

/// From here on a host call is answered so.
pub(super) fn answer(call: &'static str, with: Answer<Vec<u8>>) {
    FAKE.with_borrow_mut(|fake| fake.answers.insert(call, with));
}

/// What was asked since this was asked last: the context, the call, its arguments.
pub(super) fn said() -> Vec<String> {
    FAKE.with_borrow_mut(|fake| std::mem::take(&mut fake.said))
}

fn ask(call: &'static str, arguments: &str) -> Answer<Vec<u8>> {
    FAKE.with_borrow_mut(|fake| {
        let line = format!("{} {call} {arguments}", fake.effective);
        fake.said.push(line.trim_end().to_owned());
        fake.answers.get(call).cloned().unwrap_or(Ok(Vec::new()))
    })
}

fn tell(call: &'static str, arguments: &str) -> Answer<()> {
    ask(call, arguments).map(drop)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "/")
}

pub(super) fn log(level: LogLevel, line: &str) {
    tell("log", &format!("{level:?} {line}")).ok();
}

pub(super) fn nanoseconds() -> Answer<u64> {
    ask("nanoseconds", "").map(|_| 1_000_000_000)
}

pub(super) fn set_tick_period(milliseconds: u32) -> Answer<()> {
    tell("set_tick_period", &milliseconds.to_string())
}

pub(super) fn set_effective_context(context: u32) -> Answer<()> {
    FAKE.with_borrow_mut(|fake| match fake.answers.get("set_effective_context") {
        Some(Err(status)) => Err(*status),
        Some(Ok(_)) | None => {
            fake.effective = context;
            Ok(())
        }
    })
}

pub(super) fn resume(stream: StreamType) -> Answer<()> {
    tell("resume", &format!("{stream:?}"))
}

pub(super) fn close(stream: StreamType) -> Answer<()> {
    tell("close", &format!("{stream:?}"))
}

/// Of what the test gave, the piece that is asked for.
pub(super) fn buffer(buffer: BufferType, start: usize, max: usize) -> Answer<Vec<u8>> {
    let bytes = ask("buffer", &format!("{buffer:?} {start}"))?;
    let rest = bytes.get(start..).unwrap_or_default();
    Ok(rest.get(..max).unwrap_or(rest).to_vec())
}

/// Written as a whole it is always taken, as in hosts that refuse anything else.
pub(super) fn set_buffer(buffer: BufferType, start: usize, max: usize, with: &[u8]) -> Answer<()> {
    let is_whole = start == 0 && max == usize::MAX;
    let told = tell("set_buffer", &format!("{buffer:?} {start} {}", text(with)));
    if is_whole { Ok(()) } else { told }
}

pub(super) fn map(map: MapType) -> Answer<Vec<u8>> {
    ask("map", &format!("{map:?}"))
}

pub(super) fn set_map(map: MapType, pairs: &[u8]) -> Answer<()> {
    tell("set_map", &format!("{map:?} {}", pairs.len()))
}

pub(super) fn field(map: MapType, name: &str) -> Answer<Vec<u8>> {
    ask("field", &format!("{map:?} {name}"))
}

pub(super) fn set_field(map: MapType, name: &str, value: &[u8]) -> Answer<()> {
    tell("set_field", &format!("{map:?} {name} {}", text(value)))
}

pub(super) fn add_field(map: MapType, name: &str, value: &[u8]) -> Answer<()> {
    tell("add_field", &format!("{map:?} {name} {}", text(value)))
}

pub(super) fn remove_field(map: MapType, name: &str) -> Answer<()> {
    tell("remove_field", &format!("{map:?} {name}"))
}

pub(super) fn property(path: &[u8]) -> Answer<Vec<u8>> {
    ask("property", &text(path))
}

pub(super) fn set_property(path: &[u8], value: &[u8]) -> Answer<()> {
    tell("set_property", &format!("{} {}", text(path), text(value)))
}

pub(super) fn respond(reply: &Reply<'_>) -> Answer<()> {
    let Reply { status, details, headers, body, grpc_status } = reply;
    let pairs = abi_wasm::decode_pairs(headers).map_or(usize::MAX, |pairs| pairs.len());
    let body = text(body);
    tell("respond", &format!("{status} {pairs} {body} {grpc_status:?} {details}"))
}

pub(super) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout: u32) -> Answer<u32> {
    let pairs = abi_wasm::decode_pairs(headers).unwrap_or_default();
    let path = pairs.iter().find(|(name, _)| *name == b":path").map_or(&b""[..], |pair| pair.1);
    tell("http_call", &format!("{cluster} {} {} {timeout}", text(path), text(body)))?;
    Ok(FAKE.with_borrow_mut(|fake| {
        fake.last_token += 1;
        fake.last_token
    }))
}

pub(super) fn shared_data(key: &[u8]) -> Answer<(Vec<u8>, u32)> {
    ask("shared_data", &text(key)).map(|value| (value, 7))
}

pub(super) fn set_shared_data(key: &[u8], value: &[u8], version: u32) -> Answer<()> {
    tell("set_shared_data", &format!("{} {} {version}", text(key), text(value)))
}

pub(super) fn register_queue(name: &str) -> Answer<u32> {
    ask("register_queue", name).map(|_| 3)
}

pub(super) fn resolve_queue(namespace: &str, name: &str) -> Answer<u32> {
    ask("resolve_queue", &format!("{namespace} {name}")).map(|_| 3)
}

pub(super) fn enqueue(queue: u32, item: &[u8]) -> Answer<()> {
    tell("enqueue", &format!("{queue} {}", text(item)))
}

pub(super) fn dequeue(queue: u32) -> Answer<Vec<u8>> {
    ask("dequeue", &queue.to_string())
}

pub(super) fn define_metric(kind: MetricType, name: &str) -> Answer<u32> {
    ask("define_metric", &format!("{kind:?} {name}")).map(|_| 5)
}

pub(super) fn metric(metric: u32) -> Answer<u64> {
    ask("metric", &metric.to_string()).map(|_| 9)
}

pub(super) fn record_metric(metric: u32, value: u64) -> Answer<()> {
    tell("record_metric", &format!("{metric} {value}"))
}

pub(super) fn increment_metric(metric: u32, by: i64) -> Answer<()> {
    tell("increment_metric", &format!("{metric} {by}"))
}
