//! From an address in a module to functions and lines, where it was built with debug
//! information (DWARF).
//!
//! That information is the guest's and may be anything, and it is read on a worker's thread
//! while its other streams wait: so it is bounded when the module is loaded, it is read only
//! when a guest fails, each address only once, and no worker waits for another one that reads.

use std::{collections::HashMap, fmt, sync::Arc};

use addr2line::{
    Context,
    gimli::{Dwarf, EndianSlice, LittleEndian, SectionId},
};
use parking_lot::Mutex;
use wasmparser::{Parser, Payload};

/// The debug information of one module.
pub(crate) struct Lines {
    /// Sections by name.
    sections: HashMap<&'static str, Box<[u8]>>,
    /// Where the code begins, from which addresses count.
    code_start: usize,
    /// Never held while something is read.
    known: Mutex<HashMap<usize, Arc<[Place]>>>,
    /// Who holds it reads.
    turn: Mutex<()>,
}

/// A function with the line that runs; of functions that were compiled into another one each
/// has its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// As its compiler names it.
    pub(crate) function: Option<String>,
    /// The path as the compiler saw it, and the line.
    pub(crate) line: Option<(String, u32)>,
}

/// The sections that lines and names are read from.
const SECTIONS: [SectionId; 11] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];
/// Bytes of all sections; more are not kept. A guest of Rust or C++ has a few million.
const BYTES_MAX: usize = 32 << 20;
/// Bytes of the lines alone: each can come to many bytes of ours when it is read.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Addresses that are looked up in the life of a module. A guest fails in a few places.
const KNOWN_MAX: usize = 512;
/// Functions of one address.
const PLACES_MAX: usize = 8;

impl Lines {
    /// Takes the debug information out of a module; `None` without any, or with too much.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut sections = HashMap::new();
        let mut code_start = None;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.ok()?;
            if let Payload::CodeSectionStart { range, .. } = payload {
                code_start = Some(range.start);
            } else if let Payload::CustomSection(section) = payload
                && let Some(id) = SECTIONS.iter().find(|id| id.name() == section.name())
            {
                sections.insert(id.name(), section.data().into());
            }
        }
        let lines = Self {
            sections,
            code_start: code_start?,
            known: Mutex::default(),
            turn: Mutex::default(),
        };
        (lines.has_any() && lines.is_bounded()).then_some(lines)
    }

    /// The places of each address, the innermost one first. Where another worker is reading,
    /// those of addresses that are not known yet are left out.
    pub(crate) fn places(&self, addresses: &[usize]) -> Vec<Arc<[Place]>> {
        let known = |address: &usize| self.known.lock().get(address).cloned();
        if addresses.iter().any(|address| known(address).is_none())
            && let Some(_turn) = self.turn.try_lock()
        {
            self.learn(addresses);
        }
        addresses.iter().map(|address| known(address).unwrap_or_default()).collect()
    }

    /// Looks the addresses up that are not known yet, while there is room for them.
    fn learn(&self, addresses: &[usize]) {
        // One reading serves all frames of a fault.
        let mut context = None;
        for address in addresses {
            if !self.is_to_learn(*address) {
                continue;
            }
            let context = context.get_or_insert_with(|| self.context());
            let places = match context {
                Some(context) => self.look_up(context, *address).unwrap_or_default(),
                None => Vec::new(),
            };
            self.known.lock().insert(*address, places.into());
        }
    }

    fn is_to_learn(&self, address: usize) -> bool {
        let known = self.known.lock();
        known.len() < KNOWN_MAX && !known.contains_key(&address)
    }

    fn has_any(&self) -> bool {
        self.sections.contains_key(SectionId::DebugInfo.name())
    }

    fn is_bounded(&self) -> bool {
        let all: usize = self.sections.values().map(|section| section.len()).sum();
        let lines = self.section(SectionId::DebugLine).len();
        all <= BYTES_MAX && lines <= LINE_BYTES_MAX
    }

    fn section(&self, id: SectionId) -> &[u8] {
        self.sections.get(id.name()).map_or(&[], |section| section)
    }

    fn context(&self) -> Option<Context<EndianSlice<'_, LittleEndian>>> {
        let section = |id| Ok(EndianSlice::new(self.section(id), LittleEndian));
        let dwarf: Result<_, addr2line::gimli::Error> = Dwarf::load(section);
        Context::from_dwarf(dwarf.ok()?).ok()
    }

    fn look_up(
        &self,
        context: &Context<EndianSlice<'_, LittleEndian>>,
        address: usize,
    ) -> Option<Vec<Place>> {
        let address = u64::try_from(address.checked_sub(self.code_start)?).ok()?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            if places.len() >= PLACES_MAX {
                break;
            }
            let function =
                frame.function.and_then(|function| Some(function.raw_name().ok()?.into_owned()));
            let line = frame.location.and_then(|at| Some((at.file?.to_owned(), at.line?)));
            places.push(Place { function, line });
        }
        Some(places)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("code_start", &self.code_start).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
