//! The versions of Proxy-Wasm, and what each adds and drops.

use crate::{HIGRESS_EXTRAS, HostFunction, MOSN_ALIASES, higress, v0_1_0, v0_2_0, v0_2_1};

/// What the names of all marker functions begin with.
pub const MARKER_PREFIX: &str = "proxy_abi_version_";

/// A version of Proxy-Wasm that we speak.
///
/// A module says its version by exporting a function that is never called. The version does
/// not tell how many parameters a callback takes: modules in use mark themselves 0.1.0 and
/// have the callbacks of 0.2.0, so a host looks at the type of each export.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AbiVersion {
    /// 0.1.0
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.2.1
    V0_2_1,
}

impl AbiVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V0_1_0, Self::V0_2_0, Self::V0_2_1];

    /// The name of the marker function.
    #[must_use]
    pub fn marker(self) -> &'static str {
        match self {
            Self::V0_1_0 => v0_1_0::MARKER,
            Self::V0_2_0 => v0_2_0::MARKER,
            Self::V0_2_1 => v0_2_1::MARKER,
        }
    }

    /// The version that an exported name marks. Modules built for Higress have a marker of their
    /// own, and speak the newest version.
    #[must_use]
    pub fn from_marker(name: &str) -> Option<Self> {
        if name == higress::MARKER {
            return Some(Self::V0_2_1);
        }
        Self::ALL.into_iter().find(|version| version.marker() == name)
    }

    /// As people write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
        }
    }

    /// The host functions that the text of this version has.
    pub fn functions(self) -> impl Iterator<Item = &'static HostFunction> {
        let first: &[HostFunction] =
            if self == Self::V0_1_0 { v0_1_0::DROPPED_LATER } else { v0_2_0::ADDED };
        let last: &[HostFunction] = if self == Self::V0_2_1 { v0_2_1::ADDED } else { &[] };
        v0_1_0::KEPT.iter().chain(first).chain(last)
    }
}

/// The host functions of all versions, each once.
pub fn host_functions() -> impl Iterator<Item = &'static HostFunction> {
    [v0_1_0::KEPT, v0_1_0::DROPPED_LATER, v0_2_0::ADDED, v0_2_1::ADDED].into_iter().flatten()
}

/// All that a host offers to every module, whatever its version: the functions of all versions,
/// and what MOSN and Higress call theirs.
pub fn offered_functions() -> impl Iterator<Item = &'static HostFunction> {
    host_functions().chain(MOSN_ALIASES).chain(HIGRESS_EXTRAS)
}

#[cfg(test)]
mod tests;
