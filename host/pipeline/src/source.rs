//! A body on its way: counted, watched, and through the filters where they want it.

use std::{
    error::Error,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream as FrameStream, stream};
use host_extension::{Interrupt, Side, Stage, Stream};
use host_types::{Headers, ReplyReason};
use host_upstream::{Body, BodyError, Lease};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, TRAILER},
};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    direction::{Direction, Event},
    forward::drop_forbidden_trailers,
    stop,
    watch::Watch,
};

/// A body as it comes from a peer: pieces are counted, progress is noted, and the stream's
/// interrupts break it off.
pub(crate) struct Source {
    body: Body,
    stream: Rc<Stream>,
    watch: Option<Rc<Watch>>,
    side: Side,
    /// The upstream connection that the body comes from; given free behind the body.
    lease: Option<Lease>,
    keeps_trailers: bool,
}

impl Source {
    /// A body that a peer sends.
    pub(crate) fn new(body: Body, stream: &Rc<Stream>, watch: &Rc<Watch>, side: Side) -> Self {
        if body.is_end_stream() {
            if side == Side::Request {
                watch.request_ended();
            }
            return Self::watched(body, stream, None, side);
        }
        watch.body_began();
        Self::watched(body, stream, Some(Rc::clone(watch)), side)
    }

    /// A body that is here whole: that of a frame. No progress is to be watched.
    pub(crate) fn whole(body: Bytes, stream: &Rc<Stream>, side: Side) -> Self {
        Self::watched(Body::full(body), stream, None, side)
    }

    fn watched(body: Body, stream: &Rc<Stream>, watch: Option<Rc<Watch>>, side: Side) -> Self {
        let stream = Rc::clone(stream);
        Self { body, stream, watch, side, lease: None, keeps_trailers: false }
    }

    /// A response's body with the connection that it comes from.
    pub(crate) fn leased(
        body: Incoming,
        lease: Lease,
        stream: &Rc<Stream>,
        watch: &Rc<Watch>,
    ) -> Self {
        let mut source = Self::new(Body::Incoming(body), stream, watch, Side::Response);
        source.lease = Some(lease);
        source
    }

    /// True where nothing is left.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// How much is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The body as a message for the upstream.
    pub(crate) fn into_body(self) -> Body {
        Body::Stream(Box::pin(self))
    }

    /// The next piece.
    pub(crate) async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        std::future::poll_fn(|context| self.poll_frame(context)).await
    }

    /// Polls for the next piece.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let frame = match polled {
            Poll::Pending => return self.poll_interrupted(context),
            Poll::Ready(frame) => frame,
        };
        if let Some(watch) = &self.watch {
            watch.moved();
        }
        match frame {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(self.passed(frame)))),
            Some(Err(error)) => {
                self.broke_off(&error);
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.end_watch();
                Poll::Ready(None)
            }
        }
    }

    /// Breaks off where the stream was interrupted meanwhile. The interrupt stays for whoever
    /// reads this body: before the head is sent it becomes the reply, after that it is noted.
    fn poll_interrupted(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // While the request goes upstream, the stream's own task waits for interrupts.
        if self.side == Side::Request && self.stream.request.stage.get() == Stage::Sent {
            return Poll::Pending;
        }
        self.stream.poll_interrupted(context).map(|interrupt| {
            self.stream.interrupt(interrupt);
            Some(Err(BodyError::Stopped("the stream was ended")))
        })
    }

    fn passed(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let message = self.stream.message(self.side);
        match frame.into_data() {
            Ok(data) => {
                message.body_bytes.set(message.body_bytes.get() + data.len() as u64);
                Frame::data(data)
            }
            Err(frame) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    drop_forbidden_trailers(&mut trailers);
                    if self.keeps_trailers {
                        message.trailers.replace(Some(Headers::trailers(trailers.clone())));
                    }
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            },
        }
    }

    /// Says whose fault it is, before the other side is broken off and blamed.
    fn broke_off(&mut self, error: &BodyError) {
        self.end_watch();
        match self.side {
            Side::Request if is_malformed(error) => {
                let text = "the body is malformed\n";
                self.stream.interrupt(stop::because(ReplyReason::Malformed, text));
            }
            Side::Request => self.stream.interrupt(Interrupt::Reset(ReplyReason::ClientGone)),
            Side::Response => self.stream.end_because(ReplyReason::UpstreamFailed),
        }
    }

    fn end_watch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.body_ended();
            if self.side == Side::Request {
                watch.request_ended();
            }
        }
    }
}

impl FrameStream for Source {
    type Item = FrameResult;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        self.poll_frame(context)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end_watch();
    }
}

/// True where a body broke the rules of its framing; false where its sender went away.
pub(crate) fn is_malformed(error: &BodyError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
        }
        cause = inner.source();
    }
    false
}

/// Writes down why a stream ends, where no reply can be sent any more.
pub(crate) fn note(stream: &Stream, interrupt: &Interrupt) {
    match interrupt {
        Interrupt::Reply(reason, reply) => {
            stream.end_because(reason.clone());
            stream.facts.borrow_mut().details = Some(reply.details.clone());
        }
        Interrupt::Reset(reason) => stream.end_because(reason.clone()),
    }
}

/// A body that passes the filters of one direction.
pub(crate) struct Filtered {
    direction: Direction,
    source: Option<Source>,
}

impl Filtered {
    /// `source` is put through `direction`; none is left where the message had no body.
    pub(crate) fn new(direction: Direction, source: Option<Source>) -> Self {
        Self { direction, source }
    }

