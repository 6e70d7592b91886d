//! Shared queues: items go in on any worker and come out on any.
//!
//! Who registers a queue makes it, or finds it, and is told of each item from then on, by
//! `proxy_on_queue_ready` of its root context; of several, only the one that registered last.

use std::rc::Rc;

use abi_wasm::Status;
use host_extension::CallError;
use wasmtime::Linker;

use super::{Answer, Call, Slice, answer, define, shared::namespace};
use crate::{outbound::Target, roots::Root, state::VmData};

/// Queues at which one root has a place.
const QUEUES_MAX: usize = 64;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_register_shared_queue", |call, name, name_len, out| {
        register(call, (name, name_len), out)
    });
    define!(
        linker,
        Running,
        "proxy_resolve_shared_queue",
        |call, vm_id, vm_id_len, name, name_len, out| {
            resolve(call, (vm_id, vm_id_len), (name, name_len), out)
        }
    );
    define!(linker, Running, "proxy_enqueue_shared_queue", |call, queue, ptr, len| {
        let item = call.read(ptr, len)?;
        answer::of_enqueue(call.host().enqueue(queue, item))
    });
    define!(linker, Running, "proxy_dequeue_shared_queue", |call, queue, ptr_out, len_out| {
        dequeue(call, queue, (ptr_out, len_out))
    });
    Ok(())
}

fn register(call: &mut Call<'_>, name: Slice, out: u32) -> Answer {
    let name = call.read(name.0, name.1)?;
    call.read(out, 4)?;
    let root = call.root();
    check_places(call, &root, name)?;
    let target = Target::of(call.data());
    let ready = Rc::new(move |queue| target.queue_ready(queue));
    let registered = root.calls.register_queue(call.namespace(), name, ready);
    let (queue, place) = registered.map_err(answer::of_value)?;
    let before = root.subscriptions.borrow_mut().outbound.insert_queue(queue, place);
    // Outside of the cell: whatever ends with it may look there.
    drop(before);
    Ok(call.write_u32(out, queue)?)
}

/// One plugin shall not take all places that a worker has. Where a root has its own already, it
/// may register again.
fn check_places(call: &Call<'_>, root: &Root, name: &[u8]) -> Result<(), Status> {
    let outbound = &root.subscriptions.borrow().outbound;
    if outbound.queues().len() < QUEUES_MAX {
        return Ok(());
    }
    let known = call.host().resolve_queue(call.namespace(), name).ok();
    let is_again = outbound.queues().any(|queue| Some(queue) == known);
    if is_again { Ok(()) } else { Err(answer::of_value(CallError::LimitReached)) }
}

fn resolve(call: &mut Call<'_>, vm_id: Slice, name: Slice, out: u32) -> Answer {
    let name = call.read(name.0, name.1)?;
    call.read(out, 4)?;
    let namespace = namespace(call, vm_id)?;
    let queue = call.host().resolve_queue(namespace, name).map_err(answer::of_value)?;
    Ok(call.write_u32(out, queue)?)
}

/// What is taken out is gone, so the addresses are looked at first. Only a guest whose allocator
/// has no room for it loses it: how large it is nobody knows before.
fn dequeue(call: &mut Call<'_>, queue: u32, (ptr_out, len_out): Slice) -> Answer {
    call.read(ptr_out, 4)?;
    call.read(len_out, 4)?;
    call.with_scratch(|call, scratch| {
        let taken = call.host().dequeue(queue, &mut |item| scratch.extend_from_slice(item));
        taken.map_err(answer::of_value)?;
        call.give(scratch, ptr_out, len_out)
    })
}
