//! Hostile guests: what no plugin may do to the host, tried at random.
//!
//! There are two kinds. Modules of random instructions reach every way of being loaded,
//! started and lost. Scripted guests are one module whose callbacks make the host calls that
//! a script says, with arguments that are nearly right; the script is their configuration.
//! Both go the way that every plugin goes. Nothing is asserted but that we are still there.
//!
//! For tests and for the fuzz targets only. Start reading at [`script`].

mod codec;
mod drive;
mod guest;
mod host;
#[cfg(test)]
pub(crate) mod random;

use std::{cell::Cell, sync::LazyLock, time::Duration};

use host_types::{Isolation, VmSettings};

#[cfg(test)]
pub(crate) use self::guest::CALLBACKS;
use self::{drive::Rig, guest::Length, host::Host};
pub use self::{drive::Told, guest::Dice};
use crate::{WasmBackend, WasmSettings, memory};

static BACKEND: LazyLock<WasmBackend> = LazyLock::new(|| {
    let settings = WasmSettings { instances_max: 100, ..WasmSettings::default() };
    WasmBackend::new(&settings).expect("an engine")
});

/// The scripted guest, compiled once for each isolation.
static SCRIPTED: LazyLock<[Rig; 2]> = LazyLock::new(|| scripted(CALL_BUDGET));
/// The same, with time for long scripts.
static AT_LENGTH: LazyLock<[Rig; 2]> = LazyLock::new(|| scripted(Duration::from_millis(100)));

/// Processor time of a callback.
const CALL_BUDGET: Duration = Duration::from_millis(1);

thread_local! {
    /// The host calls that guests of this thread made, whether they were answered or refused.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// A guest called the host.
pub(crate) fn count_call() {
    CALLS.set(CALLS.get() + 1);
}

fn scripted(call_budget: Duration) -> [Rig; 2] {
    [Isolation::Shared, Isolation::PerStream].map(|isolation| {
        let vm = VmSettings { id: Some("fuzz".into()), isolation, ..VmSettings::default() };
        Rig::load(&guest::module(), &vm, call_budget).expect("it loads")
    })
}

/// Runs the scripted guest with a script that the dice make.
pub fn script(dice: &mut Dice) -> Told {
    script_of(dice, &SCRIPTED, Length::SHORT)
}

/// As [`script`], with scripts of a thousand calls and more: most of the time is theirs.
pub fn long_script(dice: &mut Dice) -> Told {
    script_of(dice, &AT_LENGTH, Length::LONG)
}

fn script_of(dice: &mut Dice, [shared, alone]: &[Rig; 2], length: Length) -> Told {
    let rig = if dice.below(4) == 0 { alone } else { shared };
    let script = guest::script(dice, length);
    rig.drive(dice, &script, length.steps)
}

/// Runs any module; one that cannot be loaded is done with.
pub fn module(bytes: &[u8], dice: &mut Dice) -> Told {
    match Rig::load(bytes, &VmSettings::default(), CALL_BUDGET) {
        Ok(rig) => rig.drive(dice, b"configuration", Length::SHORT.steps),
        Err(_) => Told::default(),
    }
}

/// Reads debug information, and looks all its addresses up.
pub fn lines(bytes: &[u8]) {
    if let Some(lines) = crate::fault::Lines::read(bytes) {
        for addresses in [[0, 1, 2], [16, 64, 256], [bytes.len(), usize::MAX, 1 << 31]] {
            drop(lines.places(&addresses));
        }
    }
}

/// Checks what an address and a length come to.
pub fn guest_range(ptr: u32, len: u32, memory_len: usize) {
    let inside = u64::from(ptr) + u64::from(len) <= memory_len as u64;
    let range = memory::guest_range(ptr, len, memory_len);
    assert_eq!(range.is_some(), inside || len == 0, "{ptr} {len} {memory_len}");
    if let Some(range) = range {
        assert_eq!(range.len() as u64, u64::from(len));
        assert!(range.end <= memory_len);
    }
}

#[cfg(test)]
mod tests;
