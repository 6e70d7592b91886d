//! Nouns of the house: what every room names and none of them owns.
//!
//! Plain values only: no I/O, no clock, no runtime. Start reading at [`Headers`].

mod address;
mod headers;
mod id;
mod limits;
mod name;
mod native;
mod process;
mod reply;
mod vm;

pub use address::{Address, AddressError};
pub use headers::{HeaderError, Headers, RequestHead};
pub use id::{ConnectionId, StreamId};
pub use limits::{Limits, PluginLimits};
pub use name::{ClusterName, ListenerName, PluginName};
pub use native::{NativeAllowed, NativeSettings, RunIn};
pub use process::{
    Account, Bootstrap, ProcessSettings, RestartSettings, SandboxSettings, Transport,
};
pub use reply::ReplyReason;
pub use vm::{Isolation, VmSettings};
