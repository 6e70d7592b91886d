//! Standard output and error: lines of the plugin's log.

use abi_wasm::preview1::{FAULT, INVAL};
use host_extension::LogLevel;
use wasmtime::{Caller, Linker};

use super::{Answer, answer, output_only, write};
use crate::{calls::Call, memory, state::VmData};

/// Most parts of one write.
const PARTS_MAX: u32 = 1024;
/// The size of an open descriptor's description, and where its rights stand.
const FDSTAT_BYTES: usize = 24;
const FDSTAT_RIGHTS_AT: usize = 8;
const RIGHT_TO_WRITE: u8 = 64;

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, VmData>, fd: u32, parts: u32, count: u32, written: u32| {
            answer(caller, "fd_write", |call| write_lines(call, fd, (parts, count), written))
        },
    )?;
    linker.func_wrap(
        module,
        "fd_pwrite",
        |caller: Caller<'_, VmData>, fd: u32, parts: u32, count: u32, _at: u64, written: u32| {
            answer(caller, "fd_pwrite", |call| write_lines(call, fd, (parts, count), written))
        },
    )?;
    linker.func_wrap(
        module,
        "fd_fdstat_get",
        |caller: Caller<'_, VmData>, fd: u32, out: u32| {
            answer(caller, "fd_fdstat_get", |call| {
                output_only(fd)?;
                let mut stat = [0; FDSTAT_BYTES];
                stat[FDSTAT_RIGHTS_AT] = RIGHT_TO_WRITE;
                write(call, out, &stat)
            })
        },
    )?;
    Ok(())
}

/// All parts of one write are one line of the log; a newline at its end is not of it.
fn write_lines(call: &mut Call<'_>, fd: u32, (parts, count): (u32, u32), written: u32) -> Answer {
    output_only(fd)?;
    if count > PARTS_MAX {
        return Err(INVAL);
    }
    let (memory, data) = call.split();
    memory::read(memory, written, 4).ok_or(FAULT)?;
    // One byte past the limit is kept, so that the gate sees that something was cut off.
    let kept_max = data.log_line_bytes_max().saturating_add(1);
    let mut line = Vec::new();
    let mut total = 0_u32;
    for index in 0..count {
        let part = part(memory, parts, index).ok_or(FAULT)?;
        let length = u32::try_from(part.len()).map_err(|_wide| INVAL)?;
        total = total.checked_add(length).ok_or(INVAL)?;
        let room = kept_max.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(part.get(..room).unwrap_or_default());
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    if !line.is_empty() {
        let level = if fd == 1 { LogLevel::Info } else { LogLevel::Error };
        data.write_line(level, line);
    }
    write(call, written, &total.to_le_bytes())
}

fn part(memory: &[u8], parts: u32, index: u32) -> Option<&[u8]> {
    let at = parts.checked_add(index.checked_mul(8)?)?;
    let ptr = memory::read_u32(memory, at)?;
    let len = memory::read_u32(memory, at.checked_add(4)?)?;
    memory::read(memory, ptr, len)
}
