//! CPU per request beside peers in one run.
