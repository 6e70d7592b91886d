//! One direction of a stream: head, body and trailers pass the filters in order.
//!
//! Within a direction everything happens one after the other: while a filter waits, what
//! comes behind waits too, which is the back-pressure. A filter that holds keeps the head or
//! the body at its place; what it lets go runs on to the filters behind it. What has passed
//! all filters stands in `out`.

mod duty;

use std::{collections::VecDeque, rc::Rc};

use bytes::{Bytes, BytesMut};
use host_extension::{Interrupt, Phases, Side, Stream};
use host_types::{Headers, ReplyReason};
use host_upstream::BodyError;
use http::{HeaderMap, HeaderName};

use self::duty::OnDuty;
use crate::{
    chain::{Chain, Hook, Passed},
    forward::drop_forbidden_trailers,
    source::{is_malformed, note},
    stop,
};

/// What passed all filters.
#[derive(Debug)]
pub(crate) enum Event {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// One direction of one stream.
pub(crate) struct Direction {
    chain: Rc<Chain>,
    stream: Rc<Stream>,
    side: Side,
    held_bytes_max: usize,
    /// The step at which the head stands: it has passed all steps before.
    head_at: usize,
    head_held: bool,
    /// What each step holds of the body; a filter may hold on with nothing in hand.
    held: Vec<Option<BytesMut>>,
    /// The step whose held bytes lie on duty meanwhile.
    laid_out: Option<usize>,
    /// What has passed all steps, in order.
    out: VecDeque<Event>,
    /// The end of the message has been put in.
    ended: bool,
    /// Something behind the head has been put in.
    body_seen: bool,
}

impl Direction {
    /// A direction whose head is in `stream`.
    pub(crate) fn new(
        chain: &Rc<Chain>,
        stream: &Rc<Stream>,
        side: Side,
        held_bytes_max: usize,
    ) -> Self {
        Self {
            chain: Rc::clone(chain),
            stream: Rc::clone(stream),
            side,
            held_bytes_max,
            head_at: 0,
            head_held: false,
            held: Vec::new(),
            laid_out: None,
            out: VecDeque::new(),
            ended: false,
            body_seen: false,
        }
    }

    /// True once the end of the message was put in.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// True where any filter wants to see the body or the trailers, or holds some.
    pub(crate) fn wants_body(&self) -> bool {
        let phases = match self.side {
            Side::Request => Phases::REQUEST_BODY | Phases::REQUEST_TRAILERS,
            Side::Response => Phases::RESPONSE_BODY | Phases::RESPONSE_TRAILERS,
        };
        self.chain.wants(phases) || self.body_seen
    }

    /// True where nothing more may pass, because the filters are gone before their time.
    pub(crate) fn is_over(&self) -> bool {
        self.side == Side::Request && self.chain.is_request_over()
    }

    /// Ends the stream because a filter says so, from within a body.
    pub(crate) fn break_off(&mut self, interrupt: Interrupt) {
        match self.side {
            // The stream's own task is waiting for the response and answers.
            Side::Request => self.stream.interrupt(interrupt),
            // The response's head is on its way: nobody can be told.
            Side::Response => note(&self.stream, &interrupt),
        }
    }

    /// The stream's end where the peer broke off before the filters let the head pass.
    pub(crate) fn source_failed(&self, error: &BodyError) -> Interrupt {
        if let Some(interrupt) = self.stream.take_interrupt() {
            return interrupt; // the source has said whose fault it is
        }
        match self.side {
            Side::Request if is_malformed(error) => {
                stop::because(ReplyReason::Malformed, "the body is malformed\n")
            }
            Side::Request => Interrupt::Reset(ReplyReason::ClientGone),
            Side::Response => {
                let text = "the upstream broke off\n";
                stop::because(ReplyReason::UpstreamFailed, text)
            }
        }
    }

    /// The next piece that passed all filters.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.out.pop_front()
    }

    /// True once any of the body or the trailers was put in.
    pub(crate) fn body_seen(&self) -> bool {
        self.body_seen
    }

    /// Bytes of body that passed all filters and were not popped yet; `None` where trailers
    /// follow them, which no announced length leaves room for in HTTP/1.
    pub(crate) fn ready_bytes(&self) -> Option<u64> {
        self.out.iter().try_fold(0, |sum, event| match event {
            Event::Data(bytes) => Some(sum + bytes.len() as u64),
            Event::Trailers(map) => map.is_empty().then_some(sum),
        })
    }

    /// The names of the trailers that wait behind what was not popped yet.
    pub(crate) fn ready_trailers(&self) -> impl Iterator<Item = &HeaderName> {
        let trailers = self.out.iter().filter_map(|event| match event {
            Event::Trailers(map) => Some(map.keys()),
            Event::Data(_) => None,
        });
        trailers.flatten()
    }

