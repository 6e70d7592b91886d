//! Sockets: listeners, connecting, peeking, byte tunnels.
//!
//! Everything here moves bytes and knows no protocol: it never parses, never routes and
//! never reads configuration. There is no unsafe code.
//!
//! Start reading at [`Listener`] for the way in, [`connect`] for the way out and
//! [`tunnel`] for what joins the two.

mod connect;
mod listen;
mod prefixed;
mod tunnel;

pub use connect::{ConnectError, connect, limit_unacknowledged};
pub use listen::{BindError, Listener, bind};
pub use prefixed::PrefixedIo;
pub use tunnel::{TunnelEnd, TunnelHow, tunnel};
