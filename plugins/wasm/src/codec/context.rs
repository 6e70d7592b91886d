//! A context of a guest for a codec: a connection of our own interface, a message of MOSN's.

use std::rc::Rc;

use host_extension::{FaultKind, PluginFault};
use wasmtime::Store;

use crate::{
    contexts::Of,
    memory,
    seat::Seat,
    state::{Duty, VmData},
};

/// A context. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct CodecContext {
    seat: Rc<Seat>,
    id: u32,
    /// The guest is told that it is done before it ends.
    tells_done: bool,
}

/// What a guest told cannot be: the end of a sentence that begins with the plugin.
pub(super) type Lie = String;

/// What a call came to: what the guest told, a lie, or a trap.
pub(super) type Told<R> = wasmtime::Result<Result<R, Lie>>;

impl CodecContext {
    /// Takes a number for a context, which the guest does not know yet.
    pub(super) fn new(seat: &Rc<Seat>, tells_done: bool) -> Result<Self, PluginFault> {
        let id = seat.vm.admit(&seat.root, Of::Codec)?;
        Ok(Self { seat: Rc::clone(seat), id, tells_done })
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn seat(&self) -> &Rc<Seat> {
        &self.seat
    }

    /// Calls the guest for this context.
    pub(super) fn call<R>(
        &self,
        callback: &'static str,
        call: impl FnOnce(&mut Store<VmData>) -> Told<R>,
    ) -> Result<R, PluginFault> {
        ask(&self.seat, self.id, callback, call)
    }
}

/// Calls a guest in the name of a context, within its budget of time. What it told that cannot be
/// is its fault.
pub(super) fn ask<R>(
    seat: &Seat,
    context: u32,
    callback: &'static str,
    call: impl FnOnce(&mut Store<VmData>) -> Told<R>,
) -> Result<R, PluginFault> {
    let root = &seat.root;
    root.cpu.check()?;
    let duty = Duty { callback, context, way: None };
    let (told, _) = root.cpu.charge(|| seat.vm.call(root, duty, call))?;
    told.map_err(|lie| {
        let message = format!("plugin `{}` {lie} in `{callback}`", root.plugin);
        PluginFault::new(FaultKind::Protocol, message)
    })
}

/// Writes to the guest's memory; what it said of the place may be a lie.
pub(super) fn write(store: &mut Store<VmData>, address: u32, bytes: &[u8]) -> Result<(), Lie> {
    let Some(memory) = store.data().memory else { return Err(outside("a buffer")) };
    memory::write(memory.data_mut(store), address, bytes).ok_or_else(|| outside("a buffer"))
}

/// Bytes of the guest that it named in an answer.
pub(super) fn read(store: &Store<VmData>, (address, length): (u32, u32)) -> Result<&[u8], Lie> {
    let memory = store.data().memory.map_or(&[][..], |memory| memory.data(store));
    memory::read(memory, address, length).ok_or_else(|| outside("an answer"))
}

fn outside(what: &str) -> Lie {
    format!("named {what} that is not in its memory")
}

impl Drop for CodecContext {
    fn drop(&mut self) {
        let Seat { vm, root, .. } = &*self.seat;
        if vm.is_lost() {
            return;
        }
        let ended = root.cpu.charge(|| vm.end_codec(root, self.id, self.tells_done));
        if let Err(fault) = ended {
            root.tell(&fault);
        }
    }
}
