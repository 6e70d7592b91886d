//! The callbacks of a codec, looked up once.

use abi_wasm::{codec::export, mosn as names};
use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use super::Dialect;
use crate::{hooks, state::VmData};

/// The callbacks of a codec, by the interface that its module speaks.
pub(crate) enum CodecHooks {
    /// Our own.
    Own(Box<OwnHooks>),
    /// MOSN's.
    Mosn(Box<MosnHooks>),
}

/// A callback that finds its input in the guest's buffer, and answers with bytes.
pub(crate) type BytesHook = TypedFunc<(u32, u32), u64>;

/// The callbacks of our own interface.
pub(crate) struct OwnHooks {
    pub(crate) buffer: TypedFunc<u32, u32>,
    pub(crate) profile: TypedFunc<u32, u64>,
    /// Context, root.
    pub(crate) context: TypedFunc<(u32, u32), u32>,
    pub(crate) detect: TypedFunc<(u32, u32), u32>,
    pub(crate) decode: BytesHook,
    pub(crate) encode: BytesHook,
    pub(crate) heartbeat: Option<TypedFunc<(u32, u64), u64>>,
    pub(crate) heartbeat_reply: BytesHook,
    pub(crate) reject: BytesHook,
    pub(crate) go_away: Option<TypedFunc<u32, u64>>,
}

/// A callback of MOSN's that is given bytes: context, address, length.
pub(crate) type PlaceHook = TypedFunc<(u32, u32, u32), u32>;

/// The callback of MOSN's that makes a response: context, status, address, length.
pub(crate) type RejectHook = TypedFunc<(u32, u32, u32, u32), u32>;

/// The callbacks of MOSN's interface.
pub(crate) struct MosnHooks {
    pub(crate) decode: PlaceHook,
    pub(crate) encode: PlaceHook,
    pub(crate) heartbeat: Option<TypedFunc<(u32, u64), u32>>,
    pub(crate) heartbeat_reply: Option<PlaceHook>,
    pub(crate) reject: Option<RejectHook>,
}

impl CodecHooks {
    /// Looks them up; none where the module reads no protocol.
    ///
    /// # Errors
    /// One has another type; as the end of a sentence.
    pub(crate) fn find(
        store: &mut Store<VmData>,
        instance: Instance,
        dialect: &Dialect,
    ) -> Result<Option<Self>, String> {
        Ok(match dialect {
            Dialect::None(_) => None,
            Dialect::Own => Some(Self::Own(Box::new(OwnHooks::find(store, instance)?))),
            Dialect::Mosn => Some(Self::Mosn(Box::new(MosnHooks::find(store, instance)?))),
        })
    }
}

impl OwnHooks {
    fn find(store: &mut Store<VmData>, instance: Instance) -> Result<Self, String> {
        Ok(Self {
            buffer: need(store, instance, export::BUFFER)?,
            profile: need(store, instance, export::PROFILE)?,
            context: need(store, instance, export::CONTEXT)?,
            detect: need(store, instance, export::DETECT)?,
            decode: need(store, instance, export::DECODE)?,
            encode: need(store, instance, export::ENCODE)?,
            heartbeat: hooks::find(store, instance, export::HEARTBEAT)?,
            heartbeat_reply: need(store, instance, export::HEARTBEAT_REPLY)?,
            reject: need(store, instance, export::REJECT)?,
            go_away: hooks::find(store, instance, export::GO_AWAY)?,
        })
    }
}

impl MosnHooks {
    fn find(store: &mut Store<VmData>, instance: Instance) -> Result<Self, String> {
        Ok(Self {
            decode: need(store, instance, names::DECODE)?,
            encode: need(store, instance, names::ENCODE)?,
            heartbeat: hooks::find(store, instance, names::HEARTBEAT)?,
            heartbeat_reply: hooks::find(store, instance, names::HEARTBEAT_REPLY)?,
            reject: hooks::find(store, instance, names::REJECT)?,
        })
    }
}

fn need<P: WasmParams, R: WasmResults>(
    store: &mut Store<VmData>,
    instance: Instance,
    name: &str,
) -> Result<TypedFunc<P, R>, String> {
    hooks::find(store, instance, name)?.ok_or_else(|| format!("exports no `{name}`"))
}
