//! What the file of a library says of it. Nothing of it runs: its constructors would, as soon as
//! it is loaded, and then it is too late for questions.

use abi_native::{
    number::{ABI_SYMBOL, ENTRY_SYMBOL, Kind, MAGIC, MAJOR},
    table::ABI_BYTES,
};
use object::{
    LittleEndian,
    elf::{self, FileHeader64, ProgramHeader64},
    read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader},
    read::{Object, ObjectSymbol},
};

use super::LoadError;

/// What a library's mark says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) kind: Kind,
}

/// The machine that this program was built for.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = elf::EM_AARCH64;
#[cfg(target_arch = "riscv64")]
const MACHINE: u16 = elf::EM_RISCV;
#[cfg(target_arch = "loongarch64")]
const MACHINE: u16 = elf::EM_LOONGARCH;

/// Libraries that every machine has which this proxy runs on; what else a library needs it has
/// to bring along itself.
const COMMON: [&str; 9] = [
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "libstdc++.so",
    "ld-linux",
    "libc.musl",
];

/// Most libraries that one may need; none of ours needs as many.
const NEEDED_MAX: usize = 32;

type Header = FileHeader64<LittleEndian>;

/// Reads a library.
///
/// # Errors
/// It is none, none for this machine, one that wants what no plugin gets, or none of ours.
pub(super) fn inspect(bytes: &[u8]) -> Result<Mark, LoadError> {
    check_ident(bytes)?;
    let header = Header::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let machine = header.e_machine.get(endian);
    if machine != MACHINE {
        let ours = std::env::consts::ARCH;
        return Err(elf(format!("it is for another machine ({}), not for {ours}", name(machine))));
    }
    let segments = header.program_headers(endian, bytes).map_err(damaged)?;
    let kind = header.e_type.get(endian);
    if kind != elf::ET_DYN {
        return Err(elf(format!("it is {}, no shared library", what(kind))));
    }
    check_segments(segments, endian)?;
    let entries = Dynamic::read(segments, endian, bytes)?;
    if entries.is_pie {
        return Err(elf("it is a program, no shared library"));
    }
    entries.check()?;
    mark(bytes)
}

/// The first bytes: ELF, 64 bits, least byte first.
fn check_ident(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.get(..6) {
        Some([0x7F, b'E', b'L', b'F', 2, 1]) => Ok(()),
        Some([0x7F, b'E', b'L', b'F', 1, _]) => Err(elf("it is for machines of 32 bits")),
        Some([0x7F, b'E', b'L', b'F', _, 2]) => Err(elf("it is for big-endian machines")),
        _ => Err(elf("it is no ELF file")),
    }
}

fn check_segments(
    segments: &[ProgramHeader64<LittleEndian>],
    endian: LittleEndian,
) -> Result<(), LoadError> {
    let is_writable_code = |it: &ProgramHeader64<LittleEndian>| {
        let flags = it.p_flags(endian);
        it.p_type(endian) == elf::PT_LOAD && flags & elf::PF_X != 0 && flags & elf::PF_W != 0
    };
    let stack = segments.iter().find(|it| it.p_type(endian) == elf::PT_GNU_STACK);
    if stack.is_none_or(|it| it.p_flags(endian) & elf::PF_X != 0) {
        return Err(elf("it wants a stack that code can run on (link it with `-z noexecstack`)"));
    }
    if segments.iter().any(is_writable_code) {
        return Err(elf("it has code that can be written"));
    }
    Ok(())
}

/// What the dynamic section says.
#[derive(Debug, Default)]
struct Dynamic {
    needed: Vec<String>,
    has_text_relocations: bool,
    is_pie: bool,
}

impl Dynamic {
    fn read(
        segments: &[ProgramHeader64<LittleEndian>],
        endian: LittleEndian,
        bytes: &[u8],
    ) -> Result<Self, LoadError> {
        let mut found = Self::default();
        let mut entries = None;
        for segment in segments {
            if let Some(it) = segment.dynamic(endian, bytes).map_err(damaged)? {
                entries = Some(it);
            }
        }
        let entries = entries.ok_or_else(|| elf("it has no dynamic section"))?;
        let value = |tag| entries.iter().find(|it| it.tag(endian) == tag).map(|it| it.val(endian));
        let names = value(elf::DT_STRTAB)
            .and_then(|at| behind(segments, endian, bytes, at))
            .ok_or_else(|| elf("it has no names"))?;
        for entry in entries {
            match entry.tag(endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => found.needed.push(text(names, entry.val(endian))?),
                elf::DT_TEXTREL => found.has_text_relocations = true,
                elf::DT_FLAGS if entry.val(endian) & u64::from(elf::DF_TEXTREL) != 0 => {
                    found.has_text_relocations = true;
                }
                elf::DT_FLAGS_1 if entry.val(endian) & u64::from(elf::DF_1_PIE) != 0 => {
                    found.is_pie = true
                }
                _ => {}
            }
            if found.needed.len() > NEEDED_MAX {
                return Err(elf(format!("it needs more than {NEEDED_MAX} other libraries")));
            }
        }
        Ok(found)
    }

