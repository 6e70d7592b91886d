//! Bodies and bytes of connections: those in a plugin's hand, and those that the host has.

use abi_process::v1::{self, call, change};
use prost::bytes::Bytes;

use super::{Desk, context::Kept};
use crate::{
    Flow, HostError, Side,
    backend::{ContextId, Outcome},
};

/// Bytes that a plugin may have in hand.
#[derive(Clone, Copy)]
pub(super) struct Place {
    direction: usize,
    /// As the host counts them.
    which: u32,
    change: fn(v1::Splice) -> change::Kind,
}

impl Place {
    pub(super) fn body(side: Side) -> Self {
        match side {
            Side::Request => Self { direction: 0, which: 0, change: change::Kind::Body },
            Side::Response => Self { direction: 1, which: 1, change: change::Kind::Body },
        }
    }

    pub(super) fn data(flow: Flow) -> Self {
        match flow {
            Flow::Downstream => Self { direction: 0, which: 2, change: change::Kind::Data },
            Flow::Upstream => Self { direction: 1, which: 3, change: change::Kind::Data },
        }
    }
}

impl Desk {
    pub(super) fn bytes(&self, id: ContextId, place: Place) -> Outcome<Vec<u8>> {
        if !self.turn.borrow_mut().has_bytes(id, place.direction) {
            return self.ask_bytes(id, place);
        }
        self.with_kept(id, place, |bytes, _max| Ok(bytes.clone()))
    }

    pub(super) fn splice(
        &self,
        id: ContextId,
        place: Place,
        (start, length): (usize, usize),
        with: &[u8],
    ) -> Outcome<()> {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let change = (place.change)(v1::Splice {
            direction: u32::from(place.direction == 1),
            start: wide(start),
            length: wide(length),
            bytes: Bytes::copy_from_slice(with),
        });
        if !self.turn.borrow_mut().has_bytes(id, place.direction) {
            self.ask_change(id, change)?;
            // The host's are the right ones now, whatever is here.
            if let Some(mut context) = self.context(id)
                && let Some(kept @ Kept::Bytes(_)) = context.kept(place.direction)
            {
                *kept = Kept::Unknown;
            }
            return Ok(());
        }
        if self.link.is_too_large(with.len()) {
            return Err(HostError::LimitReached);
        }
        self.with_kept(id, place, |bytes, max| {
            let start = start.min(bytes.len());
            let end = start.saturating_add(length).min(bytes.len());
            if (bytes.len() - (end - start)).saturating_add(with.len()) > max {
                return Err(HostError::LimitReached);
            }
            drop(bytes.splice(start..end, with.iter().copied()));
            Ok(())
        })?;
        self.note(id, change);
        Ok(())
    }

    /// The host passes the bytes on: what comes next does not lie behind them. Those in the hand of
    /// the callback stay there until it ends.
    pub(super) fn pass_on(&self, id: ContextId, place: Place) {
        let mut turn = self.turn.borrow_mut();
        if turn.has_bytes(id, place.direction) {
            if let Some(exchange) = turn.exchange_of(id) {
                exchange.is_resumed = true;
            }
            return;
        }
        drop(turn);
        if let Some(mut context) = self.context(id) {
            context.let_go(place.direction);
        }
    }

    /// The bytes in hand, and how long they may become.
    fn with_kept<R>(
        &self,
        id: ContextId,
        place: Place,
        with: impl FnOnce(&mut Vec<u8>, usize) -> Outcome<R>,
    ) -> Outcome<R> {
        let is_unknown = |kept: Option<&mut Kept>| !matches!(kept, Some(Kept::Bytes(_)));
        if self.context(id).is_some_and(|mut it| is_unknown(it.kept(place.direction))) {
            let bytes = self.ask_bytes(id, place)?;
            if let Some(kept) = self.context(id).as_mut().and_then(|it| it.kept(place.direction)) {
                *kept = Kept::Bytes(bytes);
            }
        }
        let mut context = self.context(id).ok_or(HostError::NotFound)?;
        let length = match context.kept(place.direction) {
            Some(Kept::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        let max = context.bytes_max(length);
        match context.kept(place.direction) {
            Some(Kept::Bytes(bytes)) => with(bytes, max),
            _ => Err(HostError::WrongPhase),
        }
    }

    fn ask_bytes(&self, id: ContextId, place: Place) -> Outcome<Vec<u8>> {
        let kind = call::Kind::GetBytes(v1::GetBytes { which: place.which });
        match self.ask_of(id, kind) {
            Ok(result) => Ok(result.value.to_vec()),
            // The host has none in hand now.
            Err(HostError::NotFound) => Err(HostError::WrongPhase),
            Err(error) => Err(error),
        }
    }
}
