//! One message in the guest, and the calls for it.

use std::{cell::Cell, rc::Rc};

use abi_wasm::mosn as names;
use bytes::Bytes;
use host_extension::{FaultKind, PluginFault};
use wasmtime::Store;

use super::wire::{self, Order, Told};
use crate::{
    codec::{
        CodecHooks,
        context::{self, CodecContext, Lie},
        hooks::MosnHooks,
    },
    seat::Seat,
    state::{GuestStage, VmData},
};

/// A message. It ends when this is dropped: with its frame.
#[derive(Debug)]
pub(super) struct Message {
    context: CodecContext,
    /// The id that the guest has in mind for it: the one that it wrote last.
    pub(super) id: Cell<u64>,
}

/// What the first bytes of what is left are.
#[derive(Debug)]
pub(super) enum Read {
    /// A frame.
    Frame(Told),
    /// The beginning of one.
    More,
    /// None; the status says no more.
    Refused(u32),
}

const OK: u32 = 0;

impl Message {
    pub(super) fn new(seat: &Rc<Seat>) -> Result<Self, PluginFault> {
        let context = CodecContext::new(seat, true)?;
        if let Some(hook) = &seat.vm.hooks().context_create {
            let numbers = (context.id(), seat.root.id);
            let callback = "proxy_on_context_create";
            context.call(callback, |store| hook.call(store, numbers).map(Ok))?;
        }
        Ok(Self { context, id: Cell::default() })
    }

    /// The fault of a guest that told something that cannot be.
    pub(super) fn lied(&self, lie: &str) -> PluginFault {
        let plugin = &self.context.seat().root.plugin;
        PluginFault::new(FaultKind::Protocol, format!("plugin `{plugin}` {lie}"))
    }

    fn hooks(&self) -> Result<&MosnHooks, PluginFault> {
        match &self.context.seat().vm.hooks().codec {
            Some(CodecHooks::Mosn(hooks)) => Ok(hooks),
            Some(CodecHooks::Own(_)) | None => Err(self.lied("has no codec of this interface")),
        }
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Read, PluginFault> {
        let hook = &self.hooks()?.decode;
        self.context.call(names::DECODE, |store| {
            let (address, length) = match place(store, bytes)? {
                Ok(place) => place,
                Err(lie) => return Ok(Err(lie)),
            };
            let status = hook.call(&mut *store, (self.context.id(), address, length))?;
            Ok(match status {
                OK => {
                    set(store, names::DECODED).and_then(|told| wire::read(&told)).map(Read::Frame)
                }
                names::NEED_MORE => Ok(Read::More),
                status => Ok(Read::Refused(status)),
            })
        })
    }

    /// The bytes of the frame; `None` where the guest refuses to write it.
    pub(super) fn encode(&self, order: &Order<'_>) -> Result<Option<Bytes>, PluginFault> {
        let hook = &self.hooks()?.encode;
        let order = order.write();
        self.context.call(names::ENCODE, |store| {
            let (address, length) = match place(store, &order)? {
                Ok(place) => place,
                Err(lie) => return Ok(Err(lie)),
            };
            let status = hook.call(&mut *store, (self.context.id(), address, length))?;
            if status != OK {
                return Ok(Ok(None));
            }
            Ok(set(store, names::ENCODED).and_then(|told| wire::encoded(told.into())).map(Some))
        })
    }

    /// Makes a heartbeat, to be encoded; false where there is none.
    pub(super) fn heartbeat(&self, id: u64) -> Result<bool, PluginFault> {
        let Some(hook) = &self.hooks()?.heartbeat else { return Ok(false) };
        let status = self
            .context
            .call(names::HEARTBEAT, |store| hook.call(store, (self.context.id(), id)).map(Ok))?;
        Ok(status == OK)
    }

    /// Makes the reply to the heartbeat that this is, to be encoded.
    pub(super) fn heartbeat_reply(&self) -> Result<bool, PluginFault> {
        let Some(hook) = &self.hooks()?.heartbeat_reply else { return Ok(false) };
        let status = self.context.call(names::HEARTBEAT_REPLY, |store| {
            hook.call(store, (self.context.id(), 0, 0)).map(Ok)
        })?;
        Ok(status == OK)
    }

    /// Makes a response to a request, to be encoded.
    pub(super) fn reject(&self, status: u32, request: &Order<'_>) -> Result<bool, PluginFault> {
        let Some(hook) = &self.hooks()?.reject else { return Ok(false) };
        let order = request.write();
        let answer = self.context.call(names::REJECT, |store| {
            let (address, length) = match place(store, &order)? {
                Ok(place) => place,
                Err(lie) => return Ok(Err(lie)),
            };
            hook.call(&mut *store, (self.context.id(), status, address, length)).map(Ok)
        })?;
        Ok(answer == OK)
    }
}

/// Puts bytes into memory of the guest's own, and begins to wait for what it sets.
fn place(store: &mut Store<VmData>, bytes: &[u8]) -> context::Told<(u32, u32)> {
    store.data_mut().codec.answer = None;
    let Ok(length) = u32::try_from(bytes.len()) else {
        return Ok(Err("was given more bytes than any memory has,".to_owned()));
    };
    let Some(allocate) = store.data().allocate.clone() else {
        return Ok(Err("has no allocator".to_owned()));
    };
    let stage = std::mem::replace(&mut store.data_mut().stage, GuestStage::Allocating);
    let address = allocate.call(&mut *store, length);
    store.data_mut().stage = stage;
    match address? {
        0 => Ok(Err("has no memory for its input".to_owned())),
        address => Ok(context::write(store, address, bytes).map(|()| (address, length))),
    }
}

/// What the guest set a buffer to in the call that ended.
fn set(store: &mut Store<VmData>, buffer: u32) -> Result<Vec<u8>, Lie> {
    match store.data_mut().codec.answer.take() {
        Some((set, bytes)) if set == buffer => Ok(bytes),
        Some(_) | None => {
            Err(format!("said that it is done, and did not set the buffer {buffer},"))
        }
    }
}
