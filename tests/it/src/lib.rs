//! The end-to-end tests of the built proxy.
