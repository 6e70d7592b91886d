//! What is known of a stream or connection between its callbacks.

use abi_process::v1::{Open, Property};

use crate::Phases;

/// Which kind of context.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Of {
    Stream,
    Connection,
    Codec,
}

/// What is known of a stream or connection.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) instance: u64,
    pub(crate) of: Of,
    pub(crate) phases: Phases,
    properties: Vec<Property>,
    held_bytes_max: u64,
    /// Bytes that were paused on, of each direction.
    kept: [Kept; 2],
}

/// Bytes that stand here and at the host alike.
#[derive(Debug, Default)]
pub(crate) enum Kept {
    #[default]
    Nothing,
    Bytes(Vec<u8>),
    /// The host has others than we do: it must be asked.
    Unknown,
}

impl Context {
    pub(crate) fn new(of: Of, phases: Phases, open: Open) -> Self {
        let Open { instance, properties, held_bytes_max, .. } = open;
        Self { instance, of, phases, properties, held_bytes_max, kept: Default::default() }
    }

    /// A property that came with the beginning.
    pub(crate) fn property(&self, path: &[&str]) -> Option<&[u8]> {
        let is_it = |property: &&Property| {
            if property.segments.is_empty() {
                let plain = path.iter().all(|segment| !segment.contains('.'));
                return plain && property.path.split('.').eq(path.iter().copied());
            }
            property.segments.iter().eq(path.iter().map(|segment| segment.as_bytes()))
        };
        self.properties.iter().find(is_it).map(|property| property.value.as_ref())
    }

    /// Forgets a property, since it was changed.
    pub(crate) fn forget_property(&mut self, path: &[&str]) {
        let Some(value) = self.property(path).map(<[u8]>::as_ptr) else { return };
        self.properties.retain(|property| property.value.as_ptr() != value);
    }

    /// Adds the newest bytes of a direction to those that were kept.
    pub(crate) fn extend(&mut self, direction: usize, held: u64, newest: &[u8]) {
        let Some(kept) = self.kept.get_mut(direction) else { return };
        match kept {
            _ if held == 0 => *kept = Kept::Bytes(newest.to_vec()),
            Kept::Bytes(bytes) if u64::try_from(bytes.len()) == Ok(held) => {
                bytes.extend_from_slice(newest);
            }
            Kept::Nothing | Kept::Bytes(_) | Kept::Unknown => *kept = Kept::Unknown,
        }
    }

    /// The bytes of a direction.
    pub(crate) fn kept(&mut self, direction: usize) -> Option<&mut Kept> {
        self.kept.get_mut(direction)
    }

    /// The host let go of them.
    pub(crate) fn let_go(&mut self, direction: usize) {
        if let Some(kept) = self.kept.get_mut(direction) {
            *kept = Kept::Nothing;
        }
    }

    /// How long the bytes may become that have this length now.
    pub(crate) fn bytes_max(&self, length: usize) -> usize {
        if self.held_bytes_max == 0 {
            return usize::MAX;
        }
        usize::try_from(self.held_bytes_max).unwrap_or(usize::MAX).max(length)
    }
}
