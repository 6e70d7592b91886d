//! The mortise proxy: workers, reload, admin and the command line.
