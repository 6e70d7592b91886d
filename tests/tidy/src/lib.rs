//! Rules of the house as tests: direction of crates, banned names, sizes.
