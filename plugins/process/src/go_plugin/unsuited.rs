//! What is wrong with a file that the kernel would not run.
//!
//! For the message of a start that failed: nobody decides by it.

use std::env::consts::ARCH;

/// Why these bytes are no program for this machine, where that can be told from their start.
pub(crate) fn unsuited(artifact: &[u8]) -> Option<String> {
    match artifact {
        [] => Some("the file is empty".to_owned()),
        [0x7f, b'E', b'L', b'F', rest @ ..] => elf(rest),
        [b'#', b'!', ..] => None,
        [0, b'a', b's', b'm', ..] => {
            Some("the file is a Wasm module: say `backend: wasm`".to_owned())
        }
        [b'M', b'Z', ..] => Some("the file is a program for Windows".to_owned()),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            Some("the file is a program for macOS".to_owned())
        }
        _ => Some("the file is neither an ELF program nor a script that begins with #!".to_owned()),
    }
}

/// Reads the head behind its mark: word size, byte order, and at 16 and 18 kind and machine.
fn elf(head: &[u8]) -> Option<String> {
    let half = |at: usize| -> Option<u16> {
        let bytes = [*head.get(at)?, *head.get(at + 1)?];
        Some(match head.get(1)? {
            2 => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        })
    };
    let (Some(kind), Some(number)) = (half(12), half(14)) else {
        return Some("the file is the start of an ELF file and nothing more".to_owned());
    };
    let machine = machine(number);
    if machine != Some(ARCH) {
        let found = machine.map_or_else(|| format!("machine number {number}"), str::to_owned);
        return Some(format!("the file is an ELF file for {found}, and this is {ARCH}"));
    }
    match kind {
        // A program at its own address, or one that may lie anywhere, as libraries do.
        2 | 3 => None,
        _ => Some("the file is an ELF file, but no program".to_owned()),
    }
}

fn machine(number: u16) -> Option<&'static str> {
    Some(match number {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
