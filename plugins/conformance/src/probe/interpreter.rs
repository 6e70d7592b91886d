//! The functions within the probe that carry out a script.
//!
//! A script is a tag, the length of its steps, the steps, and data. A step is: the callback
//! that it belongs to, the how-manieth time of it (0 for each), the function, whether a value
//! is to be kept, and its arguments with their kinds. Start reading at [`run`].

use wasm_encoder::{InstructionSink, ValType};

use super::{
    Functions, Special,
    code::{Part, Words, at},
    layout::*,
};

/// The probe's own functions by their place behind the imports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    Allocate,
    Find,
    Unhex,
    Field,
    Take,
    Record,
    Invoke,
    Run,
}

impl Own {
    pub(super) const COUNT: u32 = 8;

    /// Its number in the module.
    pub(super) fn index(self, functions: &Functions) -> u32 {
        functions.count() + self as u32
    }
}

/// All of them, in the order of [`Own`].
pub(super) fn functions(functions: &Functions) -> [Part; Own::COUNT as usize] {
    [
        allocate(functions),
        find(),
        unhex(),
        field(functions),
        take(),
        record(),
        invoke(functions),
        run(functions),
    ]
}

/// The kinds of a step's arguments.
pub(crate) mod kinds {
    /// The number that stands there.
    pub(crate) const NUMBER: u32 = 0;
    /// An address within the script.
    pub(crate) const DATA: u32 = 1;
    /// The address of one of the numbers that calls write into.
    pub(crate) const OUT: u32 = 2;
    /// The context that the callback is about.
    pub(crate) const CONTEXT: u32 = 3;
    /// What one of those numbers is now.
    pub(crate) const VALUE: u32 = 4;
    /// The parent of the newest context.
    pub(crate) const PARENT: u32 = 5;
}

/// What a step has before its arguments, and what an argument takes.
pub(crate) const STEP_BYTES: i32 = 20;
pub(crate) const ARGUMENT_BYTES: i32 = 12;
/// What a script has before its steps.
pub(crate) const SCRIPT_HEAD_BYTES: i32 = 8;

/// `proxy_on_memory_allocate`: size to address.
fn allocate(functions: &Functions) -> Part {
    let (size, found) = (0, 1);
    let log = functions.number("proxy_log").unwrap_or_default();
    let [(name, text), ..] = NAMES;
    let length = i32::try_from(text.len()).unwrap_or_default();
    let is = |code: &mut InstructionSink<'_>, behaviour: i32| {
        code.global_get(ALLOCATOR).i32_const(behaviour).i32_eq();
    };
    let part = Part::new(1, 1, true, |code| {
        is(code, 1);
        code.when(|code| code.i32_const(0).return_());
        is(code, 2);
        code.when(|code| code.i32_const(-0x1_0000).return_());
        is(code, 3);
        code.when(|code| code.i32_const(2).i32_const(name).i32_const(length).call(log).drop());
        is(code, 4);
        code.when(|code| code.unreachable());
        code.local_get(size).i32_const(HEAP_END - HEAP).i32_gt_u();
        code.when(|code| code.i32_const(0).return_());
        code.global_get(NEXT_FREE).local_tee(found).local_get(size).i32_add();
        code.i32_const(HEAP_END).i32_gt_u();
        code.when(|code| code.i32_const(HEAP).local_set(found));
        code.local_get(found).local_get(size).i32_add().global_set(NEXT_FREE);
        code.local_get(found)
    });
    part.exported("proxy_on_memory_allocate", Own::Allocate.index(functions))
}

