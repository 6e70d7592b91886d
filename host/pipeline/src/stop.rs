//! The replies that the proxy itself makes when a stream cannot go on.

use host_extension::{Interrupt, LocalReply, PluginFault, Side};
use host_types::{PluginName, ReplyReason};
use http::StatusCode;

/// The reply for a reason, with the reason's own status. `text` is the body and, without its
/// line end, the detail in the access log.
pub(crate) fn because(reason: ReplyReason, text: &'static str) -> Interrupt {
    let status = StatusCode::from_u16(reason.default_status());
    with_status(reason, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), text)
}

/// As [`because`], with another status.
pub(crate) fn with_status(
    reason: ReplyReason,
    status: StatusCode,
    text: &'static str,
) -> Interrupt {
    let mut reply = LocalReply::text(status, text);
    reply.details = text.trim_end().into();
    Interrupt::Reply(reason, Box::new(reply))
}

/// A plugin's failure, where its `on_error` is not `open`.
pub(crate) fn plugin_failed(plugin: &PluginName, fault: &PluginFault) -> Interrupt {
    let text = "a plugin on this route failed; the proxy's log says more\n";
    let mut reply = LocalReply::text(StatusCode::SERVICE_UNAVAILABLE, text);
    reply.details = fault.kind.label().into();
    Interrupt::Reply(ReplyReason::PluginFailed(plugin.clone()), Box::new(reply))
}

/// A filter held more of a body than it may.
pub(crate) fn held_body_too_large(side: Side) -> Interrupt {
    let (status, text) = match side {
        Side::Request => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than a plugin on this route may hold\n",
        ),
        Side::Response => (
            StatusCode::BAD_GATEWAY,
            "the response is larger than a plugin on this route may hold\n",
        ),
    };
    with_status(ReplyReason::Overload, status, text)
}

/// No byte of any body moved for too long.
pub(crate) fn stalled(response_begun: bool) -> Interrupt {
    if response_begun {
        return Interrupt::Reset(ReplyReason::Timeout);
    }
    let text = "the request made no progress for too long\n";
    with_status(ReplyReason::Timeout, StatusCode::REQUEST_TIMEOUT, text)
}
