//! What a module says of itself, read before anything is compiled: large modules take long
//! to compile, and whoever gave us the wrong file should hear so at once, in words that say
//! what to do.

use std::collections::BTreeSet;

use abi_manifest::Capability;
use abi_wasm::{AbiVersion, MARKER_PREFIX, mosn, offered_functions, preview1};
use host_extension::Phases;
use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef};

use crate::{calls::ENV, codec::Dialect, hooks, uses};

/// What is known of a module that can be loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Facts {
    /// The newest version of the interface that it marks itself with.
    pub(crate) version: AbiVersion,
    /// The hooks that it has, and what of a stream they may want to read late.
    pub(crate) phases: Phases,
    /// By which interface it reads a protocol.
    pub(crate) codec: Dialect,
    /// Its contexts may have something to wait for at their end, so `proxy_on_done` is called.
    pub(crate) may_linger: bool,
    /// What its imports let it use.
    pub(crate) uses: Vec<Capability>,
}

/// Names in a message; more than that help nobody.
const NAMES_SHOWN_MAX: usize = 12;
/// The section by which a module says which hooks its plugins want, of all that their SDK
/// exports: the bits of [`Phases::NAMED`] in order, as two bytes, least first. A module with it
/// has nothing to wait for at the end of a context, since that SDK offers no way to: its
/// `proxy_on_done` is there for other hosts, and not called here.
const PHASES_SECTION: &str = "mortise.phases";
/// What guests compiled by Emscripten import beside the interface; see `calls`.
pub(crate) const RUNTIME_IMPORTS: [&str; 2] = ["pthread_equal", "emscripten_notify_memory_growth"];

#[derive(Default)]
struct Module<'a> {
    exports: BTreeSet<&'a str>,
    imports: BTreeSet<(&'a str, &'a str)>,
    unknown_imports: BTreeSet<(&'a str, &'a str)>,
    memories: Vec<MemoryType>,
    has_memory_export: bool,
    phase_sections: Vec<&'a [u8]>,
}

/// Reads a module.
///
/// # Errors
/// Why it cannot be loaded, as the end of a sentence that begins with the plugin's name.
pub(crate) fn inspect(bytes: &[u8], wanted: Option<Phases>) -> Result<Facts, String> {
    if !bytes.starts_with(b"\0asm") {
        return Err(not_wasm(bytes));
    }
    if Parser::is_component(bytes) {
        return Err("is a Wasm component, and Proxy-Wasm plugins are core modules: build it for \
                    the target wasm32-wasip1, without a component step"
            .to_owned());
    }
    let module = parse(bytes).map_err(|error| format!("is no valid Wasm module: {error}"))?;
    check_memories(&module)?;
    let version = version(&module)?;
    check_imports(&module)?;
    if !module.has_memory_export {
        return Err("exports no `memory`: build it with a Proxy-Wasm SDK".to_owned());
    }
    if !hooks::ALLOCATORS.iter().any(|name| module.exports.contains(name)) {
        return Err("exports neither `malloc` nor `proxy_on_memory_allocate`, so that the host \
                    cannot hand it any value: build it with a Proxy-Wasm SDK"
            .to_owned());
    }
    let asked = asked_phases(&module)?;
    let may_linger = module.phase_sections.is_empty();
    let phases = phases(&module, asked, wanted);
    let uses = uses::uses(module.imports.iter().map(|(_module, name)| *name), phases);
    let codec = Dialect::of(&module.exports);
    Ok(Facts { version, phases, codec, may_linger, uses })
}

fn not_wasm(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "is an empty file".to_owned();
    }
    if bytes.trim_ascii_start().starts_with(b"(module") {
        return "is Wasm text: translate it to binary first (`wat2wasm`)".to_owned();
    }
    "is no Wasm module (it does not begin with `\\0asm`): `source` must name a file that was \
     built for the target wasm32-wasip1"
        .to_owned()
}

fn parse(bytes: &[u8]) -> Result<Module<'_>, wasmparser::BinaryReaderError> {
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::ImportSection(imports) = payload {
            for import in imports.into_imports() {
                module.import(import?);
            }
        } else if let Payload::MemorySection(memories) = payload {
            for memory in memories {
                module.memories.push(memory?);
            }
        } else if let Payload::ExportSection(exports) = payload {
            for export in exports {
                module.export(export?);
            }
        } else if let Payload::CustomSection(section) = payload
            && section.name() == PHASES_SECTION
        {
            module.phase_sections.push(section.data());
        }
    }
    Ok(module)
}

impl<'a> Module<'a> {
    fn import(&mut self, import: wasmparser::Import<'a>) {
        let key = (import.module, import.name);
        if let TypeRef::Func(_) = import.ty
            && is_offered(import.module, import.name)
        {
            self.imports.insert(key);
            return;
        }
        if let TypeRef::Memory(memory) = import.ty {
            self.memories.push(memory);
        }
        self.unknown_imports.insert(key);
    }