    fn check(&self) -> Result<(), LoadError> {
        if self.has_text_relocations {
            return Err(elf("its code is changed as it is loaded (build it with `-fPIC`)"));
        }
        let is_common = |name: &&String| COMMON.iter().any(|common| name.starts_with(common));
        let others: Vec<_> = self.needed.iter().filter(|name| !is_common(name)).collect();
        if let Some(other) = others.first() {
            return Err(elf(format!(
                "it needs `{}`, which is no library that every machine has; link it statically",
                other.escape_debug(),
            )));
        }
        Ok(())
    }
}

/// The bytes of the file from an address on, as far as its segment goes.
fn behind<'a>(
    segments: &[ProgramHeader64<LittleEndian>],
    endian: LittleEndian,
    bytes: &'a [u8],
    address: u64,
) -> Option<&'a [u8]> {
    let segment = segments.iter().find(|it| {
        let start = it.p_vaddr(endian);
        let end = start.checked_add(it.p_filesz(endian));
        it.p_type(endian) == elf::PT_LOAD
            && start <= address
            && end.is_some_and(|end| address < end)
    })?;
    let data = segment.data(endian, bytes).ok()?;
    data.get(usize::try_from(address - segment.p_vaddr(endian)).ok()?..)
}

fn text(names: &[u8], at: u64) -> Result<String, LoadError> {
    let name = usize::try_from(at).ok().and_then(|at| names.get(at..));
    let name = name.and_then(|name| name.split(|byte| *byte == 0).next());
    let name = name.ok_or_else(|| elf("a name of it lies outside of the file"))?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Reads the mark, and looks for the function that the library is entered by.
fn mark(bytes: &[u8]) -> Result<Mark, LoadError> {
    let file = ElfFile64::<LittleEndian>::parse(bytes).map_err(damaged)?;
    let missing = |name: &str| {
        elf(format!("it exports no `{name}`, so it is no plugin (or its symbols are hidden)"))
    };
    let address = symbol(&file, ABI_SYMBOL).ok_or_else(|| missing(ABI_SYMBOL))?;
    symbol(&file, ENTRY_SYMBOL).ok_or_else(|| missing(ENTRY_SYMBOL))?;
    let header = file.elf_header();
    let endian = header.endian().map_err(damaged)?;
    let segments = header.program_headers(endian, bytes).map_err(damaged)?;
    let mark = behind(segments, endian, bytes, address);
    let mark = mark.and_then(|mark| mark.first_chunk::<ABI_BYTES>());
    let Some([magic @ .., a, b, c, d, e, f, g, h]) = mark else {
        return Err(elf(format!("its `{ABI_SYMBOL}` lies outside of the file")));
    };
    if *magic != MAGIC {
        return Err(elf(format!("its `{ABI_SYMBOL}` is no mark of ours")));
    }
    let (major, minor) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
    if major != MAJOR {
        let advice = if major > MAJOR { NEWER } else { OLDER };
        return Err(LoadError::Version { found: format!("{major}.{minor}"), advice });
    }
    // One of a newer minor version asks for what it has use for, and lives without.
    let kind = Kind::of(u32::from_le_bytes([*e, *f, *g, *h]));
    let kind = kind.ok_or_else(|| elf("its mark is of a kind that this proxy does not know"))?;
    Ok(Mark { kind })
}

const NEWER: &str = "take a newer proxy, or build the plugin for an older interface";
const OLDER: &str = "build the plugin anew";

/// The address of an exported symbol.
fn symbol(file: &ElfFile64<'_, LittleEndian>, name: &str) -> Option<u64> {
    let mut symbols = file.dynamic_symbols();
    let found = symbols.find(|it| it.is_definition() && it.name() == Ok(name))?;
    Some(found.address())
}

fn elf(what: impl Into<String>) -> LoadError {
    LoadError::Elf(what.into())
}

fn damaged(error: object::read::Error) -> LoadError {
    elf(format!("its ELF file is damaged: {error}"))
}

fn what(kind: u16) -> &'static str {
    match kind {
        elf::ET_EXEC => "a program",
        elf::ET_REL => "an object file that is not linked",
        elf::ET_CORE => "a core dump",
        _ => "of an unknown type",
    }
}

fn name(machine: u16) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_RISCV => "riscv64".to_owned(),
        elf::EM_LOONGARCH => "loongarch64".to_owned(),
        elf::EM_PPC64 => "powerpc64".to_owned(),
        elf::EM_S390 => "s390x".to_owned(),
        other => format!("number {other}"),
    }
}

#[cfg(test)]
mod tests;
