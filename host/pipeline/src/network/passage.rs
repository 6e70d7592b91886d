//! One direction of a connection: its bytes pass the filters in order.
//!
//! As `direction.rs` of streams, without heads: while a filter waits, what comes behind waits
//! too, which is the back-pressure. A filter that holds keeps the bytes at its place; what it
//! lets go runs on to the filters behind it. What has passed all filters stands in `out`.

use std::{cell::Cell, collections::VecDeque, io, rc::Rc};

use bytes::{Bytes, BytesMut};
use host_extension::{Flow, FlowState};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::chain::{Closed, Hook, NetworkChain};
use crate::chain::Passed;

/// One direction of one connection.
pub(super) struct Passage<'a> {
    chain: &'a NetworkChain,
    flow: Flow,
    /// What each step holds; a filter may hold on with nothing in hand.
    held: Vec<Option<BytesMut>>,
    /// The step whose held bytes lie on duty meanwhile.
    laid_out: Option<usize>,
    /// What has passed all steps, in order.
    out: VecDeque<Bytes>,
    /// The end has been put in.
    ended: bool,
    written: Rc<Cell<u64>>,
}

/// Bytes that a filter has in hand. Whenever this ends, nobody has them any more.
struct OnDuty<'a>(&'a FlowState);

impl<'a> OnDuty<'a> {
    fn new(state: &'a FlowState, bytes: Bytes, bytes_max: Option<usize>) -> Self {
        state.bytes.borrow_mut().set(bytes);
        state.duty_bytes_max.set(bytes_max);
        state.on_duty.set(true);
        Self(state)
    }

    fn take(&self) -> Bytes {
        self.0.bytes.borrow_mut().take()
    }
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        self.0.on_duty.set(false);
        drop(self.take());
    }
}

impl<'a> Passage<'a> {
    /// A direction in which nothing came yet.
    pub(super) fn new(chain: &'a NetworkChain, flow: Flow) -> Self {
        let held = std::iter::repeat_with(|| None).take(chain.len()).collect();
        let (out, written) = (VecDeque::new(), Rc::default());
        Self { chain, flow, held, laid_out: None, out, ended: false, written }
    }

