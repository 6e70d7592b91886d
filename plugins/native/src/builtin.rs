//! Plugins that are compiled into the program.

use std::fmt;

use abi_native::table::Entry;

/// A plugin that is compiled in. It goes the way of a library from its entry on.
#[derive(Clone, Copy)]
pub struct Builtin {
    /// By which name a configuration means it.
    pub name: &'static str,
    /// The function that it is entered by; `mortise_sdk::native::entry_of!` makes one.
    pub entry: Entry,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builtin").field("name", &self.name).finish_non_exhaustive()
    }
}