    /// Shows the head to the filters that have not seen it. [`Passed::Held`] asks for body:
    /// call [`Direction::data`] or [`Direction::trailers`] until [`Direction::head_passed`].
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn headers(&mut self, end: bool) -> Result<Passed, Interrupt> {
        self.ended |= end;
        while self.head_at < self.chain.len() {
            let at = self.head_at;
            let place = self.place(at);
            let hook = Hook::Headers { end };
            // On the way in every filter is made in its turn, also one that wants later phases
            // only: it sees the response of a stream whose request came by.
            let phases = if self.side == Side::Request { Phases::ALL } else { self.phase(hook) };
            let wanted = self.chain.wants_at(place, phases);
            let held = wanted && self.call(place, hook).await? == Passed::Held;
            // Who does not look at the body would never be asked again.
            let asked_again = self.chain.wants_at(place, self.phase(Hook::Body { end }));
            if held && !end && asked_again {
                self.head_held = true;
                return Ok(Passed::Held);
            }
            self.head_at += 1;
        }
        Ok(Passed::On)
    }

    /// True where the head has passed all filters.
    pub(crate) fn head_passed(&self) -> bool {
        self.head_at >= self.chain.len()
    }

    /// Sends what already passed through the filters that were added since, before anything
    /// else is put in.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn replay(&mut self, from: usize) -> Result<(), Interrupt> {
        self.put_away();
        let mut passed = std::mem::take(&mut self.out);
        let ended = self.ended && self.body_seen;
        let end_is_told = matches!(passed.back(), Some(Event::Trailers(_)));
        if ended && passed.is_empty() {
            passed.push_back(Event::Data(Bytes::new()));
        }
        let last = passed.len();
        for (index, event) in passed.into_iter().enumerate() {
            let end = ended && !end_is_told && index + 1 == last;
            match event {
                Event::Data(bytes) => self.data_from(from, bytes, end).await?,
                Event::Trailers(map) => self.trailers_from(from, map).await?,
            }
        }
        self.lay_out();
        Ok(())
    }

    /// Puts in the next bytes of the body; `end` where nothing follows.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn data(&mut self, bytes: Bytes, end: bool) -> Result<(), Interrupt> {
        self.put_away();
        self.body_seen = true;
        self.ended |= end;
        self.data_from(0, bytes, end).await?;
        self.lay_out();
        Ok(())
    }

    /// Puts in the trailers, which end the message.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn trailers(&mut self, map: HeaderMap) -> Result<(), Interrupt> {
        self.put_away();
        self.body_seen = true;
        self.ended = true;
        self.trailers_from(0, map).await
    }

    /// Waits until a filter lets go what it holds of the body though nothing more came; tells
    /// its place in the chain.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn resumed(&self) -> Result<usize, Interrupt> {
        self.chain.resumed(self.side).await
    }

    /// Sends on what the filter at `place` of the chain held.
    ///
    /// # Errors
    /// The stream does not go on.
    pub(crate) async fn release(&mut self, place: usize) -> Result<(), Interrupt> {
        self.put_away();
        let at = self.place(place); // counting from the other end, it is its own inverse
        let held = self.unhold(at, Bytes::new());
        self.release_head(at).await?;
        if !held.is_empty() {
            self.data_from(at + 1, held, false).await?;
        }
        self.lay_out();
        Ok(())
    }

    /// While a filter holds bytes and may resume from beside its hooks, it may look at them and
    /// change them, too. Where several do, nobody can say whose are meant.
    fn lay_out(&mut self) {
        let mut holding = (0..self.held.len()).filter(|at| self.holds(*at));
        let (Some(at), None) = (holding.next(), holding.next()) else { return };
        if !self.chain.is_waiting(self.place(at), self.side) {
            return;
        }
        let held = self.unhold(at, Bytes::new());
        let message = self.stream.message(self.side);
        message.body.borrow_mut().set(held);
        message.duty_bytes_max.set(self.chain.held_bytes_max(self.place(at)));
        message.body_on_duty.set(true);
        self.laid_out = Some(at);
    }

    /// Takes back what was laid out, before anything else of the body comes into hand.
    fn put_away(&mut self) {
        let Some(at) = self.laid_out.take() else { return };
        let message = self.stream.message(self.side);
        message.body_on_duty.set(false);
        let content = message.body.borrow_mut().take();
        self.keep(at, content);
    }

    /// True where the step has bytes, or waits for some from beside.
    fn holds(&self, at: usize) -> bool {
        let waits = || self.chain.is_waiting(self.place(at), self.side);
        self.held.get(at).and_then(Option::as_ref).is_some_and(|held| !held.is_empty() || waits())
    }

    async fn data_from(
        &mut self,
        from: usize,
        mut bytes: Bytes,
        end: bool,
    ) -> Result<(), Interrupt> {
        for at in from..self.chain.len() {
            let place = self.place(at);
            let wanted = self.chain.wants_at(place, self.phase(Hook::Body { end }));
            if wanted && bytes.is_empty() && !end {
                return Ok(()); // nothing is new for it
            }
            let shown = if wanted {
                self.show_body(at, place, bytes, end).await?
            } else {
                Some(self.unhold(at, bytes))
            };
            match shown {
                Some(shown) => bytes = shown,
                None => return Ok(()), // it holds on
            }
            self.release_head(at).await?;
            if end && let Some(map) = self.added_trailers() {
                // For the filters behind, the trailers are the end.
                Box::pin(self.data_from(at + 1, bytes, false)).await?;
                return self.trailers_from(at + 1, map).await;
            }
        }
        if !bytes.is_empty() {
            self.out.push_back(Event::Data(bytes));
        }
        Ok(())
    }

    /// Shows the body to one filter, with what it held. `None` where it holds on.
    async fn show_body(
        &mut self,
        at: usize,
        place: usize,
        bytes: Bytes,
        end: bool,
    ) -> Result<Option<Bytes>, Interrupt> {
        let bytes = self.unhold(at, bytes);
        let own_max = self.chain.held_bytes_max(place);
        let duty = OnDuty::new(self.stream.message(self.side), bytes, end, own_max);
        let passed = self.call(place, Hook::Body { end }).await;
        let content = duty.take();
        match passed? {
            Passed::Held if !end => self.hold(at, content).map(|()| None),
            Passed::Held | Passed::On => Ok(Some(content)),
        }
    }

    fn hold(&mut self, at: usize, content: Bytes) -> Result<(), Interrupt> {
        let own_max = self.chain.held_bytes_max(self.place(at)).unwrap_or(usize::MAX);
        if content.len() > self.held_bytes_max.min(own_max) {
            return Err(stop::held_body_too_large(self.side));
        }
        self.keep(at, content);
        Ok(())
    }

    fn keep(&mut self, at: usize, content: Bytes) {
        if self.held.len() <= at {
            self.held.resize_with(at + 1, || None);
        }
        if let Some(slot) = self.held.get_mut(at) {
            *slot = Some(BytesMut::from(content));
        }
    }

    /// What a filter held before it failed open goes on with the next bytes.
    fn unhold(&mut self, at: usize, bytes: Bytes) -> Bytes {
        match self.held.get_mut(at).and_then(Option::take) {
            Some(mut held) if !held.is_empty() => {
                held.extend_from_slice(&bytes);
                held.freeze()
            }
            _ => bytes,
        }
    }

    /// The filter at `at` let the body pass, and so the head that it held.
    async fn release_head(&mut self, at: usize) -> Result<(), Interrupt> {
        if self.head_held && self.head_at == at {
            self.head_held = false;
            self.head_at += 1;
            Box::pin(self.headers(false)).await?;
        }
        Ok(())
    }

    async fn trailers_from(&mut self, from: usize, mut map: HeaderMap) -> Result<(), Interrupt> {
        for at in from..self.chain.len() {
            let place = self.place(at);
            let mut held = self.unhold(at, Bytes::new());
            if self.chain.wants_at(place, self.phase(Hook::Trailers)) {
                (held, map) = self.show_trailers(place, held, map).await?;
            }
            self.release_head(at).await?;
            if !held.is_empty() {
                Box::pin(self.data_from(at + 1, held, false)).await?;
            }
        }
        // A filter may have written some that must not go on.
        drop_forbidden_trailers(&mut map);
        if self.keeps_trailers() && !map.is_empty() {
            let kept = Headers::trailers(map.clone());
            self.stream.message(self.side).trailers.replace(Some(kept));
        }
        self.out.push_back(Event::Trailers(map));
        Ok(())
    }

    /// True where a filter looks back at the stream when it is over.
    pub(crate) fn keeps_trailers(&self) -> bool {
        self.chain.wants(Phases::LOG)
    }

    /// Shows the trailers to one filter, with what it holds of the body.
    async fn show_trailers(
        &self,
        place: usize,
        held: Bytes,
        map: HeaderMap,
    ) -> Result<(Bytes, HeaderMap), Interrupt> {
        let message = self.stream.message(self.side);
        message.trailers.replace(Some(Headers::trailers(map)));
        let duty = OnDuty::new(message, held, true, self.chain.held_bytes_max(place));
        let passed = self.call(place, Hook::Trailers).await;
        let held = duty.take();
        let map = self.take_trailers();
        passed.map(|_on| (held, map))
    }

    /// The trailers that a filter added at the end of a message that had none.
    fn added_trailers(&self) -> Option<HeaderMap> {
        Some(self.take_trailers()).filter(|map| !map.is_empty())
    }

    fn take_trailers(&self) -> HeaderMap {
        let trailers = self.stream.message(self.side).trailers.take();
        trailers.map(|mut trailers| trailers.take_map()).unwrap_or_default()
    }

    async fn call(&self, place: usize, hook: Hook) -> Result<Passed, Interrupt> {
        self.chain.call(place, self.side, hook, &self.stream).await
    }

    /// The place in the chain of the `at`-th step: responses run the other way.
    fn place(&self, at: usize) -> usize {
        match self.side {
            Side::Request => at,
            Side::Response => self.chain.len().saturating_sub(at + 1),
        }
    }

    fn phase(&self, hook: Hook) -> Phases {
        hook.phase(self.side)
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        // Nobody sends on what is left; the other direction's hooks must not find it in hand.
        self.put_away();
    }
}

#[cfg(test)]
mod tests;
