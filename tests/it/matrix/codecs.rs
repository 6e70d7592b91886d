//! The cases of the codecs, by what they are about.

mod ends;
mod faults;
mod filters;
mod frames;
mod pools;
mod routes;

use std::borrow::Borrow;

use super::call::{Call, Turn};
use crate::courier::{Frame, RESPONSE};

/// The table.
pub(crate) fn cases() -> Vec<Call> {
    [
        frames::cases(),
        filters::cases(),
        routes::cases(),
        pools::cases(),
        ends::cases(),
        faults::cases(),
    ]
    .concat()
}

/// A client sends a frame.
fn sends(who: usize, frame: impl Borrow<Frame>) -> Turn {
    Turn::Sends(who, frame.borrow().bytes())
}

/// A sound response.
fn fine(body: &str) -> Frame {
    Frame::new(RESPONSE, 0).field("Place", "Lisbon").body(body)
}

/// The first client asks with this id, and is answered by the upstream connection that has read
/// so many requests before.
fn asks(id: u32, peer: usize, place: usize) -> Vec<Turn> {
    vec![
        sends(0, Frame::request(id).body("again")),
        Turn::Reads(peer),
        Turn::Answers(peer, place, fine("fine again")),
        Turn::Hears(0),
    ]
}

/// One turn after the other.
fn all(parts: impl IntoIterator<Item = Vec<Turn>>) -> Vec<Turn> {
    parts.into_iter().flatten().collect()
}
