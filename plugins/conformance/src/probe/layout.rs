//! Where what lies in the probe's memory, and what its globals are for.

use super::fields;

/// 4 MiB; it never grows.
pub(super) const MEMORY_PAGES: u64 = 64;

/// Sixteen numbers of 64 bits that calls write into. The first four are wiped before each
/// call, the others stay and are how one call's result becomes another one's argument.
pub(super) const OUT: i32 = 0x100;
/// How many of them are wiped.
pub(super) const OUT_WIPED: i32 = 4;
/// How many of them a record keeps.
pub(crate) const SLOTS_KEPT: usize = 8;
/// How many bytes that is.
pub(crate) const OUT_BYTES: usize = SLOTS_KEPT * 8;
/// What a wiped number is made of.
pub(crate) const UNTOUCHED: u8 = 0xEE;

/// The arguments of the call under way: twelve numbers of 64 bits.
pub(super) const ARGUMENTS: i32 = 0x200;
/// What the callback was given behind its context: four numbers of 64 bits.
pub(super) const GIVEN: i32 = 0x280;
/// Where the probe's own calls find a value: its address and length.
pub(super) const FOUND: i32 = 0x2C0;
/// The ids of root contexts, as a ring.
pub(super) const ROOTS: i32 = 0x300;
/// How many of them.
pub(super) const ROOT_COUNT: i32 = 16;

/// The names of the request fields.
pub(super) const NAMES: [(i32, &str); 4] =
    [(0x400, fields::SCRIPT), (0x420, fields::ROOT), (0x440, fields::ARM), (0x460, fields::FETCH)];

/// Slots: what belongs to one script. The first is that of the root contexts, the second holds
/// the script for the context that is made next.
pub(super) const ROOT_SLOT: i32 = 0x1_0000;
pub(super) const ARMED_SLOT: i32 = ROOT_SLOT + SLOT_BYTES;
pub(super) const FIRST_SLOT: i32 = ARMED_SLOT + SLOT_BYTES;
pub(super) const SLOT_COUNT: i32 = 40;
pub(super) const SLOTS_END: i32 = FIRST_SLOT + SLOT_COUNT * SLOT_BYTES;
pub(super) const SLOT_BYTES: i32 = 0xC000;

/// Within a slot: its context, its tag, lengths, how often each callback came, and the two
/// areas.
pub(super) const SLOT_CONTEXT: i32 = 0;
pub(super) const SLOT_TAG: i32 = 4;
pub(super) const SLOT_SCRIPT_LEN: i32 = 8;
pub(super) const SLOT_RESULT_LEN: i32 = 12;
pub(super) const SLOT_COUNTERS: i32 = 64;
pub(super) const SLOT_COUNTERS_BYTES: i32 = 32 * 4;
pub(super) const SLOT_SCRIPT: i32 = 256;
pub(super) const SLOT_RESULTS: i32 = 0x5000;
pub(super) const RESULT_BYTES_MAX: i32 = SLOT_BYTES - SLOT_RESULTS;

/// The longest script.
pub(crate) const SCRIPT_BYTES_MAX: usize = 0x4F00;
/// What a record has before its value: callback, its count, function, status, numbers, length.
pub(crate) const RECORD_BYTES: usize = 16 + OUT_BYTES + 4;
/// The longest value that a record keeps.
pub(crate) const VALUE_BYTES_MAX: i32 = 4096;
/// The function of a record that says that a callback came.
pub(crate) const ENTERED: u32 = 0xFFFF;

/// What hosts allocate: a ring that is used again and again.
pub(super) const HEAP: i32 = 0x28_0000;
pub(super) const HEAP_END: i32 = 0x40_0000;

/// Globals: the next free byte of the heap, the next free slot, the answer of the callback
/// under way, the parent of the newest context, how the allocator behaves, roots so far.
pub(super) const NEXT_FREE: u32 = 0;
pub(super) const NEXT_SLOT: u32 = 1;
pub(super) const ANSWER: u32 = 2;
pub(super) const PARENT: u32 = 3;
pub(super) const ALLOCATOR: u32 = 4;
pub(super) const ROOTS_SEEN: u32 = 5;

/// What the globals are at first.
pub(super) const GLOBALS: [i32; 6] = [HEAP, FIRST_SLOT, 0, 0, 0, 0];
