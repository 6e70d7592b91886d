//! A request's way through the proxy.
//!
//! ```text
//! kernel -> listener -> connection -> http | rpc -> stream -> (router, upstream) -> peer
//!                       reply: upstream -> stream (filters reversed) -> http | rpc -> client
//! ```
//!
//! The pipeline knows no backend of plugins: it holds factories of the traits of
//! `host-extension`. Everything here lives on one worker's thread and needs no lock.
//!
//! Start reading at `run_stream` in `stream.rs`, or for the frames of a codec at `run_call` in
//! `rpc/call.rs`: both read as the line above, over the same filters (`chain.rs`, in the order
//! that `direction.rs` knows), the same routes (`route.rs`) and the same end (`end.rs`).

mod alarm;
mod calls;
mod chain;
mod connection;
mod direction;
mod end;
mod forward;
mod http;
mod listener;
mod network;
mod plan;
mod reply;
mod route;
mod rpc;
mod source;
mod stop;
mod stream;
#[cfg(test)]
mod testing;
mod upgrade;
mod watch;
mod worker;

pub use alarm::Alarm;
pub use calls::{Commons, WorkerCalls};
pub use chain::ChainEntry;
pub use listener::{FilterSource, Listener, ListenerState};
pub use plan::{
    AcceptBalance, CodecSource, CodecUse, Forwarding, ListenerPlan, ListenerProtocol, RpcPlan,
    StreamPlan, TcpPlan,
};
pub use worker::Worker;
