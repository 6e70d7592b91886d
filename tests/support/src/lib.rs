//! Helpers of the tests: a proxy under test, scripted peers, clients.
//!
//! Everything runs over real loopback sockets on ports that the kernel picks. Peers are driven
//! by the test (a value sent, a channel, a closed socket), never by the clock; each wait has a
//! deadline, past which the test fails and says what it waited for. A helper that fails
//! panics: it knows nothing better to do than to fail its test.
//!
//! It knows the proxy only by its binary, its configuration file and its sockets.
//! Start reading at [`Proxy`], then [`Upstream`] and [`Client`].

mod admin;
mod binary;
mod body;
mod client;
mod config;
mod frames;
mod metrics;
mod peers;
mod processes;
mod proxy;
mod raw;
mod recorder;
mod upstream;
mod wait;

pub use binary::{Finished, check, mortise, mortise_binary, mortise_with_matrix};
pub use body::{BodySender, BoxError, TestBody, channel, drain, empty, frames, full, pattern};
pub use client::{Client, Http, Reply, request};
pub use config::Config;
pub use frames::{FrameKind, RawFrame, RawHttp2, literal};
pub use metrics::{Metrics, Sample};
pub use peers::{Peer, PeerServer};
pub use processes::{Process, entries};
pub use proxy::{Proxy, Signal};
pub use raw::{RawPeer, RawReply, RawUpstream, parse_replies};
pub use recorder::{Recorded, Recorder};
pub use upstream::{Seen, Upstream};
pub use wait::{DEADLINE, fail, until, within};
