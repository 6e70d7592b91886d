//! `plugin.toml`: what a plugin is, where it can stand, and its artifacts.
//!
//! A plugin's package is a directory with this file and the artifacts that it names. An operator
//! names the directory and a backend; the manifest says which file that is and how it is
//! started. Text in, values out: nothing here opens a file. Start reading at
//! [`Manifest::parse`]; what a plugin asks to be allowed is a [`Permission`].
//!
//! ```
//! let manifest = abi_manifest::Manifest::parse(r#"
//!     schema = 1
//!     permissions = ["headers.request.write:x-*", "log"]
//!     [plugin]
//!     name = "greet"
//!     version = "1.0.0"
//!     security = true
//!     [[provides]]
//!     point = "stream_filter"
//!     phases = ["request_headers"]
//!     [[artifact]]
//!     backend = "wasm"
//!     file = "greet.wasm"
//! "#)?;
//! let artifact = manifest.artifact("wasm", abi_manifest::PLATFORM)?;
//! assert_eq!(artifact.file, "greet.wasm");
//! assert!(manifest.is_security && manifest.permissions.len() == 2);
//! # Ok::<(), abi_manifest::ManifestError>(())
//! ```

mod manifest;
mod permission;

pub use permission::{
    Argument, Capability, PERMISSION_BYTES_MAX, Pattern, PatternError, Permission, PermissionError,
};

pub use manifest::{
    ArtifactEntry, Backend, FILE_NAME, GoPlugin, MANIFEST_BYTES_MAX, Manifest, ManifestError,
    PLATFORM, Phase, Point, Provided,
};
