//! A request's way: listener, connection, HTTP, stream, reply.

mod plan;

pub use plan::{AcceptBalance, Forwarding, HttpPlan, ListenerPlan, ListenerProtocol, TcpPlan};
