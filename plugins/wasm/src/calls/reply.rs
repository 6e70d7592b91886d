//! The local reply: a plugin answers the client in the upstream's place.

use abi_manifest::Capability;
use abi_wasm::{Status, decode_pairs};
use bytes::Bytes;
use host_extension::{LocalReply, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wasmtime::{Caller, Linker};

use super::{Answer, Call, ENV, Gate, answer};
use crate::state::VmData;

/// The reply as the guest describes it: numbers, and addresses with lengths.
struct Described {
    status: u32,
    details: (u32, u32),
    body: (u32, u32),
    headers: (u32, u32),
    grpc_status: u32,
}

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    for name in ["proxy_send_local_response", "proxy_send_http_response"] {
        link_as(linker, name)?;
    }
    Ok(())
}

fn link_as(linker: &mut Linker<VmData>, name: &'static str) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        name,
        move |caller: Caller<'_, VmData>,
              status: u32,
              details: u32,
              details_len: u32,
              body: u32,
              body_len: u32,
              headers: u32,
              headers_len: u32,
              grpc_status: u32| {
            let described = Described {
                status,
                details: (details, details_len),
                body: (body, body_len),
                headers: (headers, headers_len),
                grpc_status,
            };
            Call::answer(caller, name, Gate::Running, |call| send(call, &described))
        },
    )?;
    Ok(())
}

/// In a hook of the stream itself the reply becomes the hook's answer. From elsewhere it ends
/// the stream from beside its hooks.
fn send(call: &mut Call<'_>, described: &Described) -> Answer {
    let stream = call.stream()?;
    let reply = reply(call, described)?;
    let data = call.data_mut();
    if data.answers_itself() {
        let verdict = Verdict::Respond(Box::new(reply));
        let answered = data.answer_with(verdict, Capability::Reply);
        return answer::of_change(data.ended(answered));
    }
    // Before the first hook and after the last one there is nobody to answer.
    if data.is_effective_on_duty() {
        return Err(Status::BadArgument.into());
    }
    let answered = data.root.calls.respond(&stream, data.root.plugin.as_str(), reply);
    answer::of_change(data.ended(answered))
}

fn reply(call: &Call<'_>, described: &Described) -> Result<LocalReply, Status> {
    let details = call.read(described.details.0, described.details.1)?;
    let body = call.read(described.body.0, described.body.1)?;
    let pairs = call.read(described.headers.0, described.headers.1)?;
    Ok(LocalReply {
        status: final_status(described.status)?,
        headers: headers(pairs),
        body: Bytes::copy_from_slice(body),
        // A negative number means that there is none.
        grpc_status: i32::try_from(described.grpc_status).ok().map(|_| described.grpc_status),
        details: call.data().log.borrow().cut(details).into(),
    })
}

/// Other numbers would make the client wait for more, or are none.
fn final_status(number: u32) -> Result<StatusCode, Status> {
    let number = u16::try_from(number).ok().filter(|number| (200..=599).contains(number));
    number.and_then(|number| StatusCode::from_u16(number).ok()).ok_or(Status::BadArgument)
}

/// Pseudo-header fields are skipped: the status is given beside them. So are fields that no
/// message can carry, and bytes that are no map have none: a plugin that refuses a request
/// must not fail over the looks of its refusal.
fn headers(pairs: &[u8]) -> HeaderMap {
    let pairs = decode_pairs(pairs).unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let field = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = field {
            headers.append(name, value);
        }
    }
    headers
}
