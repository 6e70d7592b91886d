//! The evil Wasm modules, as bytes. Their texts are in `tests/fixtures/evil`.

/// Each with its name.
const ALL: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// The module of a name, where there is one.
#[must_use]
pub fn module(name: &str) -> Option<&'static [u8]> {
    ALL.iter().find(|(known, _bytes)| *known == name).map(|(_name, bytes)| *bytes)
}

/// The names of all modules.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _bytes)| *name)
}