    /// True once the end was put in.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that passed all filters and were taken so far.
    pub(super) fn written(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.written)
    }

    /// Puts in the next bytes; `end` where nothing follows.
    ///
    /// # Errors
    /// The connection does not go on.
    pub(super) async fn data(&mut self, bytes: Bytes, end: bool) -> Result<(), Closed> {
        self.put_away();
        let state = self.state();
        state.bytes_seen.set(state.bytes_seen.get().saturating_add(bytes.len() as u64));
        state.ended.set(end);
        self.ended |= end;
        self.data_from(0, bytes, end).await?;
        self.lay_out();
        Ok(())
    }

    /// Waits until a filter lets go what it holds though nothing more came; tells its place in
    /// the chain.
    ///
    /// # Errors
    /// The connection does not go on.
    pub(super) async fn resumed(&self) -> Result<usize, Closed> {
        self.chain.resumed(self.flow).await
    }

    /// Sends on what the filter at `place` of the chain held.
    ///
    /// # Errors
    /// The connection does not go on.
    pub(super) async fn release(&mut self, place: usize) -> Result<(), Closed> {
        self.put_away();
        let at = self.place(place); // counting from the other end, it is its own inverse
        let held = self.unhold(at, Bytes::new());
        self.data_from(at + 1, held, false).await?;
        self.lay_out();
        Ok(())
    }

    /// While a filter holds bytes and may resume from beside its hooks, it may look at them and
    /// change them, too. Where several do, nobody can say whose are meant.
    fn lay_out(&mut self) {
        let mut holding = (0..self.held.len()).filter(|at| self.holds(*at));
        let (Some(at), None) = (holding.next(), holding.next()) else { return };
        if !self.chain.is_waiting(self.place(at), self.flow) {
            return;
        }
        let held = self.held.get_mut(at).and_then(Option::take).unwrap_or_default();
        let state = self.state();
        state.bytes.borrow_mut().set(held.freeze());
        state.duty_bytes_max.set(self.chain.held_bytes_max(self.place(at)));
        state.on_duty.set(true);
        self.laid_out = Some(at);
    }

    /// Takes back what was laid out, before other bytes come into hand.
    fn put_away(&mut self) {
        let Some(at) = self.laid_out.take() else { return };
        let state = self.state();
        state.on_duty.set(false);
        let content = state.bytes.borrow_mut().take();
        if let Some(slot) = self.held.get_mut(at) {
            *slot = Some(BytesMut::from(content));
        }
    }

    /// True where the step has bytes, or waits for some from beside.
    fn holds(&self, at: usize) -> bool {
        let waits = || self.chain.is_waiting(self.place(at), self.flow);
        self.held.get(at).and_then(Option::as_ref).is_some_and(|held| !held.is_empty() || waits())
    }

    /// Writes what has passed all filters. It may be dropped at any time: what was not taken
    /// stays.
    ///
    /// # Errors
    /// The writer failed.
    pub(super) async fn write_out<W>(&mut self, writer: &mut W) -> io::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        if self.out.is_empty() {
            return Ok(());
        }
        while let Some(bytes) = self.out.front_mut() {
            if bytes.is_empty() {
                self.out.pop_front();
                continue;
            }
            match writer.write_buf(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.written.set(self.written.get().saturating_add(count as u64)),
            }
        }
        writer.flush().await
    }

    async fn data_from(&mut self, from: usize, mut bytes: Bytes, end: bool) -> Result<(), Closed> {
        for at in from..self.chain.len() {
            if !self.chain.wants_at(self.place(at), self.flow) {
                bytes = self.unhold(at, bytes);
                continue;
            }
            if bytes.is_empty() && !end {
                return Ok(()); // nothing is new for it
            }
            match self.show(at, bytes, end).await? {
                Some(shown) => bytes = shown,
                None => return Ok(()), // it holds on
            }
        }
        if !bytes.is_empty() {
            self.out.push_back(bytes);
        }
        Ok(())
    }

    /// Shows the bytes to one filter, with what it held. `None` where it holds on.
    async fn show(&mut self, at: usize, bytes: Bytes, end: bool) -> Result<Option<Bytes>, Closed> {
        let bytes = self.unhold(at, bytes);
        let place = self.place(at);
        let duty = OnDuty::new(self.state(), bytes, self.chain.held_bytes_max(place));
        let hook = Hook::Data { flow: self.flow, end };
        let passed = self.chain.call(place, hook).await;
        let content = duty.take();
        match passed? {
            Passed::Held if !end => self.hold(at, content).map(|()| None),
            Passed::Held | Passed::On => Ok(Some(content)),
        }
    }

    fn hold(&mut self, at: usize, content: Bytes) -> Result<(), Closed> {
        let own_max = self.chain.held_bytes_max(self.place(at)).unwrap_or(usize::MAX);
        if content.len() > self.chain.connection().held_bytes_max.get().min(own_max) {
            return Err(self.chain.held_too_much());
        }
        self.chain.set_holding(self.place(at), self.flow, true);
        if let Some(slot) = self.held.get_mut(at) {
            *slot = Some(BytesMut::from(content));
        }
        Ok(())
    }

    /// What a step held, with the bytes behind it.
    fn unhold(&mut self, at: usize, bytes: Bytes) -> Bytes {
        self.chain.set_holding(self.place(at), self.flow, false);
        match self.held.get_mut(at).and_then(Option::take) {
            Some(mut held) if !held.is_empty() => {
                held.extend_from_slice(&bytes);
                held.freeze()
            }
            Some(_) | None => bytes,
        }
    }

    fn state(&self) -> &'a FlowState {
        self.chain.connection().flow(self.flow)
    }

    /// The place in the chain of the `at`-th step: bytes for the client run the other way.
    fn place(&self, at: usize) -> usize {
        match self.flow {
            Flow::Downstream => at,
            Flow::Upstream => self.chain.len().saturating_sub(at + 1),
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.put_away();
    }
}

#[cfg(test)]
mod tests;
