//! What calls to clusters are counted by.

use std::{cell::Cell, rc::Rc};

use host_extension::{CallError, CallResult};

/// HTTP calls that wait for their answer.
const HTTP_CALLS_MAX: usize = 1024;
/// gRPC calls and streams that are open.
const GRPC_MAX: usize = 256;
/// Bytes of all requests that wait for their answer.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// What is under way: of one root, or of all guests of a use that has one for each stream.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    http: Cell<usize>,
    http_bytes: Cell<usize>,
    grpc: Cell<usize>,
}

/// A call that is counted, for as long as this lives.
#[derive(Debug)]
pub(super) struct Counted {
    tally: Rc<Tally>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// With the bytes of its request.
    Http(usize),
    Grpc,
}

impl Tally {
    pub(super) fn check_http(&self, bytes: usize) -> CallResult<()> {
        let fits = self.http_bytes.get().saturating_add(bytes) <= REQUEST_BYTES_MAX;
        if self.http.get() < HTTP_CALLS_MAX && fits { Ok(()) } else { Err(CallError::LimitReached) }
    }

    pub(super) fn count_http(self: &Rc<Self>, bytes: usize) -> Counted {
        self.http.set(self.http.get() + 1);
        self.http_bytes.set(self.http_bytes.get().saturating_add(bytes));
        Counted { tally: Rc::clone(self), kind: Kind::Http(bytes) }
    }

    pub(super) fn check_grpc(&self) -> CallResult<()> {
        if self.grpc.get() < GRPC_MAX { Ok(()) } else { Err(CallError::LimitReached) }
    }

    pub(super) fn count_grpc(self: &Rc<Self>) -> Counted {
        self.grpc.set(self.grpc.get() + 1);
        Counted { tally: Rc::clone(self), kind: Kind::Grpc }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Tally { http, http_bytes, grpc } = self.tally.as_ref();
        match self.kind {
            Kind::Http(bytes) => {
                http.set(http.get().saturating_sub(1));
                http_bytes.set(http_bytes.get().saturating_sub(bytes));
            }
            Kind::Grpc => grpc.set(grpc.get().saturating_sub(1)),
        }
    }
}