/// Context to slot: its own, that of the roots, or 0.
fn find() -> Part {
    let (context, place) = (0, 1);
    Part::new(1, 1, true, |code| {
        code.i32_const(FIRST_SLOT).local_set(place);
        code.repeat(|code| {
            code.field(place, SLOT_CONTEXT).local_get(context).i32_eq();
            code.when(|code| code.local_get(place).return_());
            code.advance(place, SLOT_BYTES);
            code.local_get(place).i32_const(SLOTS_END).i32_lt_u()
        });
        code.i32_const(ROOTS).local_set(place);
        code.repeat(|code| {
            code.field(place, 0).local_get(context).i32_eq();
            code.when(|code| code.i32_const(ROOT_SLOT).return_());
            code.advance(place, 4);
            code.local_get(place).i32_const(ROOTS + ROOT_COUNT * 4).i32_lt_u()
        });
        code.i32_const(0)
    })
}

/// Hexadecimal text and where its bytes go, to their number. What is too long is cut.
fn unhex() -> Part {
    let (text, length, into, done) = (0, 1, 2, 3);
    let digit = |code: &mut InstructionSink<'_>, offset: i32, kept: u32| {
        code.local_get(text).local_get(done).i32_const(1).i32_shl().i32_add();
        code.i32_load8_u(at(offset)).local_tee(kept).i32_const(15).i32_and();
        code.local_get(kept).i32_const(6).i32_shr_u().i32_const(9).i32_mul().i32_add();
    };
    Part::new(3, 2, true, |code| {
        let most = i32::try_from(SCRIPT_BYTES_MAX).unwrap_or_default();
        code.local_get(length).i32_const(1).i32_shr_u().local_set(length);
        code.local_get(length).i32_const(most).i32_gt_u();
        code.when(|code| code.i32_const(most).local_set(length));
        code.local_get(length).i32_eqz();
        code.when(|code| code.i32_const(0).return_());
        code.repeat(|code| {
            code.local_get(into).local_get(done).i32_add();
            digit(code, 0, 4);
            code.i32_const(4).i32_shl();
            digit(code, 1, 4);
            code.i32_or().i32_store8(at(0));
            code.advance(done, 1);
            code.local_get(done).local_get(length).i32_lt_u()
        });
        code.local_get(length)
    })
}

/// The address and length of a request field's name, to whether there is one with a value,
/// which is then where [`FOUND`] says.
fn field(functions: &Functions) -> Part {
    let value = functions.number("proxy_get_header_map_value").unwrap_or_default();
    Part::new(2, 0, true, |code| {
        code.i32_const(FOUND + 8).i32_const(0).i32_store(at(0));
        code.i32_const(0).local_get(0).local_get(1);
        code.i32_const(FOUND).i32_const(FOUND + 8).call(value).i32_eqz();
        code.load_from(FOUND + 8).i32_const(0).i32_ne().i32_and()
    })
}

/// Slot and context: the slot, whose script is there, begins anew for that context.
fn take() -> Part {
    let (slot, context) = (0, 1);
    Part::new(2, 0, false, |code| {
        code.local_get(slot).local_get(context).i32_store(at(SLOT_CONTEXT));
        code.local_get(slot).field(slot, SLOT_SCRIPT).i32_store(at(SLOT_TAG));
        code.local_get(slot).i32_const(0).i32_store(at(SLOT_RESULT_LEN));
        code.local_get(slot).i32_const(SLOT_COUNTERS).i32_add();
        code.i32_const(0).i32_const(SLOT_COUNTERS_BYTES).memory_fill(0)
    })
}

