//! Which callback runs.

use abi_process::v1::{Change, Replace, Verdict, change};
use prost::Message;

use super::SectionFields;
use crate::backend::{ContextId, Section};

/// Which callback runs, and what came of it so far.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) instance: u64,
    /// Of which stream or connection it is one.
    pub(super) context: Option<ContextId>,
    /// Where the host waits for its answer.
    pub(super) exchange: Option<Exchange>,
    /// Sections that the host was asked for: as long as a callback runs they stay as they are.
    /// The last few of them; who goes through all streams has the host asked for each.
    pub(super) seen: Vec<(ContextId, SectionFields)>,
}

/// An event that is answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) hand: Hand,
    pub(crate) changes: Vec<Change>,
    /// Fields and changes that wait, and their bytes.
    parts: usize,
    bytes: usize,
    /// What the plugin said by a host call, which rules over what it returns.
    pub(crate) verdict: Option<Verdict>,
    /// It let the direction go on whose bytes are in its hand.
    pub(crate) is_resumed: bool,
}

/// Sections that are kept while a callback runs: more than one stream has.
const SEEN_MAX: usize = 16;
/// Fields and changes that wait for the answer; more are sent before it.
const PARTS_MAX: usize = 2048;
/// Bytes of changes that wait for the answer.
const BYTES_MAX: usize = 1024 * 1024;

/// What the plugin has in hand, to change it.
#[derive(Debug)]
pub(crate) enum Hand {
    Nothing,
    Section(SectionFields),
    /// The bytes of this direction.
    Bytes(usize),
}

impl Exchange {
    pub(crate) fn new(hand: Hand) -> Self {
        let (parts, bytes, is_resumed) = Default::default();
        Self { hand, changes: Vec::new(), parts, bytes, verdict: None, is_resumed }
    }
}

impl Exchange {
    /// Notes a change that was made. True where so many wait that they should be sent.
    pub(super) fn note(&mut self, kind: change::Kind) -> bool {
        self.parts += match &kind {
            change::Kind::Replace(Replace { fields, .. }) => fields.len() + 1,
            change::Kind::Set(_)
            | change::Kind::Add(_)
            | change::Kind::Remove(_)
            | change::Kind::Body(_)
            | change::Kind::Data(_)
            | change::Kind::Property(_) => 1,
        };
        let change = Change { kind: Some(kind) };
        self.bytes += change.encoded_len();
        self.changes.push(change);
        self.parts >= PARTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Takes the changes that wait.
    pub(super) fn take(&mut self) -> Vec<Change> {
        (self.parts, self.bytes) = (0, 0);
        std::mem::take(&mut self.changes)
    }
}

impl Turn {
    /// A section that is in hand or was asked for.
    pub(super) fn section(&self, id: ContextId, section: Section) -> Option<&SectionFields> {
        if let Some(Exchange { hand: Hand::Section(fields), .. }) = &self.exchange
            && self.context == Some(id)
            && fields.section == section
        {
            return Some(fields);
        }
        let seen = self.seen.iter().find(|(of, fields)| *of == id && fields.section == section);
        seen.map(|(_of, fields)| fields)
    }

    /// The section, where it is in hand.
    pub(super) fn section_in_hand(
        &mut self,
        id: ContextId,
        section: Section,
    ) -> Option<&mut SectionFields> {
        match &mut self.exchange_of(id)?.hand {
            Hand::Section(fields) if fields.section == section => Some(fields),
            Hand::Nothing | Hand::Section(_) | Hand::Bytes(_) => None,
        }
    }

    /// True where the bytes of a direction are in hand.
    pub(super) fn has_bytes(&mut self, id: ContextId, direction: usize) -> bool {
        let hand = self.exchange_of(id).map(|exchange| &exchange.hand);
        matches!(hand, Some(Hand::Bytes(known)) if *known == direction)
    }

    /// The exchange of a context.
    pub(super) fn exchange_of(&mut self, id: ContextId) -> Option<&mut Exchange> {
        self.exchange.as_mut().filter(|_exchange| self.context == Some(id))
    }

    /// Keeps a section that the host was asked for. Where there are many, the oldest one goes that
    /// is of another stream: the sections of one that is over came along, and come only once.
    pub(super) fn keep(&mut self, id: ContextId, fields: SectionFields) {
        if self.seen.len() >= SEEN_MAX {
            let oldest = self.seen.iter().position(|(of, _fields)| Some(*of) != self.context);
            self.seen.remove(oldest.unwrap_or_default());
        }
        self.seen.push((id, fields));
    }

    /// Forgets a section that was asked for, since it was changed.
    pub(super) fn forget_section(&mut self, id: ContextId, section: Section) {
        self.seen.retain(|(of, fields)| *of != id || fields.section != section);
    }
}

#[cfg(test)]
mod tests;
