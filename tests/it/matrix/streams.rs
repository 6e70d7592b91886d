//! The cases of the stream filters, by what they are about.

mod bodies;
mod ends;
mod faults;
mod heads;
mod knowledge;
mod waits;

use super::case::Case;

/// The table.
pub(crate) fn cases() -> Vec<Case> {
    [
        heads::cases(),
        bodies::cases(),
        waits::cases(),
        ends::cases(),
        knowledge::cases(),
        faults::cases(),
    ]
    .concat()
}
