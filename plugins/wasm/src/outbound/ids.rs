//! The numbers that calls to clusters have.

/// What a number is for; its low two bits say so, as other hosts have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallKind {
    /// An HTTP call.
    Http,
    /// A gRPC call with one answer.
    GrpcCall,
    /// A gRPC stream.
    GrpcStream,
}

/// Gives numbers out, unique in one guest.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    http: u32,
    grpc_call: u32,
    grpc_stream: u32,
}

/// From one number of a kind to the next.
const STEP: u32 = 4;

impl CallKind {
    /// The kind that a number is of.
    pub(crate) fn of(id: u32) -> Option<Self> {
        match id % STEP {
            0 => Some(Self::Http),
            1 => Some(Self::GrpcCall),
            2 => Some(Self::GrpcStream),
            _ => None,
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Http => 0,
            Self::GrpcCall => 1,
            Self::GrpcStream => 2,
        }
    }
}

impl CallIds {
    /// The next number of a kind: never zero, and none that is taken.
    pub(crate) fn next(&mut self, kind: CallKind, taken: impl Fn(u32) -> bool) -> u32 {
        let last = match kind {
            CallKind::Http => &mut self.http,
            CallKind::GrpcCall => &mut self.grpc_call,
            CallKind::GrpcStream => &mut self.grpc_stream,
        };
        // Far fewer than all numbers are taken, so a free one is found.
        loop {
            *last = last.wrapping_add(STEP);
            let id = *last | kind.bits();
            if *last != 0 && !taken(id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
