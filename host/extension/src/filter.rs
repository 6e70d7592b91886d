//! Stream filters: the L7 extension point.

use std::{fmt, rc::Rc};

use crate::{PluginFault, Step, Stream};

/// One plugin's part in one stream.
///
/// The pipeline makes one per stream and chain entry when the request's head comes to its
/// place, whatever phases the factory asks for, and drops it after
/// [`StreamFilter::on_complete`]. All hooks run
/// on the stream's worker and must return soon: who needs to wait answers [`Step::Later`].
/// What the hook may read and change is in `stream`; `end` says that nothing of this
/// direction follows.
///
/// After [`Verdict::Failed`](crate::Verdict::Failed) no hook of this filter is called again,
/// not even `on_complete`.
pub trait StreamFilter: fmt::Debug {
    /// The request's head is in `stream.request`, before routing (for a filter of a listener)
    /// or before the upstream is chosen (for a filter of a route).
    fn on_request_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        let _ = (stream, end);
        Step::CONTINUE
    }

    /// A chunk of the request's body, or all that was held with the newest chunk, is in
    /// `stream.request.body`. May be called with no bytes where only the end is new.
    fn on_request_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        let _ = (stream, end);
        Step::CONTINUE
    }

    /// The request's trailers are in `stream.request.trailers`. Nothing follows.
    fn on_request_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        let _ = stream;
        Step::CONTINUE
    }

    /// The response's head is in `stream.response`.
    fn on_response_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        let _ = (stream, end);
        Step::CONTINUE
    }

    /// As [`StreamFilter::on_request_body`], for the response.
    fn on_response_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        let _ = (stream, end);
        Step::CONTINUE
    }

    /// As [`StreamFilter::on_request_trailers`], for the response.
    fn on_response_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        let _ = stream;
        Step::CONTINUE
    }

    /// The stream ended, well or badly; [`StreamFacts`](crate::StreamFacts) tells how.
    /// Called once, last.
    ///
    /// # Errors
    /// The plugin failed; the stream is over and does not notice.
    fn on_complete(&mut self, stream: &Rc<Stream>) -> Result<(), PluginFault> {
        let _ = stream;
        Ok(())
    }
}
