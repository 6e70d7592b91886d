//! The callbacks of a guest, looked up once. All of them are optional.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use crate::state::VmData;

/// The exports that can be a guest's allocator, the preferred one first.
pub(crate) const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

/// The callbacks of one guest.
pub(crate) struct Hooks {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) request: MessageHooks,
    pub(crate) response: MessageHooks,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
}

/// The callbacks of one direction.
pub(crate) struct MessageHooks {
    pub(crate) headers: Option<HeaderHook>,
    pub(crate) body: Option<BodyHook>,
    pub(crate) trailers: Option<TypedFunc<(u32, u32), u32>>,
}

/// A body callback: context, length, end.
pub(crate) type BodyHook = TypedFunc<(u32, u32, u32), u32>;

/// A header callback. Its type tells whether it wants to know of the end of the stream, not
/// the version that the module marks itself with.
pub(crate) enum HeaderHook {
    /// Context and count.
    WithoutEnd(TypedFunc<(u32, u32), u32>),
    /// Context, count, end.
    WithEnd(TypedFunc<(u32, u32, u32), u32>),
}

impl Hooks {
    /// Looks all callbacks up.
    ///
    /// # Errors
    /// One has a type that no version of the interface knows; as the end of a sentence.
    pub(crate) fn find(store: &mut Store<VmData>, instance: Instance) -> Result<Self, String> {
        Ok(Self {
            context_create: find(store, instance, "proxy_on_context_create")?,
            request: MessageHooks {
                headers: find_header_hook(store, instance, "proxy_on_request_headers")?,
                body: find(store, instance, "proxy_on_request_body")?,
                trailers: find(store, instance, "proxy_on_request_trailers")?,
            },
            response: MessageHooks {
                headers: find_header_hook(store, instance, "proxy_on_response_headers")?,
                body: find(store, instance, "proxy_on_response_body")?,
                trailers: find(store, instance, "proxy_on_response_trailers")?,
            },
            done: find(store, instance, "proxy_on_done")?,
            log: find(store, instance, "proxy_on_log")?,
            delete: find(store, instance, "proxy_on_delete")?,
        })
    }
}

/// An export of the guest, if it has it.
///
/// # Errors
/// It has another type; as the end of a sentence.
pub(crate) fn find<P: WasmParams, R: WasmResults>(
    store: &mut Store<VmData>,
    instance: Instance,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, String> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    function
        .typed(&*store)
        .map(Some)
        .map_err(|error| format!("exports `{name}` with an unexpected type: {error:#}"))
}

fn find_header_hook(
    store: &mut Store<VmData>,
    instance: Instance,
    name: &str,
) -> Result<Option<HeaderHook>, String> {
    if let Ok(Some(hook)) = find(store, instance, name) {
        return Ok(Some(HeaderHook::WithEnd(hook)));
    }
    Ok(find(store, instance, name)?.map(HeaderHook::WithoutEnd))
}
