//! Over real sockets: a worker's cluster against small peers of a tiny protocol.

#![expect(clippy::excessive_nesting, reason = "a small peer is a closure inside a test")]

mod bound;
mod cancel;
mod elsewhere;
mod ends;
mod life;
mod limits;
mod line;
mod multiplexed;
mod ping_pong;
mod silence;
