//! Standard output and error: lines of the plugin's log.
//!
//! Envoy makes an entry of every write. Runtimes write a line in pieces, so here a line is
//! what a newline ends, or the end of the callback.

use abi_wasm::preview1::{FAULT, INVAL};
use host_extension::LogLevel;
use wasmtime::{Caller, Linker};

use super::{Answer, answer, output_only, write};
use crate::{calls::Call, memory, state::VmData};

/// Most parts of one write.
const PARTS_MAX: u32 = 1024;
/// Most bytes of one write.
const BYTES_MAX: usize = 64 * 1024;
/// Bytes of a line's buffer that stay for the next one.
const LINE_BYTES_KEPT: usize = 256;
const STANDARD_OUTPUT: u32 = 1;
const STANDARD_ERROR: u32 = 2;
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

/// Writes lines to the log. What has no newline yet waits for it, at most until the callback
/// ends. Only so many bytes are taken of one write: the guest writes the rest again, in its
/// own time.
fn write_lines(call: &mut Call<'_>, fd: u32, (parts, count): (u32, u32), written: u32) -> Answer {
    output_only(fd)?;
    if count > PARTS_MAX {
        return Err(INVAL);
    }
    let (memory, data) = call.split();
    memory::read(memory, written, 4).ok_or(FAULT)?;
    for index in 0..count {
        part(memory, parts, index).ok_or(FAULT)?;
    }
    let mut total = 0;
    for index in 0..count {
        let part = part(memory, parts, index).ok_or(FAULT)?;
        let taken = part.get(..BYTES_MAX - total).unwrap_or(part);
        data.write_output(fd, taken);
        total += taken.len();
    }
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    write(call, written, &total.to_le_bytes())
}

/// What was written to standard output and error since the last newline.
#[derive(Debug, Default)]
pub(crate) struct Output {
    out: Vec<u8>,
    error: Vec<u8>,
}

impl Output {
    fn of(&mut self, fd: u32) -> &mut Vec<u8> {
        if fd == STANDARD_OUTPUT { &mut self.out } else { &mut self.error }
    }

    fn is_empty(&self) -> bool {
        self.out.is_empty() && self.error.is_empty()
    }
}

impl VmData {
    /// Takes what a guest wrote to an output.
    fn write_output(&mut self, fd: u32, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // One byte past the limit is kept, so that the gate sees that something was cut.
            let kept_max = self.log_line_bytes_max().saturating_add(1);
            let line = self.output.of(fd);
            let room = kept_max.saturating_sub(line.len());
            line.extend_from_slice(text.get(..room).unwrap_or(text));
            if ended {
                self.end_line(fd);
            }
        }
    }

    /// Writes what waits for its newline.
    #[inline]
    pub(crate) fn flush_output(&mut self) {
        if self.output.is_empty() {
            return;
        }
        self.end_line(STANDARD_OUTPUT);
        self.end_line(STANDARD_ERROR);
    }

    fn end_line(&mut self, fd: u32) {
        if self.output.of(fd).is_empty() {
            return;
        }
        let mut line = std::mem::take(self.output.of(fd));
        let level = if fd == STANDARD_OUTPUT { LogLevel::Info } else { LogLevel::Error };
        self.write_line(level, &line);
        line.clear();
        line.shrink_to(LINE_BYTES_KEPT);
        *self.output.of(fd) = line;
    }
}

fn part(memory: &[u8], parts: u32, index: u32) -> Option<&[u8]> {
    let at = parts.checked_add(index.checked_mul(8)?)?;
    let ptr = memory::read_u32(memory, at)?;
    let len = memory::read_u32(memory, at.checked_add(4)?)?;
    memory::read(memory, ptr, len)
}
