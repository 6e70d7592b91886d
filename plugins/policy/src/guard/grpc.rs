//! gRPC streams behind the guard.

use host_extension::{CallResult, GrpcStream};

use super::Gate;
use crate::HostCall;

/// An open stream whose messages pass the gate, too.
pub(super) struct GuardedGrpcStream {
    gate: Gate,
    stream: Box<dyn GrpcStream>,
}

impl GuardedGrpcStream {
    pub(super) fn new(gate: Gate, stream: Box<dyn GrpcStream>) -> Self {
        Self { gate, stream }
    }
}

impl GrpcStream for GuardedGrpcStream {
    fn send(&self, message: &[u8], end: bool) -> CallResult<()> {
        self.gate.check(HostCall::GrpcSend)?;
        self.stream.send(message, end)
    }

    /// Closing is counted, but cannot be refused: who may not send may always end.
    fn close(&self) {
        self.gate.ward.counts.count(HostCall::GrpcClose, true);
        self.stream.close();
    }
}
