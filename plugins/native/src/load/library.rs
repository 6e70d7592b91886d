//! Loading and entering a library. From here on its code runs.
#![expect(unsafe_code, reason = "the loader of the system, and functions of libraries")]

use std::{
    error::Error,
    fs::File,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, IntoRawFd, RawFd},
    ptr::NonNull,
};

use abi_native::{
    module,
    number::ENTRY_SYMBOL,
    table::{Entry, Host},
};
use abi_stable::library::{AbiHeaderRef, LibHeader, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::LoadError;
use crate::callbacks::Callbacks;

/// Never to be unloaded: code of it may run, or be registered, anywhere.
const RTLD_NODELETE: std::ffi::c_int = 0x1000;

/// A library that is loaded, for ever.
pub(super) struct Opened(ManuallyDrop<Library>);

impl Opened {
    /// Loads a sealed copy. Each copy is a library of its own.
    ///
    /// The loader of the system knows what it has loaded by the path, and would give the library
    /// of before to whoever comes with the number of a file that was closed since. So the file
    /// of a library that is loaded is never closed.
    pub(super) fn open(copy: File) -> Result<Self, LoadError> {
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
        // SAFETY: its constructors run. The operator allows this library, and what can be known
        // of it without running it was looked at.
        let opened = unsafe { Library::open(Some(path), flags) };
        let library = opened.map_err(|error| LoadError::Open(told(&error)))?;
        let _kept: RawFd = copy.into_raw_fd();
        Ok(Self(ManuallyDrop::new(library)))
    }

    /// Compares the layout of the tables that a library in Rust was built with.
    pub(super) fn check_layout(&self) -> Result<(), LoadError> {
        let missing = "it says that it has a module of abi_stable, and has none";
        let name = ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes();
        // SAFETY: a symbol of that name is such a header; abi_stable checks that it is one of
        // its own version before anything else is read.
        let header = unsafe { self.0.get::<AbiHeaderRef>(name) };
        let header = header.map_err(|_missing| LoadError::Entry(missing))?;
        let header: &'static LibHeader =
            header.upgrade().map_err(|error| LoadError::Layout(error.to_string()))?;
        let layout = header.layout().ok_or(LoadError::Entry("its module has no layout"))?;
        module::differences(module::layout(), layout).map_err(LoadError::Layout)
    }

    /// Enters it.
    pub(super) fn enter(&self, host: &'static Host) -> Result<Callbacks, LoadError> {
        // SAFETY: a symbol of that name is such a function, says the mark of the library.
        let entry = unsafe { self.0.get::<Entry>(ENTRY_SYMBOL.as_bytes()) };
        let entry = entry.map_err(|error| LoadError::Open(told(&error)))?;
        enter(*entry, host)
    }
}

/// The words of the system's loader.
fn told(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Enters a plugin by its function.
pub(super) fn enter(entry: Entry, host: &'static Host) -> Result<Callbacks, LoadError> {
    // SAFETY: the table lives for ever.
    let table = unsafe { entry(host) };
    let table = NonNull::new(table.cast_mut());
    let table = table.ok_or(LoadError::Entry("it does not serve this version of the proxy"))?;
    // SAFETY: the library says that this is its table, and it is never unloaded.
    Ok(unsafe { Callbacks::copy(table) }?)
}
