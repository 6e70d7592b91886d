//! The export as a Proxy-Wasm 0.2.1 module: for Mortise's sandbox, and for any other host of
//! that interface.
//!
//! A host calls the hooks in `exports`, which `module` leads to the plugin's instances and
//! filters; what those ask of the host goes through `host` to `imports`. Only the two outer
//! files touch the interface's pointers. What reads a protocol is led through `codec`, which is
//! the host's own and no part of Proxy-Wasm.
//!
//! The SDK speaks the interface itself. The `proxy-wasm` crate would not serve: it panics over
//! every refusal that it does not expect, so that a plugin could not survive a limit or a late
//! change; it wants to be told ahead whether streams or connections come; and it gives the
//! answer of a call to whom the host served when it was made. Start reading at [`start`].

mod codec;
#[cfg(target_family = "wasm")]
mod exports;
mod host;
#[cfg_attr(test, path = "wasm/fake.rs")]
mod imports;
#[cfg(target_family = "wasm")]
mod macros;
mod module;

#[cfg(target_family = "wasm")]
pub(crate) use self::host::http_call;
#[cfg(target_family = "wasm")]
use crate::{LogLevel, backend::Declaration};

/// Makes the module ready for its first root. Called once, by the export `_initialize` that
/// the macro `plugin!` makes.
#[cfg(target_family = "wasm")]
pub fn start(declaration: &'static Declaration) {
    exports::run_constructors();
    std::panic::set_hook(Box::new(|panic| {
        imports::log(LogLevel::Critical, &panic.to_string());
    }));
    module::declare(declaration);
}

#[cfg(test)]
mod tests;
