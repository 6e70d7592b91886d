//! The contract between the pipeline and whatever serves an extension point.
//!
//! # Stream filters
//!
//! A stream filter sees one request and its response. The pipeline calls the filters of a
//! chain in configured order on the way in and in reverse order on the way out:
//!
//! ```text
//! request   headers -> body* -> trailers?     filter 1 -> 2 -> 3 -> upstream
//! response  headers -> body* -> trailers?     filter 1 <- 2 <- 3 <- upstream
//! complete  once, for every filter that saw the request's headers
//! ```
//!
//! The two directions are independent: a response may come while a request's body is still
//! on its way. Within one direction hooks never overlap. A hook answers with a [`Step`].
//!
//! # Network filters
//!
//! A network filter sees the bytes of one downstream connection, before whatever is spoken on
//! it: those of the client in order, those for the client in reverse. See [`NetworkFilter`].
//!
//! # Codecs
//!
//! A codec teaches the proxy a protocol: it finds frames in the bytes of a connection, and what is
//! in them. See [`Codec`].
//!
//! This crate defines the contract only. It knows no backend, does no I/O and reads no
//! clock. Start reading at [`StreamFilter`].

mod backend;
mod body;
mod bounds;
mod calls;
mod codec;
mod fault;
mod filter;
mod network;
mod phases;
mod record;
mod reply;
mod signal;
mod step;
mod stream;

pub use abi_manifest::Capability;
pub use backend::{
    Condition, ExtensionPoint, FilterFactory, FilterUse, InstanceSpec, LoadedPlugin, OnError,
    OnFault, SharedInstances, WorkerScope,
};
pub use body::BodyBuffer;
pub use bounds::{Bounds, CpuBudget, CpuMeter};
pub use calls::{
    BodyKind, CallError, CallResult, FieldWrite, GrpcEvent, GrpcMethod, GrpcStream, HeaderMapKind,
    HostCalls, HttpAnswer, HttpCall, LogLevel, MetricId, MetricKind, OnGrpcEvent, OnHttpAnswer,
    OutboundError, Pairs, PropertyValue, QueueId, Subject, Subscription,
};
pub use codec::{
    Codec, CodecProfile, CodecStep, DETECT_BYTES_MAX, Decoded, Detection, PoolMode, Rejection,
    ResponseTo, Rewrite,
};
pub use fault::{FaultKind, PluginFault};
pub use filter::StreamFilter;
pub use network::{Connection, Flow, FlowState, NetworkFilter, Peer};
pub use phases::Phases;
pub use record::{
    BadRecord, FRAME_FIELDS_MAX, FRAMES_MAX, FrameRecord, RecordPlace, check_needed,
    frame_kind_number, record_text,
};
pub use reply::LocalReply;
pub use signal::Signal;
pub use step::{Step, Verdict};
pub use stream::{
    Attribute, ConnectionFacts, Interrupt, Message, Protocol, Side, Stage, Stream, StreamFacts,
};
