//! A library for the tests whose abi_stable module is not ours: its tables have other fields.
#![expect(unsafe_code, reason = "exports by hand what no SDK would")]

use std::ffi::c_void;

use abi_native::{
    guest::mark,
    number::Kind,
    table::{Abi, Host, Plugin},
};
use abi_stable::{
    StableAbi,
    library::{
        __call_root_module_loader, CheckTypeLayout, LibHeader, RootModule, RootModuleResult,
    },
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
};

/// Has the name of our module, and another type.
#[repr(C)]
#[derive(Debug, StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ModuleRef)))]
pub struct Module {
    /// Takes a number where ours takes a table.
    #[sabi(last_prefix_field)]
    pub entry: extern "C" fn(u32) -> *const c_void,
}

impl RootModule for ModuleRef {
    abi_stable::declare_root_module_statics! {ModuleRef}
    const BASE_NAME: &'static str = "mortise_plugin";
    const NAME: &'static str = "mortise_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

extern "C" fn entry(_number: u32) -> *const c_void {
    std::ptr::null()
}

extern "C" fn construct() -> RootModuleResult {
    __call_root_module_loader(|| Module { entry }.leak_into_prefix())
}

/// abi_stable's header.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub static _1as_0lib_1header_0root_bmodule_bloader: LibHeader =
    // SAFETY: the constructor gives a prefix that was made of a `ModuleRef`.
    unsafe { LibHeader::from_constructor::<ModuleRef>(construct, CheckTypeLayout::Yes) };

/// The mark of a library in Rust.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub static mortise_plugin_abi: Abi = mark(Kind::Rust);

/// Not to be entered.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub extern "C" fn mortise_plugin_entry(_host: *const Host) -> *const Plugin {
    unreachable!("a library of another layout was entered")
}
