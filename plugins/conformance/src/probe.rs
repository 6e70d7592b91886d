//! The probe: a Proxy-Wasm module without any SDK, which does what a script says.
//!
//! It is written here instruction by instruction, so that nothing stands between a case and
//! the host: no runtime, no allocator that asks for more, no library that reads a status and
//! panics. It imports every host function of one version of the interface, exports every
//! callback, and in each callback carries out the calls that its script has for it and keeps
//! what came back. A later request fetches what was kept.
//!
//! Requests speak to it by fields whose values are hexadecimal: see [`fields`]. Start reading
//! at [`module`].

mod callbacks;
mod code;
mod functions;
mod interpreter;
mod layout;

use abi_wasm::AbiVersion;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, FunctionSection,
    GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType, Module, ValType,
};

use self::{functions::Types, layout::MEMORY_PAGES};
pub(crate) use self::{
    functions::{Functions, Special},
    interpreter::{ARGUMENT_BYTES, SCRIPT_HEAD_BYTES, STEP_BYTES, kinds},
    layout::{
        ENTERED, OUT_BYTES, RECORD_BYTES, SCRIPT_BYTES_MAX, SLOTS_KEPT, UNTOUCHED, VALUE_BYTES_MAX,
    },
};

/// The request fields that the probe understands.
pub(crate) mod fields {
    /// The script of this stream.
    pub(crate) const SCRIPT: &str = "x-probe-script";
    /// The script of the root contexts, from now on.
    pub(crate) const ROOT: &str = "x-probe-root";
    /// The script of the stream or connection whose context is made next.
    pub(crate) const ARM: &str = "x-probe-arm";
    /// Answer with what was kept under this tag: 200 and the records, or 404.
    pub(crate) const FETCH: &str = "x-probe-fetch";
}

/// The probe for one version of the interface. `start` is the script of its root contexts
/// until a request brings another one.
pub(crate) fn module(version: AbiVersion, start: &[u8]) -> Vec<u8> {
    let functions = Functions::of(version);
    let mut types = Types::default();
    let mut imports = ImportSection::new();
    for import in functions.imports() {
        let shape = types.of(import.params(), import.answers());
        imports.import(import.module, import.name(), EntityType::Function(shape));
    }
    let mut defined = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut exports = ExportSection::new();
    let parts = interpreter::functions(&functions).into_iter();
    for part in parts.chain(callbacks::functions(&functions, version)) {
        defined.function(types.of(part.params, part.answers));
        code.function(&part.body);
        if let Some((name, index)) = part.export {
            exports.export(&name, ExportKind::Func, index);
        }
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&types.section());
    module.section(&imports);
    module.section(&defined);
    module.section(&memory());
    module.section(&globals());
    module.section(&exports);
    module.section(&code);
    module.section(&data(start));
    module.finish()
}

fn memory() -> MemorySection {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: MEMORY_PAGES,
        maximum: Some(MEMORY_PAGES),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    memories
}

fn globals() -> GlobalSection {
    let mut globals = GlobalSection::new();
    let kind = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    for first in layout::GLOBALS {
        globals.global(kind, &ConstExpr::i32_const(first));
    }
    globals
}

fn data(start: &[u8]) -> DataSection {
    let mut data = DataSection::new();
    for (at, name) in layout::NAMES {
        data.active(0, &ConstExpr::i32_const(at), name.bytes());
    }
    let root = start.iter().take(SCRIPT_BYTES_MAX).copied();
    data.active(0, &ConstExpr::i32_const(layout::ROOT_SLOT + layout::SLOT_SCRIPT), root);
    // The tag stands at the script's beginning, too; the slot's own copy is what is searched.
    let length = i32::try_from(start.len().min(SCRIPT_BYTES_MAX)).unwrap_or_default();
    let tag = start.iter().take(4).copied();
    data.active(0, &ConstExpr::i32_const(layout::ROOT_SLOT + layout::SLOT_TAG), tag);
    let length = length.to_le_bytes();
    data.active(0, &ConstExpr::i32_const(layout::ROOT_SLOT + layout::SLOT_SCRIPT_LEN), length);
    data
}

#[cfg(test)]
mod tests;