    fn export(&mut self, export: wasmparser::Export<'a>) {
        if export.kind == ExternalKind::Func {
            self.exports.insert(export.name);
        } else if export.kind == ExternalKind::Memory {
            self.has_memory_export |= export.name == "memory";
        }
    }
}

fn is_offered(module: &str, name: &str) -> bool {
    if module == ENV {
        return offered_functions().any(|function| function.name == name)
            || RUNTIME_IMPORTS.contains(&name);
    }
    preview1::MODULES.contains(&module)
        && preview1::FUNCTIONS.iter().any(|function| function.name == name)
}

fn check_memories(module: &Module<'_>) -> Result<(), String> {
    if module.memories.iter().any(|memory| memory.shared) {
        return Err("uses shared memory, and a guest here has one thread: build it without \
                    threads and atomics"
            .to_owned());
    }
    if module.memories.iter().any(|memory| memory.memory64) {
        return Err("uses a 64-bit memory: build it for wasm32".to_owned());
    }
    Ok(())
}

fn version(module: &Module<'_>) -> Result<AbiVersion, String> {
    let known = module.exports.iter().filter_map(|name| AbiVersion::from_marker(name)).max();
    if let Some(version) = known {
        return Ok(version);
    }
    // For all but its codec, such a module is one of the first version.
    if module.exports.contains(mosn::CODEC_MARKER) {
        return Ok(AbiVersion::V0_1_0);
    }
    let spoken = AbiVersion::ALL.map(AbiVersion::label).join(", ");
    let other: Vec<_> =
        module.exports.iter().filter_map(|name| name.strip_prefix(MARKER_PREFIX)).collect();
    if other.is_empty() {
        return Err("is Wasm, but no Proxy-Wasm plugin (it exports no \
                    `proxy_abi_version_..`): build it with a Proxy-Wasm SDK"
            .to_owned());
    }
    let other = other.join(", ").replace('_', ".");
    Err(format!("is built for Proxy-Wasm {other}, and this host speaks {spoken}"))
}

fn check_imports(module: &Module<'_>) -> Result<(), String> {
    let unknown = &module.unknown_imports;
    if unknown.is_empty() {
        return Ok(());
    }
    let mut names: Vec<_> = unknown
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|(module, name)| format!("`{module}.{name}`"))
        .collect();
    if unknown.len() > NAMES_SHOWN_MAX {
        names.push(format!("and {} more", unknown.len() - NAMES_SHOWN_MAX));
    }
    Err(format!(
        "imports what this host does not offer: {}; it offers the functions of Proxy-Wasm \
         0.1.0 to 0.2.1 and of WASI preview 1",
        names.join(", ")
    ))
}

/// What the module says that its plugins want; all that there is, where it says nothing.
fn asked_phases(module: &Module<'_>) -> Result<Phases, String> {
    let bits = match module.phase_sections.as_slice() {
        [] => return Ok(Phases::ALL),
        [section] => <[u8; 2]>::try_from(*section).map(u16::from_le_bytes).map_err(|_other| {
            let length = section.len();
            format!(
                "has a section `{PHASES_SECTION}` of {length} bytes, and it has two: build it \
                 with the Mortise SDK, or leave the section out"
            )
        })?,
        many => {
            let count = many.len();
            return Err(format!(
                "has {count} sections `{PHASES_SECTION}`, and one says it all: `plugin!` stands \
                 once in a module"
            ));
        }
    };
    if bits >> Phases::NAMED.len() != 0 {
        return Err(format!(
            "asks for callbacks that this host does not know (section `{PHASES_SECTION}` is \
             {bits:#06x}): it was built with a newer SDK"
        ));
    }
    let named = Phases::NAMED.into_iter().enumerate();
    let asked = named.filter(|(place, _)| (bits >> place) & 1 == 1);
    Ok(asked.fold(Phases::NONE, |all, (_, (_, phase))| all | phase))
}

/// The hooks that the module has, that its plugins ask for and that are wanted.
fn phases(module: &Module<'_>, asked: Phases, wanted: Option<Phases>) -> Phases {
    let has = |name: &str| module.exports.contains(format!("proxy_on_{name}").as_str());
    let exported = |name: &str| match name {
        "close" => has("downstream_connection_close") || has("upstream_connection_close"),
        name => has(name),
    };
    let all = Phases::NAMED
        .into_iter()
        .filter(|(name, _)| exported(name))
        .fold(Phases::NONE, |all, (_, phase)| all | phase)
        .intersection(asked);
    wanted.map_or(all, |wanted| all.intersection(wanted))
}

#[cfg(test)]
mod tests;
