//! Rules of the house as tests: the direction of the crates, what must never be, sizes,
//! banned words, documents.
//!
//! Each rule is a function from a part of the tree to the list of what is wrong with it; a
//! test applies it to the real tree, and another one shows that it fails on a bad one. It
//! knows nothing of what the proxy does. Start reading at [`dependencies`], then [`sources`].

pub mod code;
pub mod dependencies;
pub mod documents;
pub mod sources;
pub mod tree;

#[cfg(test)]
mod tests;