/// Slot, callback, its count, function, status, and whether a value is kept: one more record.
fn record() -> Part {
    let (slot, first_field, with_value, place, size, source) = (0, 1, 5, 6, 7, 8);
    let head = i32::try_from(RECORD_BYTES).unwrap_or_default();
    let numbers = i32::try_from(OUT_BYTES).unwrap_or_default();
    Part::new(6, 3, false, |code| {
        code.local_get(with_value);
        code.when(|code| {
            code.load_from(OUT + 8).local_set(size);
            code.local_get(size).i32_const(VALUE_BYTES_MAX).i32_gt_u();
            code.when(|code| code.i32_const(VALUE_BYTES_MAX).local_set(size));
            // What no call wrote may lie outside of the memory.
            code.load_from(OUT).local_tee(source);
            code.i32_const(HEAP_END).local_get(size).i32_sub().i32_gt_u();
            code.when(|code| code.i32_const(0).local_tee(size).local_set(source))
        });
        code.field(slot, SLOT_RESULT_LEN).local_get(size).i32_add();
        code.i32_const(RESULT_BYTES_MAX - head).i32_gt_u();
        code.when(|code| code.return_());
        code.local_get(slot).field(slot, SLOT_RESULT_LEN).i32_add().local_set(place);
        for field in 0..4 {
            let offset = SLOT_RESULTS + i32::try_from(field * 4).unwrap_or_default();
            code.local_get(place).local_get(first_field + field).i32_store(at(offset));
        }
        code.local_get(place).i32_const(SLOT_RESULTS + 16).i32_add();
        code.i32_const(OUT).i32_const(numbers).memory_copy(0, 0);
        code.local_get(place).local_get(size).i32_store(at(SLOT_RESULTS + 16 + numbers));
        code.local_get(place).i32_const(SLOT_RESULTS + head).i32_add();
        code.local_get(source).local_get(size);
        code.memory_copy(0, 0);
        code.local_get(slot).field(slot, SLOT_RESULT_LEN).local_get(size).i32_add();
        code.i32_const(head).i32_add().i32_store(at(SLOT_RESULT_LEN))
    })
}

/// The number of a function to its status: calls it with the arguments that lie ready.
fn invoke(functions: &Functions) -> Part {
    let last = functions.special(Special::Note);
    Part::new(1, 0, true, |code| {
        for _ in 0..=last + 1 {
            code.open();
        }
        code.local_get(0).br_table((0..=last).collect::<Vec<_>>(), last + 1).end();
        for (import, index) in functions.imports().iter().zip(0..) {
            import.params().zip(0..).for_each(|(kind, number)| load_argument(code, kind, number));
            code.call(index);
            debug_assert!(import.answers(), "every function that is imported has a status");
            code.return_().end();
        }
        for special in Special::ALL {
            do_special(code, special);
            code.i32_const(0).return_().end();
        }
        code.i32_const(-1)
    })
}

fn load_argument(code: &mut InstructionSink<'_>, kind: ValType, number: i32) {
    code.i32_const(ARGUMENTS);
    if kind == ValType::I64 {
        code.i64_load(at(number * 8));
    } else {
        code.i32_load(at(number * 8));
    }
}

fn do_special(code: &mut InstructionSink<'_>, special: Special) {
    match special {
        Special::Answer => code.load_from(ARGUMENTS).global_set(ANSWER),
        Special::Trap => code.unreachable(),
        Special::Spin => code.repeat(|code| code.i32_const(1)),
        Special::Allocator => code.load_from(ARGUMENTS).global_set(ALLOCATOR),
        Special::Poke => {
            code.load_from(ARGUMENTS).i32_const(ARGUMENTS + 8).i64_load(at(0)).i64_store(at(0))
        }
        Special::Note => code,
    };
}

