//! Write a plugin once; run it in a Wasm sandbox, in a child process or as a native library.
//!
//! ```
//! use mortise_sdk::{Action, Host, Phases, Plugin, Refusal, Stream, StreamFilter};
//! use serde::Deserialize;
//!
//! #[derive(Clone, Deserialize)]
//! struct Greeting { header: String, value: String }
//!
//! struct Greet(Greeting);
//!
//! impl Plugin for Greet {
//!     type Config = Greeting;
//!     const PHASES: Phases = Phases::REQUEST_HEADERS;
//!
//!     fn start(config: Greeting, _host: &Host<'_>) -> Result<Self, Refusal> {
//!         Ok(Self(config))
//!     }
//!
//!     fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
//!         Some(Box::new(Greeter(self.0.clone())))
//!     }
//! }
//!
//! struct Greeter(Greeting);
//!
//! impl StreamFilter for Greeter {
//!     fn on_request_headers(&mut self, stream: &Stream<'_>, _end: bool) -> Action {
//!         let _ = stream.request().set_header(&self.0.header, &self.0.value);
//!         Action::Continue
//!     }
//! }
//!
//! mortise_sdk::plugin!(Greet);
//! ```
//!
//! A [`Plugin`] is started once for each use of it and each worker of the proxy, with the
//! configuration of that use. It makes a [`StreamFilter`] for each request or a
//! [`NetworkFilter`] for each connection. Everything of one started plugin runs on one thread,
//! one callback after the other: no locks, no `Send`. What a filter may ask of the proxy it
//! asks of the handle that its callback gets: [`Stream`], [`Connection`] or [`Host`].
//!
//! A callback must return soon. Who waits for something answers [`Action::Pause`] and goes on
//! from the callback that brings it, by [`Stream::resume_request`] and its kin.
//!
//! A panic is a fault of the plugin: the proxy applies `on_error` to that stream and starts the
//! plugin afresh.
//!
//! A [`Codec`] teaches the proxy a protocol: it makes frames of the bytes of a connection.
//!
//! [`plugin!`] makes the exports; what a plugin does is tried in [`testing`], without a proxy.
//! Start reading at [`Plugin`].
#![deny(unsafe_code)]

mod action;
mod call;
mod check;
mod codec;
mod codec_calls;
mod error;
mod fields;
mod host;
mod macros;
mod network;
mod phases;
mod plugin;
mod shared;
mod stream;

#[cfg(all(feature = "process", not(unix)))]
compile_error!(
    "a child process is a program for Unix: leave out the feature `process` (a Wasm module is \
     built without), or build for another target"
);

#[doc(hidden)]
pub mod backend;
#[cfg(all(feature = "process", unix))]
pub mod child;
#[cfg(all(feature = "builtin", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod native;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[cfg(any(target_family = "wasm", test))]
#[doc(hidden)]
pub mod wasm;

pub use action::{Action, FlowAction, Response};
pub use call::{CallFailure, CallId, HttpAnswer, HttpRequest};
pub use codec::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, IdPlace, IdWidth, PoolMode,
    Rejection, Rewrite,
};
pub use error::HostError;
pub use fields::{Fields, Message, Property};
pub use host::{Host, LogLevel};
pub use network::{Connection, ConnectionId, Flow, NetworkFilter, Peer};
pub use phases::Phases;
pub use plugin::{Plugin, Refusal};
pub use shared::{Counter, Gauge, Histogram, MetricId, MetricKind, Queue, QueueId, SharedValue};
pub use stream::{Side, Stream, StreamFilter, StreamId};

/// The page for plugin authors, whose plugin must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
