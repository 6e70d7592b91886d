//! All attacks: a catalogue of equal entries.

mod children;
mod loops;
mod modules;

use crate::attack::Attack;

/// All attacks, in the order in which they are run: what takes its child with it comes last.
#[must_use]
pub fn all() -> Vec<Attack> {
    let mut all = loops::all();
    all.extend_from_slice(modules::ALL);
    all.extend_from_slice(children::ALL);
    all
}
