//! What the probe imports, and by which numbers scripts name it.

use abi_wasm::{AbiVersion, HostFunction, ParamType, preview1};
use wasm_encoder::{TypeSection, ValType};

/// The functions of WASI that the interface's text names, but for the one that never returns.
const PREVIEW1: [&str; 7] = [
    "fd_write",
    "clock_time_get",
    "random_get",
    "environ_sizes_get",
    "environ_get",
    "args_sizes_get",
    "args_get",
];

/// What a script can do besides host calls. The numbers follow those of the imports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Special {
    /// Let the callback answer with the argument.
    Answer,
    /// End with a trap.
    Trap,
    /// Never end.
    Spin,
    /// Let the allocator behave so from now on: 0 well, 1 it has nothing, 2 it answers with an
    /// address outside of the memory, 3 it logs a line first, 4 it traps.
    Allocator,
    /// Write the second argument, with all its bits, to the address that is the first.
    Poke,
    /// Nothing; the numbers that stay are kept in the record.
    Note,
}

impl Special {
    pub(super) const ALL: [Self; 6] =
        [Self::Answer, Self::Trap, Self::Spin, Self::Allocator, Self::Poke, Self::Note];
}

/// One import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    /// The module that it is imported from.
    pub(crate) module: &'static str,
    function: &'static HostFunction,
}

impl Import {
    pub(crate) fn name(&self) -> &'static str {
        self.function.name
    }

    pub(crate) fn params(&self) -> impl Iterator<Item = ValType> {
        self.function.params().map(|param| match param {
            ParamType::I32 => ValType::I32,
            ParamType::I64 => ValType::I64,
        })
    }

    pub(crate) fn answers(&self) -> bool {
        self.function.answers()
    }
}

/// The imports of one version's probe, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Functions(Vec<Import>);

impl Functions {
    /// Every host function of a version, and of WASI what its text names.
    pub(crate) fn of(version: AbiVersion) -> Self {
        let proxy = version.functions().map(|function| Import { module: "env", function });
        let [wasi, _older] = preview1::MODULES;
        let named = preview1::FUNCTIONS.iter().filter(|each| PREVIEW1.contains(&each.name));
        Self(proxy.chain(named.map(|function| Import { module: wasi, function })).collect())
    }

    pub(crate) fn imports(&self) -> &[Import] {
        &self.0
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The number of a host function.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let at = self.0.iter().position(|import| import.name() == name)?;
        u32::try_from(at).ok()
    }

    /// The number of a special.
    pub(crate) fn special(&self, special: Special) -> u32 {
        let at = Special::ALL.iter().position(|each| *each == special);
        self.count().saturating_add(u32::try_from(at.unwrap_or_default()).unwrap_or_default())
    }
}

/// The types of a module's functions, each once.
#[derive(Debug, Default)]
pub(super) struct Types(Vec<(Vec<ValType>, bool)>);

impl Types {
    /// The number of a type.
    pub(super) fn of(&mut self, params: impl IntoIterator<Item = ValType>, answers: bool) -> u32 {
        let wanted = (params.into_iter().collect(), answers);
        let at = self.0.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.0.push(wanted);
            self.0.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    pub(super) fn section(&self) -> TypeSection {
        let mut section = TypeSection::new();
        for (params, answers) in &self.0 {
            let result = answers.then_some(ValType::I32);
            section.ty().function(params.iter().copied(), result);
        }
        section
    }
}
