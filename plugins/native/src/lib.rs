//! The native backend: plugins as libraries.
