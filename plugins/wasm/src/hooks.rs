//! The callbacks of a guest, looked up once. All of them are optional.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use crate::{
    codec::{CodecHooks, Dialect},
    state::VmData,
};

/// The exports that can be a guest's allocator, the preferred one first.
pub(crate) const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

/// The callbacks of one guest.
pub(crate) struct Hooks {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) root: RootHooks,
    pub(crate) request: MessageHooks,
    pub(crate) response: MessageHooks,
    pub(crate) new_connection: Option<TypedFunc<u32, u32>>,
    pub(crate) downstream: FlowHooks,
    pub(crate) upstream: FlowHooks,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
    pub(crate) codec: Option<CodecHooks>,
}

/// The callbacks of a root: of its start, and of what comes to it beside streams.
pub(crate) struct RootHooks {
    /// Root, bytes of the guest's configuration.
    pub(crate) vm_start: Option<TypedFunc<(u32, u32), u32>>,
    /// Root, bytes of the plugin's configuration.
    pub(crate) configure: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) tick: Option<TypedFunc<u32, ()>>,
    pub(crate) http_call_response: Option<AnswerHook>,
    pub(crate) grpc: GrpcHooks,
    /// Root, queue.
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
}

/// The callback of an HTTP call's answer: root, call, fields, bytes of the body, trailers.
pub(crate) type AnswerHook = TypedFunc<(u32, u32, u32, u32, u32), ()>;

/// A callback of a gRPC call: root, call, and how much there is of it.
pub(crate) type GrpcHook = TypedFunc<(u32, u32, u32), ()>;

/// The callbacks of a gRPC call.
pub(crate) struct GrpcHooks {
    /// Fields.
    pub(crate) initial_metadata: Option<GrpcHook>,
    /// Bytes.
    pub(crate) receive: Option<GrpcHook>,
    /// Fields.
    pub(crate) trailing_metadata: Option<GrpcHook>,
    /// The status.
    pub(crate) close: Option<GrpcHook>,
}

/// The callbacks of one direction of a stream.
pub(crate) struct MessageHooks {
    pub(crate) headers: Option<HeaderHook>,
    pub(crate) body: Option<BodyHook>,
    pub(crate) trailers: Option<TypedFunc<(u32, u32), u32>>,
}

/// The callbacks of one direction of a connection.
pub(crate) struct FlowHooks {
    pub(crate) data: Option<BodyHook>,
    /// Context, who closed.
    pub(crate) close: Option<TypedFunc<(u32, u32), ()>>,
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
    pub(crate) fn find(
        store: &mut Store<VmData>,
        instance: Instance,
        codec: &Dialect,
    ) -> Result<Self, String> {
        Ok(Self {
            context_create: find(store, instance, "proxy_on_context_create")?,
            root: RootHooks::find(store, instance)?,
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
            new_connection: find(store, instance, "proxy_on_new_connection")?,
            downstream: FlowHooks {
                data: find(store, instance, "proxy_on_downstream_data")?,
                close: find(store, instance, "proxy_on_downstream_connection_close")?,
            },
            upstream: FlowHooks {
                data: find(store, instance, "proxy_on_upstream_data")?,
                close: find(store, instance, "proxy_on_upstream_connection_close")?,
            },
            done: find(store, instance, "proxy_on_done")?,
            log: find(store, instance, "proxy_on_log")?,
            delete: find(store, instance, "proxy_on_delete")?,
            codec: CodecHooks::find(store, instance, codec)?,
        })
    }
}

impl RootHooks {
    fn find(store: &mut Store<VmData>, instance: Instance) -> Result<Self, String> {
        let trailing = "proxy_on_grpc_receive_trailing_metadata";
        // What the SDK of AssemblyScript calls it.
        let misspelt = "proxy_on_grpc_trailing_metadata";
        Ok(Self {
            vm_start: find(store, instance, "proxy_on_vm_start")?,
            configure: find(store, instance, "proxy_on_configure")?,
            tick: find(store, instance, "proxy_on_tick")?,
            http_call_response: find(store, instance, "proxy_on_http_call_response")?,
            grpc: GrpcHooks {
                initial_metadata: find(store, instance, "proxy_on_grpc_receive_initial_metadata")?,
                receive: find(store, instance, "proxy_on_grpc_receive")?,
                trailing_metadata: match find(store, instance, trailing)? {
                    Some(hook) => Some(hook),
                    None => find(store, instance, misspelt)?,
                },
                close: find(store, instance, "proxy_on_grpc_close")?,
            },
            queue_ready: find(store, instance, "proxy_on_queue_ready")?,
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
