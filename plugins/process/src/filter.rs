//! The filters of one use: each is a context of the child.
//!
//! Nothing is sent for a filter before its first hook that the plugin asks for.

pub(crate) mod codec;
pub(crate) mod network;

use std::rc::Rc;

use abi_process::v1;
use host_extension::{PluginFault, Side, Step, Stream, StreamFilter};

use crate::session::{Context, Hook, headers_of, section, trailers_of};

/// One stream.
#[derive(Debug)]
pub(crate) struct ProcessFilter {
    context: Rc<Context>,
}

impl ProcessFilter {
    pub(crate) fn new(context: Rc<Context>) -> Self {
        Self { context }
    }

    fn complete(&self) -> Result<(), PluginFault> {
        self.context.complete(last_of)
    }
}

/// What a plugin that writes a log is told at the end of a stream.
fn last_of(context: &Context) -> v1::Complete {
    v1::Complete {
        request_headers: section(context, headers_of(Side::Request)),
        response_headers: section(context, headers_of(Side::Response)),
        request_trailers: section(context, trailers_of(Side::Request)),
        response_trailers: section(context, trailers_of(Side::Response)),
        ..v1::Complete::default()
    }
}

impl StreamFilter for ProcessFilter {
    fn on_request_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.context.call(Hook::Headers(Side::Request, end))
    }

    fn on_request_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.context.call(Hook::Body(Side::Request, end))
    }

    fn on_request_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        self.context.call(Hook::Trailers(Side::Request))
    }

    fn on_response_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.context.call(Hook::Headers(Side::Response, end))
    }

    fn on_response_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        self.context.call(Hook::Body(Side::Response, end))
    }

    fn on_response_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        self.context.call(Hook::Trailers(Side::Response))
    }

    fn on_complete(&mut self, _stream: &Rc<Stream>) -> Result<(), PluginFault> {
        self.complete()
    }
}

impl Drop for ProcessFilter {
    /// A stream that ended without saying so must not leave its context in the child.
    fn drop(&mut self) {
        if let Err(fault) = self.complete() {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }
}
