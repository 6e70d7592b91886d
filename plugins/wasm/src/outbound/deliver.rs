//! From what comes of the calls of a root to the callbacks of its guest.
//!
//! Everything goes to the root, whether the stream that asked is there or not: a guest finds
//! its stream by the call's number. Where the guest is lost or the root has ended, there is
//! nobody to tell.
//!
//! What a root takes here is charged to its budget. Where that is spent, ticks and notices, which
//! the host makes by itself, are left out until the second is over. Answers come: there are no
//! more of them than calls that began while there was time. But a gRPC stream may bring any
//! number of messages, so it is ended at the next one.

use std::rc::{Rc, Weak};

use bytes::Bytes;
use host_extension::{GrpcEvent, HttpAnswer, OutboundError, QueueId};
use host_types::Headers;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use wasmtime::Store;

use super::{CallKind, Outbound, UnaryAnswer};
use crate::{hooks::GrpcHook, received::Received, roots::Root, state::VmData, vm::Vm};

/// What guests of other hosts read in the body where an upstream took too long.
const TIMED_OUT: &str = "upstream request timeout";
/// As [`TIMED_OUT`], where no connection was to be had.
const UNREACHABLE: &str = "upstream connect error";
/// What `proxy_get_status` tells of a call that broke off: "broken connection".
const BROKEN: u32 = 11;
/// The status of a gRPC call whose upstream broke the protocol: "internal".
const GRPC_INTERNAL: u32 = 13;
/// The status of a gRPC stream whose root took its time: "resource exhausted".
const GRPC_EXHAUSTED: u32 = 8;

/// Whom to tell.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    vm: Weak<Vm>,
    root: Weak<Root>,
}

impl Target {
    /// The root that asks at the moment.
    pub(crate) fn of(data: &VmData) -> Self {
        Self { vm: Weak::clone(&data.vm), root: Rc::downgrade(&data.root) }
    }

    fn reach(&self) -> Option<(Rc<Vm>, Rc<Root>)> {
        Some((self.vm.upgrade()?, self.root.upgrade()?))
    }

    /// The timer of the root ticked.
    pub(crate) fn tick(&self) {
        let Some((vm, root)) = self.reach() else { return };
        if let Some(hook) = &vm.hooks().root.tick
            && root.affords()
        {
            vm.deliver(root.id, "proxy_on_tick", |store| hook.call(store, root.id));
        }
    }

    /// An item was put into a queue of the root.
    pub(crate) fn queue_ready(&self, queue: QueueId) {
        let Some((vm, root)) = self.reach() else { return };
        if let Some(hook) = &vm.hooks().root.queue_ready
            && root.affords()
        {
            vm.deliver(root.id, "proxy_on_queue_ready", |store| hook.call(store, (root.id, queue)));
        }
    }

    /// An HTTP call has ended.
    pub(crate) fn http_answer(&self, id: u32, answer: Result<HttpAnswer, OutboundError>) {
        let Some((vm, root)) = self.reach() else { return };
        // The call is over before the guest hears of it, which may make another one.
        let Some(call) = outbound(&root, |it| it.take_http(id)) else { return };
        drop(call);
        let answer = match answer {
            Ok(answer) => Some(answer),
            Err(OutboundError::TimedOut) => Some(reply(StatusCode::GATEWAY_TIMEOUT, TIMED_OUT)),
            Err(OutboundError::Unreachable) => {
                Some(reply(StatusCode::SERVICE_UNAVAILABLE, UNREACHABLE))
            }
            Err(broken) => {
                let status = (BROKEN, broken.to_string().into());
                outbound(&root, |it| it.last_status = status);
                None
            }
        };
        let Some(hook) = &vm.hooks().root.http_call_response else { return };
        let counts = answer.as_ref().map_or((0, 0, 0), |answer| {
            let trailers = answer.trailers.as_ref().map_or(0, Headers::len);
            (narrow(answer.headers.len()), narrow(answer.body.len()), narrow(trailers))
        });
        let received = answer.map_or(Received::NoAnswer, Received::Http);
        vm.deliver(root.id, "proxy_on_http_call_response", |store| {
            with(received, store, |store| {
                hook.call(store, (root.id, id, counts.0, counts.1, counts.2))
            })
        });
    }

