//! WASI preview 1: what language runtimes need to start, and nothing that reaches the world.
//!
//! No file, no socket, no argument, and of an environment what the configuration names.
//! Standard output and error go to the plugin's log, clocks and randomness are the host's; all
//! other functions are there, as runtimes import them, and refuse. Which error each answers is
//! what runtimes expect: some loop for ever on another one.
//!
//! The functions are ours and not those of wasmtime's WASI: those want the store to be sent
//! between threads, and some of them would block the worker.

mod environment;
mod output;
mod refuse;

use abi_manifest::Capability;
use abi_wasm::preview1::{BADF, FAULT, INVAL, MODULES, NOTSUP, SUCCESS};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Linker};

pub(crate) use self::output::Output;
use crate::{
    calls::{Call, wall_clock},
    fault::GuestExit,
    state::VmData,
};

/// What a function comes to; an error is its number.
type Answer = Result<(), i32>;

const WALL_CLOCK: u32 = 0;
const MONOTONIC_CLOCK: u32 = 1;
/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u32 = 65_536;

/// Links all functions, under both names of the module.
pub(crate) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    for module in MODULES {
        link_start(linker, module)?;
        environment::link(linker, module)?;
        link_clocks(linker, module)?;
        output::link(linker, module)?;
        refuse::link(linker, module)?;
    }
    Ok(())
}

/// Answers a call, and remembers it.
fn answer(
    caller: Caller<'_, VmData>,
    name: &'static str,
    answer: impl FnOnce(&mut Call<'_>) -> Answer,
) -> i32 {
    let mut call = Call::new(caller);
    let error = answer(&mut call).err().unwrap_or(SUCCESS);
    call.note(name, error.cast_unsigned());
    error
}

fn write(call: &mut Call<'_>, ptr: u32, bytes: &[u8]) -> Answer {
    call.write(ptr, bytes).map_err(|_outside| FAULT)
}

/// Arguments (there are none), and the end.
fn link_start(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "args_sizes_get",
        |caller: Caller<'_, VmData>, count: u32, size: u32| {
            answer(caller, "args_sizes_get", |call| {
                write(call, count, &[0; 4])?;
                write(call, size, &[0; 4])
            })
        },
    )?;
    linker.func_wrap(
        module,
        "args_get",
        |caller: Caller<'_, VmData>, _values: u32, _bytes: u32| {
            answer(caller, "args_get", |_call| Ok(()))
        },
    )?;
    linker.func_wrap(
        module,
        "proc_exit",
        |caller: Caller<'_, VmData>, code: u32| -> wasmtime::Result<()> {
            Call::new(caller).note("proc_exit", code);
            Err(GuestExit(code).into())
        },
    )?;
    Ok(())
}

fn link_clocks(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, VmData>, clock: u32, _precision: u64, out: u32| {
            answer(caller, "clock_time_get", |call| {
                let now = clock_time(call, clock)?;
                write(call, out, &now.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap(
        module,
        "clock_res_get",
        |caller: Caller<'_, VmData>, clock: u32, out: u32| {
            answer(caller, "clock_res_get", |call| {
                known_clock(clock)?;
                write(call, out, &1_u64.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap(module, "random_get", |caller: Caller<'_, VmData>, ptr: u32, len: u32| {
        answer(caller, "random_get", |call| random(call, ptr, len))
    })?;
    // Go's runtime polls for timers and stops where this fails.
    linker.func_wrap(
        module,
        "poll_oneoff",
        |caller: Caller<'_, VmData>, _in: u32, _out: u32, _count: u32, ready: u32| {
            answer(caller, "poll_oneoff", |call| write(call, ready, &[0; 4]))
        },
    )?;
    Ok(())
}

/// There are the wall clock and the monotonic one.
fn known_clock(clock: u32) -> Answer {
    if matches!(clock, WALL_CLOCK | MONOTONIC_CLOCK) { Ok(()) } else { Err(NOTSUP) }
}

/// The monotonic one never reads zero, which Go's runtime takes for a broken host. A clock that
/// is denied stands still.
fn clock_time(call: &Call<'_>, clock: u32) -> Result<u64, i32> {
    let calls = &*call.data().root.calls;
    match clock {
        WALL_CLOCK => Ok(wall_clock(calls)),
        MONOTONIC_CLOCK if calls.may(Capability::Clock).is_err() => Ok(1),
        MONOTONIC_CLOCK => {
            let now = clock_gettime(ClockId::Monotonic);
            let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
            let rest = u64::try_from(now.tv_nsec).unwrap_or_default();
            Ok(seconds.saturating_mul(1_000_000_000).saturating_add(rest).max(1))
        }
        _ => Err(NOTSUP),
    }
}

fn random(call: &mut Call<'_>, ptr: u32, len: u32) -> Answer {
    if len > RANDOM_BYTES_MAX {
        return Err(INVAL);
    }
    let may = call.data().root.calls.may(Capability::Random).is_ok();
    let (memory, data) = call.split();
    let range = crate::memory::guest_range(ptr, len, memory.len()).ok_or(FAULT)?;
    let bytes = memory.get_mut(range).ok_or(FAULT)?;
    if !may {
        // Runtimes that are told of a failure do not start.
        VmData::fill_fixed(&mut data.fixed_row, bytes);
        return Ok(());
    }
    getrandom::fill(bytes).map_err(|_no_source| abi_wasm::preview1::NOSYS)
}

/// True for standard output and error, the only descriptors that are open.
fn is_output(fd: u32) -> bool {
    matches!(fd, 1 | 2)
}

/// Refuses descriptors that are not open.
fn output_only(fd: u32) -> Answer {
    if is_output(fd) { Ok(()) } else { Err(BADF) }
}

#[cfg(test)]
mod tests;
