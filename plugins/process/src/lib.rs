//! The process backend: plugins as supervised gRPC child processes.
