//! Nouns of the house: what every room names and none of them owns.
//!
//! Plain values only: no I/O, no clock, no runtime. Start reading at [`Headers`].

mod address;
mod fields;
mod frame;
mod headers;
mod id;
mod limits;
mod name;
mod native;
mod process;
mod reply;
mod vm;

pub use address::{Address, AddressError};
pub use fields::FieldList;
pub use frame::{Frame, FrameKind, FrameStatus, IdPlace, IdWidth};
pub use headers::{HeaderError, Headers, RequestHead};
pub use id::{ConnectionId, StreamId};
pub use limits::{Limits, PluginLimits};
pub use name::{ClusterName, ListenerName, PluginName, ProtocolName};
pub use native::{NativeAllowed, NativeSettings, RunIn};
pub use process::{
    Account, Bootstrap, ProcessSettings, RestartSettings, SandboxSettings, Transport,
};
pub use reply::ReplyReason;
pub use vm::{Isolation, VmSettings};
