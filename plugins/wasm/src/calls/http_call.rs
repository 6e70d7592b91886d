//! HTTP calls: a guest asks a cluster, and its root is told of the answer.

use abi_wasm::{Status, decode_pairs};
use bytes::Bytes;
use host_extension::{HttpCall, Pairs};
use wasmtime::{Caller, Linker};

use super::{Answer, Call, ENV, Gate, Slice, answer};
use crate::{
    outbound::{CallKind, Target},
    state::VmData,
};

/// A request as the guest describes it.
struct Described {
    upstream: Slice,
    headers: Slice,
    body: Slice,
    trailers: Slice,
    timeout: u32,
}

const NAME: &str = "proxy_http_call";

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        NAME,
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_len: u32,
         headers: u32,
         headers_len: u32,
         body: u32,
         body_len: u32,
         trailers: u32,
         trailers_len: u32,
         timeout: u32,
         id_out: u32| {
            let described = Described {
                upstream: (upstream, upstream_len),
                headers: (headers, headers_len),
                body: (body, body_len),
                trailers: (trailers, trailers_len),
                timeout,
            };
            Call::answer(caller, NAME, Gate::Running, |call| send(call, &described, id_out))
        },
    )?;
    Ok(())
}

/// The number is zero where the call cannot be made, as in other hosts.
fn send(call: &mut Call<'_>, described: &Described, id_out: u32) -> Answer {
    let size = described.check(call)?;
    call.write_u32(id_out, 0)?;
    let root = call.root();
    root.check_call().map_err(answer::of_http_call)?;
    root.subscriptions.borrow().outbound.check_http(size).map_err(answer::of_http_call)?;
    let request = described.request(call)?;
    let id = call.new_call(CallKind::Http);
    let target = Target::of(call.data());
    let on_answer = Box::new(move |answer| target.http_answer(id, answer));
    let sent = root.calls.http_call(request, on_answer).map_err(answer::of_http_call)?;
    root.subscriptions.borrow_mut().outbound.insert_http(id, size, sent);
    Ok(call.write_u32(id_out, id)?)
}

impl Described {
    /// Looks at all addresses; answers with the bytes of all parts.
    fn check(&self, call: &Call<'_>) -> Result<usize, Status> {
        let mut size = 0_usize;
        for (ptr, len) in [self.upstream, self.headers, self.body, self.trailers] {
            size = size.saturating_add(call.read(ptr, len)?.len());
        }
        Ok(size)
    }

    fn request(&self, call: &Call<'_>) -> Result<HttpCall, Status> {
        let cluster = call.read(self.upstream.0, self.upstream.1)?;
        let cluster = std::str::from_utf8(cluster).map_err(|_no_name| Status::BadArgument)?;
        let body = call.read(self.body.0, self.body.1)?;
        Ok(HttpCall {
            cluster: cluster.into(),
            headers: head(call, self.headers)?,
            body: Bytes::copy_from_slice(body),
            trailers: pairs(call, self.trailers)?,
            timeout: super::milliseconds(self.timeout)?,
        })
    }
}

/// Names and values of a guest; bytes that are no map have none.
pub(super) fn pairs(call: &Call<'_>, (ptr, len): Slice) -> Result<Pairs, Status> {
    let pairs = decode_pairs(call.read(ptr, len)?).unwrap_or_default();
    Ok(pairs.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

/// A head has what a request line needs; `host` says the same as `:authority`.
fn head(call: &Call<'_>, slice: Slice) -> Result<Pairs, Status> {
    let mut pairs = pairs(call, slice)?;
    for (name, _) in &mut pairs {
        if name.eq_ignore_ascii_case(b"host") {
            *name = b":authority".to_vec();
        }
    }
    let has = |wanted: &[u8]| pairs.iter().any(|(name, _)| name == wanted);
    let complete = has(b":method") && has(b":path") && has(b":authority");
    if complete { Ok(pairs) } else { Err(Status::BadArgument) }
}