    /// Something came of a gRPC call or stream.
    pub(crate) fn grpc_event(&self, id: u32, kind: CallKind, event: GrpcEvent) {
        let Some((vm, root)) = self.reach() else { return };
        if !outbound(&root, |it| it.has(id)) {
            return;
        }
        let one_answer = kind == CallKind::GrpcCall;
        let hooks = &vm.hooks().root.grpc;
        match event {
            // Who makes a call with one answer is told once: of the answer, or of the failure.
            // Older SDKs take anything else for a call that nobody made, and give up.
            GrpcEvent::InitialMetadata(_) | GrpcEvent::TrailingMetadata(_) if one_answer => {}
            GrpcEvent::Message(message) if one_answer => {
                outbound(&root, |it| it.keep_answer(id, message));
            }
            GrpcEvent::InitialMetadata(headers) => {
                let count = narrow(headers.len());
                let name = "proxy_on_grpc_receive_initial_metadata";
                let received = Received::InitialMetadata(headers);
                tell(&vm, &root, (name, hooks.initial_metadata.as_ref()), received, (id, count));
            }
            GrpcEvent::Message(_) if !root.affords() => {
                let ended = (GRPC_EXHAUSTED, "the plugin took its processor time".into());
                close(&vm, &root, (id, one_answer), ended);
            }
            GrpcEvent::Message(message) => receive(&vm, &root, id, message),
            GrpcEvent::TrailingMetadata(headers) => {
                let count = narrow(headers.len());
                let name = "proxy_on_grpc_receive_trailing_metadata";
                let received = Received::TrailingMetadata(headers);
                tell(&vm, &root, (name, hooks.trailing_metadata.as_ref()), received, (id, count));
            }
            GrpcEvent::Closed { status, message } => {
                close(&vm, &root, (id, one_answer), (status, message));
            }
        }
    }
}

/// The call or stream is over before the guest hears of it. A call that ended well hands its
/// answer over in the place of its close.
fn close(vm: &Vm, root: &Root, (id, one_answer): (u32, bool), (status, message): (u32, Box<str>)) {
    let Some((stream, answer)) = outbound(root, |it| it.take_grpc(id)) else { return };
    drop(stream);
    let (status, message, answer) = match answer {
        _ if status != 0 || !one_answer => (status, message, None),
        UnaryAnswer::One(answer) => (status, message, Some(answer)),
        UnaryAnswer::None => (GRPC_INTERNAL, "no answer".into(), None),
        UnaryAnswer::Many => (GRPC_INTERNAL, "more than one answer".into(), None),
    };
    outbound(root, |it| it.last_status = (status, message));
    if let Some(answer) = answer {
        return receive(vm, root, id, answer);
    }
    let hook = vm.hooks().root.grpc.close.as_ref();
    tell(vm, root, ("proxy_on_grpc_close", hook), Received::Nothing, (id, status));
}

fn receive(vm: &Vm, root: &Root, id: u32, message: Bytes) {
    let hook = vm.hooks().root.grpc.receive.as_ref();
    let length = narrow(message.len());
    tell(vm, root, ("proxy_on_grpc_receive", hook), Received::Message(message), (id, length));
}

fn tell(
    vm: &Vm,
    root: &Root,
    (name, hook): (&'static str, Option<&GrpcHook>),
    received: Received,
    (id, number): (u32, u32),
) {
    let Some(hook) = hook else { return };
    vm.deliver(root.id, name, |store| {
        with(received, store, |store| hook.call(store, (root.id, id, number)))
    });
}

/// Runs a callback that can read what came.
fn with(
    received: Received,
    store: &mut Store<VmData>,
    call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    store.data_mut().received = received;
    let called = call(store);
    store.data_mut().received = Received::Nothing;
    called
}

fn outbound<R>(root: &Root, with: impl FnOnce(&mut Outbound) -> R) -> R {
    with(&mut root.subscriptions.borrow_mut().outbound)
}

/// The answer in the place of one that did not come, as guests know it from other hosts.
fn reply(status: StatusCode, body: &'static str) -> HttpAnswer {
    let mut fields = HeaderMap::with_capacity(2);
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let headers = Headers::response(status, fields);
    HttpAnswer { headers, body: Bytes::from_static(body.as_bytes()), trailers: None }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
