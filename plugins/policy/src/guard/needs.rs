//! Which capability a call takes, where that depends on what it is about.
//!
//! The table of all calls is [`HostCall::capabilities`](crate::HostCall::capabilities).

use abi_manifest::Capability;
use host_extension::{BodyKind, Flow, HeaderMapKind, Side};

use crate::HostCall;

/// To read a section. Trailers count as their head's side; a section that is not known yet
/// counts as the request's.
pub(super) fn fields_read(map: HeaderMapKind) -> Capability {
    match map {
        HeaderMapKind::ResponseHeaders | HeaderMapKind::ResponseTrailers => {
            Capability::HeadersResponseRead
        }
        HeaderMapKind::RequestHeaders | HeaderMapKind::RequestTrailers | _ => {
            Capability::HeadersRequestRead
        }
    }
}

/// To change a section.
pub(super) fn fields_write(map: HeaderMapKind) -> Capability {
    let is_response = fields_read(map) == Capability::HeadersResponseRead;
    if is_response { Capability::HeadersResponseWrite } else { Capability::HeadersRequestWrite }
}

pub(super) fn body_read(body: BodyKind) -> Capability {
    match body {
        Side::Request => Capability::BodyRequestRead,
        Side::Response => Capability::BodyResponseRead,
    }
}

/// The body whose length a section may say.
pub(super) fn body_behind(map: HeaderMapKind) -> Option<BodyKind> {
    match map {
        HeaderMapKind::RequestHeaders => Some(Side::Request),
        HeaderMapKind::ResponseHeaders => Some(Side::Response),
        HeaderMapKind::RequestTrailers | HeaderMapKind::ResponseTrailers | _ => None,
    }
}

pub(super) fn body_write(body: BodyKind) -> Capability {
    match body {
        Side::Request => Capability::BodyRequestWrite,
        Side::Response => Capability::BodyResponseWrite,
    }
}

pub(super) fn data_read(flow: Flow) -> Capability {
    match flow {
        Flow::Downstream => Capability::TcpDownstreamRead,
        Flow::Upstream => Capability::TcpUpstreamRead,
    }
}

pub(super) fn data_write(flow: Flow) -> Capability {
    match flow {
        Flow::Downstream => Capability::TcpDownstreamWrite,
        Flow::Upstream => Capability::TcpUpstreamWrite,
    }
}

/// As what something is counted that is no call of its own.
pub(super) fn counted_as(what: Capability) -> Option<HostCall> {
    let counted = [
        (Capability::Clock, HostCall::Now),
        (Capability::Reply, HostCall::Respond),
        (Capability::Close, HostCall::Reset),
    ];
    counted.into_iter().find(|(one, _call)| *one == what).map(|(_one, call)| call)
}
