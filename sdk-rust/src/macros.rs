//! The macro that makes an artifact of a plugin: what it holds, and the exports by target and
//! feature.

/// Makes an artifact of one plugin or several. Stands once in the plugin's `lib.rs`.
///
/// ```
/// # use mortise_sdk::{Host, Plugin, Refusal};
/// # struct Greet;
/// # impl Plugin for Greet {
/// #     type Config = ();
/// #     fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> { Ok(Self) }
/// # }
/// mortise_sdk::plugin!(Greet);
/// # assert_eq!(mortise_plugin().plugins.len(), 1);
/// ```
///
/// Several plugins have names, by which the `root_id` of a use means one of them:
///
/// ```
/// # use mortise_sdk::{Host, Plugin, Refusal};
/// # struct Reader; struct Writer;
/// # impl Plugin for Reader {
/// #     type Config = ();
/// #     fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> { Ok(Self) }
/// # }
/// # impl Plugin for Writer {
/// #     type Config = ();
/// #     fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> { Ok(Self) }
/// # }
/// mortise_sdk::plugin! {
///     "reader" => Reader,
///     "writer" => Writer,
/// }
/// # assert_eq!(mortise_plugin().find("writer").map(|one| one.root_id), Ok("writer"));
/// ```
///
/// It makes the function `mortise_plugin`, which says what the artifact holds and is given to
/// `mortise_sdk::child::serve` by a child's `main`. For a Wasm target it exports a Proxy-Wasm
/// module, with the feature `native` a native library.
#[macro_export]
macro_rules! plugin {
    ($($root_id:literal => $plugin:ty),+ $(,)?) => {
        /// What this artifact holds.
        #[must_use]
        pub const fn mortise_plugin() -> &'static $crate::backend::Declaration {
            const DECLARATION: $crate::backend::Declaration = $crate::backend::Declaration {
                name: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                plugins: &[$($crate::backend::Registration::of::<$plugin>($root_id)),+],
            };
            &DECLARATION
        }

        $crate::__export_wasm!();
        $crate::__export_native!();
    };
    ($plugin:ty $(,)?) => {
        $crate::plugin! { "" => $plugin }
    };
}

/// The exports of a Proxy-Wasm module; nothing where the target is no Wasm.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_wasm {
    () => {};
}

/// The exports of a native library; nothing without the feature `native`.
#[cfg(any(not(feature = "native"), target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    () => {};
}
