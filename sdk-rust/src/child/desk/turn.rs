//! Which callback runs.

use abi_process::v1::{Change, Verdict};

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
    pub(super) seen: Vec<(ContextId, SectionFields)>,
}

/// An event that is answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) hand: Hand,
    pub(crate) changes: Vec<Change>,
    /// What the plugin said by a host call, which rules over what it returns.
    pub(crate) verdict: Option<Verdict>,
}

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
        Self { hand, changes: Vec::new(), verdict: None }
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

    /// The exchange and its section, where that is in hand.
    pub(super) fn section_in_hand(
        &mut self,
        id: ContextId,
        section: Section,
    ) -> Option<(&mut SectionFields, &mut Vec<Change>)> {
        if self.context != Some(id) {
            return None;
        }
        let Exchange { hand, changes, .. } = self.exchange.as_mut()?;
        match hand {
            Hand::Section(fields) if fields.section == section => Some((fields, changes)),
            Hand::Nothing | Hand::Section(_) | Hand::Bytes(_) => None,
        }
    }

    /// The changes of the exchange, where the bytes of a direction are in hand.
    pub(super) fn bytes_in_hand(
        &mut self,
        id: ContextId,
        direction: usize,
    ) -> Option<&mut Vec<Change>> {
        if self.context != Some(id) {
            return None;
        }
        let Exchange { hand, changes, .. } = self.exchange.as_mut()?;
        matches!(hand, Hand::Bytes(known) if *known == direction).then_some(changes)
    }

    /// The exchange of a context.
    pub(super) fn exchange_of(&mut self, id: ContextId) -> Option<&mut Exchange> {
        self.exchange.as_mut().filter(|_exchange| self.context == Some(id))
    }

    /// Forgets a section that was asked for, since it was changed.
    pub(super) fn forget_section(&mut self, id: ContextId, section: Section) {
        self.seen.retain(|(of, fields)| *of != id || fields.section != section);
    }
}
