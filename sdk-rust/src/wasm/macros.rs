//! What of a module only the plugin's own crate can export.

/// The exports of a Proxy-Wasm module that only the last crate can make: how it starts, and a
/// section that says which callbacks its plugins want.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_wasm {
    () => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn _initialize() {
                $crate::wasm::start(mortise_plugin());
            }

            #[unsafe(link_section = "mortise.phases")]
            #[used]
            static PHASES: [u8; 2] = mortise_plugin().phases().bits().to_le_bytes();
        };
    };
}
