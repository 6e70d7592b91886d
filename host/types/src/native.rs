//! How native libraries are loaded.

use std::path::PathBuf;

/// What the configuration says of a plugin's library.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct NativeSettings {
    /// Where it runs.
    pub run_in: RunIn,
    /// Which libraries the operator allows; the same for all plugins.
    pub allow: Vec<NativeAllowed>,
}

/// Where a library runs.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RunIn {
    /// In the proxy: as fast as it gets, and trusted with everything.
    #[default]
    Proxy,
    /// In a confined child process.
    Runner,
}

/// What an operator allows to be loaded.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum NativeAllowed {
    /// The library with this SHA-256.
    Sha256([u8; 32]),
    /// All libraries below this directory, which only the operator should be able to write.
    Directory(PathBuf),
}