    /// Shows the head to the filters, and as much of the body as those that hold it ask for.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn pass_head(&mut self) -> Result<(), Interrupt> {
        let end = self.is_empty();
        self.direction.headers(end).await?;
        self.finish_head().await
    }

    /// Shows all of the message to the filters before any of it goes on, where they want it: for
    /// one that is here already.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn pass_whole(&mut self) -> Result<(), Interrupt> {
        self.pass_head().await?;
        while !self.can_pass_by() && !self.direction.has_ended() {
            self.take_in().await?;
        }
        Ok(())
    }

    /// As [`Filtered::pass_head`] for the filters that were added at `from`, which are shown
    /// first what those before them let pass already.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn pass_added(&mut self, from: usize) -> Result<(), Interrupt> {
        let end = self.is_empty();
        self.direction.headers(end).await?;
        self.direction.replay(from).await?;
        self.finish_head().await
    }

    async fn finish_head(&mut self) -> Result<(), Interrupt> {
        while !self.direction.head_passed() {
            self.take_in().await?;
        }
        Ok(())
    }

    /// True where the message has no body at all.
    pub(crate) fn is_empty(&self) -> bool {
        !self.direction.body_seen() && self.source.as_ref().is_none_or(Source::is_end_stream)
    }

    /// True where the body can go past the filters.
    pub(crate) fn can_pass_by(&self) -> bool {
        !self.direction.wants_body()
    }

    /// The body as it came, for a direction whose filters do not want it.
    pub(crate) fn into_source(mut self) -> Option<Source> {
        let mut source = self.source.take()?;
        source.keeps_trailers = self.direction.keeps_trailers();
        Some(source)
    }

    /// The body of a message that was shown whole to the filters, as they left it; `None` where
    /// it went past them. A frame has no trailers: those that a filter made go nowhere.
    pub(crate) fn into_whole(mut self) -> Option<Bytes> {
        if self.can_pass_by() {
            return None;
        }
        let mut whole = Bytes::new();
        while let Some(event) = self.direction.pop() {
            let Event::Data(piece) = event else { continue };
            whole = if whole.is_empty() { piece } else { [whole, piece].concat().into() };
        }
        Some(whole)
    }

    /// The whole length, where it is known: that of a body that goes past the filters, or
    /// that of a message that has passed them already and has no trailers.
    pub(crate) fn length(&self) -> Option<u64> {
        if self.can_pass_by() {
            return self.source.as_ref().map_or(Some(0), |source| source.size_hint().exact());
        }
        if self.direction.has_ended() { self.direction.ready_bytes() } else { None }
    }

    /// Makes `content-length` say what is sent, whatever a filter wrote: framing belongs to
    /// the pipeline. A body that goes past the filters is announced only where it was.
    pub(crate) fn announce_length(&self, map: &mut HeaderMap) {
        let announced = map.remove(CONTENT_LENGTH).is_some();
        if let Some(length) = self.length()
            && (announced || !self.can_pass_by())
        {
            map.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.announce_trailers(map);
    }

    /// HTTP/1 sends only the trailers that the head names, so those that filters made before it
    /// leaves are named.
    fn announce_trailers(&self, map: &mut HeaderMap) {
        for name in self.direction.ready_trailers() {
            let known = map.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
            let mut known = known.flat_map(|value| value.split(','));
            if !known.any(|known| known.trim().eq_ignore_ascii_case(name.as_str())) {
                map.append(TRAILER, HeaderValue::from(name.clone()));
            }
        }
    }

    /// The body behind the filters.
    pub(crate) fn into_frames(self) -> Pin<Box<dyn FrameStream<Item = FrameResult>>> {
        // Nothing is asked of the filters any more once one of them ended the stream.
        Box::pin(stream::unfold(Some(self), |filtered| async move {
            let mut filtered = filtered?;
            let frame = filtered.next().await?;
            let rest = frame.is_ok().then_some(filtered);
            Some((frame, rest))
        }))
    }

    /// The next piece that passed all filters.
    async fn next(&mut self) -> Option<FrameResult> {
        loop {
            if self.direction.is_over() {
                return Some(Err(BodyError::Stopped("the stream is over")));
            }
            if let Some(frame) = self.direction.pop().and_then(frame_of) {
                return Some(Ok(frame));
            }
            if self.direction.has_ended() {
                return None;
            }
            if let Err(interrupt) = self.take_in().await {
                self.direction.break_off(interrupt);
                return Some(Err(BodyError::Stopped("the stream was ended")));
            }
        }
    }

    /// Puts the next piece of the source through the filters.
    async fn take_in(&mut self) -> Result<(), Interrupt> {
        let frame = match &mut self.source {
            Some(source) => tokio::select! {
                biased;
                place = self.direction.resumed() => return self.direction.release(place?).await,
                frame = source.frame() => frame,
            },
            None => None,
        };
        match frame {
            None => self.direction.data(Bytes::new(), true).await,
            Some(Err(error)) => Err(self.direction.source_failed(&error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let end = self.source.as_ref().is_none_or(Source::is_end_stream);
                    self.direction.data(data, end).await
                }
                Err(frame) => {
                    let map = frame.into_trailers().unwrap_or_else(|_other| HeaderMap::new());
                    self.direction.trailers(map).await
                }
            },
        }
    }
}

/// What goes on of a piece that passed all filters.
fn frame_of(event: Event) -> Option<Frame<Bytes>> {
    match event {
        Event::Data(bytes) => Some(Frame::data(bytes)),
        Event::Trailers(map) => (!map.is_empty()).then(|| Frame::trailers(map)),
    }
}

/// A piece of a body, or why there is no more.
pub(crate) type FrameResult = Result<Frame<Bytes>, BodyError>;
