//! The abi_stable module of a library in Rust: the C entry, and by its type the layout of the
//! tables that go through it.
//!
//! Nothing of it is called but the entry. What counts is what abi_stable keeps of its type: names
//! and types of all fields of both tables, which the host compares with its own before it enters
//! the library. abi_stable refuses an implementation that knows less than the interface, which
//! is the wrong way round for a host that is newer than its plugin; so the host compares in both
//! directions ([`differences`]).

use std::ffi::c_void;

use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::check_layout_compatibility,
    library::{__call_root_module_loader, CheckTypeLayout, RootModule, RootModuleResult},
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
    type_layout::TypeLayout,
};

pub use abi_stable::library::LibHeader;

use crate::{
    guest::{self, Guest},
    table::{HostRef, PluginRef},
};

/// The module.
#[repr(C)]
#[derive(Debug, StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ModuleRef)))]
#[sabi(missing_field(panic))]
pub struct Module {
    /// The function that the library is entered by.
    pub entry: unsafe extern "C" fn(*const c_void) -> *const c_void,
    /// By its type, the layout of both tables; it does nothing.
    #[sabi(last_prefix_field)]
    pub tables: extern "C" fn(HostRef, PluginRef),
}

impl RootModule for ModuleRef {
    abi_stable::declare_root_module_statics! {ModuleRef}
    const BASE_NAME: &'static str = "mortise_plugin";
    const NAME: &'static str = "mortise_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// The header that a library exports under abi_stable's name for it.
#[must_use]
pub const fn header<G: Guest>() -> LibHeader {
    // SAFETY: the constructor gives a prefix that was made of a `ModuleRef`.
    unsafe { LibHeader::from_constructor::<ModuleRef>(construct::<G>, CheckTypeLayout::Yes) }
}

extern "C" fn construct<G: Guest>() -> RootModuleResult {
    __call_root_module_loader(|| {
        let entry = guest::entry_untyped::<G>;
        Module { entry, tables }.leak_into_prefix()
    })
}

extern "C" fn tables(_host: HostRef, _plugin: PluginRef) {}

/// The layout of the module as this host knows it.
#[must_use]
pub fn layout() -> &'static TypeLayout {
    <ModuleRef as StableAbi>::LAYOUT
}

/// Compares the layout of a library's module with one that is known, in both directions: who is
/// newer knows more fields.
///
/// # Errors
/// Neither fits the other; tells where they differ.
pub fn differences(known: &'static TypeLayout, found: &'static TypeLayout) -> Result<(), String> {
    let Err(newer) = check_layout_compatibility(known, found) else { return Ok(()) };
    check_layout_compatibility(found, known).map_err(|_older| newer.to_string())
}

#[cfg(test)]
mod tests;
