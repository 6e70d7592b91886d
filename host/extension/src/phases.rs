//! Which hooks a filter wants. What it does not want to see is never sent to it.

use std::ops::BitOr;

/// A set of phases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases(u16);

impl Phases {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `on_request_headers`
    pub const REQUEST_HEADERS: Self = Self(1);
    /// `on_request_body`
    pub const REQUEST_BODY: Self = Self(1 << 1);
    /// `on_request_trailers`
    pub const REQUEST_TRAILERS: Self = Self(1 << 2);
    /// `on_response_headers`
    pub const RESPONSE_HEADERS: Self = Self(1 << 3);
    /// `on_response_body`
    pub const RESPONSE_BODY: Self = Self(1 << 4);
    /// `on_response_trailers`
    pub const RESPONSE_TRAILERS: Self = Self(1 << 5);
    /// The end of the stream; until then both heads can be read, also after they were sent,
    /// which costs a copy of each.
    pub const LOG: Self = Self(1 << 6);
    /// `on_new_connection`
    pub const NEW_CONNECTION: Self = Self(1 << 7);
    /// `on_data` of what the client sends
    pub const DOWNSTREAM_DATA: Self = Self(1 << 8);
    /// `on_data` of what the client is sent
    pub const UPSTREAM_DATA: Self = Self(1 << 9);
    /// `on_close` of either side
    pub const CLOSE: Self = Self(1 << 10);
    /// All hooks of stream filters.
    pub const OF_STREAMS: Self = Self(0b111_1111);
    /// All hooks of network filters.
    pub const OF_CONNECTIONS: Self = Self(0b1111 << 7);
    /// Everything.
    pub const ALL: Self = Self(u16::MAX);

    /// The phases that a configuration may name, with their names.
    pub const NAMED: [(&'static str, Self); 11] = [
        ("request_headers", Self::REQUEST_HEADERS),
        ("request_body", Self::REQUEST_BODY),
        ("request_trailers", Self::REQUEST_TRAILERS),
        ("response_headers", Self::RESPONSE_HEADERS),
        ("response_body", Self::RESPONSE_BODY),
        ("response_trailers", Self::RESPONSE_TRAILERS),
        ("log", Self::LOG),
        ("new_connection", Self::NEW_CONNECTION),
        ("downstream_data", Self::DOWNSTREAM_DATA),
        ("upstream_data", Self::UPSTREAM_DATA),
        ("close", Self::CLOSE),
    ];

    /// The place of a single phase in [`Phases::NAMED`].
    #[must_use]
    pub fn place(self) -> usize {
        usize::try_from(self.0.trailing_zeros()).unwrap_or(usize::MAX)
    }

    /// True where every phase of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True where any phase of `other` is in this set.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The phases that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
