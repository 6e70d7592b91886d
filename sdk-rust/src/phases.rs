//! What a plugin asks to see. What it does not ask for is never sent to it.

use std::ops::BitOr;

/// A set of callbacks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases(u16);

impl Phases {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The request's head.
    pub const REQUEST_HEADERS: Self = Self(1);
    /// The request's body.
    pub const REQUEST_BODY: Self = Self(1 << 1);
    /// The request's trailers.
    pub const REQUEST_TRAILERS: Self = Self(1 << 2);
    /// The response's head.
    pub const RESPONSE_HEADERS: Self = Self(1 << 3);
    /// The response's body.
    pub const RESPONSE_BODY: Self = Self(1 << 4);
    /// The response's trailers.
    pub const RESPONSE_TRAILERS: Self = Self(1 << 5);
    /// The end of the stream or connection; until then both heads can be read, also after they
    /// were sent, which costs a copy of each.
    pub const LOG: Self = Self(1 << 6);
    /// The beginning of a connection.
    pub const NEW_CONNECTION: Self = Self(1 << 7);
    /// Bytes that the client sends.
    pub const DOWNSTREAM_DATA: Self = Self(1 << 8);
    /// Bytes that the client is sent.
    pub const UPSTREAM_DATA: Self = Self(1 << 9);
    /// The end of either side of a connection.
    pub const CLOSE: Self = Self(1 << 10);
    /// Everything that there is.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Both sets together; for constants, where `|` cannot be used.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True where all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as the wire formats carry it: bit 0 is the request's head, bit 10 the close.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set of these bits; those that mean nothing are left out.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}