/// Slot, context, callback, and what it answers where the script says nothing, to the answer.
fn run(functions: &Functions) -> Part {
    let (slot, context, callback, default) = (0, 1, 2, 3);
    let (count, step, end, next) = (4, 5, 6, 7);
    let record = Own::Record.index(functions);
    let numbers = i32::try_from(OUT_BYTES).unwrap_or_default();
    Part::new(4, 7, true, |code| {
        code.local_get(slot).i32_eqz();
        code.when(|code| code.local_get(default).return_());
        code.local_get(default).global_set(ANSWER);
        // How often it came, this time included.
        code.local_get(slot).local_get(callback).i32_const(2).i32_shl().i32_add();
        code.local_tee(next).field(next, SLOT_COUNTERS).i32_const(1).i32_add();
        code.local_tee(count).i32_store(at(SLOT_COUNTERS));
        // A record of it, with what it was given.
        code.i32_const(OUT).i32_const(GIVEN).i32_const(OUT_WIPED * 8).memory_copy(0, 0);
        code.local_get(slot).local_get(callback).local_get(count);
        code.i32_const(i32::try_from(ENTERED).unwrap_or_default()).local_get(context);
        code.i32_const(0).call(record);
        debug_assert!(numbers >= OUT_WIPED * 8);
        code.local_get(slot).i32_const(SLOT_SCRIPT + SCRIPT_HEAD_BYTES).i32_add().local_set(step);
        code.local_get(step).field(slot, SLOT_SCRIPT + 4).i32_add().local_set(end);
        code.open();
        code.local_get(step).local_get(end).i32_ge_u().br_if(0);
        code.repeat(|code| {
            code.local_get(step).i32_const(STEP_BYTES).i32_add().field(step, 16);
            code.i32_const(ARGUMENT_BYTES).i32_mul().i32_add().local_set(next);
            code.field(step, 0).local_get(callback).i32_eq();
            code.field(step, 4).i32_eqz().field(step, 4).local_get(count).i32_eq().i32_or();
            code.i32_and();
            code.when(|code| one_step(code, functions));
            code.local_get(next).local_tee(step).local_get(end).i32_lt_u()
        });
        code.end();
        code.global_get(ANSWER)
    })
}

/// Reads the arguments of the step, calls, and records.
fn one_step<'a, 'b>(
    code: &'b mut InstructionSink<'a>,
    functions: &Functions,
) -> &'b mut InstructionSink<'a> {
    let (slot, context, callback, count, step, next) = (0, 1, 2, 4, 5, 7);
    let (argument, place, kind) = (8, 9, 10);
    let wiped = i32::from(UNTOUCHED);
    code.i32_const(OUT).i32_const(wiped).i32_const(OUT_WIPED * 8).memory_fill(0);
    code.local_get(step).i32_const(STEP_BYTES).i32_add().local_set(argument);
    code.i32_const(ARGUMENTS).local_set(place);
    code.open();
    code.local_get(argument).local_get(next).i32_ge_u().br_if(0);
    code.repeat(|code| {
        code.field(argument, 0).local_set(kind);
        code.local_get(place).local_get(argument).i64_load(at(4)).i64_store(at(0));
        let of_kind = |code: &mut InstructionSink<'_>, wanted: u32| {
            let wanted = i32::try_from(wanted).unwrap_or_default();
            code.local_get(kind).i32_const(wanted).i32_eq();
        };
        of_kind(code, kinds::DATA);
        code.when(|code| {
            code.local_get(place).local_get(slot).field(argument, 4).i32_add();
            code.i32_const(SLOT_SCRIPT).i32_add().i32_store(at(0))
        });
        let out = |code: &mut InstructionSink<'_>| {
            code.field(argument, 4).i32_const(3).i32_shl().i32_const(OUT).i32_add();
        };
        of_kind(code, kinds::OUT);
        code.when(|code| {
            code.local_get(place);
            out(code);
            code.i32_store(at(0))
        });
        of_kind(code, kinds::CONTEXT);
        code.when(|code| code.local_get(place).local_get(context).i32_store(at(0)));
        of_kind(code, kinds::VALUE);
        code.when(|code| {
            code.local_get(place);
            out(code);
            code.i64_load(at(0)).i64_store(at(0))
        });
        of_kind(code, kinds::PARENT);
        code.when(|code| code.local_get(place).global_get(PARENT).i32_store(at(0)));
        code.advance(place, 8);
        code.advance(argument, ARGUMENT_BYTES);
        code.local_get(argument).local_get(next).i32_lt_u()
    });
    code.end();
    code.local_get(slot).local_get(callback).local_get(count).field(step, 8);
    code.field(step, 8).call(Own::Invoke.index(functions));
    code.field(step, 12).call(Own::Record.index(functions))
}
