//! The probe's exports: one function for each callback of the interface.
//!
//! Each notes what it was given and has the script of its context run. Two do more: the
//! context's making, which knows roots and armed scripts, and the request's head, which brings
//! scripts and fetches records.

use abi_wasm::AbiVersion;
use wasm_encoder::InstructionSink;

use super::{
    Functions,
    code::{Part, Words, at},
    interpreter::Own,
    layout::*,
};
use crate::Phase;

/// All exports, in the order in which they are numbered behind the probe's own functions.
pub(super) fn functions(functions: &Functions, version: AbiVersion) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut index = functions.count() + Own::COUNT;
    for phase in Phase::ALL {
        let part = callback(functions, phase, version);
        parts.push(part.exported(phase.export(), index));
        index += 1;
    }
    parts.push(Part::new(0, 0, false, |code| code).exported(version.marker(), index));
    parts
}

fn callback(functions: &Functions, phase: Phase, version: AbiVersion) -> Part {
    let params = phase.params(version);
    let slot = u32::try_from(params).unwrap_or_default();
    Part::new(params, 2, phase.default_answer().is_some(), |code| {
        if phase == Phase::ContextCreate {
            begin_context(code, functions);
        }
        if phase == Phase::RequestHeaders {
            read_fields(code, functions, slot);
        }
        code.i32_const(GIVEN).i32_const(0).i32_const(OUT_WIPED * 8).memory_fill(0);
        for (local, offset) in (1..slot).zip(0..OUT_WIPED) {
            code.i32_const(GIVEN).local_get(local).i32_store(at(offset * 8));
        }
        if phase.is_of_root() {
            code.i32_const(ROOT_SLOT);
        } else {
            code.local_get(0).call(Own::Find.index(functions));
        }
        code.local_get(0).i32_const(phase.number());
        code.i32_const(phase.default_answer().unwrap_or_default());
        code.call(Own::Run.index(functions));
        if phase.default_answer().is_none() { code.drop() } else { code }
    })
}

/// A root is remembered; a context of a stream gets the script that is armed.
fn begin_context<'a, 'b>(
    code: &'b mut InstructionSink<'a>,
    functions: &Functions,
) -> &'b mut InstructionSink<'a> {
    let (context, parent, slot) = (0, 1, 2);
    code.local_get(parent).i32_eqz();
    code.when(|code| {
        code.global_get(ROOTS_SEEN).i32_const(ROOT_COUNT - 1).i32_and();
        code.i32_const(2).i32_shl().local_get(context).i32_store(at(ROOTS));
        code.global_get(ROOTS_SEEN).i32_const(1).i32_add().global_set(ROOTS_SEEN)
    });
    code.local_get(parent);
    code.when(|code| {
        code.local_get(parent).global_set(PARENT);
        code.load_from(ARMED_SLOT + SLOT_SCRIPT_LEN);
        code.when(|code| {
            next_slot(code, slot);
            code.local_get(slot).i32_const(ARMED_SLOT).i32_const(SLOT_RESULTS).memory_copy(0, 0);
            code.local_get(slot).local_get(context).call(Own::Take.index(functions));
            code.i32_const(ARMED_SLOT).i32_const(0).i32_store(at(SLOT_SCRIPT_LEN))
        })
    })
}

/// The slot that was used the longest time ago.
fn next_slot(code: &mut InstructionSink<'_>, slot: u32) {
    code.global_get(NEXT_SLOT).local_tee(slot).i32_const(SLOT_BYTES).i32_add();
    code.global_set(NEXT_SLOT).global_get(NEXT_SLOT).i32_const(SLOTS_END).i32_ge_u();
    code.when(|code| code.i32_const(FIRST_SLOT).global_set(NEXT_SLOT));
}

fn read_fields<'a, 'b>(
    code: &'b mut InstructionSink<'a>,
    functions: &Functions,
    slot: u32,
) -> &'b mut InstructionSink<'a> {
    let [script, root, arm, fetch] = NAMES;
    if_field(code, functions, script, |code| {
        next_slot(code, slot);
        take_script(code, functions, slot);
        code.local_get(slot).local_get(0).call(Own::Take.index(functions))
    });
    if_field(code, functions, root, |code| {
        code.i32_const(ROOT_SLOT).local_set(slot);
        take_script(code, functions, slot);
        code.local_get(slot).i32_const(0).call(Own::Take.index(functions))
    });
    if_field(code, functions, arm, |code| {
        code.i32_const(ARMED_SLOT).local_set(slot);
        take_script(code, functions, slot);
        code
    });
    if_field(code, functions, fetch, |code| answer_fetch(code, functions, slot))
}

fn if_field<'a, 'b>(
    code: &'b mut InstructionSink<'a>,
    functions: &Functions,
    (address, name): (i32, &str),
    then: impl for<'c> FnOnce(&'c mut InstructionSink<'a>) -> &'c mut InstructionSink<'a>,
) -> &'b mut InstructionSink<'a> {
    code.i32_const(address).i32_const(i32::try_from(name.len()).unwrap_or_default());
    code.call(Own::Field.index(functions));
    code.when(then)
}

/// Turns the found text into the script of `slot`.
fn take_script(code: &mut InstructionSink<'_>, functions: &Functions, slot: u32) {
    code.local_get(slot).load_from(FOUND).load_from(FOUND + 8);
    code.local_get(slot).i32_const(SLOT_SCRIPT).i32_add().call(Own::Unhex.index(functions));
    code.i32_store(at(SLOT_SCRIPT_LEN));
}

/// Answers with the records of the slot that has the tag that was found.
fn answer_fetch<'a, 'b>(
    code: &'b mut InstructionSink<'a>,
    functions: &Functions,
    slot: u32,
) -> &'b mut InstructionSink<'a> {
    let reply = functions.number("proxy_send_local_response").unwrap_or_default();
    let nothing = |code: &mut InstructionSink<'_>| {
        code.i32_const(0).i32_const(0).i32_const(-1).call(reply).drop();
    };
    code.load_from(FOUND).load_from(FOUND + 8).i32_const(FOUND);
    code.call(Own::Unhex.index(functions)).drop();
    code.i32_const(ROOT_SLOT).local_set(slot);
    code.repeat(|code| {
        code.field(slot, SLOT_TAG).load_from(FOUND).i32_eq();
        code.when(|code| {
            code.i32_const(200).i32_const(0).i32_const(0);
            code.local_get(slot).i32_const(SLOT_RESULTS).i32_add().field(slot, SLOT_RESULT_LEN);
            nothing(code);
            code.i32_const(1).return_()
        });
        code.advance(slot, SLOT_BYTES);
        code.local_get(slot).i32_const(SLOTS_END).i32_lt_u()
    });
    code.i32_const(404).i32_const(0).i32_const(0).i32_const(0).i32_const(0);
    nothing(code);
    code.i32_const(1).return_()
}
