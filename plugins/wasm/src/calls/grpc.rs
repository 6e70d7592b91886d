//! gRPC: calls with one answer, and streams. The root is told of what comes.

use std::{rc::Rc, time::Duration};

use abi_wasm::Status;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use host_extension::{CallError, GrpcMethod, Pairs};
use wasmtime::{Caller, Linker};

use super::{Answer, Call, ENV, Gate, Slice, answer, define, http_call::pairs, upstream};
use crate::{
    outbound::{CallKind, Target},
    state::VmData,
};

/// A call or stream as the guest describes it.
struct Described {
    upstream: Slice,
    service: Slice,
    method: Slice,
    metadata: Slice,
    /// The message of a call.
    message: Option<Slice>,
    /// Of a call; zero leaves it to the host.
    timeout_ms: u32,
}

/// Longest time that a call may take, as that of an HTTP call. A stream may stay open.
const CALL_TIME_MAX: Duration = Duration::from_secs(5 * 60);

const CALL: &str = "proxy_grpc_call";
const STREAM: &str = "proxy_grpc_stream";

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    link_call(linker)?;
    link_stream(linker)?;
    define!(linker, Running, "proxy_grpc_send", |call, id, ptr, len, end| {
        send(call, id, (ptr, len), end != 0)
    });
    define!(linker, Running, "proxy_grpc_cancel", |call, id| {
        known_kind(id)?;
        cancel(call, id)
    });
    define!(linker, Running, "proxy_grpc_close", |call, id| close(call, id));
    Ok(())
}

fn link_call(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        CALL,
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_len: u32,
         service: u32,
         service_len: u32,
         method: u32,
         method_len: u32,
         metadata: u32,
         metadata_len: u32,
         message: u32,
         message_len: u32,
         timeout_ms: u32,
         id_out: u32| {
            let described = Described {
                upstream: (upstream, upstream_len),
                service: (service, service_len),
                method: (method, method_len),
                metadata: (metadata, metadata_len),
                message: Some((message, message_len)),
                timeout_ms,
            };
            Call::answer(caller, CALL, Gate::Running, |call| open(call, &described, id_out))
        },
    )?;
    Ok(())
}

fn link_stream(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        STREAM,
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_len: u32,
         service: u32,
         service_len: u32,
         method: u32,
         method_len: u32,
         metadata: u32,
         metadata_len: u32,
         id_out: u32| {
            let described = Described {
                upstream: (upstream, upstream_len),
                service: (service, service_len),
                method: (method, method_len),
                metadata: (metadata, metadata_len),
                message: None,
                timeout_ms: 0,
            };
            Call::answer(caller, STREAM, Gate::Running, |call| open(call, &described, id_out))
        },
    )?;
    Ok(())
}

fn open(call: &mut Call<'_>, described: &Described, id_out: u32) -> Answer {
    described.check(call)?;
    call.read(id_out, 4)?;
    let root = call.root();
    root.check_call().map_err(answer::of_grpc_open)?;
    root.subscriptions.borrow().outbound.check_grpc().map_err(answer::of_grpc_open)?;
    let method = described.method(call)?;
    let kind = match described.message {
        Some(_) => CallKind::GrpcCall,
        None => CallKind::GrpcStream,
    };
    let id = call.new_call(kind);
    let target = Target::of(call.data());
    let on_event = Rc::new(move |event| target.grpc_event(id, kind, event));
    let stream = root.calls.grpc_stream(method, on_event).map_err(answer::of_grpc_open)?;
    if let Some((ptr, len)) = described.message {
        stream.send(call.read(ptr, len)?, true).map_err(answer::of_grpc_open)?;
    }
    root.subscriptions.borrow_mut().outbound.insert_grpc(id, Rc::from(stream));
    Ok(call.write_u32(id_out, id)?)
}

impl Described {
    /// Looks at all addresses.
    fn check(&self, call: &Call<'_>) -> Answer {
        let message = self.message.unwrap_or_default();
        for (ptr, len) in [self.upstream, self.service, self.method, self.metadata, message] {
            call.read(ptr, len)?;
        }
        Ok(())
    }

    fn method(&self, call: &Call<'_>) -> Result<GrpcMethod, Status> {
        let text = |(ptr, len): Slice| -> Result<Box<str>, Status> {
            let text = std::str::from_utf8(call.read(ptr, len)?);
            Ok(text.map_err(|_no_text| answer::of_grpc_open(CallError::BadArgument))?.into())
        };
        let upstream = call.read(self.upstream.0, self.upstream.1)?;
        let cluster = upstream::cluster(upstream).ok_or(Status::ParseFailure)?;
        Ok(GrpcMethod {
            cluster: cluster.into(),
            service: text(self.service)?,
            method: text(self.method)?,
            metadata: metadata(pairs(call, self.metadata)?),
            timeout: self.timeout()?,
        })
    }

    /// Streams have none.
    fn timeout(&self) -> Result<Option<Duration>, Status> {
        let asked = super::milliseconds(self.timeout_ms);
        // Not the status of HTTP calls: guests expect no other for nonsense in gRPC.
        let asked = asked.map_err(|_negative| answer::of_grpc_open(CallError::BadArgument))?;
        let longest = self.message.map(|_message| CALL_TIME_MAX);
        Ok(longest.map(|longest| asked.unwrap_or(longest).min(longest)))
    }
}

/// Guests of other hosts write binary values in base64, as they travel. The host wants the bytes
/// themselves, and takes what is no base64 as it is.
fn metadata(mut pairs: Pairs) -> Pairs {
    for (name, value) in &mut pairs {
        if name.ends_with(b"-bin")
            && let Ok(bytes) = BASE64.decode(&*value)
        {
            *value = bytes;
        }
    }
    pairs
}

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn send(call: &Call<'_>, id: u32, (ptr, len): Slice, end: bool) -> Answer {
    let message = call.read(ptr, len)?;
    if CallKind::of(id) != Some(CallKind::GrpcStream) {
        return Err(Status::BadArgument.into());
    }
    let stream = call.root().subscriptions.borrow().outbound.grpc(id);
    let stream = stream.ok_or(Status::NotFound)?;
    Ok(stream.send(message, end).map_err(answer::of_grpc_send)?)
}

/// Nothing more comes of it.
fn cancel(call: &Call<'_>, id: u32) -> Answer {
    let ended = call.root().subscriptions.borrow_mut().outbound.take_grpc(id);
    // Dropped here, outside of the cell: whatever ends with it may look there.
    if ended.is_some() { Ok(()) } else { Err(Status::NotFound.into()) }
}

/// Closes our side of a stream, which goes on until the other side ends it too. A call has
/// nothing to close, so it is cancelled.
fn close(call: &Call<'_>, id: u32) -> Answer {
    if known_kind(id)? == CallKind::GrpcCall {
        return cancel(call, id);
    }
    let stream = call.root().subscriptions.borrow().outbound.grpc(id);
    stream.ok_or(Status::NotFound)?.close();
    Ok(())
}

/// A number that could be one of gRPC.
fn known_kind(id: u32) -> Result<CallKind, Status> {
    match CallKind::of(id) {
        Some(kind @ (CallKind::GrpcCall | CallKind::GrpcStream)) => Ok(kind),
        Some(CallKind::Http) | None => Err(Status::BadArgument),
    }
}

#[cfg(test)]
mod tests;
